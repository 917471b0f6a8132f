"""``augtune fit``: everything at once, for who wants no experiment file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from augtune.cli.inputs import PAIR, SEED, SET, TEXT, VIEW
from augtune.cli.steps import BASE_URL, BUDGET, LLM, REPLAY
from augtune.cli.tasks import ORDER, SEPARATOR, TASK, LabelOptions

if TYPE_CHECKING:
    from augtune.core.dataset import Dataset, HumanDataset

__all__ = ["COMMANDS", "hold_out"]

HELD_OUT_SHARE = 0.2


def fit(
    file: Path = typer.Argument(..., metavar="FILE", help="Labelled rows: a file or a folder.", show_default=False),
    label: str = typer.Option(..., "--label", metavar="COLUMN", help="Column of the label.", show_default=False),
    text: str = TEXT,
    text_pair: str = PAIR,
    view: str = VIEW,
    task: str = TASK,
    separator: str = SEPARATOR,
    order: str = ORDER,
    test: Path = typer.Option(None, "--test", metavar="FILE", help="Rows to measure on; else a fifth is held out."),
    llm: str = LLM,
    replay: Path = REPLAY,
    budget: str = BUDGET,
    base_url: str = BASE_URL,
    per_class: int = typer.Option(50, "--per-class", help="Rows the language model writes of each label."),
    encoder: str = typer.Option("bundled/minilm", "--encoder", help="A folder, bundled/minilm or a hub name."),
    recipe: str = typer.Option(None, "--recipe", help="By default dimp with a language model, vanilla without."),
    steps: int = typer.Option(300, "--steps", help="Optimizer steps."),
    settings: list[str] = SET,
    seed: int = SEED,
    out: Path = typer.Option(..., "--out", metavar="MODEL", help="Folder to save the model in.", show_default=False),
) -> None:
    """Train, measure and save a classifier in one go.

    Without a test file a fifth of each label's rows is held out and measured on. With --llm a language model adds rows
    to train on, and the model without them is measured too.

    Example: augtune fit tickets.csv --label intent --out model
    """
    from augtune.cli.inputs import human_splits, language_model
    from augtune.cli.steps import check_place, end_stopped, keep, trained
    from augtune.evaluation.metrics import BY_TASK, DEFAULT_METRICS
    from augtune.evaluation.scores import evaluate

    columns: dict[str, Any] = {"text": text, "label": label, "text_pair": text_pair}
    columns["told"] = LabelOptions(task, separator, order)
    splits = human_splits(file, **columns, view=view)
    human, held_out, told = splits.train, splits.test, f"measured on the test rows of {file}"
    if test is not None:
        held_out = human_splits(test, **columns, labels=human.labels).train.renamed("test")
        told = f"measured on {test}"
    elif held_out is None:
        human, held_out = hold_out(human, seed)
        told = f"measured on {len(held_out)} rows held out of {file}; they were not trained on"
    check_place(out)
    cache = out.with_name(f"{out.name}.cache.sqlite")
    model = language_model(llm, budget=budget, replay=replay, base_url=base_url, cache=cache)
    chosen: dict[str, Any] = {"encoder": encoder, "recipe": recipe or ("vanilla" if model is None else "dimp")}
    chosen["steps"] = steps
    rows: Dataset = human
    if model is not None:
        rows = human + _written(human, held_out, model, (per_class, encoder, seed))
    fitted = trained(rows, chosen, settings or (), seed=seed, out=out)
    metrics = BY_TASK.get(human.labels.task, DEFAULT_METRICS)
    scores = evaluate(fitted.predict(held_out), held_out, metrics)
    saved = keep(fitted, out)
    print(f"trained on {len(human)} human rows and {len(rows) - len(human)} synthetic ones: {fitted}")
    print(f"{told}:\n  {scores}")
    if model is not None and not fitted.was_stopped:
        plain = trained(human, {**chosen, "recipe": "vanilla"}, (), seed=seed)
        print(f"without the synthetic rows, recipe vanilla:\n  {evaluate(plain.predict(held_out), held_out, metrics)}")
        print("That is one seed each; augtune run compares over several and says what is beyond chance.")
    print(f"saved: {saved}")
    if fitted.was_stopped:
        end_stopped(fitted)


def _written(human: HumanDataset, held_out: HumanDataset, llm: Any, how: tuple[int, str, int]) -> Dataset:
    """Return the rows the language model wrote that are fit to train on, having said what became of the others."""
    from augtune.core.dataset import Splits
    from augtune.curation.base import curate
    from augtune.generation.base import generate

    per_class, encoder, seed = how
    made = generate(human, {"kind": "gpt3mix", "per_class": per_class}, llm=llm, seed=seed)
    print(f"generated: {made}")
    splits = Splits(human, None, held_out)
    clean = curate(made.dataset, ["dedup", "contamination"], human=human, splits=splits, encoder=encoder)
    print(f"curated: {clean}")
    return clean.dataset


def hold_out(rows: HumanDataset, seed: int) -> tuple[HumanDataset, HumanDataset]:
    """Return the rows to train on and a fifth of each label's rows to measure on; a label's only row is trained on.

    Where a row may have several labels, a fifth of all rows.
    """
    import numpy as np

    from augtune.core.errors import DataError
    from augtune.core.seeds import generator

    if rows.labels.has_many:
        taken = max(1, round(HELD_OUT_SHARE * len(rows)))
        order = generator(seed, "fit", "held out").permutation(len(rows))
        return rows.take(np.sort(order[taken:])), rows.take(np.sort(order[:taken])).renamed("held out")
    test: list[int] = []
    for k, label in enumerate(rows.labels):
        places = np.flatnonzero(rows.label_indices == k)
        taken = min(max(1, round(HELD_OUT_SHARE * len(places))), len(places) - 1) if len(places) else 0
        test += [int(i) for i in generator(seed, "fit", "held out", label).permutation(places)[:taken]]
    if not test:
        raise DataError(
            f"{rows.name}: no label has two rows, so none can be held out to measure on.",
            hint="Add rows, or name a file to measure on: --test FILE.",
        )
    left = sorted(set(range(len(rows))) - set(test))
    return rows.take(left), rows.take(sorted(test)).renamed("held out")


COMMANDS = (fit,)

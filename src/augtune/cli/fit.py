"""``augtune fit``: everything at once, for who wants no experiment file."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from augtune.cli.inputs import PAIR, SEED, SET, TEXT, VIEW
from augtune.cli.steps import BASE_URL, BUDGET, LLM, REPLAY
from augtune.cli.tasks import ORDER, SEPARATOR, TASK, LabelOptions

if TYPE_CHECKING:
    from augtune.core.dataset import Dataset, HumanDataset
    from augtune.experiment.fit import Made
    from augtune.model.fitted import Fitted

__all__ = ["COMMANDS"]

DROPPED = "dropped.jsonl"
CARD = "README.md"
PAGE = "decision.html"


def fit(
    file: Path = typer.Argument(..., metavar="FILE", help="Labelled rows: a file or a folder.", show_default=False),
    label: str = typer.Option(..., "--label", metavar="COLUMN", help="Column of the label.", show_default=False),
    text: str = TEXT,
    text_pair: str = PAIR,
    view: str = VIEW,
    task: str = TASK,
    separator: str = SEPARATOR,
    order: str = ORDER,
    synthetic: Path = typer.Option(None, "--synthetic", metavar="ROWS", help="Rows a language model wrote."),
    test: Path = typer.Option(None, "--test", metavar="FILE", help="Rows to measure on in the end, and for no more."),
    llm: str = LLM,
    replay: Path = REPLAY,
    budget: str = BUDGET,
    base_url: str = BASE_URL,
    per_class: int = typer.Option(
        None,
        "--per-class",
        help="Rows the language model writes of each label; by default 50, by need if classes are unbalanced.",
        show_default=False,
    ),
    encoder: str = typer.Option("bundled/minilm", "--encoder", help="A folder, bundled/minilm or a hub name."),
    recipe: str = typer.Option(None, "--recipe", help="Train by this recipe instead of choosing a way."),
    steps: int = typer.Option(300, "--steps", help="Optimizer steps of one full training."),
    choose: list[str] = typer.Option(
        None,
        "--choose",
        metavar="KEY=VALUE",
        help="How to choose, e.g. trainings=3 or 'exclude=[mix]'; may be repeated.",
    ),
    time: float = typer.Option(None, "--time", metavar="SECONDS", help="Try nothing more after this time."),
    settings: list[str] = SET,
    seed: int = SEED,
    out: Path = typer.Option(..., "--out", metavar="MODEL", help="Folder to save the model in.", show_default=False),
) -> None:
    """Make the best classifier of the rows there are, and say why.

    Ways of using human and synthetic rows are compared on human rows alone, by cross-validation; the best one is
    trained, if it is likely enough to be better, else human rows alone. With --llm a language model writes rows first.
    The model's folder gets a page that says why, decision.html. A command that was cut off carries on.

    Example: augtune fit tickets.csv --label intent --synthetic written.jsonl --out model
    """
    from augtune.cli.inputs import human_splits, language_model
    from augtune.cli.steps import check_place
    from augtune.core.errors import SettingsError

    if recipe is not None and (choose or time is not None):
        raise SettingsError(
            "--recipe: it takes the place of choosing, so --choose and --time have no effect; leave them out"
        )
    columns: dict[str, Any] = {"text": text, "label": label, "text_pair": text_pair}
    columns["told"] = LabelOptions(task, separator, order)
    splits = human_splits(file, **columns, view=view)
    human, held_out, told = splits.train, splits.test, f"measured on the test rows of {file}"
    if test is not None:
        held_out = human_splits(test, **columns, labels=human.labels).train.renamed("test")
        told = f"measured on {test}"
    check_place(out)
    model = language_model(llm, budget=budget, replay=replay, base_url=base_url, cache=_beside(out, "cache.sqlite"))
    made = _made(human, held_out, (synthetic, separator), model, (per_class, encoder, seed))
    train = {"encoder": encoder, "steps": steps}
    if recipe is not None:
        fitted = _forced(human, made, {**train, "recipe": recipe}, settings or (), (seed, out))
    else:
        limits = [] if time is None else [f"max_seconds={time}"]
        fitted = _chosen(human, made, (train, settings or (), [*(choose or ()), *limits]), seed, out)
    _finish(fitted, (human, made), (held_out, told), out)


def _beside(out: Path, what: str) -> Path:
    return out.with_name(f"{out.name}.{what}")


def _made(
    human: HumanDataset,
    held_out: HumanDataset | None,
    given: tuple[Path | None, str | None],
    llm: Any,
    how: tuple[int | None, str, int],
) -> Made:
    """Return the synthetic rows there are and that the language model writes, having said what became of others."""
    from augtune.cli.inputs import synthetic_rows
    from augtune.experiment.fit import Asked, Made, synthetic_for

    path, separator = given
    per_class, encoder, seed = how
    if path is None and llm is None:
        return Made()
    rows: Dataset | None = None if path is None else synthetic_rows(path, human, separator=separator)
    asked = Asked(None if per_class is None else {"kind": "gpt3mix", "per_class": per_class}, None, held_out)
    made = synthetic_for(human, rows, llm, asked, (encoder, seed))
    kept = 0 if made.rows is None else len(made.rows)
    reasons: dict[str, int] = {}
    for one in made.dropped:
        reasons[one.by] = reasons.get(one.by, 0) + 1
    told = "".join(f", {count:,} dropped by {by}" for by, count in reasons.items())
    print(f"synthetic rows: {kept:,} kept{told}" + ("" if llm is None else f" · {made.cost}"))
    return made


def _forced(human: HumanDataset, made: Made, chosen: dict[str, Any], settings: Any, place: tuple[int, Path]) -> Fitted:
    """Return the model of one recipe."""
    from augtune.cli.steps import trained

    seed, out = place
    rows = human if made.rows is None else human + made.rows
    return trained(rows, chosen, settings, seed=seed, out=out)  # type: ignore[no-any-return]


def _chosen(human: HumanDataset, made: Made, how: tuple[dict[str, Any], Any, Any], seed: int, out: Path) -> Fitted:
    """Return the model of the way that is chosen, its progress on the screen."""
    from augtune.choosing.settings import ChooseSettings
    from augtune.cli.screen import Screen
    from augtune.experiment.document import override
    from augtune.experiment.fit import chosen
    from augtune.experiment.store import RunFolder
    from augtune.training.settings import TrainSettings

    train, assignments, choosing = how
    settings = TrainSettings.parse(override(train, assignments), where="train")
    choose = ChooseSettings.parse(override({}, choosing), where="choose")
    work = _beside(out, "work")
    with Screen() as screen:
        work.mkdir(parents=True, exist_ok=True)
        store = RunFolder(work, "fit", screen)
        try:
            with store.claimed():
                return chosen(human, made, (settings, choose, seed), store, screen.stop())
        finally:
            if not (work / "stages").exists():  # nothing to carry on with
                shutil.rmtree(work, ignore_errors=True)


def _finish(
    fitted: Fitted, rows: tuple[HumanDataset, Made], held_out: tuple[HumanDataset | None, str], out: Path
) -> None:
    """Save the model with its card and page, and say what came out."""
    from augtune.cli.steps import end_stopped, keep, write_dropped
    from augtune.evaluation.metrics import BY_TASK, DEFAULT_METRICS
    from augtune.evaluation.scores import evaluate

    human, made = rows
    test, told = held_out
    count = 0 if made.rows is None else len(made.rows)
    saved = keep(fitted, out)
    lines = [f"trained on {len(human)} human rows and {count} synthetic ones: {fitted}"]
    if fitted.decision is not None:
        lines.append(str(fitted.decision))
    if test is not None:
        metrics = BY_TASK.get(human.labels.task, DEFAULT_METRICS)
        lines.append(f"{told}:\n  {evaluate(fitted.predict(test), test, metrics)}")
    if made.dropped:
        write_dropped(saved / DROPPED, made.dropped, human.labels)
    (saved / CARD).write_text(_card(fitted, lines), encoding="utf-8")
    print("\n".join(lines))
    print(f"saved: {saved}{_page(fitted, saved)}")
    shutil.rmtree(_beside(out, "work"), ignore_errors=True)
    if fitted.was_stopped:
        end_stopped(fitted)


def _page(fitted: Fitted, saved: Path) -> str:
    """Write the page that says why, and return words on where it is."""
    from augtune.core.errors import ExtraError
    from augtune.reporting.decision import decision_page

    if fitted.decision is None:
        return ""
    try:
        return f" · why: {decision_page(fitted.decision, saved / PAGE, title=saved.name)}"
    except ExtraError as error:
        sys.stderr.write(f"no {PAGE}: {error}\n")
        return ""


def _card(fitted: Fitted, lines: list[str]) -> str:
    """Return the model's card."""
    about = [f"# {fitted.name}", "", "A text classifier made by augtune.", "", *(f"- {line}" for line in lines)]
    about += ["", f"Labels: {fitted.labels}", "", "```python", "import augtune as at", ""]
    about += ['at.Fitted.load("FOLDER").predict(["a text"])', "```", ""]
    return "\n".join(about)


COMMANDS = (fit,)

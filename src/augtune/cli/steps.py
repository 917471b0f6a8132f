"""Commands that do one step on files: generate, curate, train."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from augtune.cli.inputs import LABEL, PAIR, SEED, SET, TEXT, VIEW
from augtune.cli.several import PROCESSES, start_several
from augtune.cli.tasks import ORDER, SEPARATOR, TASK, LabelOptions

if TYPE_CHECKING:
    from augtune.core.dataset import Dataset
    from augtune.core.labels import Labels
    from augtune.core.outcomes import Dropped
    from augtune.model.fitted import Fitted
    from augtune.training.tables import Checkers

__all__ = ["COMMANDS", "LLM", "end_stopped", "keep", "trained", "write_dropped"]

INTERRUPTED = 130
WEIGHTS = "weights.jsonl"

ROWS = typer.Argument(..., metavar="FILE", help="Human rows: csv, tsv, json, jsonl, parquet.", show_default=False)
LLM = typer.Option(None, "--llm", metavar="MODEL", help="The language model, PROVIDER/MODEL.")
BUDGET = typer.Option(None, "--budget", help="Most it may cost: '2 USD', '500 calls', '2M tokens'.")
REPLAY = typer.Option(None, "--replay", metavar="FILE", help="Answer from this recording; no network, no cost.")
BASE_URL = typer.Option(None, "--base-url", metavar="URL", help="Address of an OpenAI-compatible API.")


def generate(
    file: Path = ROWS,
    kind: str = typer.Option("gpt3mix", "--kind", help="The generator; see augtune ls generators."),
    settings: list[str] = SET,
    llm: str = LLM,
    replay: Path = REPLAY,
    budget: str = BUDGET,
    base_url: str = BASE_URL,
    sample: str = typer.Option("all", "--sample", help="Rows to work from, e.g. 10/class."),
    text: str = TEXT,
    label: str = LABEL,
    text_pair: str = PAIR,
    view: str = VIEW,
    task: str = TASK,
    separator: str = SEPARATOR,
    seed: int = SEED,
    out: Path = typer.Option(..., "--out", metavar="FILE", help="Where the new rows go (.jsonl).", show_default=False),
    dropped: Path = typer.Option(None, "--dropped", metavar="FILE", help="Where the rows not kept go, with reasons."),
) -> None:
    """Write synthetic rows from human ones.

    A language model writes them, or they are imported from a file that one wrote elsewhere. Replies are kept beside
    OUT, so the same command pays for nothing twice.

    Example: augtune generate train.csv --set per_class=50 --llm openai/gpt-4.1-mini --budget '1 USD' --out new.jsonl
    """
    from augtune.cli.inputs import cache_beside, human_splits, language_model
    from augtune.core.files import write_jsonl
    from augtune.data import sample as draw
    from augtune.experiment.document import override
    from augtune.generation import GENERATORS
    from augtune.generation.base import generate as make

    generator = GENERATORS.parse(override({"kind": kind}, settings or ()), where="generate")
    columns: dict[str, Any] = {"text": text, "label": label, "text_pair": text_pair, "view": view}
    human = draw(human_splits(file, **columns, told=LabelOptions(task, separator)).train, sample, seed=seed)
    model = language_model(llm, budget=budget, replay=replay, base_url=base_url, cache=cache_beside(out))
    made = make(human, generator, llm=model, seed=seed)
    write_jsonl(out, (row.to_json(human.labels) for row in made.dataset))
    write_dropped(dropped, made.dropped, human.labels)
    print(made)
    for name, missing in made.shortfall.items():
        print(f"{name}: {missing} fewer than asked for")
    print(f"written: {out}")


def curate(
    file: Path = typer.Argument(..., metavar="ROWS", help="Rows a language model wrote.", show_default=False),
    human: Path = typer.Option(..., "--human", metavar="FILE", help="The human training rows.", show_default=False),
    test: Path = typer.Option(
        None, "--test", metavar="FILE", help="The human test rows: a file or a folder with a test split."
    ),
    steps: list[str] = typer.Option(
        None, "--step", metavar="STEP", help="A step, e.g. dedup or '{kind: dedup, threshold: 0.95}'; may be repeated."
    ),
    encoder: str = typer.Option("bundled/minilm", "--encoder", help="Encoder that says how alike two texts are."),
    text: str = TEXT,
    label: str = LABEL,
    text_pair: str = PAIR,
    view: str = VIEW,
    task: str = TASK,
    separator: str = SEPARATOR,
    out: Path = typer.Option(..., "--out", metavar="FILE", help="Where the rows kept go (.jsonl).", show_default=False),
    dropped: Path = typer.Option(None, "--dropped", metavar="FILE", help="Where the others go, with reasons."),
) -> None:
    """Drop synthetic rows not fit to train on.

    By default those that repeat another row and, with --test, those that copy a test row.

    Example: augtune curate new.jsonl --human train.csv --test test.csv --out clean.jsonl --dropped dropped.jsonl
    """
    from augtune.cli.inputs import human_rows, human_splits, synthetic_rows
    from augtune.core.dataset import Splits
    from augtune.core.files import write_jsonl
    from augtune.curation.base import curate as apply
    from augtune.curation.base import parse_steps
    from augtune.experiment.document import value_of

    default = ["dedup", "contamination"] if test is not None else ["dedup"]
    asked = parse_steps([value_of(step) for step in steps or default], where="--step")
    columns: dict[str, Any] = {"text": text, "label": label, "text_pair": text_pair}
    columns["told"] = LabelOptions(task, separator)
    own = human_splits(human, **columns, view=view).train
    held_out = None if test is None else human_rows(test, "test", option="--test", **columns, labels=own.labels)
    rows = synthetic_rows(file, own, separator=separator)
    result = apply(rows, asked, human=own, splits=Splits(own, None, held_out), encoder=encoder)
    write_jsonl(out, (row.to_json(own.labels) for row in result.dataset))
    write_dropped(dropped, result.dropped, own.labels)
    print(result)
    print(f"written: {out}")


def train(
    context: typer.Context,
    file: Path = ROWS,
    synthetic: Path = typer.Option(None, "--synthetic", metavar="ROWS", help="Rows a language model wrote, to add."),
    validation: Path = typer.Option(
        None, "--validation", metavar="FILE", help="Human rows (file or folder) to choose weights on."
    ),
    encoder: str = typer.Option("bundled/minilm", "--encoder", help="A folder, bundled/minilm or a hub name."),
    recipe: str = typer.Option("vanilla", "--recipe", help="See augtune ls recipes."),
    steps: int = typer.Option(
        None, "--steps", help="Optimizer steps; 300 if neither these nor --set epochs=N are given."
    ),
    settings: list[str] = SET,
    seed: int = SEED,
    text: str = TEXT,
    label: str = LABEL,
    text_pair: str = PAIR,
    view: str = VIEW,
    task: str = TASK,
    separator: str = SEPARATOR,
    order: str = ORDER,
    out: Path = typer.Option(..., "--out", metavar="MODEL", help="Folder to save the model in.", show_default=False),
    processes: int = PROCESSES,
) -> None:
    """Train a classifier and save it as a folder.

    On human rows and, if given, synthetic ones. A long training writes checkpoints beside MODEL, and the same command
    carries on from them after a crash. Ctrl-C ends it after the step it is at and saves what there is.

    Example: augtune train train.csv --synthetic clean.jsonl --recipe dimp --out model
    """
    if start_several(processes, context):
        return

    from augtune.cli.inputs import human_rows, human_splits, synthetic_rows

    columns: dict[str, Any] = {"text": text, "label": label, "text_pair": text_pair}
    columns["told"] = LabelOptions(task, separator, order)
    human = human_splits(file, **columns, view=view).train
    select = None
    if validation is not None:
        select = human_rows(validation, "validation", option="--validation", **columns, labels=human.labels)
    rows: Dataset = human if synthetic is None else human + synthetic_rows(synthetic, human, separator=separator)
    check_place(out)
    chosen = {"encoder": encoder, "recipe": recipe, **({} if steps is None else {"steps": steps})}
    made: list[Checkers] = []
    on_checkers = made.append
    fitted = trained(rows, chosen, settings or (), seed=seed, validation=select, out=out, on_checkers=on_checkers)
    saved = keep(fitted, out)
    print(f"{fitted} · {len(human)} human rows, {len(rows) - len(human)} synthetic ones · {fitted.precision}")
    print(f"saved: {saved}")
    if fitted.weights is not None:
        print(f"weights: {fitted.weights} · {_write_weights(fitted, rows, made, saved / WEIGHTS)}")
    if fitted.was_stopped:
        if select is not None:
            from augtune.evaluation.scores import evaluate

            print(f"on the validation rows:\n  {evaluate(fitted.predict(select), select)}")
        end_stopped(fitted)


def trained(
    rows: Any,
    chosen: dict[str, Any],
    assignments: Sequence[str],
    *,
    seed: int,
    validation: Any = None,
    out: Path | None = None,
    on_checkers: Callable[[Checkers], None] | None = None,
) -> Any:
    """Return a classifier trained with the given settings and ``key=value`` changes, its progress on the screen.

    Args:
        rows: To train on.
        chosen: Settings.
        assignments: Changes to them.
        seed: Of the training.
        validation: To select on.
        out: Where the model will be saved: checkpoints lie beside it, and Ctrl-C ends training with what there is.
        on_checkers: Called with what the checkers say, where the recipe has any.
    """
    from augtune.cli.screen import Screen
    from augtune.experiment.document import override
    from augtune.training.running import Running
    from augtune.training.settings import TrainSettings

    settings = TrainSettings.parse(override(chosen, assignments), where="train")
    from augtune.training.train import train as fit

    about = f"{settings.recipe.kind} · {len(rows)} rows"
    with Screen() as screen:
        screen({"event": "stage-started", "stage": "train", "about": about})

        def on_step(step: int, of: int, loss: float) -> None:
            screen({"event": "progress", "stage": "train", "about": about, "step": step, "of": of})

        def on_note(sentence: str) -> None:
            screen({"event": "note", "stage": "train", "about": about, "message": sentence})

        running = Running(on_step=on_step, on_note=on_note, on_checkers=on_checkers)
        if out is not None:
            running = replace(
                running,
                folder=beside(out),
                about=out.name,
                logs=out.with_name(f"{out.name}.tracking"),
                stop=screen.stop(),
                when_stopped="keep",
            )
        fitted = fit(rows, validation=validation, seed=seed, settings=settings, running=running)
        screen({"event": "stage-done", "stage": "train", "about": about})
    return fitted


def _write_weights(fitted: Fitted, rows: Dataset, made: Sequence[Checkers], path: Path) -> Path:
    """Write what each synthetic row counted in training and what the checkers said of it, a row each."""
    from augtune.core.files import write_jsonl
    from augtune.training.tables import Checkers

    place = {name: i for i, name in enumerate(rows.ids)}
    weighed = rows.take([place[name] for name in fitted.weights.ids]) if fitted.weights is not None else rows
    checkers = made[0] if made else Checkers()
    write_jsonl(path, checkers.columns(weighed, fitted.weights))
    return path


def check_place(out: Path) -> None:
    """Refuse a place where no model can be saved, before the time is spent that it takes to train one."""
    from augtune.model.saved import check_place as check

    check(out)


def beside(out: Path) -> Path:
    """Return where the checkpoints of a model are until it is saved."""
    return out.with_name(f"{out.name}.checkpoints")


def keep(fitted: Fitted, out: Path) -> Path:
    """Save a model and remove its checkpoints, but for one that was stopped, whose training can be carried on."""
    from augtune.training.checkpoints import remove_checkpoints

    saved = fitted.save(out)
    if not fitted.was_stopped:
        remove_checkpoints(beside(out))
    return saved


def end_stopped(fitted: Fitted) -> None:
    """End the command whose training was stopped by hand."""
    sys.stdout.flush()
    sys.stderr.write(f"{fitted.kept}; the same command carries on from there and saves the model anew.\n")
    raise typer.Exit(INTERRUPTED)


def write_dropped(path: Path | None, dropped: Sequence[Dropped], labels: Labels) -> None:
    """Write dropped rows with who dropped them and why, if there is a place for them."""
    from augtune.core.files import write_jsonl

    if path is not None:
        write_jsonl(path, (row.to_json(labels) for row in dropped))


COMMANDS = (generate, curate, train)

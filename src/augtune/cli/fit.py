"""``augtune fit``: everything at once, for who wants no experiment file."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from augtune.cli.inputs import PAIR, SEED, SET, TEXT, VIEW
from augtune.cli.steps import BASE_URL, BUDGET, LLM, REPLAY
from augtune.cli.tasks import ORDER, SEPARATOR, TASK, LabelOptions

if TYPE_CHECKING:
    from augtune.choosing.settings import ChooseSettings
    from augtune.cli.screen import Screen
    from augtune.core.dataset import Dataset, HumanDataset
    from augtune.experiment.store import RunFolder
    from augtune.experiment.writing import Asked, Made
    from augtune.llm.client import LLM as Model
    from augtune.model.fitted import Fitted
    from augtune.training.settings import TrainSettings

__all__ = ["COMMANDS", "seconds_of"]

DROPPED = "dropped.jsonl"
ROWS = "synthetic.jsonl"
CARD = "README.md"
PAGE = "decision.html"
# Seconds in a unit of time.
UNITS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


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
    boost: list[str] = typer.Option(
        None,
        "--boost",
        metavar="KEY=VALUE",
        help="How rows are written by need, in rounds, e.g. rows=200 or rounds=2; may be repeated.",
    ),
    encoder: str = typer.Option("bundled/minilm", "--encoder", help="A folder, bundled/minilm or a hub name."),
    recipe: str = typer.Option(None, "--recipe", help="Train by this recipe instead of choosing a way."),
    steps: int = typer.Option(
        None, "--steps", help="Optimizer steps of one full training; 300 if neither these nor --set epochs=N are given."
    ),
    choose: list[str] = typer.Option(
        None,
        "--choose",
        metavar="KEY=VALUE",
        help="How to choose, e.g. trainings=3 or 'exclude=[mix]'; may be repeated.",
    ),
    time: str = typer.Option(
        None, "--time", metavar="TIME", help="Try nothing more after this time: seconds, or e.g. 90s, 5m, 1h."
    ),
    settings: list[str] = SET,
    seed: int = SEED,
    out: Path = typer.Option(..., "--out", metavar="MODEL", help="Folder to save the model in.", show_default=False),
) -> None:
    """Make the best classifier of the rows there are, and say why.

    Ways of using human and synthetic rows are compared on human rows alone, by cross-validation; the best one is
    trained, if it is likely enough to be better, else human rows alone. With --llm a language model writes rows first;
    its replies are kept beside MODEL, so that none is paid for twice. The model's folder gets a page that says why,
    decision.html. A command that was cut off carries on.

    Example: augtune fit tickets.csv --label intent --synthetic written.jsonl --out model
    """
    from augtune.cli.inputs import human_rows, human_splits, language_model, synthetic_rows
    from augtune.cli.steps import check_place
    from augtune.core.errors import SettingsError

    if recipe is not None and (choose or time is not None):
        raise SettingsError(
            "--recipe: it takes the place of choosing, so --choose and --time have no effect; leave them out"
        )
    if llm is None and replay is None:
        _refuse_idle({"--budget": budget, "--base-url": base_url, "--per-class": per_class, "--boost": boost or None})
    columns: dict[str, Any] = {"text": text, "label": label, "text_pair": text_pair}
    columns["told"] = LabelOptions(task, separator, order)
    splits = human_splits(file, **columns, view=view)
    if splits.validation is not None:
        sys.stderr.write(
            f"{file}: the {len(splits.validation):,} validation rows are not used: fit judges by folds of the training "
            "rows; put them into the training file to have them trained on\n"
        )
    human, held_out, told = splits.train, splits.test, f"measured on the test rows of {file}"
    if test is not None:
        held_out = human_rows(test, "test", option="--test", **columns, labels=human.labels).renamed("test")
        told = f"measured on {test}"
    check_place(out)
    limits = [] if time is None else [f"max_seconds={seconds_of(time)}"]
    how = _How(encoder, steps, recipe, settings or (), [*(choose or ()), *limits], seed)
    how.check(human)
    model = language_model(llm, budget=budget, replay=replay, base_url=base_url, cache=_beside(out, "cache.sqlite"))
    asked = _asked(per_class, boost or (), held_out, how.choose())
    rows = None if synthetic is None else synthetic_rows(synthetic, human, separator=separator)
    made = _made(human, rows, (model, asked), how, out)
    if recipe is not None:
        fitted = _forced(human, made, how, out)
    else:
        fitted = _chosen(human, made, how, out)
    _finish(fitted, (human, made), (held_out, told), out)


@dataclass(frozen=True)
class _How:
    """How is trained and chosen.

    Args:
        encoder: Its name.
        steps: Of one full training; None: what the settings say.
        recipe: What is trained by instead of choosing; None: it is chosen.
        settings: Changes to the training settings, as assignments.
        choosing: Changes to how is chosen, likewise.
        seed: Of everything drawn.
    """

    encoder: str
    steps: int | None
    recipe: str | None
    settings: Sequence[str]
    choosing: Sequence[str]
    seed: int

    def train(self) -> TrainSettings:
        """Return the training settings."""
        from augtune.experiment.document import override
        from augtune.training.settings import TrainSettings

        return TrainSettings.parse(override(self.plain(), self.settings), where="train")

    def plain(self) -> dict[str, Any]:
        """Return the training settings that have options of their own."""
        values = {"encoder": self.encoder, "steps": self.steps, "recipe": self.recipe}
        return {name: value for name, value in values.items() if value is not None}

    def check(self, human: HumanDataset) -> None:
        """Refuse what these rows cannot be trained or chosen with, before any is written."""
        from augtune.experiment.fit import check_choosable
        from augtune.training.checks import check_settings

        if self.recipe is None:
            check_choosable(human, self.train(), self.choose(), seed=self.seed)
        else:
            check_settings(self.train(), human.labels, has_validation=False)

    def choose(self) -> ChooseSettings:
        """Return how is chosen."""
        from augtune.choosing.settings import ChooseSettings
        from augtune.experiment.document import override

        return ChooseSettings.parse(override({}, self.choosing), where="choose")


def _refuse_idle(options: Mapping[str, Any]) -> None:
    """Refuse options that say how a language model writes rows where none does."""
    from augtune.core.errors import SettingsError

    problems = [
        f"{name}: says how a language model writes rows, and none is named" for name in options if options[name]
    ]
    if problems:
        raise SettingsError(problems, hint="Name one with --llm PROVIDER/MODEL, or leave it out.")


def _asked(per_class: int | None, boost: Sequence[str], test: HumanDataset | None, choose: ChooseSettings) -> Asked:
    """Return what a language model is to write, and what may not be trained on."""
    from augtune.choosing.boost import BoostSettings
    from augtune.core.errors import SettingsError
    from augtune.experiment.document import override
    from augtune.experiment.writing import Asked

    if per_class is not None and boost:
        raise SettingsError("--per-class and --boost both say how many rows are written; leave one of them out")
    wanted = BoostSettings.parse(override({}, boost), where="boost") if boost else None
    generate = None if per_class is None else {"kind": "gpt3mix", "per_class": per_class}
    return Asked(generate, None, test, wanted, choose.folds, choose.metric)


def seconds_of(time: str) -> float:
    """Return the seconds of a length of time."""
    from augtune.core.errors import SettingsError

    found = re.fullmatch(r"(\d+\.?\d*|\.\d+)\s*(s|m|min|h)?", time.strip())
    seconds = 0.0 if found is None else float(found[1]) * UNITS[found[2] or "s"]
    if seconds <= 0:
        raise SettingsError(f"--time: expected seconds above 0, or a length such as 90s, 5m or 1h; got {time!r}")
    return seconds


def _beside(out: Path, what: str) -> Path:
    return out.with_name(f"{out.name}.{what}")


@contextmanager
def _at_work(out: Path, screen: Screen) -> Iterator[RunFolder]:
    """Yield the folder that a command which is cut off carries on from; it is gone if there is nothing to carry on."""
    from augtune.experiment.store import RunFolder

    store = RunFolder(_beside(out, "work"), "fit", screen)
    with store.claimed():
        try:
            yield store
        finally:
            if not store.is_begun:
                store.remove()


def _forget_work(out: Path) -> None:
    """Remove the folder that a command which is cut off carries on from; one that is not ours, or in use, is left."""
    from augtune.core.errors import StorageError
    from augtune.experiment.store import RunFolder

    store = RunFolder(_beside(out, "work"), "fit")
    if store.path.exists():
        with suppress(StorageError), store.claimed():
            store.remove()


def _made(human: HumanDataset, given: Dataset | None, asking: tuple[Model | None, Asked], how: _How, out: Path) -> Made:
    """Return the synthetic rows there are and that the language model writes, having said what became of others."""
    from augtune.cli.screen import Screen
    from augtune.core.errors import BudgetError
    from augtune.experiment.writing import Made, synthetic_for

    model, asked = asking
    if given is None and model is None:
        return Made()
    try:
        with Screen() as screen, _at_work(out, screen) as store:
            made = synthetic_for(human, given, model, asked, (how.encoder, how.seed), store)
    except BudgetError as error:
        hint = "Every reply is kept: the same command with a higher --budget carries on from here, and with fewer rows"
        raise BudgetError(error.message, hint=f"{hint} (--per-class, --boost rows=N) takes those there are.") from error
    print("\n".join(_made_lines(made, model)))
    return made


def _made_lines(made: Made, model: Model | None) -> list[str]:
    """Return what is said of the synthetic rows: kept, dropped and why, what they cost, how they were written."""
    reasons = Counter(f"{one.by} ({one.reason})" if one.reason else one.by for one in made.dropped)
    told = "".join(f", {count:,} dropped by {by}" for by, count in reasons.most_common())
    cost = ""
    if model is not None:
        before = made.cost.calls - model.cost.calls
        cost = f" · {made.cost}" + (f", {before:,} of {made.cost.calls:,} calls paid for before" if before > 0 else "")
    lines = [f"synthetic rows: {0 if made.rows is None else len(made.rows):,} kept{told}{cost}"]
    return [*lines, *([] if made.boost is None else [str(made.boost)]), *made.notes]


def _forced(human: HumanDataset, made: Made, how: _How, out: Path) -> Fitted:
    """Return the model of one recipe."""
    from augtune.cli.steps import trained

    rows = human if made.rows is None else human + made.rows
    return trained(rows, how.plain(), how.settings, seed=how.seed, out=out)  # type: ignore[no-any-return]


def _chosen(human: HumanDataset, made: Made, how: _How, out: Path) -> Fitted:
    """Return the model of the way that is chosen, its progress on the screen."""
    from augtune.cli.screen import Screen
    from augtune.experiment.fit import chosen

    settings = how.train(), how.choose(), how.seed
    with Screen() as screen, _at_work(out, screen) as store:
        return chosen(human, made, settings, store, screen.stop())


def _finish(
    fitted: Fitted, rows: tuple[HumanDataset, Made], held_out: tuple[HumanDataset | None, str], out: Path
) -> None:
    """Save the model with its card and page, and say what came out."""
    from augtune.cli.steps import end_stopped, keep, write_dropped
    from augtune.core.files import write_jsonl
    from augtune.curation.contamination import leak_told
    from augtune.evaluation.metrics import BY_TASK, DEFAULT_METRICS
    from augtune.evaluation.scores import evaluate

    human, made = rows
    test, told = held_out
    count = 0 if made.rows is None else len(made.rows)
    leak = None if test is None else leak_told(human, test, who="the model has")
    if leak is not None and fitted.decision is not None:
        fitted = replace(fitted, decision=replace(fitted.decision, notes=(*fitted.decision.notes, leak)))
    saved = keep(fitted, out)
    lines = [f"trained on {len(human)} human rows and {count} synthetic ones: {fitted}"]
    if fitted.decision is not None:
        lines += [str(fitted.decision), *(note for note in fitted.decision.notes if note not in (*made.notes, leak))]
    if test is not None:
        metrics = BY_TASK.get(human.labels.task, DEFAULT_METRICS)
        lines.append(f"{told}:\n  {evaluate(fitted.predict(test), test, metrics)}")
    if leak is not None:
        lines.append(f"warning: {leak}")
    if made.dropped:
        write_dropped(saved / DROPPED, made.dropped, human.labels)
    if made.rows is not None:
        write_jsonl(saved / ROWS, (row.to_json(human.labels) for row in made.rows))
    (saved / CARD).write_text(_card(fitted, [*lines, *_written(made)]), encoding="utf-8")
    print("\n".join(lines))
    print(f"saved: {saved}{_page(fitted, saved)}")
    _forget_work(out)
    if fitted.was_stopped:
        end_stopped(fitted)


def _written(made: Made) -> list[str]:
    """Return what a card says of rows that a language model wrote."""
    if made.cost.calls + made.cost.cached == 0:
        return []
    kept = 0 if made.rows is None else len(made.rows)
    paid = f"{made.cost.calls:,} calls, {made.cost}"
    rows = f"a language model wrote rows ({paid}): {kept:,} kept in {ROWS}, {len(made.dropped):,} dropped"
    return [rows, *([] if made.boost is None else [str(made.boost)])]


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
    items = ("- " + line.replace("\n", "\n  ") for line in lines)
    about = [f"# {fitted.name}", "", "A text classifier made by augtune.", "", *items]
    about += ["", f"Labels: {fitted.labels}", "", "```python", "import augtune as at", ""]
    about += ['at.Fitted.load("FOLDER").predict(["a text"])', "```", ""]
    return "\n".join(about)


COMMANDS = (fit,)

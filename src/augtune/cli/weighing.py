"""The command that says what synthetic rows would count in a training: weigh."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from augtune.cli.inputs import LABEL, PAIR, SEED, SET, TEXT

if TYPE_CHECKING:
    from augtune.training.weigh import Weighing

__all__ = ["COMMANDS"]

BAR = 40
LONGEST_TEXT = 70
# Bins of the report's histogram that make one line here.
MERGED = 4


def weigh(
    file: Path = typer.Argument(..., metavar="ROWS", help="Rows a language model wrote.", show_default=False),
    human: Path = typer.Option(..., "--human", metavar="FILE", help="The human training rows.", show_default=False),
    recipe: str = typer.Option("imp", "--recipe", help="imp or quality, the recipe whose weights to show."),
    encoder: str = typer.Option("bundled/minilm", "--encoder", help="Encoder of the checkers."),
    ends: int = typer.Option(5, "--ends", min=0, help="How many of the heaviest and lightest rows to show."),
    settings: list[str] = SET,
    seed: int = SEED,
    text: str = TEXT,
    label: str = LABEL,
    text_pair: str = PAIR,
    out: Path = typer.Option(None, "--out", metavar="FILE", help="Write the rows with their scores here (.jsonl)."),
) -> None:
    """Say what rows a language model wrote would count in a training, before any.

    Checkers trained on the human and on the written rows judge every row's label; none judges a row that it saw. Shows
    how many rows the weights are worth, a histogram, and the heaviest and lightest rows: often those that are wrong.

    Example: augtune weigh new.jsonl --human train.csv --set recipe.gamma=0.5 --out weighed.jsonl
    """
    from augtune.cli.inputs import human_splits, synthetic_rows
    from augtune.core.files import write_jsonl
    from augtune.experiment.document import override
    from augtune.training.settings import TrainSettings

    chosen = TrainSettings.parse(override({"recipe": recipe, "encoder": encoder}, settings or ()), where="train")
    own = human_splits(human, text=text, label=label, text_pair=text_pair).train
    from augtune.training.weigh import weigh as judge

    found = judge(own + synthetic_rows(file, own), settings=chosen, seed=seed)
    print("\n".join(_told(found, ends)))
    if out is not None:
        scores = found.checkers.columns(found.rows, found.weights)
        rows = (row.to_json(own.labels) | one for row, one in zip(found.rows, scores, strict=True))
        write_jsonl(out, rows)
        print(f"\nwritten: {out}")


def _told(found: Weighing, ends: int) -> list[str]:
    checkers, report = found.checkers, found.report(ends)
    lines = [f"{len(found.rows)} rows worth {report.effective_size:.0f} · {found.weights}"]
    if checkers.quality_accuracy is not None:
        share = f"{checkers.quality_accuracy:.0%}"
        lines.append(f"the quality checker is right on {share} of the human rows, none of which it saw")
    lines += [f"note: {note}" for note in checkers.notes]
    lines += ["", *_histogram(found)]
    scores = {row["id"]: row for row in checkers.columns(found.rows)}
    for title, rows in (("heaviest", report.heaviest), ("lightest", report.lightest)):
        if rows:
            lines += ["", title]
        for row in rows:
            told = " · ".join(f"{name} {scores[row.id][name]:.2f}" for name in scores[row.id] if name != "id")
            shown = row.text if len(row.text) <= LONGEST_TEXT else f"{row.text[: LONGEST_TEXT - 1]}…"
            lines.append(f"  {row.weight:.2f}  {row.id} {shown!r} → {row.label} · {told}")
    return lines


def _histogram(found: Weighing) -> list[str]:
    """Return a line per range of weights: its ends, its rows and a bar."""
    from augtune.cli.tree import aligned
    from augtune.reporting.histogram import weight_histogram

    drawn = weight_histogram(found.weights.values.tolist())
    if drawn is None or len(set(found.weights.values.tolist())) == 1:
        return []
    starts = range(0, len(drawn.counts), MERGED)
    counts = [sum(drawn.counts[start : start + MERGED]) for start in starts]
    bars = ["▇" * -(-count * BAR // max(counts)) for count in counts]
    ends = [(drawn.edges[start], drawn.edges[min(start + MERGED, len(drawn.counts))]) for start in starts]
    return aligned(
        (f"{low:.3g} to {high:.3g}", f"{count}", bar)
        for (low, high), count, bar in zip(ends, counts, bars, strict=True)
    )


COMMANDS: tuple[Any, ...] = (weigh,)

"""The rows behind a run, each embedded once: what the page's row browser searches, filters and pages through."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

from augtune.reporting.read import RunView
from augtune.reporting.schema import RowRecord, WeightRecord

__all__ = ["WeighedRow", "WeighedRows", "browser_rows", "weighed_rows"]

ROW_LIMIT = 20_000
TEXT_LIMIT = 4_000


@dataclass(frozen=True, slots=True)
class WeighedRow:
    """A row with its weight, mean over seeds; ``text`` is None for a row that is not among the synthetic ones."""

    id: str
    text: str | None
    label: str
    weight: float
    quality: float | None
    diversity: float | None


@dataclass(frozen=True, slots=True)
class WeighedRows:
    """How many rows an arm weighs, the heaviest of them and the lightest, lightest first."""

    count: int
    heaviest: list[WeighedRow]
    lightest: list[WeighedRow]


def browser_rows(view: RunView) -> dict[str, Any]:
    """Return the kept and dropped rows of all arms as compact JSON.

    A row that several arms share is there once, with the places of its arms. A run with more than ``ROW_LIMIT``
    rows is thinned evenly, and a text longer than ``TEXT_LIMIT`` characters is cut; ``total`` and the cut text's
    length say so.

    Returns:
        ``{"arms": [...], "total": n, "rows": [[id, text, pair, label, by, reason, because, source, arms], ...]}``;
        ``by`` is empty for a kept row.
    """
    arms_of: dict[RowRecord, list[int]] = {}
    for place, arm in enumerate(view.arms):
        for row in (*view.kept(arm), *view.dropped(arm)):
            places = arms_of.setdefault(_key(row), [])
            if place not in places:
                places.append(place)
    rows = [_compact(row, places) for row, places in arms_of.items()]
    return {"arms": view.arms, "total": len(rows), "rows": _thinned(rows, ROW_LIMIT)}


def _key(row: RowRecord) -> RowRecord:
    # dicts cannot be hashed, and the page does not show soft labels
    return row.model_copy(update={"probabilities": None})


def _compact(row: RowRecord, places: list[int]) -> list[Any]:
    source = row.source_text or (f"from {', '.join(row.parents)}" if row.parents else "")
    texts = [_cut(text) for text in (row.text, row.text_pair or "")]
    return [row.id, *texts, row.label, row.by, row.reason, row.because, _cut(source), places]


def _cut(text: str) -> str:
    if len(text) <= TEXT_LIMIT:
        return text
    return f"{text[:TEXT_LIMIT]}… (cut: {len(text):,} characters, whole in the run folder)"


def _thinned(rows: list[Any], limit: int) -> list[Any]:
    if len(rows) <= limit:
        return rows
    return [rows[i * len(rows) // limit] for i in range(limit)]


def weighed_rows(view: RunView, arm: str, count: int = 5) -> WeighedRows:
    """Return an arm's heaviest and lightest rows, by their mean weight over seeds; no row is in both."""
    rows = sorted(_mean_weights(view.weights(arm)), key=lambda row: (-row.weight, row.id))
    kept = {row.id: row for row in view.kept(arm)}
    named = [replace(row, text=kept[row.id].text, label=kept[row.id].label) if row.id in kept else row for row in rows]
    heaviest = named[: min(count, (len(named) + 1) // 2)]
    lightest = named[len(heaviest) :][-count:][::-1]
    return WeighedRows(len(named), heaviest, lightest)


def _mean_weights(records: Iterable[WeightRecord]) -> list[WeighedRow]:
    by_id: dict[str, list[WeightRecord]] = {}
    for record in records:
        by_id.setdefault(record.id, []).append(record)
    return [
        WeighedRow(
            name,
            None,
            "",
            fmean(one.weight for one in found),
            _mean(one.quality for one in found),
            _mean(one.diversity for one in found),
        )
        for name, found in by_id.items()
    ]


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None

"""The rows behind a run, each embedded once: what the page's row browser searches, filters and pages through."""

from __future__ import annotations

import hashlib
import heapq
import itertools
import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, cast

import numpy as np

from augtune.reporting.read import RunView
from augtune.reporting.schema import RowRecord

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
    arms_of: dict[bytes, tuple[int, ...]] = {}
    for place, arm in enumerate(view.arms):
        for row in itertools.chain(view.kept(arm), view.dropped(arm)):
            key = _key(row)
            places = arms_of.get(key, ())
            if place not in places:
                arms_of[key] = (*places, place)
    # A second reading, so that of very many rows only those shown are ever held.
    wanted = set(_thinned(range(len(arms_of)), ROW_LIMIT))
    shown = {key: arms_of[key] for number, key in enumerate(arms_of) if number in wanted}
    rows = {}
    for arm in view.arms:
        for row in itertools.chain(view.kept(arm), view.dropped(arm)):
            key = _key(row)
            if key in shown and key not in rows:
                rows[key] = _compact(row, list(shown[key]))
    return {"arms": view.arms, "total": len(arms_of), "rows": list(rows.values())}


def _key(row: RowRecord) -> bytes:
    """Return what equal rows share; the page does not show soft labels, so they play no part."""
    values = [value for name, value in row if name != "probabilities"]
    return hashlib.blake2b(repr(values).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _compact(row: RowRecord, places: list[int]) -> list[Any]:
    source = row.source_text or (f"from {', '.join(row.parents)}" if row.parents else "")
    texts = [_cut(text) for text in (row.text, row.text_pair or "")]
    return [row.id, *texts, row.label, row.by, row.reason, row.because, _cut(source), places]


def _cut(text: str) -> str:
    if len(text) <= TEXT_LIMIT:
        return text
    return f"{text[:TEXT_LIMIT]}… (cut: {len(text):,} characters, whole in the run folder)"


def _thinned(rows: Sequence[int], limit: int) -> Sequence[int]:
    if len(rows) <= limit:
        return rows
    return [rows[i * len(rows) // limit] for i in range(limit)]


def weighed_rows(view: RunView, arm: str, count: int = 5) -> WeighedRows:
    """Return an arm's heaviest and lightest rows, by their mean weight over seeds; no row is in both."""
    places: dict[str, int] = {}
    seen, values = array("q"), array("d")
    for record in view.weights(arm):
        seen.append(places.setdefault(record.id, len(places)))
        values.extend(math.nan if one is None else one for one in (record.weight, record.quality, record.diversity))
    ids = list(places)
    means = _means(np.array(seen, dtype=np.int64), np.array(values).reshape(-1, 3), len(ids))
    heavy = min(count, (len(ids) + 1) // 2)

    def rank(i: int) -> tuple[float, str]:
        return -means[i][0], ids[i]

    heaviest = heapq.nsmallest(heavy, range(len(ids)), key=rank)
    lightest = heapq.nlargest(min(count, len(ids) - heavy), range(len(ids)), key=rank)
    wanted = {ids[i] for i in (*heaviest, *lightest)}
    known = {row.id: row for row in view.kept(arm) if row.id in wanted} if wanted else {}

    def told(i: int) -> WeighedRow:
        row = known.get(ids[i])
        weight, quality, diversity = means[i]
        opinions = [None if math.isnan(one) else one for one in (quality, diversity)]
        text, label = (None, "") if row is None else (row.text, row.label)
        return WeighedRow(ids[i], text, label, weight, *opinions)

    return WeighedRows(len(ids), [told(i) for i in heaviest], [told(i) for i in lightest])


def _means(places: np.ndarray, values: np.ndarray, count: int) -> list[list[float]]:
    """Return each row's mean weight, quality and diversity; where some are not known, of those that are, else NaN."""
    times = np.bincount(places, minlength=count)
    if (times == 1).all():
        means = np.empty_like(values)
        means[places] = values
        return cast("list[list[float]]", means.tolist())
    ordered = values[np.argsort(places, kind="stable")].T.tolist()
    ends = np.cumsum(times).tolist()
    return [[_mean(column[end - n : end]) for column in ordered] for end, n in zip(ends, times.tolist(), strict=True)]


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return fmean(known) if known else math.nan

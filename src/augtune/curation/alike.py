"""Which passages are alike in wording: candidates by sketch, then the exact Jaccard similarity of their shingles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from augtune.curation.forms import Passage
from augtune.curation.sketches import Bands, Shingles, Sketches, distinct
from augtune.embedding.neighbours import Pairs

__all__ = ["earlier_alike", "passages_alike"]

# Passages on the left that are compared at a time.
SLICE = 65_536
# Candidates looked at at a time, and shingles compared at a time.
CHUNK, CELLS = 1 << 20, 1 << 21
# Candidates per passage from which passages are taken in halves: the second need not be compared with what the first
# drops, so that very many copies of one text do not cost the square of their number. Fewer than LEAF are not halved.
CROWD, LEAF = 256, 256
LOW = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)


def passages_alike(left: Sequence[Passage], right: Sequence[Passage], threshold: float) -> Iterator[Pairs]:
    """Yield, in blocks, the pairs of passages whose Jaccard similarity is at least ``threshold``.

    In pair tasks both texts have to be that alike, and the lower similarity counts; a passage with a second text is
    never like one without. Similarities are exact; a pair at the threshold is overlooked with a chance below 1e-4.

    Args:
        left: ``N`` passages.
        right: ``M`` passages.
        threshold: In (0, 1].
    """
    if not left or not right:
        return
    two = any(pair is not None for side in (left, right) for _, pair in side)
    bands = Bands.of(threshold, len(right))
    search = _Search(_Side(left, bands, two), _Side(right, bands, two), threshold)
    everything = np.arange(len(right))
    for start in range(0, len(left), SLICE):
        yield search.between(np.arange(start, min(start + SLICE, len(left))), everything)


def earlier_alike(passages: Sequence[Passage], threshold: float) -> dict[int, tuple[int, float]]:
    """Return for each passage that repeats an earlier one that stays the most similar such, and how similar it is.

    A passage stays if it repeats none itself; of equally similar ones the first counts. See ``passages_alike``.

    Args:
        passages: ``N`` passages.
        threshold: In (0, 1].
    """
    if not passages:
        return {}
    two = any(pair is not None for _, pair in passages)
    side = _Side(passages, Bands.of(threshold, len(passages)), two)
    found = _Earlier(_Search(side, side, threshold), len(passages))
    found.settle(0, len(passages))
    rows = np.flatnonzero(found.best >= 0)
    best = zip(found.best[rows].tolist(), found.similarity[rows].tolist(), strict=True)
    return dict(zip(rows.tolist(), best, strict=True))


class _Side:
    """The passages of one side, sketched."""

    def __init__(self, passages: Sequence[Passage], bands: Bands, two: bool) -> None:
        columns = [[text for text, _ in passages]]
        if two:
            columns.append([pair or "" for _, pair in passages])
        self.has_second = np.array([pair is not None for _, pair in passages]) if two else None
        self.sketches = Sketches(columns, bands)


class _Search:
    """Finds the pairs of a left and a right passage that are alike.

    Args:
        left: ``N`` passages.
        right: ``M`` passages.
        threshold: In (0, 1].
    """

    def __init__(self, left: _Side, right: _Side, threshold: float) -> None:
        self._left, self._right, self._threshold = left, right, threshold
        # Of two sets with similarity t, the share of their sizes' sum that is in one of them alone is (1-t) / (1+t).
        self._apart = (1 - threshold) / (1 + threshold)

    def between(self, left: np.ndarray, right: np.ndarray) -> Pairs:
        """Return the pairs of given left and right passages that are alike."""
        found: list[tuple[np.ndarray, np.ndarray]] = []
        for band in range(len(self._left.sketches.keys)):
            ours = _ordered(self._left.sketches.keys[band, left])
            others = _ordered(self._right.sketches.keys[band, right])
            key, keys = ours >> HALF, others >> HALF
            first = np.searchsorted(keys, key, "left")
            counts = np.searchsorted(keys, key, "right") - first
            found.extend(self._likely(left[_place(ours)], right[_place(others)], first, counts))
        return self._verified(found)

    def within(self, rows: np.ndarray, most: int | None = None) -> Pairs | None:
        """Return the pairs among given passages, the later one on the left; None if too many have to be looked at."""
        found: list[tuple[np.ndarray, np.ndarray]] = []
        looked_at = 0
        for band in range(len(self._left.sketches.keys)):
            ordered = _ordered(self._left.sketches.keys[band, rows])
            key, place = ordered >> HALF, np.arange(len(rows))
            fresh = np.concatenate([[True], key[1:] != key[:-1]])
            first = np.maximum.accumulate(np.where(fresh, place, 0))
            looked_at += int((place - first).sum())
            if most is not None and looked_at > most:
                return None
            names = rows[_place(ordered)]
            found.extend(self._likely(names, names, first, place - first))
        return self._verified(found)

    def _likely(
        self, left: np.ndarray, right: np.ndarray, first: np.ndarray, counts: np.ndarray
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the candidates that sizes and marks do not rule out.

        Args:
            left: Left passages.
            right: Right passages, those of one band's key side by side.
            first: Place in ``right`` of the first candidate of each left passage.
            counts: How many there are from there on.
        """
        asked = np.flatnonzero(counts)
        ends = np.cumsum(counts[asked])
        start = 0
        while start < len(asked):
            before = int(ends[start - 1]) if start else 0
            end = max(start + 1, int(np.searchsorted(ends, before + CHUNK, "right")))
            part = asked[start:end]
            times = counts[part]
            steps = np.arange(int(times.sum())) - np.repeat(np.cumsum(times) - times, times)
            i, j = np.repeat(left[part], times), right[np.repeat(first[part], times) + steps]
            keep = self._may_be(i, j)
            yield i[keep], j[keep]
            start = end

    def _may_be(self, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        """Return the places of pairs that may reach the threshold; every one that does is among them."""
        a, b = self._left.sketches, self._right.sketches
        left = np.arange(len(i))
        if self._left.has_second is not None and self._right.has_second is not None:
            left = left[self._left.has_second[i] == self._right.has_second[j]]
        for side in range(len(a.columns)):
            one, other = a.sizes[side, i[left]], b.sizes[side, j[left]]
            room = (one + other) * self._apart + 1e-6
            near = np.abs(one - other) <= room
            left, room = left[near], room[near]
            marks = np.bitwise_count(a.bits[side, i[left]] ^ b.bits[side, j[left]]).sum(axis=1, dtype=np.int64)
            left = left[marks <= room]
        return left

    def _verified(self, found: list[tuple[np.ndarray, np.ndarray]]) -> Pairs:
        """Return the pairs that are alike, each once, in order, with their exact similarity."""
        i, j = (np.concatenate([each[side] for each in found] or [np.zeros(0, np.int64)]) for side in (0, 1))
        pairs = np.unique(i.astype(np.uint64) << HALF | j.astype(np.uint64))
        i, j = (pairs >> HALF).astype(np.int64), (pairs & LOW).astype(np.int64)
        similarity = np.ones(len(i))
        for side in range(len(self._left.sketches.columns)):
            similarity = np.minimum(similarity, self._jaccard(side, i, j))
        return Pairs(i, j, similarity.astype(np.float32)).where(similarity >= self._threshold)

    def _jaccard(self, side: int, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        """Return the exact similarity of pairs of texts: the share of all their shingles that both have."""
        a, b = self._left.sketches, self._right.sketches
        ones, i_of = np.unique(i, return_inverse=True)
        others, j_of = np.unique(j, return_inverse=True)
        left = Shingles([a.columns[side][row] for row in ones.tolist()])
        right = Shingles([b.columns[side][row] for row in others.tolist()])
        widths = left.widths[i_of] + right.widths[j_of] if len(i) else np.zeros(0, np.int64)
        order = np.argsort(widths, kind="stable")
        union = np.empty(len(i), np.int64)
        start = 0
        while start < len(order):
            end = start + max(1, CELLS // int(widths[order[min(start + CELLS // 256, len(order)) - 1]]))
            part = order[start:end]
            union[part] = distinct(np.hstack([left.table(i_of[part]), right.table(j_of[part])]))
            start = end
        common = a.sizes[side, i] + b.sizes[side, j] - union
        return np.asarray(common / np.maximum(union, 1))


class _Earlier:
    """For each passage, the most similar earlier one that stays."""

    def __init__(self, search: _Search, size: int) -> None:
        self._search = search
        self.best = np.full(size, -1)
        self.similarity = np.zeros(size, np.float32)

    def settle(self, start: int, end: int) -> None:
        """Settle passages of which all that was before ``start`` is settled and taken into account."""
        small = end - start <= LEAF
        pairs = self._search.within(np.arange(start, end), None if small else CROWD * (end - start))
        if pairs is not None:
            self._take_in_turn(pairs)
            return
        middle = (start + end) // 2
        self.settle(start, middle)
        staying = start + np.flatnonzero(self.best[start:middle] < 0)
        for i, j, similarity in self._search.between(np.arange(middle, end), staying):
            self._take(i, j, similarity)
        self.settle(middle, end)

    def _take_in_turn(self, pairs: Pairs) -> None:
        for i, j, similarity in pairs:
            if self.best[j] < 0:
                self._take(i, j, similarity)

    def _take(self, i: int, j: int, similarity: float) -> None:
        known = self.similarity[i] if self.best[i] >= 0 else -1.0
        if similarity > known or (similarity == known and j < self.best[i]):
            self.best[i], self.similarity[i] = j, similarity


def _ordered(keys: np.ndarray) -> np.ndarray:
    """Return keys in order, each with its place in the lower half, so that equal keys keep their order."""
    joined = keys.astype(np.uint64) << HALF
    joined |= np.arange(len(keys), dtype=np.uint64)
    joined.sort()
    return joined


def _place(ordered: np.ndarray) -> np.ndarray:
    return (ordered & LOW).astype(np.int64)

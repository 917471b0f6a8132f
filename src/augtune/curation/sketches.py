"""Sketches of texts: a few numbers that say which passages may be alike, so that few have to be compared in full.

MinHash and locality-sensitive hashing (Broder 1997; Indyk and Motwani 1998), of whole blocks of texts at a time.
Shapes: ``N`` passages, ``D`` of them in a block, ``W`` shingles of a text, ``K`` hash functions in ``G`` bands.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from augtune.core.seeds import generator
from augtune.curation.forms import normalise

__all__ = ["Bands", "Shingles", "Sketches"]

# Three characters: short enough for a Chinese clause, long enough that unrelated English sentences share few.
WIDTH = 3
# Fills texts shorter than a shingle: the largest number of 21 bits, which is no character.
FILLER = 0x1FFFFF
# Chance that a pair exactly at the threshold is overlooked; one above it is overlooked less often still.
MISS = 1e-4
# Most hash functions; thresholds below 0.43 are then compared in bands of three and fewer.
MOST_HASHES = 1024
# What settles the number of bands: nanoseconds for a hash function of a text, for a band, for a pair to be looked at,
# and how alike two texts are that have nothing to do with each other.
HASH_NS, BAND_NS, PAIR_NS, BACKGROUND = 30.0, 100.0, 60.0, 0.15
# Bits in which a text's shingles leave a mark each, in words of 64.
WORDS = 8
# Texts, and characters, taken up at a time; texts of a block and its shingles; shingles hashed as one text.
PART_TEXTS, PART_CHARACTERS = 8192, 1 << 22
BLOCK_TEXTS, BLOCK_CELLS = 512, 1 << 18
PIECE = 256

MIX = (np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53))  # of MurmurHash3, public domain
HALF = np.uint64(32)


class Shingles:
    """The runs of ``WIDTH`` characters of texts, once normalised, as integers: equal integers, equal runs.

    A text shorter than that is its own only shingle.

    Args:
        texts: ``N`` texts.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        forms = [normalise(text) for text in texts]
        lengths = np.fromiter(map(len, forms), np.int64, len(forms))
        spans = np.maximum(lengths, WIDTH)
        if len(forms) and lengths.min() < WIDTH:
            forms = [form.ljust(WIDTH) for form in forms]
        codes = np.frombuffer("".join(forms).encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
        ends = np.cumsum(spans)
        for missing in range(1, WIDTH + 1):
            codes[ends[lengths <= WIDTH - missing] - missing] = FILLER
        # Runs that reach from one text into the next are never looked up.
        self._values = codes[:-2] | (codes[1:-1] << np.uint64(21)) | (codes[2:] << np.uint64(42))
        self._starts = ends - spans
        self.widths = spans - (WIDTH - 1)

    def table(self, rows: np.ndarray) -> np.ndarray:
        """Return the shingles of some texts, ``(D, W)``; a text with fewer than others has its last one repeated."""
        last = self.widths[rows] - 1
        places = np.minimum(np.arange(int(last.max()) + 1), last[:, None])
        places += self._starts[rows][:, None]
        table: np.ndarray = self._values[places]
        return table


@dataclass(frozen=True, slots=True)
class Bands:
    """How hash functions are put together: a pair is a candidate if it agrees in all functions of any band.

    A pair of similarity ``s`` is one with chance ``1 - (1 - s**depth)**count``.

    Args:
        count: Bands, ``G``.
        depth: Hash functions in each.
    """

    count: int
    depth: int

    @classmethod
    def of(cls, threshold: float, rows: int) -> Bands:
        """Return the cheapest that overlook a pair at the threshold with a chance of at most ``MISS``.

        Args:
            threshold: In (0, 1].
            rows: How many passages each passage is compared with.
        """
        known = [cls(_needed(threshold, depth), depth) for depth in range(1, 33)]
        fit = [bands for bands in known if bands.count * bands.depth <= MOST_HASHES]
        return min(fit or known[:1], key=lambda bands: bands._cost_ns(rows))

    def _cost_ns(self, rows: int) -> float:
        background = rows / 2 * self.count * BACKGROUND**self.depth
        return self.count * (self.depth * HASH_NS + BAND_NS) + background * PAIR_NS


def _needed(threshold: float, depth: int) -> int:
    """Return how many bands of a depth overlook a pair at the threshold with a chance of at most ``MISS``."""
    if threshold >= 1:
        return 1
    return math.ceil(math.log(MISS) / math.log1p(-(threshold**depth)))


class Sketches:
    """What is known of every passage without its texts.

    Args:
        columns: The first texts of ``N`` passages, and where any passage has one, the second texts.
        bands: How they are hashed.
    """

    def __init__(self, columns: Sequence[Sequence[str]], bands: Bands) -> None:
        size = len(columns[0])
        self.columns = columns
        self.keys = np.empty((bands.count, size), np.uint32)
        """Of each band, what passages share that agree in all its hash functions, ``(G, N)``."""
        self.sizes = np.empty((len(columns), size), np.int64)
        """How many different shingles each text has."""
        self.bits = np.empty((len(columns), size, WORDS), np.uint64)
        """A mark for each shingle of a text; different shingles may share one."""
        functions = _Functions(bands)
        for start, end in _parts(columns):
            texts = [Shingles(column[start:end]) for column in columns]
            for block in _blocks(np.maximum.reduce([each.widths for each in texts])):
                self._sketch(texts, block, start + block, functions)

    def __len__(self) -> int:
        return len(self.columns[0])

    def _sketch(self, texts: list[Shingles], block: np.ndarray, rows: np.ndarray, functions: _Functions) -> None:
        found: list[np.ndarray] = []
        for side, each in enumerate(texts):
            table = each.table(block)
            self.sizes[side, rows] = distinct(table)
            # The two texts of a passage are hashed as one set, of shingles marked with which text they are of. Where
            # each of two Jaccard similarities is at least t, that of the marked union is too: it is their mediant.
            mixed = _mixed(table | np.uint64(side << 63))
            self.bits[side, rows] = _marks(mixed)
            found.append(functions.minima(mixed))
        self.keys[:, rows] = functions.folded(functools.reduce(np.minimum, found))


class _Functions:
    """The hash functions: a shingle's number times an odd factor each, of which a text's smallest counts."""

    def __init__(self, bands: Bands) -> None:
        self._bands = bands
        draw = generator(0, "curation", "minhash")
        self._factors = draw.integers(0, 1 << 31, size=bands.count * bands.depth, dtype=np.uint32)[:, None] * 2 + 1

    def minima(self, table: np.ndarray) -> np.ndarray:
        """Return the smallest value of each function over each row of a ``(D, W)`` table, ``(K, D)``."""
        rows, width = table.shape
        pieces = 1
        if width > PIECE:
            pieces = -(-width // PIECE)
            table = np.pad(table, ((0, 0), (0, pieces * PIECE - width)), mode="edge").reshape(-1, PIECE)
        least = np.full((len(self._factors), len(table)), 0xFFFFFFFF, np.uint32)
        scratch = np.empty_like(least)
        for column in np.ascontiguousarray(table.T):
            np.multiply(self._factors, column, out=scratch)
            np.minimum(least, scratch, out=least)
        return least if pieces == 1 else least.reshape(len(least), rows, pieces).min(axis=2)

    def folded(self, least: np.ndarray) -> np.ndarray:
        """Return one number for each band's values, ``(G, D)``."""
        values = least.reshape(self._bands.count, self._bands.depth, -1)
        keys = np.zeros((self._bands.count, values.shape[2]), np.uint64)
        for value in values.transpose(1, 0, 2):
            keys = (keys ^ value) * MIX[0]
            keys ^= keys >> HALF
        return ((keys * MIX[1]) >> HALF).astype(np.uint32)


def distinct(table: np.ndarray) -> np.ndarray:
    """Return how many different values each row of a table has."""
    ordered = np.sort(table, axis=1)
    found: np.ndarray = 1 + np.count_nonzero(ordered[:, 1:] != ordered[:, :-1], axis=1)
    return found


def _mixed(table: np.ndarray) -> np.ndarray:
    """Return 32 bits for each shingle that look drawn at random."""
    mixed = table ^ (table >> np.uint64(33))
    mixed *= MIX[0]
    mixed ^= mixed >> np.uint64(33)
    mixed *= MIX[1]
    upper: np.ndarray = (mixed >> HALF).astype(np.uint32)
    return upper


def _marks(mixed: np.ndarray) -> np.ndarray:
    """Return a bit for each shingle of each row, ``(D, WORDS)`` words."""
    bits = np.zeros((len(mixed), WORDS * 64), np.uint8)
    np.put_along_axis(bits, (mixed & np.uint32(WORDS * 64 - 1)).astype(np.int64), 1, axis=1)
    words: np.ndarray = np.packbits(bits, axis=1).view(np.uint64)
    return words


def _parts(columns: Sequence[Sequence[str]]) -> Iterator[tuple[int, int]]:
    """Yield from where to where passages are taken up together."""
    start = characters = 0
    size = len(columns[0])
    for i in range(size):
        characters += sum(len(column[i]) for column in columns)
        if i + 1 - start == PART_TEXTS or characters > PART_CHARACTERS or i + 1 == size:
            yield start, i + 1
            start, characters = i + 1, 0


def _blocks(widths: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the rows of each block: texts of about the same length, as many as fit."""
    order = np.argsort(widths, kind="stable")
    start = 0
    while start < len(order):
        end = min(start + BLOCK_TEXTS, len(order))
        while end - start > 1 and (end - start) * int(widths[order[end - 1]]) > BLOCK_CELLS:
            end = start + (end - start) // 2
        yield order[start:end]
        start = end

"""Words: how much rows repeat their wording, and how far their vocabulary is from another set's.

Oracles of the tests are values worked out by hand and plain definitions.
"""

from __future__ import annotations

import bisect
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

__all__ = ["distinct", "divergence", "self_bleu", "words"]

WORD = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")
ORDER = 4  # of BLEU

Words = tuple[str, ...]


def words(text: str) -> Words:
    """Return the words and punctuation marks of a text, in lower case.

    >>> words("Don't wait—GO!")
    ("don't", 'wait', '—', 'go', '!')
    """
    return tuple(WORD.findall(unicodedata.normalize("NFKC", text).casefold()))


def distinct(texts: Sequence[Words], n: int) -> float | None:
    """Return the distinct runs of ``n`` words over all of them (Li et al., NAACL 2016); None if there is none."""
    counts = Counter(gram for text in texts for gram in _grams(text, n))
    total = counts.total()
    return len(counts) / total if total else None


def divergence(first: Iterable[Words], second: Iterable[Words]) -> float | None:
    """Return how far two vocabularies are apart: the Jensen-Shannon divergence of their words, 0 to 1 bit (Lin 1991).

    None if either has no word. It grows as texts get fewer, so compare it only at the same number of texts.
    """
    counts = [Counter(word for text in texts for word in text) for texts in (first, second)]
    totals = [one.total() for one in counts]
    if not all(totals):
        return None
    parts = []
    for word in counts[0] | counts[1]:
        shares = [one[word] / total for one, total in zip(counts, totals, strict=True)]
        middle = sum(shares) / 2
        parts += [share / 2 * math.log2(share / middle) for share in shares if share]
    return min(max(math.fsum(parts), 0.0), 1.0)  # a sum that no order of words changes


def self_bleu(texts: Sequence[Words]) -> float | None:
    """Return the mean BLEU-4 of each text against all others, 0 (all different) to 1 (Zhu et al., SIGIR 2018).

    Precisions of order 2 and more count one hit and one try more, so that short texts have a score (Lin and Och 2004).
    How often an n-gram occurs in any other text is the most or, in the text with the most, the second most, so one pass
    over the n-grams replaces the comparison of every pair. None of fewer than two texts.
    """
    if len(texts) < 2:
        return None
    grams = [[Counter(_grams(text, n)) for text in texts] for n in range(1, ORDER + 1)]
    tops = [_two_largest(counts) for counts in grams]
    lengths = sorted(map(len, texts))
    scores = []
    for i, text in enumerate(texts):
        logs = 0.0
        for n, (counts, top) in enumerate(zip(grams, tops, strict=True)):
            more = 1 if n else 0
            hits = sum(min(count, _elsewhere(top[gram], count)) for gram, count in counts[i].items()) + more
            tries = max(0, len(text) - n) + more
            if not hits:
                break
            logs += math.log(hits / tries) / ORDER
        else:
            scores.append(math.exp(logs + min(0.0, 1 - _closest(lengths, len(text)) / max(1, len(text)))))
            continue
        scores.append(0.0)
    return float(np.mean(scores))


def _grams(text: Words, n: int) -> Iterable[Words]:
    return (text[i : i + n] for i in range(len(text) - n + 1))


def _two_largest(counts: Sequence[Counter[Words]]) -> dict[Words, tuple[int, int]]:
    """Return by n-gram the most often it occurs in one text, and in another one."""
    found: dict[Words, tuple[int, int]] = {}
    for one in counts:
        for gram, count in one.items():
            first, second = found.get(gram, (0, 0))
            found[gram] = (count, first) if count > first else (first, max(second, count))
    return found


def _elsewhere(top: tuple[int, int], own: int) -> int:
    first, second = top
    return second if own == first else first


def _closest(lengths: Sequence[int], own: int) -> int:
    """Return the length nearest to a text's own among the others, the shorter of two; ``lengths`` are sorted."""
    place = bisect.bisect_left(lengths, own)
    others = [*lengths[max(0, place - 1) : place], *lengths[place + 1 : place + 2]]
    return min(others, key=lambda length: (abs(length - own), length))

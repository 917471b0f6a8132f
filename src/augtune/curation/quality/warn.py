"""Warnings: what of the synthetic rows a reader should know before they are trained on, one sentence each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from augtune.curation.quality.value import GroupQuality, Quality

__all__ = ["warnings_of"]

REPEATS = 0.05  # share of exact repeats: a run drops them, a script may not
NEAR = 0.2  # share of near repeats: a fifth of the rows says next to nothing new
BLEU = 0.15  # self-BLEU above that of human rows
AGREEMENT = 0.15  # points by which a checker agrees less than with human rows it did not see
LONGER = 2.0  # times the length of human rows, or shorter
DRIFT = 0.1  # bits by which the vocabulary is farther than that of other human rows
NAMES = 0.03  # share of rows that name their label, above that of human rows, which it is to be twice as well
TAGGED = 0.01  # share of rows with a tag
SOURCE = 0.25  # share of a label's rows that were made from one source
FEW = 20  # rows of a label under which shares say nothing
SHOWN = 5  # labels named in a sentence

Finding = Callable[[GroupQuality], str | None]


def warnings_of(quality: Quality) -> list[str]:
    """Return the warnings, the gravest first; each names labels and numbers, and what human rows are like."""
    return [
        sentence for check in (_test, _tags, _agreement, _sources, _repeats, _wording) for sentence in check(quality)
    ]


def _test(quality: Quality) -> Iterator[str]:
    near = quality.whole.near_test
    if near:
        yield (
            f"{_rows(near)} {_are(near)} nearly or exactly a test row; training on such rows makes scores too high "
            "(curation step contamination drops them)."
        )


def _tags(quality: Quality) -> Iterator[str]:
    whole = quality.whole
    if whole.tagged >= max(2, TAGGED * whole.rows) and (whole.human.get("tagged") or 0) < TAGGED * whole.human_rows + 1:
        wrong = f", {whole.tagged_wrong:,} of them another label than their own" if whole.tagged_wrong else ""
        yield f"{whole.tagged:,} of {_rows(whole.rows)} name a label in a tag such as (label){wrong}."
    found = _labels(quality, _named)
    if found:
        yield f"Texts name their own label: {found}."


def _named(one: GroupQuality) -> str | None:
    human = one.human.get("names_label")
    return None if human is None or one.names_label < 2 * human else _above(one.names_label, human, NAMES, _percent)


def _agreement(quality: Quality) -> Iterator[str]:
    def short(one: GroupQuality) -> str | None:
        own, human = one.agreement, one.human.get("agreement")
        if own is None or human is None or one.rows < FEW or human - own < AGREEMENT:
            return None
        return f"{own:.0%}, of human rows it did not see {human:.0%}"

    told = short(quality.whole)
    if told:
        yield f"A checker trained on the human rows shares few labels: {told}."
    found = _labels(quality, short)
    if found:
        yield f"Labels a checker of the human rows shares least: {found}."


def _sources(quality: Quality) -> Iterator[str]:
    def largest(one: GroupQuality) -> str | None:
        if one.largest_source is None or one.rows < FEW or one.largest_source < SOURCE * one.rows:
            return None
        if one.largest_source == one.rows:
            return f"one text is behind all {one.rows:,} rows"
        return f"one text is behind {one.largest_source:,} of {one.rows:,} rows"

    found = _labels(quality, largest)
    if found:
        yield f"Few sources: {found}."


def _repeats(quality: Quality) -> Iterator[str]:
    whole = quality.whole
    if whole.repeats >= max(2, REPEATS * whole.rows):
        yield f"{whole.repeats:,} of {_rows(whole.rows)} repeat another row or a human one word for word."
    if whole.near_repeats is not None and whole.near_repeats - whole.repeats / whole.rows >= NEAR:
        yield f"{whole.near_repeats:.0%} of the rows nearly repeat an earlier one (cosine {quality.threshold:g})."
    if whole.near_human is not None and whole.near_human >= NEAR:
        yield f"{whole.near_human:.0%} of the rows nearly repeat a human row trained on (cosine {quality.threshold:g})."


def _wording(quality: Quality) -> Iterator[str]:
    checks: Sequence[tuple[str, Finding]] = (
        ("Rows of a label are alike in wording (self-BLEU)",
         lambda one: _above(one.self_bleu, one.human.get("self_bleu"), BLEU, _number)),
        ("The vocabulary is not that of human rows (divergence in bits)",
         lambda one: _above(one.drift, one.human.get("drift"), DRIFT, _number)),
        ("Texts are longer or shorter than human ones (median words)", _length),
    )  # fmt: skip
    for sentence, check in checks:
        found = _labels(quality, check)
        if found:
            yield f"{sentence}: {found}."


def _length(one: GroupQuality) -> str | None:
    human = one.human.get("length")
    if not human or not one.length or one.rows < FEW or 1 / LONGER < one.length / human < LONGER:
        return None
    return f"{one.length:g}, human {human:g}"


def _above(own: float | None, human: float | None, by: float, told: Callable[[float], str]) -> str | None:
    if own is None or human is None or own - human < by:
        return None
    return f"{told(own)}, human {told(human)}"


def _labels(quality: Quality, check: Finding) -> str:
    """Return what a check finds, label by label; of many labels the first few, and how many more."""
    found = [f"{label} ({told})" for label, one in quality.by_label.items() if one.rows >= FEW and (told := check(one))]
    more = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return "; ".join(found[:SHOWN]) + more


def _rows(number: int) -> str:
    return f"{number:,} row{'s' * (number != 1)}"


def _are(number: int) -> str:
    return "is" if number == 1 else "are"


def _percent(value: float) -> str:
    return f"{value:.0%}"


def _number(value: float) -> str:
    return f"{value:.2f}"

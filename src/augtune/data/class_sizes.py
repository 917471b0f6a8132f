"""How many rows of each class a sample size asks for; pure arithmetic on class sizes, no rows needed."""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping
from fractions import Fraction

from augtune.core.errors import DataError, SettingsError
from augtune.core.settings import suggestion
from augtune.data.grammar import Imbalance, Wanted

__all__ = ["apportion", "class_sizes"]


def class_sizes(wanted: Wanted, counts: Mapping[str, int], *, where: str = "data") -> dict[str, int] | None:
    """Return how many rows of each class a sample has; None where chance alone decides (a plain total, given rows).

    Args:
        wanted: The sample size, from ``grammar.parse``.
        counts: Rows there are of each class, classes in order.
        where: Name of the data, for messages.

    Raises:
        DataError: If a class has fewer rows than asked for, or would be left without any.
        SettingsError: If a label in ``wanted`` does not exist, or has to be named and is not.
    """
    if wanted.amount == "rows" or (wanted.amount == "total" and not (wanted.imbalance or wanted.longtail)):
        return None
    sizes = _base(wanted, counts, where)
    if wanted.imbalance is not None:
        sizes = _imbalanced(wanted, wanted.imbalance, sizes, where)
    elif wanted.longtail is not None:
        sizes = _longtailed(wanted, wanted.longtail, sizes, where)
    if wanted.amount not in ("total", "percent") or wanted.value is None:
        return sizes
    there_are = sum(sizes.values())
    if wanted.amount == "percent":
        return {name: max(min(1, n), math.floor(n * wanted.value + Fraction(1, 2))) for name, n in sizes.items()}
    total = int(wanted.value)
    if total > there_are:
        raise DataError(f"{where}: {str(wanted)!r} asks for {total} rows, and its classes have {there_are} at most.")
    shrunk = apportion(sizes, total)
    without = next((name for name in sizes if sizes[name] and not shrunk[name]), None)
    if without is not None:
        raise DataError(f"{where}: {str(wanted)!r} leaves class {without!r} without a row.", hint="Ask for more rows.")
    return shrunk


def apportion(sizes: Mapping[str, int], total: int) -> dict[str, int]:
    """Return whole numbers in proportion to ``sizes`` that sum to ``total`` (Webster's divisor method).

    Unlike rounding by largest remainder, no part ever shrinks when the total grows, so samples stay nested.
    """
    whole, classes = sum(sizes.values()), len(sizes)
    # Rounding the shares of `total - classes` rows overshoots by half a row a class at most: a safe, near start.
    near = Fraction(max(0, total - classes), max(1, whole))
    parts = {name: max(0, math.ceil(size * near - Fraction(1, 2))) for name, size in sizes.items()}
    heap = [
        (Fraction(2 * parts[name] + 1, 2 * size), order, name)
        for order, (name, size) in enumerate(sizes.items())
        if size
    ]
    heapq.heapify(heap)
    for _ in range(total - sum(parts.values())):
        _, order, name = heap[0]
        parts[name] += 1
        heapq.heapreplace(heap, (Fraction(2 * parts[name] + 1, 2 * sizes[name]), order, name))
    return parts


def _base(wanted: Wanted, counts: Mapping[str, int], where: str) -> dict[str, int]:
    if wanted.amount == "sizes":
        return _explicit(wanted, counts, where)
    if wanted.amount not in ("per_class", "fraction") or wanted.value is None:
        return dict(counts)
    each = wanted.value
    if wanted.amount == "fraction":
        each = Fraction(max(1, round(wanted.value * sum(counts.values()) / len(counts))))
    sizes = dict.fromkeys(counts, int(each))
    _check(wanted, sizes, counts, where)
    return sizes


def _explicit(wanted: Wanted, counts: Mapping[str, int], where: str) -> dict[str, int]:
    given = dict(wanted.sizes)
    _known(wanted, given, counts)
    missing = [name for name in counts if name not in given]
    if missing:
        raise SettingsError(
            f"sample size {str(wanted)!r}: says nothing of {', '.join(map(repr, missing))}.",
            hint="Name every class; 0 leaves one out.",
        )
    sizes = {name: given[name] for name in counts}
    _check(wanted, sizes, counts, where)
    return sizes


def _check(wanted: Wanted, sizes: Mapping[str, int], counts: Mapping[str, int], where: str) -> None:
    short = [name for name in sizes if counts[name] < sizes[name]]
    if short:
        told = ", ".join(f"{name!r} has {counts[name]}" for name in short)
        raise DataError(
            f"{where}: {str(wanted)!r} asks for {sizes[short[0]]} rows of class {short[0]!r}, and {told}.",
            hint="Ask for fewer rows, or name each class's own: {label: rows, label: rows}.",
        )


def _known(wanted: Wanted, names: Mapping[str, int] | tuple[str, ...], counts: Mapping[str, int]) -> None:
    for name in names:
        if name not in counts:
            raise SettingsError(f"sample size {str(wanted)!r}: there is no label {name!r}{suggestion(name, counts)}")


def _imbalanced(wanted: Wanted, imbalance: Imbalance, counts: Mapping[str, int], where: str) -> dict[str, int]:
    minority = _minority(wanted, imbalance, counts)
    n_major = max(n for name, n in counts.items() if name not in minority)
    keep = math.floor(imbalance.ratio * n_major)
    if keep < 1:
        raise DataError(f"{where}: {str(wanted)!r} leaves no row of {', '.join(map(repr, minority))}.")
    for name in minority:
        if counts[name] < keep:
            raise DataError(
                f"{where}: {str(wanted)!r} asks for {keep} rows of {name!r} "
                f"({float(imbalance.ratio):g} × {n_major} of the majority), and there are {counts[name]}.",
                hint=f"The largest imbalance possible here is {math.floor(1000 * counts[name] / n_major) / 1000:g}.",
            )
    return {name: keep if name in minority else n for name, n in counts.items()}


def _minority(wanted: Wanted, imbalance: Imbalance, counts: Mapping[str, int]) -> tuple[str, ...]:
    _known(wanted, imbalance.minority + imbalance.majority, counts)
    named = imbalance.minority or imbalance.majority
    if named:
        others = tuple(name for name in counts if name not in named)
        if not others:
            raise SettingsError(f"sample size {str(wanted)!r}: names every class, so none is left on the other side.")
        return named if imbalance.minority else others
    low, high = min(counts.values()), max(counts.values())
    if len(counts) != 2 or low == high:
        why = "both classes have the same size" if len(counts) == 2 else f"there are {len(counts)} classes"
        raise SettingsError(
            f"sample size {str(wanted)!r}: {why}, so say which is to be rare.",
            hint=f"For example: imbalance {float(imbalance.ratio):g} minority={next(iter(counts))}",
        )
    return (min(counts, key=lambda name: counts[name]),)


def _longtailed(wanted: Wanted, ratio: Fraction, counts: Mapping[str, int], where: str) -> dict[str, int]:
    if len(counts) < 2 or not all(counts.values()):
        raise DataError(f"{where}: {str(wanted)!r} needs two classes or more, each with rows.")
    by_size = sorted(counts, key=lambda name: -counts[name])  # equal sizes stay in the labels' order
    curve = [float(ratio) ** (-rank / (len(by_size) - 1)) for rank in range(len(by_size))]
    # The top of the largest curve that no class falls short of.
    top = min(counts[name] / height for name, height in zip(by_size, curve, strict=True))
    # 1e-9: a size that is whole but for floating point error (100 * 10^-1) is not floored to the one below.
    tail = {name: math.floor(top * height + 1e-9) for name, height in zip(by_size, curve, strict=True)}
    if min(tail.values()) < 1:
        raise DataError(f"{where}: {str(wanted)!r} leaves no row of {by_size[-1]!r}.", hint="Ask for a shorter tail.")
    return {name: tail[name] for name in counts}

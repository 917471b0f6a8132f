"""The grammar of sample sizes: how many rows to draw, of which split, how unbalanced.

```
all                    every row
2000                   2,000 rows, uniformly at random
1%                     1% of every class, rounded, but at least one row, so each keeps its share
10/class  or  10s      10 rows of every class
0.01f                  max(1, round(0.01 * N / K)) rows of every class (GPT3Mix, Yoo et al. 2021)
{joy: 10, anger: 20}   so many rows of each class; every class is named
[0, 3, 17]             the rows at these positions of the whole split, counted from 0
```

Where two parts of an experiment are drawn from one split, test rows are drawn first, then validation rows, then
training rows, each from what is left: after ``test: 20% of train``, ``train: 50% of train`` is half of the other 80%.
A class with one row is then in the first part alone.
Positions are those of the whole split all the same (without rows that a view leaves out), and a row that another part
has already is an error.

After any of the first five may follow, in this order:

- ``of SPLIT``: of another split than train;
- ``, imbalance R [minority=LABEL[+LABEL…] | majority=LABEL[+LABEL…]]``: every minority class keeps floor(R * n) rows,
  where n is the size of the largest majority class; majority classes stay whole (two-stage fine-tuning,
  Neurocomputing 592:127801, 2024).
  With two classes the smaller one is the minority unless said otherwise; with more it has to be said. A label that
  holds a ``+`` is put in quotes.
- or ``, longtail R``: class sizes fall exponentially, in the order of the classes' sizes, and the largest is R times
  the smallest (Cui et al. 2019); the largest such tail that the rows allow.

Where a row may have several labels, ``1%`` is of all rows at random, ``10/class`` is 10 rows or more of each label, and
``f``, ``{...}``, imbalance and longtail are refused.

A number per class caps the classes *before* the imbalance is imposed: ``100/class, imbalance 0.2`` keeps 100 and 20.
A total (``2000``, ``1%``) is taken *after* it: ``2000, imbalance 0.2`` is 2,000 rows, 1,667 and 333 of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from augtune.core.errors import SettingsError
from augtune.data.split_names import canonical

__all__ = ["EXAMPLES", "Amount", "Imbalance", "Wanted", "parse"]

Amount = Literal["all", "total", "percent", "per_class", "fraction", "sizes", "rows"]

EXAMPLES = (
    "all",
    "2000",
    "10/class of train",
    "1%",
    "0.01f",
    "10s",
    "2000 of train, imbalance 0.2 minority=negative",
    "all, longtail 100",
    "{joy: 10, anger: 20}",
)

LONGEST = 10_000  # characters, but for lists of labels or rows; the time to read the rest grows with their square
LONGEST_NUMBER = 40  # digits
NUMBER = r"\d+(?:\.\d*)?|\.\d+"
AMOUNTS: tuple[tuple[Amount, re.Pattern[str]], ...] = (
    ("all", re.compile(r"(all)", re.I)),
    ("total", re.compile(r"(\d+)(?:\s*rows)?")),
    ("percent", re.compile(rf"({NUMBER})\s*%")),
    ("per_class", re.compile(r"(\d+)\s*(?:/\s*(?:class|label)|s)")),
    ("fraction", re.compile(rf"({NUMBER})\s*f")),
)
HEAD = re.compile(
    r"\s*(?P<amount>\{[^}]*\}|\[[^\]]*\]|[^,]*?)(?:\s+of\s+(?P<split>[^,]+?))?\s*(?:,\s*(?P<shape>.*\S))?\s*"
)
SHAPE = re.compile(
    rf"(?P<kind>imbalance|longtail)\s+(?P<ratio>{NUMBER})(?:\s+(?P<role>minority|majority)\s*=\s*(?P<names>.+))?"
)
ONE_NAME = re.compile(r"""\s*(?:"([^"]+)"|'([^']+)'|([^+"']+?))\s*(?:\+|$)""")
ONE_SIZE = re.compile(r"""\s*(?:"([^"]+)"|'([^']+)'|([^,"']+?))\s*:\s*(\d+)\s*(?:,|$)""")


@dataclass(frozen=True, slots=True)
class Imbalance:
    """How much smaller the minority classes are made.

    Args:
        ratio: Rows of a minority class over rows of the largest majority class, in (0, 1].
        minority: Names of the minority classes; empty if not said.
        majority: Names of the majority classes; empty if not said. At most one of the two is said.
    """

    ratio: Fraction
    minority: tuple[str, ...] = ()
    majority: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """A sample size as understood; prints as it was written.

    Args:
        text: As it was written.
        amount: Which of the forms it has.
        value: Its number: rows, rows per class, or a share in (0, 1]; None where it has none.
        sizes: Rows per class for the form ``{label: rows}``.
        rows: Positions for the form ``[0, 3, 17]``.
        split: The split it is drawn from; None if not said.
        imbalance: The imbalance imposed, or None.
        longtail: Largest over smallest class of the long tail imposed, or None.
    """

    text: str
    amount: Amount
    value: Fraction | None = None
    sizes: tuple[tuple[str, int], ...] = ()
    rows: tuple[int, ...] = ()
    split: str | None = None
    imbalance: Imbalance | None = None
    longtail: Fraction | None = None

    def __str__(self) -> str:
        return self.text


def parse(text: str | int) -> Wanted:
    """Return the sample size a string or a plain number describes, exactly: numbers are kept as fractions.

    Raises:
        SettingsError: If it is not of the grammar, or a number is out of range. No data is needed to find out.
    """
    if isinstance(text, bool) or not isinstance(text, (str, int)):
        raise _refused(text, "expected a string or a whole number")
    written = " ".join(str(text).split())
    if len(written) > LONGEST and not written.startswith(("{", "[")):
        raise _refused(f"{written[:40]}…", f"it has {len(written):,} characters")
    match = HEAD.fullmatch(written)
    if match is None or not match["amount"]:
        raise _refused(text, "not understood")
    imbalance, longtail = _shape(text, match["shape"])
    split = canonical(match["split"]) if match["split"] else None
    amount, head = _amount_kind(text, match["amount"])
    if amount in ("sizes", "rows") and match["shape"]:
        raise _refused(text, f"{head} says which rows to take, so no imbalance can follow")
    sizes = _sizes(text, head) if amount == "sizes" else ()
    rows = _rows(text, head) if amount == "rows" else ()
    value = None if amount in ("all", "sizes", "rows") else _value(text, amount, head)
    return Wanted(written, amount, value, sizes, rows, split, imbalance, longtail)


def _refused(text: object, why: str) -> SettingsError:
    return SettingsError(f"sample size {text!r}: {why}.", hint=f"Examples: {' · '.join(EXAMPLES)}")


def _amount_kind(text: str | int, head: str) -> tuple[Amount, str]:
    if head.startswith("{"):
        return "sizes", head
    if head.startswith("["):
        return "rows", head
    for amount, pattern in AMOUNTS:
        match = pattern.fullmatch(head)
        if match:
            return amount, match[1]
    raise _refused(text, f"{head!r} is not understood")


def _exact(text: str | int, digits: str) -> Fraction:
    if len(digits) > LONGEST_NUMBER:
        raise _refused(text, f"a number of {len(digits):,} digits")
    return Fraction(digits)


def _value(text: str | int, amount: Amount, digits: str) -> Fraction:
    value = _exact(text, digits) / (100 if amount == "percent" else 1)
    if value <= 0:
        raise _refused(text, "it asks for no rows")
    if amount in ("percent", "fraction") and value > 1:
        raise _refused(text, "it asks for more than all rows")
    return value


def _shape(text: str | int, shape: str | None) -> tuple[Imbalance | None, Fraction | None]:
    if shape is None:
        return None, None
    match = SHAPE.fullmatch(shape)
    if match is None:
        raise _refused(text, f"{shape!r} is not understood; known: imbalance R [minority=LABEL], longtail R")
    ratio = _exact(text, match["ratio"])
    if match["kind"] == "longtail":
        if match["role"]:
            raise _refused(text, f"longtail orders the classes by size and takes no {match['role']}=")
        if ratio < 1:
            raise _refused(text, f"longtail is the largest class over the smallest, at least 1, got {match['ratio']}")
        return None, ratio
    if not 0 < ratio <= 1:
        raise _refused(text, f"imbalance is minority over majority, over 0 and at most 1, got {match['ratio']}")
    names = _names(text, match["names"]) if match["role"] else ()
    if match["role"] == "majority":
        return Imbalance(ratio, majority=names), None
    return Imbalance(ratio, minority=names), None


def _names(text: str | int, written: str) -> tuple[str, ...]:
    names, position = [], 0
    while position < len(written):
        match = ONE_NAME.match(written, position)
        if match is None:
            raise _refused(text, f"{written!r} is no list of labels like negative or joy+anger")
        names.append(match[1] or match[2] or match[3])
        position = match.end()
    if written.rstrip().endswith("+") or len(set(names)) != len(names):
        raise _refused(text, f"{written!r} is no list of different labels like negative or joy+anger")
    return tuple(names)


def _sizes(text: str | int, head: str) -> tuple[tuple[str, int], ...]:
    inner, sizes, position = head[1:-1], [], 0
    while position < len(inner):
        match = ONE_SIZE.match(inner, position)
        if match is None:
            raise _refused(text, f"{head} is not of the form {{label: rows, label: rows}}")
        sizes.append((match[1] or match[2] or match[3], int(_exact(text, match[4]))))
        position = match.end()
    names = [name for name, _ in sizes]
    if len(set(names)) != len(names):
        raise _refused(text, "a label is named twice")
    if not any(size for _, size in sizes):
        raise _refused(text, "it asks for no rows")
    return tuple(sizes)


def _rows(text: str | int, head: str) -> tuple[int, ...]:
    parts = [part.strip() for part in head[1:-1].split(",")]
    if not all(part.isdecimal() for part in parts):
        raise _refused(text, f"{head} is not of the form [0, 3, 17]")
    rows = tuple(int(_exact(text, part)) for part in parts)
    if len(set(rows)) != len(rows):
        raise _refused(text, "a row is named twice")
    return rows

"""Whether files of predictions agree with the truth on the labels, and with themselves on what is predicted."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from augtune.core.errors import DataError
from augtune.core.json_text import decoded

if TYPE_CHECKING:
    import numpy as np

    from augtune.core.labels import Labels
    from augtune.core.tables import Predictions
    from augtune.core.task import LabelValue
    from augtune.data.tables import Table

__all__ = ["Asked", "Said", "check_labels", "settled"]

SHOWN = 5  # labels in a message
OTHER_ORDER = 0.95
"""Share of rows whose predicted label is the most probable in another order of a list, from which on it is refused."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of predictions.

    Args:
        by_label: Options that look at predicted labels.
        by_probability: Options that look at probabilities.
    """

    by_label: tuple[str, ...] = ()
    by_probability: tuple[str, ...] = ()

    @classmethod
    def of(cls, metrics: Sequence[str], *options: str) -> Asked:
        """Return what metrics look at, and options that look at probabilities."""
        from augtune.evaluation.metrics import metrics_of

        found = [(f"--metric {one.kind}", one.needs_probabilities) for one in metrics_of(metrics)]
        soft = [name for name, is_soft in found if is_soft]
        return cls(tuple(name for name, is_soft in found if not is_soft), (*soft, *options))


@dataclass(frozen=True, slots=True)
class Said:
    """What a file says of the rows.

    Args:
        table: The file.
        predicted: Its column of the predicted label.
        soft: That of the probabilities, if there is one.
        values: The predicted label of each of its rows.
        left: Which of them it leaves unanswered.
        row_of: Its row of each row of the truth.
    """

    table: Table
    predicted: str
    soft: str | None
    values: Sequence[LabelValue]
    left: Sequence[bool]
    row_of: Mapping[str, int]


def settled(found: Predictions, said: Said, asked: Asked) -> tuple[Predictions, bool]:
    """Return predictions as they are to be measured, and whether they have probabilities.

    Where the predicted label is not always the most probable one, metrics of predicted labels are measured on the
    predicted labels alone, and stderr says so.

    Args:
        found: The predictions as read.
        said: The file.
        asked: What is asked of them.

    Raises:
        DataError: If a list of probabilities is likely in another order of the labels, or labels and probabilities
            contradict each other and both are asked for.
    """
    import numpy as np

    from augtune.core.tables import Predictions

    if said.soft is None or found.labels.has_many:
        return found, said.soft is not None
    rows = np.array([said.row_of[name] for name in found.ids])
    own = np.array([found.labels.index(str(said.values[i])) for i in rows])
    answered = ~np.array(said.left, dtype=bool)[rows]
    differ = np.flatnonzero((found.indices != own) & answered)
    if not len(differ):
        return found, True
    if not isinstance(_given(said.table.rows[rows[0]].get(said.soft)), Mapping):
        _check_order(said, found.labels, own[answered], found.indices[answered])
    first = int(differ[0])
    told = (
        f"{said.table.place(int(rows[first]))}: {said.predicted!r} is {found.labels[int(own[first])]!r} and the most "
        f"probable label of {said.soft!r} is {found.predicted[first]!r} ({len(differ)} of {len(own)} rows differ)"
    )
    if asked.by_label and asked.by_probability:
        raise DataError(
            f"{told}: {', '.join((*asked.by_label, *asked.by_probability))} would not be about the same predictions.",
            hint=f"Ask apart for what {said.predicted!r} is worth ({', '.join(asked.by_label)}) and what {said.soft!r} "
            f"is ({', '.join(asked.by_probability)}).",
        )
    by_label = not asked.by_probability
    sys.stderr.write(f"warning: {told}; measured is {(said.predicted if by_label else said.soft)!r}\n")
    if not by_label:
        return found, True
    return Predictions(found.ids, np.eye(len(found.labels))[own], found.labels, found.made_by), False


def _given(value: Any) -> Any:
    return decoded(value) if isinstance(value, str) else value


def _check_order(said: Said, labels: Labels, own: np.ndarray, most: np.ndarray) -> None:
    """Refuse lists that fit the predicted labels in another order of the labels, and not in theirs."""
    import numpy as np
    from scipy.optimize import linear_sum_assignment

    together = np.zeros((len(labels),) * 2)
    np.add.at(together, (own, most), 1)
    places = linear_sum_assignment(together, maximize=True)[1]
    agree, others = int(np.trace(together)), int(together[np.arange(len(labels)), places].sum())
    if others < OTHER_ORDER * len(own) or others <= agree:
        return
    order = ", ".join(labels[int(k)] for k in np.argsort(places))
    raise DataError(
        f"{said.table.source}: {said.soft!r} is a list of probabilities, expected in the order {', '.join(labels)}; "
        f"but the most probable label is then the predicted one in {agree} of {len(own)} rows, and in {others} in the "
        f"order {order}.",
        hint="Write the probabilities as objects, {label: probability}, or name the order with --labels A,B,...",
    )


def check_labels(truth: Table, true: Sequence[LabelValue], table: Table, said: Sequence[LabelValue]) -> None:
    """See that a file predicts labels of the truth; those that the truth never has are told on stderr.

    Args:
        truth: The file of the truth.
        true: Its labels.
        table: The file of predictions.
        said: Its labels.

    Raises:
        DataError: If none of the predicted labels is a true one.
    """
    there = set(_names(true))
    strange = Counter(name for name in _names(said) if name not in there)
    if not strange:
        return
    if not there.intersection(_names(said)):
        raise DataError(
            f"{table.source}: predicts {_listed(strange)} and never a label of {truth.source}, which has "
            f"{_listed(sorted(there))}: no row can be right.",
            hint=_hint(there, strange),
        )
    rows = ", ".join(f"{name!r} ({count} row{'s' * (count != 1)})" for name, count in strange.most_common(SHOWN))
    more = f" and {len(strange) - SHOWN} labels more" if len(strange) > SHOWN else ""
    sys.stderr.write(
        f"warning: {table.source}: predicts {rows}{more}, which no row of {truth.source} has: such a row is wrong, and "
        "such a label counts 0 in this file's macro averages\n"
    )


def _names(values: Iterable[LabelValue]) -> list[str]:
    return [name for value in values for name in ([value] if isinstance(value, str) else value)]


def _listed(names: Iterable[str]) -> str:
    found = list(names)
    return ", ".join(map(repr, found[:SHOWN])) + (f" and {len(found) - SHOWN} more" if len(found) > SHOWN else "")


def _hint(there: Iterable[str], strange: Iterable[str]) -> str:
    """Return what to do: the same numbers may be written in two ways, or the column may be another."""
    numbers = {value: name for name in there if (value := _number(name)) is not None}
    for name in strange:
        value = _number(name)
        if value in numbers:
            return f"{name} and {numbers[value]} are the same number and other labels; write both files alike."
    return "Name the columns with --label and --predicted, or all labels there are with --labels A,B,..."


def _number(name: str) -> float | None:
    try:
        return float(name)
    except ValueError:
        return None

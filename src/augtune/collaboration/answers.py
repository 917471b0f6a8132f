"""What a language model answered, row by row: predictions like any other, and how each came about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from augtune.collaboration.reading import Problem
from augtune.core.dataset import HumanDataset
from augtune.core.outcomes import Cost
from augtune.core.tables import Predictions
from augtune.core.task import LabelValue

__all__ = ["AnswerRecord", "Answers", "Status"]

Status = Literal["answered", "answered again", "classifier", "none"]


@dataclass(frozen=True, slots=True)
class AnswerRecord:
    """How one row was answered.

    Args:
        id: The row's id.
        status: ``answered`` at once or ``answered again`` after a reminder; ``classifier``: there was no answer and the
            classifier's prediction stands; ``none``: there was none and nothing does.
        label: The label the model gave, or None.
        replies: Its replies as they were, in order; for a call that failed, what the provider said.
        problems: What was wrong with each reply that was no answer.
        soft_source: Where the probabilities are from: ``logprobs``, ``scores``, ``one-hot`` or ``classifier``; None
            without any.
        call_key: Key of the last request.
    """

    id: str
    status: Status
    label: str | None
    replies: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    soft_source: str | None = None
    call_key: str | None = None

    @property
    def is_answered(self) -> bool:
        """True if the model gave a label."""
        return self.label is not None

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a JSON object."""
        value = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: list(part) if isinstance(part, tuple) else part for name, part in value.items()}


@dataclass(frozen=True, eq=False)
class Answers(Predictions):
    """Predictions that a language model made.

    A row it did not answer has the classifier's prediction or is not among ``ids``; ``records`` has every row asked.

    Args:
        ids: Ids of the rows that have a prediction.
        probabilities: ``(N, K)``: from the tokens' probabilities where the model gives them, else one-hot.
        labels: The classes.
        made_by: The model and the form.
        model: Fingerprint of the model, the form, the sampling and the evidence.
        records: One per row asked, in order.
        form: The prompt form's mark.
        constrained: Whether answers could only be labels: by a JSON schema, or because the labels were scored.
        cost: What the calls cost.
    """

    records: tuple[AnswerRecord, ...] = ()
    form: str = ""
    constrained: bool = False
    cost: Cost = field(default_factory=Cost)

    @property
    def unanswered(self) -> tuple[str, ...]:
        """Ids of the rows the model did not answer."""
        return tuple(record.id for record in self.records if not record.is_answered)

    @property
    def problems(self) -> dict[str, int]:
        """How many rows stayed without an answer, by what was wrong last; the most frequent first."""
        last = [record.problems[-1] for record in self.records if not record.is_answered and record.problems]
        return dict(Counter(last).most_common())

    def answered(self, truth: HumanDataset) -> HumanDataset:
        """Return the rows of ``truth`` that have a prediction; a score on them says nothing of the others."""
        known = set(self.ids)
        return truth.take([i for i, name in enumerate(truth.ids) if name in known])

    def to_rows(self, truth: Mapping[str, LabelValue] | None = None) -> Iterable[dict[str, Any]]:
        """Yield one JSON object per row with a prediction; the record's status, replies and problems are in it."""
        records = {record.id: record for record in self.records}
        for row in super().to_rows(truth):
            record = records.get(row["id"])
            yield row if record is None else {**row, **{k: v for k, v in record.to_json().items() if k != "label"}}

    def __repr__(self) -> str:
        again = sum(record.status == "answered again" for record in self.records)
        parts = [f"{sum(record.is_answered for record in self.records)} of {len(self.records)} rows answered"]
        if again:
            parts.append(f"{again} of them after a reminder")
        if self.problems:
            parts.append("no answer: " + ", ".join(f"{n} {problem}" for problem, n in self.problems.items()))
        return " · ".join([*parts, repr(self.cost)])

"""The rows a model is asked about: texts with ids and the labels to choose from; their own labels are never kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from augtune.core.dataset import Dataset
from augtune.core.errors import DataError
from augtune.core.labels import Labels

__all__ = ["Asked", "Questions"]


@dataclass(frozen=True)
class Questions:
    """``N`` texts to label. They hold no label, so that no answer can come from one.

    Args:
        ids: Row ids.
        texts: First texts.
        pairs: Second texts, None for a row without.
        labels: The ``K`` labels to choose from.
    """

    ids: tuple[str, ...]
    texts: tuple[str, ...]
    pairs: tuple[str | None, ...]
    labels: Labels

    @classmethod
    def of(cls, rows: Asked, labels: Labels | None = None) -> Questions:
        """Return the questions that rows pose.

        Args:
            rows: A dataset, texts, or pairs of texts; bare texts get the ids ``text-0000`` and so on.
            labels: The labels to choose from; a dataset's own by default.

        Raises:
            DataError: If the labels are not given and the rows have none, a row may have several, or a text is empty.
        """
        if isinstance(rows, Questions):
            return rows
        order = rows.labels if labels is None and isinstance(rows, Dataset) else labels
        if order is not None:
            order.one_each("ask: a prompt")
        if isinstance(rows, Dataset):
            if labels is not None and labels.names != rows.labels.names:
                raise DataError(f"{rows.name}: expected the labels {labels} in this order, got {rows.labels}.")
            return cls(rows.ids, rows.texts, rows.text_pairs, labels or rows.labels)
        if isinstance(rows, str):
            raise DataError(f"ask: expected a list of texts, got one text; write [{rows[:20]!r}].")
        if labels is None:
            raise DataError(
                "ask: bare texts do not say which labels there are.", hint="Give labels=Labels(('spam', 'ham'))."
            )
        given = [(row, None) if isinstance(row, str) else (row[0], row[1]) for row in rows]
        for i, (text, _) in enumerate(given):
            if not text.strip():
                raise DataError(f"ask: text {i} is empty.")
        ids = tuple(f"text-{i:04d}" for i in range(len(given)))
        return cls(ids, tuple(text for text, _ in given), tuple(pair for _, pair in given), labels)

    def take(self, rows: Sequence[int] | np.ndarray) -> Questions:
        """Return the questions at the given places, in that order."""
        picked = [int(i) for i in rows]
        columns = [tuple(column[i] for i in picked) for column in (self.ids, self.texts, self.pairs)]
        return Questions(columns[0], columns[1], columns[2], self.labels)  # type: ignore[arg-type]

    def __len__(self) -> int:
        return len(self.ids)


Asked = Dataset | Questions | Sequence[str] | Sequence[tuple[str, str]]
"""A dataset, texts, or pairs of texts."""

"""The YAML ``inspect:`` keys."""

from __future__ import annotations

from pydantic import Field

from augtune.core.settings import Settings

__all__ = ["InspectSettings"]


class InspectSettings(Settings):
    """How synthetic rows are looked at before training."""

    rows: int = Field(default=10_000, ge=10)
    """Most synthetic rows that are embedded; of more, a seeded sample is. Repeats, leaks and sources are counted over
    all of them."""

    threshold: float = Field(default=0.9, ge=0.1, le=1)
    """Cosine similarity from which two rows count as nearly the same."""

    sample: int = Field(default=200, ge=2)
    """Rows of a label, at most, that self-BLEU, distinct n-grams and drift of vocabulary are computed on. As many human
    rows are taken, so that the two can be compared; fewer where there are fewer."""

    draws: int = Field(default=5, ge=1)
    """Samples that these are the mean of."""

    folds: int = Field(default=5, ge=2)
    """Parts of the human rows that the checker's own accuracy is measured on."""

    encoder: str | None = None
    """Encoder of the sentence vectors; None: the run's."""

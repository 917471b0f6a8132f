"""The YAML ``evaluate:`` keys."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from augtune.core.settings import Settings
from augtune.evaluation.metrics import DEFAULT_METRICS, Metric, metrics_of

__all__ = ["Correction", "EvaluateSettings"]

Correction = Literal["holm", "benjamini_hochberg", "none"]


class EvaluateSettings(Settings):
    """What is measured, and how arms are compared."""

    metrics: tuple[Any, ...] = DEFAULT_METRICS
    """Metrics by name, e.g. [macro_f1, accuracy]; augtune ls metrics lists them."""
    baseline: str | None = None
    """The arm that every other is compared with; by default the first."""
    test: Literal["paired_bootstrap", "mcnemar"] = "paired_bootstrap"
    """Where p comes from. mcnemar is about accuracy; the p of other metrics is the paired bootstrap's, and says so."""
    correction: Correction = "holm"
    """How p is corrected for the number of comparisons: holm (no false claim at all), benjamini_hochberg (few among
    the claims) or none."""
    resamples: int = Field(default=10_000, ge=100, le=1_000_000)
    """Resamples of each bootstrap."""
    level: float = Field(default=0.95, gt=0, lt=1)
    """Share of resamples that intervals hold."""

    @field_validator("metrics")
    @classmethod
    def _metrics_are_known(cls, metrics: tuple[Any, ...]) -> tuple[Any, ...]:
        metrics_of(metrics)
        return metrics

    @property
    def measured(self) -> tuple[Metric, ...]:
        """The metrics, as objects."""
        return metrics_of(self.metrics)

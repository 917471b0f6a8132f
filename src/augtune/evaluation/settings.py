"""The YAML ``evaluate:`` keys."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from augtune.core.settings import Settings
from augtune.evaluation import TESTS
from augtune.evaluation.difference_tests.base import DifferenceTest
from augtune.evaluation.metrics import DEFAULT_METRICS, Metric, metrics_of

__all__ = ["Correction", "EvaluateSettings"]

Correction = Literal["holm", "benjamini_hochberg", "bh", "none"]


class EvaluateSettings(Settings):
    """What is measured, and how arms are compared."""

    metrics: tuple[Any, ...] = DEFAULT_METRICS
    """Metrics by name, e.g. [macro_f1, accuracy]; augtune ls metrics lists them."""
    baseline: str | None = None
    """The arm that every other is compared with; by default the first."""
    test: Any = "paired_bootstrap"
    """Where p comes from, by name or as a mapping with kind; augtune ls tests lists them. A test of accuracy alone
    leaves other metrics the paired bootstrap's p, and says so."""
    correction: Correction = "holm"
    """How p is corrected for the number of comparisons: holm (no false claim at all), benjamini_hochberg, bh for short
    (few among the claims), or none."""
    resamples: int = Field(default=10_000, ge=100, le=1_000_000)
    """Resamples of each bootstrap."""
    level: float = Field(default=0.95, gt=0, lt=1)
    """Share of resamples that intervals hold."""

    @field_validator("metrics")
    @classmethod
    def _metrics_are_known(cls, metrics: tuple[Any, ...]) -> tuple[Any, ...]:
        metrics_of(metrics)
        return metrics

    @field_validator("test")
    @classmethod
    def _test_is_known(cls, test: Any) -> Any:
        TESTS.parse(test, where="test")
        return test

    @property
    def tester(self) -> DifferenceTest:
        """The test, as an object."""
        return TESTS.parse(self.test, where="test")

    @property
    def measured(self) -> tuple[Metric, ...]:
        """The metrics, as objects."""
        return metrics_of(self.metrics)

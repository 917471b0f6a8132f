"""How good predictions are, how sure that is, and whether one model is really better than another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from augtune.core.catalog import Catalog, Row

if TYPE_CHECKING:
    from augtune.evaluation.metrics import Metric

__all__ = ["METRICS"]

METRICS: Catalog[Metric] = Catalog(
    "metric",
    {
        "macro_f1": Row("augtune.evaluation.metrics:MacroF1", "Mean over the labels of F1; rare labels count as much."),
        "accuracy": Row("augtune.evaluation.metrics:Accuracy", "Share of rows predicted right."),
        "balanced_accuracy": Row("augtune.evaluation.metrics:BalancedAccuracy", "Mean over the labels of recall."),
        "weighted_f1": Row("augtune.evaluation.metrics:WeightedF1", "Mean of F1, labels weighed by their rows."),
        "mcc": Row("augtune.evaluation.metrics:Mcc", "Matthews correlation; 0 for guessing, whatever the imbalance."),
        "nll": Row("augtune.evaluation.metrics:Nll", "Mean of -log of the true label's probability; lower is better."),
        "brier": Row("augtune.evaluation.metrics:Brier", "Mean squared error of the probabilities; lower is better."),
        "ece": Row("augtune.evaluation.metrics:Ece", "How far confidence is from accuracy; lower is better."),
    },
)

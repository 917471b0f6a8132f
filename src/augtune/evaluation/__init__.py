"""How good predictions are, how sure that is, and whether one model is really better than another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from augtune.core.catalog import Catalog, Row

if TYPE_CHECKING:
    from augtune.evaluation.difference_tests.base import DifferenceTest
    from augtune.evaluation.metrics import Metric

__all__ = ["METRICS", "TESTS"]

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
        "auroc": Row("augtune.evaluation.ranking:Auroc", "Chance that a row of a label ranks above one of another."),
        "micro_f1": Row(
            "augtune.evaluation.metrics:MicroF1", "F1 of all decisions together; common labels count more."
        ),
        "hamming_loss": Row("augtune.evaluation.several:HammingLoss", "Share of wrong decisions over rows and labels."),
        "mae": Row("augtune.evaluation.ordinal:Mae", "Mean distance on the scale of ordered labels; lower is better."),
        "rmse": Row("augtune.evaluation.ordinal:Rmse", "Root mean squared distance on the scale; lower is better."),
        "qwk": Row("augtune.evaluation.ordinal:Qwk", "Kappa of ordered labels, misses weighed by squared distance."),
        "spearman": Row("augtune.evaluation.ordinal:Spearman", "Rank correlation on the scale of ordered labels."),
        "ece": Row("augtune.evaluation.metrics:Ece", "How far confidence is from accuracy; lower is better."),
    },
)

TESTS: Catalog[DifferenceTest] = Catalog(
    "test",
    {
        "paired_bootstrap": Row(
            "augtune.evaluation.difference_tests.bootstrap:PairedBootstrap",
            "Resamples test rows and seeds; any metric.",
        ),
        "mcnemar": Row(
            "augtune.evaluation.difference_tests.discordant:McNemarExact",
            "Exact, of rows that just one model gets right; accuracy only.",
        ),
        "mcnemar_midp": Row(
            "augtune.evaluation.difference_tests.discordant:McNemarMidP",
            "The same, less conservative on few rows; accuracy only.",
        ),
        "permutation": Row(
            "augtune.evaluation.difference_tests.permutation:Permutation",
            "Swaps the two models' predictions row by row; any metric, exact on few rows.",
        ),
        "corrected_t": Row(
            "augtune.evaluation.difference_tests.over_seeds:CorrectedT",
            "Corrected resampled t-test of the seeds' differences; any metric, 2 seeds or more.",
        ),
        "wilcoxon": Row(
            "augtune.evaluation.difference_tests.over_seeds:Wilcoxon",
            "Exact signed ranks of the seeds' differences; any metric, 6 seeds or more to reach 0.05.",
        ),
    },
)
"""Where p comes from: the YAML key ``evaluate.test``."""

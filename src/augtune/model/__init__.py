"""Encoders with a head, their losses, and what a trained classifier is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from augtune.core.catalog import Catalog, Row
from augtune.core.settings import Settings

if TYPE_CHECKING:
    from augtune.model.fitted import Fitted
    from augtune.model.heads import Head
    from augtune.model.mixing import Mixing

__all__ = ["HEADS", "LOSSES", "MIXINGS", "Fitted"]

LOSSES: Catalog[Settings] = Catalog(
    "loss",
    {
        "cross_entropy": Row(
            "augtune.model.losses.cross_entropy:CrossEntropy", "Cross-entropy, with label smoothing if wanted."
        ),
        "focal": Row("augtune.model.losses.focal:Focal", "Down-weigh rows the model finds easy."),
        "ldam": Row("augtune.model.losses.ldam:Ldam", "Ask rarer classes for a wider margin, and weigh them more."),
        "logit_adjustment": Row(
            "augtune.model.losses.logit_adjustment:LogitAdjustment", "Make up for class shares in the logits."
        ),
        "dimp": Row("augtune.model.losses.dimp:Dimp", "Weigh rows by checked quality over the model's own confidence."),
        "mse": Row("augtune.model.losses:Mse", "Squared error on the scale of ordered labels (task ordinal)."),
        "bce": Row("augtune.model.losses:Bce", "Binary cross-entropy of each label (task multi_label)."),
    },
)

HEADS: Catalog[Head] = Catalog(
    "head",
    {
        "mean": Row("augtune.model.heads:Mean", "The mean of the token vectors."),
        "cls": Row("augtune.model.heads:Cls", "The first token's vector."),
        "max": Row("augtune.model.heads:Max", "The largest value of each unit over the tokens."),
        "attention": Row("augtune.model.heads:Attention", "A mean of the token vectors with learned weights."),
        "own": Row("augtune.model.heads:Own", "The head transformers gives the encoder."),
    },
)

MIXINGS: Catalog[Mixing] = Catalog(
    "mixing",
    {
        "tmix": Row("augtune.model.mixing:TMix", "Mix the hidden states of two rows in a layer, and their targets."),
        "mixup": Row("augtune.model.mixing:Mixup", "Mix the embeddings of two rows, and their targets."),
    },
)


def __getattr__(name: str) -> Any:
    """Load ``Fitted``, and torch with it, the first time it is asked for."""
    if name == "Fitted":
        from augtune.model.fitted import Fitted

        return Fitted
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

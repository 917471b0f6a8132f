"""A new classifier made ready for its training: updates beside its weights, layers computed twice or compiled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import torch

from augtune.core.seeds import derive
from augtune.model.classifier import Classifier
from augtune.model.compiling import compiled, wants_compiling
from augtune.model.dropout import MaskSource, stream_dropout
from augtune.model.lora import adapt
from augtune.model.recompute import recomputing

if TYPE_CHECKING:
    from augtune.training.fitting import Job

__all__ = ["new_classifier", "ready"]


def new_classifier(job: Job, device: torch.device) -> Classifier:
    """Return the classifier a job starts from; its new weights are drawn from the job's seed.

    Args:
        job: The training; torch's random state is left at another place.
        device: Where it is to be.
    """
    settings = job.settings
    torch.manual_seed(derive(job.seed, "head"))
    classifier = Classifier.new(
        settings.encoder, job.dataset.labels.names, head=settings.head, dropout=settings.dropout
    )
    if settings.lora is not None:
        torch.manual_seed(derive(job.seed, "lora"))
        adapt(classifier.encoder, settings.lora)
    return classifier.to(device)


@contextmanager
def ready(
    classifier: Classifier, job: Job, masks: MaskSource, *, steps: int, note: Callable[[str], None]
) -> Iterator[None]:
    """Run the block with the classifier's layers as the job's settings want them computed.

    Args:
        classifier: What is trained, on its device.
        job: The training.
        masks: Where dropout masks come from on a processor.
        steps: Optimizer steps of the training.
        note: Told where something asked for cannot be done here.
    """
    settings, device = job.settings, classifier.device
    with ExitStack() as stack:
        # Mixing reaches in between layers, anew in each step, which compiled ones do not take; and a model in parts
        # hooks into them.
        plain = settings.mix is None and settings.sharding != "parameters"
        fused = plain and wants_compiling(settings.compile, device, steps)
        if fused:
            why = stack.enter_context(compiled(classifier))
            if why is not None:
                fused = False
                note(f"compile: not done, since this machine cannot ({why}); training goes on without it.")
        # torch draws a GPU's masks on the GPU, which is fast; compiled layers draw their own.
        if device.type == "cpu" and not fused:
            stack.enter_context(stream_dropout(classifier, classifier.encoder, masks))
        if settings.gradient_checkpointing:
            stack.enter_context(recomputing(classifier.encoder, masks))
        yield

"""``contrast``: an encoder tuned by pairs of rows, and softmax regression on its vectors (the idea of SetFit).

Rows of one class are drawn together, rows of two classes apart, by the cosine of their vectors; then a linear probe is
fitted to the vectors (Tunstall et al., Efficient Few-Shot Learning Without Prompts, 2022). Few rows make many pairs.

Shapes: ``N`` rows, ``P`` pairs of a step, ``H`` hidden units.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from augtune.core.dataset import Dataset
from augtune.core.errors import DataError, TrainingError
from augtune.core.fingerprint import text_marks
from augtune.core.seeds import generator
from augtune.embedding.probe import fit_probe
from augtune.model.batching import Encoded, encode, length_batches
from augtune.model.classifier import Classifier
from augtune.model.encoder import load_tokenizer, longest_input
from augtune.model.fitted import Fitted
from augtune.model.heads import Mean
from augtune.model.precision import Precision, choose
from augtune.model.vocabulary import SmallVocabulary, small_vocabulary
from augtune.training.probed import as_head
from augtune.training.running import Running, Stopped
from augtune.training.settings import TrainSettings

__all__ = ["Pairs", "contrast", "pairs_of"]

VECTORS_AT_ONCE = 64


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """The pairs of a step.

    Args:
        left: ``(P,)`` places of rows.
        right: ``(P,)`` places of rows.
        alike: ``(P,)`` 1 where both are of one class, 0 where not.
    """

    left: np.ndarray
    right: np.ndarray
    alike: np.ndarray


def pairs_of(classes: np.ndarray, *, pairs: int, steps: int, chance: np.random.Generator) -> Iterator[Pairs]:
    """Yield the pairs of each step: every row in turn, every other with one of its class, the others with another's.

    A row that is alone in its class has no partner there and gets one of another class instead.

    Args:
        classes: ``(N,)`` class of each row; two classes at least.
        pairs: ``P``.
        steps: Steps.
        chance: Where chance comes from.
    """
    inside = {k: np.flatnonzero(classes == k) for k in np.unique(classes)}
    outside = {k: np.flatnonzero(classes != k) for k in inside}
    queue = np.zeros(0, dtype=np.int64)
    for _ in range(steps):
        while len(queue) < pairs:
            queue = np.concatenate([queue, chance.permutation(len(classes))])
        left, queue = queue[:pairs], queue[pairs:]
        right, alike = np.empty(pairs, dtype=np.int64), np.zeros(pairs)
        for place, row in enumerate(left.tolist()):
            own = inside[classes[row]]
            alike[place] = float(place % 2 == 0 and len(own) > 1)
            others = own[own != row] if alike[place] else outside[classes[row]]
            right[place] = others[int(chance.integers(len(others)))]
        yield Pairs(left, right, alike)


def contrast(
    dataset: Dataset, settings: TrainSettings, *, ridge: float, seed: int = 0, running: Running | None = None
) -> Fitted:
    """Return an encoder tuned by pairs of rows with a probe on top, as a classifier that can be saved and used.

    A step computes ``batch_size`` texts, half as many pairs, so it costs what a step of fine-tuning costs. Of the
    settings the encoder, steps, batch size, rate, weight decay, warm-up, longest gradient, length and precision count;
    there is no dropout.

    Args:
        dataset: Rows to train on, single texts with one label each.
        settings: Of the training.
        ridge: Strength of the probe's penalty.
        seed: Of the pairs.
        running: Who hears of steps, and what ends it before the last one; no checkpoints are written.

    Raises:
        DataError: If rows are pairs of texts, may have several labels, or are all of one class.
        TrainingError: If a loss is not finite.
    """
    if dataset.is_pair or dataset.labels.has_many:
        raise DataError(f"{dataset.name}: contrastive training is made for single texts with one label each.")
    classes = dataset.label_indices
    if len(np.unique(classes)) < 2:
        raise DataError(f"{dataset.name}: every row is {dataset.label_names[0]!r}; there is nothing to tell apart.")
    started, around = time.monotonic(), running or Running()
    tokenizer = load_tokenizer(settings.encoder)
    with torch.random.fork_rng(devices=[]):
        classifier = Classifier.new(settings.encoder, dataset.labels.names, head=Mean(unit=True)).eval()
    if torch.cuda.is_available():
        classifier = classifier.to("cuda")
    limit = longest_input(tokenizer, classifier.encoder)
    limit = min(limit, settings.max_length or limit)
    encoded = encode(tokenizer, dataset.texts, max_length=limit)
    precision = choose(settings.precision, classifier.device)
    steps = settings.steps_for(len(dataset))
    drawn = pairs_of(
        classes, pairs=max(2, settings.batch_size // 2), steps=steps, chance=generator(seed, "contrast", "pairs")
    )
    with small_vocabulary(classifier, [encoded]) as vocabulary:
        history = _tune(
            classifier, vocabulary.renumbered(encoded), drawn, (settings, precision, steps, vocabulary), around
        )
    vectors = _vectors(classifier, encoded)
    as_head(classifier, fit_probe(vectors, dataset.targets(), balanced=False, ridge=ridge))
    return Fitted(
        classifier=classifier.eval(),
        tokenizer=tokenizer,
        labels=dataset.labels,
        encoder=settings.encoder,
        recipe="contrastive",
        steps=steps,
        max_length=limit,
        seed=seed,
        settings={**settings.to_json(), "recipe": "contrastive", "ridge": ridge},
        history=tuple(history),
        seconds=time.monotonic() - started,
        precision=repr(precision),
        truncated=int(encoded.truncated.sum()),
        seen=tuple(text_marks(dataset.texts, dataset.text_pairs)),
    )


def _tune(
    classifier: Classifier,
    encoded: Encoded,
    drawn: Iterator[Pairs],
    how: tuple[TrainSettings, Precision, int, SmallVocabulary],
    running: Running,
) -> list[dict[str, Any]]:
    """Tune the encoder on the pairs of each step; return a row of history per step."""
    settings, precision, steps, vocabulary = how
    weights = list(classifier.encoder.parameters())
    optimizer = torch.optim.AdamW(weights, lr=settings.lr, weight_decay=settings.weight_decay)
    warm = max(1, round(settings.warmup_share * steps))
    history: list[dict[str, Any]] = []
    for step, pairs in enumerate(drawn):
        rate = settings.lr * min((step + 1) / warm, (steps - step) / max(1, steps - warm))
        for group in optimizer.param_groups:
            group["lr"] = rate
        with precision.active(classifier.device):
            found = _pooled(classifier, encoded, np.concatenate([pairs.left, pairs.right]))
        left, right = found.float().chunk(2)
        target = torch.from_numpy(pairs.alike).float().to(left.device)
        loss = (((left * right).sum(dim=1) - target) ** 2).mean()
        value = float(loss.detach())
        if not np.isfinite(value):
            raise TrainingError(f"step {step + 1} of {steps}: the contrastive loss is {value}; lower lr.")
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if settings.max_grad_norm is not None:
            torch.nn.utils.clip_grad_norm_(weights, settings.max_grad_norm)
        optimizer.step()
        vocabulary.decay(optimizer.param_groups)
        history.append({"step": step + 1, "stage": "contrast", "loss": value, "lr": rate})
        if running.on_step is not None:
            running.on_step(step + 1, steps, value)
        if running.stop is not None and running.stop.asked and step + 1 < steps:
            raise Stopped(f"stopped by hand after step {step + 1} of {steps}; there is no checkpoint of it.")
    return history


def _pooled(classifier: Classifier, encoded: Encoded, rows: np.ndarray) -> torch.Tensor:
    """Return the vectors of some rows, ``(B, H)`` of length 1."""
    inputs = {name: tensor.to(classifier.device) for name, tensor in encoded.batch(rows).inputs.items()}
    hidden = classifier.encoder(**inputs).last_hidden_state
    found: torch.Tensor = classifier.net.pool(hidden, inputs["attention_mask"])
    return found


def _vectors(classifier: Classifier, encoded: Encoded) -> np.ndarray:
    """Return the vectors of all rows, ``(N, H)`` float64, computed in float32."""
    table = np.zeros((len(encoded), int(classifier.encoder.config.hidden_size)))
    with torch.inference_mode():
        for rows in length_batches(encoded.lengths, batch_size=VECTORS_AT_ONCE):
            table[rows] = _pooled(classifier, encoded, rows).double().cpu().numpy()
    return table

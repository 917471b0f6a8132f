"""What the scores of continuations mean: by length, against a prompt without content, as probabilities."""

from __future__ import annotations

import math
from collections.abc import Sequence

from augtune.core.errors import InputError
from augtune.llm.messages import Reply

__all__ = ["calibrated", "logprobs_of", "probabilities"]


def logprobs_of(reply: Reply, *, by_length: bool = False) -> tuple[float, ...]:
    """Return the log-probability of each of the ``K`` continuations.

    Args:
        reply: Answer to a request with ``continuations``.
        by_length: Divide each by its number of tokens, so that a long label is not unlikely for its length alone.

    Raises:
        InputError: If the reply holds no scores.
    """
    if reply.scores is None:
        raise InputError("the reply holds no scores: its request had no continuations, or the provider gives none.")
    return tuple(score.logprob / score.tokens if by_length else score.logprob for score in reply.scores)


def calibrated(logprobs: Sequence[float], content_free: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """Return scores without what the model gives each continuation whatever the text (Zhao et al., ICML 2021).

    The probabilities, made to sum to 1 over the continuations, are divided by those for prompts whose text says
    nothing (``N/A``, a blank), averaged over these prompts, and made to sum to 1 again: the paper's
    ``W = diag(p_cf)^-1``.

    Args:
        logprobs: ``K`` log-probabilities.
        content_free: For each prompt without content, its ``K`` log-probabilities.

    Returns:
        ``K`` log-probabilities that sum to 1 as probabilities; the input, normalised, if there is no such prompt.
    """
    own = probabilities(logprobs)
    if content_free:
        bases = [probabilities(one) for one in content_free]
        means = [sum(column) / len(bases) for column in zip(*bases, strict=True)]
        own = tuple(p / max(mean, 1e-12) for p, mean in zip(own, means, strict=True))
        own = tuple(p / sum(own) for p in own)
    return tuple(math.log(p) if p > 0 else -math.inf for p in own)


def probabilities(logprobs: Sequence[float]) -> tuple[float, ...]:
    """Return ``K`` probabilities that sum to 1, in proportion to those given as logarithms."""
    most = max(logprobs)
    shares = [math.exp(value - most) for value in logprobs]
    return tuple(share / sum(shares) for share in shares)

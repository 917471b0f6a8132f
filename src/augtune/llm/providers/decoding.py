"""How the next token of each row of a batch is drawn, and when a row is at its end."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from transformers import LogitsProcessor, StoppingCriteria

from augtune.core.seeds import generator
from augtune.llm.messages import Request

__all__ = ["Ending", "Sampler"]


class Sampler(LogitsProcessor):  # type: ignore[misc]
    """Draw each row's token with the row's own stream of chance, so that its mates in the batch do not matter.

    One uniform number per token is looked up in the cumulated probabilities; greedy decoding of what this returns then
    takes the token that was drawn.

    Args:
        requests: The ``B`` requests of the batch.
        start: Length of the padded prompts.
    """

    def __init__(self, requests: Sequence[Request], start: int) -> None:
        self._requests = requests
        self._start = start
        self._streams = [generator(0, "local", request.key) for request in requests]
        self._most = max((request.logprobs or 0 for request in requests), default=0)
        self._reads = any(request.logprobs is not None for request in requests)
        self._steps: list[tuple[list[float], list[list[int]], list[list[float]]]] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Return scores ``(B, vocabulary)`` that are -inf but for the token drawn in each row."""
        drawn = self._draw(self._penalised(input_ids, scores.float()))
        if self._reads:
            self._note(scores.float(), drawn)
        return torch.full_like(scores, -torch.inf).scatter_(1, drawn[:, None], 0.0)

    def _penalised(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        if not any(request.frequency_penalty or request.presence_penalty for request in self._requests):
            return scores
        written = input_ids[:, self._start :]
        counts = torch.zeros_like(scores).scatter_add_(1, written, torch.ones_like(written, dtype=scores.dtype))
        often = self._column([request.frequency_penalty or 0.0 for request in self._requests], scores)
        at_all = self._column([request.presence_penalty or 0.0 for request in self._requests], scores)
        return scores - often * counts - at_all * (counts > 0)

    def _draw(self, scores: torch.Tensor) -> torch.Tensor:
        temperatures = [1.0 if request.temperature is None else request.temperature for request in self._requests]
        chance = self._column([float(stream.random()) for stream in self._streams], scores)
        greedy = scores.argmax(dim=-1)
        if not any(temperatures):
            return greedy
        exact = torch.float32 if scores.device.type == "mps" else torch.float64
        warm = self._column([t or 1.0 for t in temperatures], scores)
        shares = torch.softmax((scores / warm).to(exact), dim=-1)
        if any(request.top_p is not None and request.top_p < 1 for request in self._requests):
            shares = self._nucleus(shares)
        sums = shares.cumsum(dim=-1)
        place = torch.searchsorted(sums, chance.to(exact) * sums[:, -1:], right=True)
        drawn = place.squeeze(1).clamp_(max=scores.shape[1] - 1)
        is_greedy = torch.tensor([not t for t in temperatures], device=scores.device)
        return torch.where(is_greedy, greedy, drawn)

    def _nucleus(self, shares: torch.Tensor) -> torch.Tensor:
        """Return the shares with all but the fewest likeliest tokens that reach ``top_p`` together at 0."""
        most = self._column([1.0 if r.top_p is None else r.top_p for r in self._requests], shares).to(shares.dtype)
        ranked, order = shares.sort(dim=-1, descending=True)
        outside = (ranked.cumsum(dim=-1) - ranked >= most) & (most < 1)
        return shares.masked_fill(torch.zeros_like(outside).scatter_(1, order, outside), 0.0)

    def _note(self, scores: torch.Tensor, drawn: torch.Tensor) -> None:
        """Keep what the model itself says, before temperature and penalties, as the providers do."""
        logprobs = torch.log_softmax(scores, dim=-1)
        top = logprobs.topk(min(self._most, scores.shape[1]), dim=-1)
        own = logprobs.gather(1, drawn[:, None]).squeeze(1)
        self._steps.append((own.tolist(), top.indices.tolist(), top.values.tolist()))

    def read(self, row: int, place: int, count: int) -> tuple[float, list[tuple[int, float]]]:
        """Return the log-probability of the token drawn at a place of a row, and the ``count`` likeliest ones."""
        own, tokens, values = self._steps[place]
        return own[row], list(zip(tokens[row], values[row], strict=True))[:count]

    @staticmethod
    def _column(values: Sequence[float], like: torch.Tensor) -> torch.Tensor:
        return torch.tensor(values, dtype=like.dtype, device=like.device)[:, None]


class Ending(StoppingCriteria):  # type: ignore[misc]
    """Says which rows of a batch are done: at an end token, a stop text or their length, or unwanted by now.

    Args:
        requests: The ``B`` requests of the batch.
        most: Most tokens of each reply.
        start: Length of the padded prompts.
        ends: Tokens that end a reply.
        decode: Text of the tokens a row has so far.
        wanted: Whether anyone still waits.
    """

    def __init__(
        self,
        requests: Sequence[Request],
        most: Sequence[int],
        *,
        start: int,
        ends: frozenset[int],
        decode: Callable[[int, list[int]], str],
        wanted: Callable[[], bool],
    ) -> None:
        self.lengths = list(most)
        self._stops = [tuple(stop for stop in request.stop if stop) for request in requests]
        self._done = [False] * len(requests)
        self._most = most
        self._start = start
        self._ends = ends
        self._decode = decode
        self._wanted = wanted

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **_: object) -> torch.Tensor:
        """Return which rows are done, ``(B,)``."""
        rows: list[list[int]] = input_ids[:, self._start :].tolist()
        for i, tokens in enumerate(rows):
            if not self._done[i] and self._is_done(i, tokens):
                self._done[i], self.lengths[i] = True, len(tokens)
        unwanted = not self._wanted()
        return torch.tensor([unwanted or done for done in self._done], device=input_ids.device)

    def _is_done(self, row: int, tokens: list[int]) -> bool:
        if len(tokens) >= self._most[row] or tokens[-1] in self._ends:
            return True
        return bool(self._stops[row]) and any(stop in self._decode(row, tokens) for stop in self._stops[row])

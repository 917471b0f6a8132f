"""Asking a model for rows until the quota is full: wave after wave, each fixed by what the earlier ones brought.

A wave asks for exactly as many rows as are missing. Which requests it holds depends on the replies' content and never
on the order in which they arrive, so a run that is interrupted and continued makes the same rows as one that is not.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from augtune.core.errors import ProviderError
from augtune.generation.base import Progress
from augtune.generation.keep import Keeper, Quota
from augtune.llm.messages import Reply, Request

if TYPE_CHECKING:
    from augtune.llm.client import LLM

__all__ = ["Answer", "Ask", "Follow", "Turn", "answers", "draw_number", "most_calls"]

# Rows asked for at once: several times the usual 64 calls in flight, so that one slow call holds up little. Where a
# provider takes batches, all rows: there one reply takes as long as thousands.
WAVE = 256
DRAWS_PER_SEED = 1_000_000


@dataclass(frozen=True, slots=True)
class Ask:
    """One request of a generator.

    Args:
        index: Its number; names the row it makes. Requests of ``T`` targets take turns: number ``n`` of target ``t``
            has index ``n * T + t``.
        request: What is sent.
        parents: Ids of the human rows it shows.
        target: The label it is sent for, or ``ANY``.
        row: Position of the human row it rewords, if it rewords one.
    """

    index: int
    request: Request
    parents: tuple[str, ...]
    target: str
    row: int = -1


@dataclass(frozen=True, slots=True)
class Turn:
    """A further request for a row, and what came back for it."""

    request: Request
    reply: Reply | ProviderError


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for a request: a reply, or why there is none.

    Args:
        ask: The request.
        reply: What came back.
        rounds: What was asked further for the row, one tuple of turns per round; an empty one if nothing was.
    """

    ask: Ask
    reply: Reply | ProviderError
    rounds: tuple[tuple[Turn, ...], ...] = ()


Follow = Callable[[Answer], Sequence[Request]]
"""Returns what has to be asked further for a row, given all that came back for it so far."""


def draw_number(seed: int, number: int) -> int:
    """Return the draw that tells sample ``number`` under ``seed`` from every other sample of the same prompt."""
    return seed * DRAWS_PER_SEED + number


def most_calls(rows: int, attempts: float) -> int:
    """Return the most calls for ``rows`` wanted rows: rounded up, but blind to a float's last digits."""
    return math.ceil(round(rows * attempts, 6))


def answers(
    llm: LLM,
    keeper: Keeper,
    ask: Callable[[str, int], Ask],
    *,
    attempts: float,
    on_progress: Progress | None,
    rounds: Sequence[Follow] = (),
) -> Iterator[Answer]:
    """Yield answers in the order of their index within each wave, until the quota is full or the calls are used up.

    Args:
        llm: The model.
        keeper: Counts what is missing; the caller offers it each answer before taking the next.
        ask: Returns request ``number`` (from 0) of a target.
        attempts: Most first calls per wanted row, for each target.
        on_progress: Told how many calls are done, and of how many, as far as known.
        rounds: What is asked further for each row of a wave, round by round; a round's requests go out together.
    """
    sent = dict.fromkeys(keeper.quota, 0)
    most = {target: most_calls(rows, attempts) for target, rows in keeper.quota.items()}
    desk = _Desk(llm, keeper, on_progress)
    longest = sys.maxsize if llm.is_batch else WAVE
    while wave := _next_wave(keeper, ask, sent, most, longest):
        replies = desk.send([item.request for item in wave])
        found = [Answer(item, reply) for item, reply in zip(wave, replies, strict=True)]
        for follow in rounds:
            found = _followed(desk, found, follow)
        for answer in found:
            sent[answer.ask.target] += 1
            yield answer


class _Desk:
    """Sends lists of requests and tells how many calls are done and what became of the rows of the waves before."""

    def __init__(self, llm: LLM, keeper: Keeper, on_progress: Progress | None) -> None:
        self.llm, self.keeper, self.on_progress = llm, keeper, on_progress
        self.expected = sum(keeper.quota.values())
        self.done = 0

    def send(self, requests: Sequence[Request]) -> list[Reply | ProviderError]:
        """Return the answers to requests, in their order."""
        total = max(self.expected, self.done + len(requests))
        kept, dropped = len(self.keeper.kept), self.keeper.reasons

        def tell(*_: object) -> None:
            self.done += 1
            if self.on_progress is not None:
                self.on_progress(self.done, total, kept, dropped)

        return self.llm.send_all(requests, on_answer=tell)


def _followed(desk: _Desk, found: Sequence[Answer], follow: Follow) -> list[Answer]:
    """Return the answers with what one further round brought."""
    wanted = [list(follow(answer)) for answer in found]
    flat = [request for requests in wanted for request in requests]
    replies = iter(desk.send(flat) if flat else [])
    return [
        replace(answer, rounds=(*answer.rounds, tuple(Turn(request, next(replies)) for request in requests)))
        for answer, requests in zip(found, wanted, strict=True)
    ]


def _next_wave(keeper: Keeper, ask: Callable[[str, int], Ask], sent: Quota, most: Quota, longest: int) -> list[Ask]:
    wave = []
    for target in keeper.quota:
        count = min(keeper.missing(target), most[target] - sent[target], longest)
        wave += [ask(target, sent[target] + n) for n in range(count)]
    return sorted(wave, key=lambda item: item.index)[:longest]

"""What becomes of a reply: a row with its label, or a record of why it is none.

A reply that cannot be read may be sent back once. A row's label comes from the first source that gives one; sources
that take further calls are asked only for rows that no source before them has labelled and that are new.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from augtune.core.dataset import Example
from augtune.core.errors import InputError, ProviderError
from augtune.generation.keep import Keeper
from augtune.generation.plan import Plan, Rejected, Soft, Source, Written
from augtune.generation.prompt import load
from augtune.generation.votes import Count, Scores, Votes
from augtune.generation.waves import Answer, Ask, Follow
from augtune.llm.messages import Message, Reply, Request

if TYPE_CHECKING:
    from augtune.llm.client import LLM

__all__ = ["Fate"]


@dataclass(frozen=True, slots=True)
class _Last:
    """The last request for a row's text, what came back, and what that says."""

    request: Request
    reply: Reply | ProviderError
    found: Written | Rejected


class Fate:
    """Decides what becomes of each reply.

    Args:
        plan: What was asked.
        llm: Who is asked further.
        keeper: Takes the rows.

    Raises:
        InputError: If labels come from scores alone, and the model gives none.
    """

    def __init__(self, plan: Plan, llm: LLM, keeper: Keeper) -> None:
        self.plan, self.llm, self.keeper = plan, llm, keeper
        self.sources: Sequence[Source] = plan.writer.sources
        self.can_repair = bool(plan.writer.repair)
        self.repair = load("repair")
        self.askers: dict[Source, Votes | Scores] = {}
        for source in self.sources:
            if source == "votes":
                self.askers[source] = Votes(plan.poll(), plan.writer, plan.seed)
            elif source == "local" and llm.can_score:
                self.askers[source] = Scores(plan.poll(), plan.writer)
        if tuple(self.sources) == ("local",) and not self.askers:
            raise InputError(
                f"{plan.kind}: labels: local has a model score the labels, and {llm.name} gives no scores.",
                hint="A model in this process does, llm: {model: local/NAME}; or set labels: auto.",
            )

    @property
    def rounds(self) -> Sequence[Follow]:
        """What is asked further for each row: a repair, then its label where it takes a call."""
        return [self._repairs] * self.can_repair + [partial(self._labelling, source) for source in self.askers]

    def take(self, answer: Answer) -> None:
        """Offer an answer's row to the keeper, or put on record why there is none."""
        ask, last = answer.ask, self._last(answer)
        was_repaired = last.request is not ask.request
        row = Example(
            f"{self.plan.kind}-{ask.index:04d}",
            last.reply.text if isinstance(last.reply, Reply) else "",
            "",
            origin="generated",
            parents=ask.parents,
            call_key=last.request.key,
            generator=self.plan.mark + f"+{self.repair.mark}" * was_repaired,
        )
        if isinstance(last.found, Rejected):
            note, first = self.plan.note(ask), self._read(answer.reply, ask)
            again = f" (asked again, after: {first.because})" if was_repaired and isinstance(first, Rejected) else ""
            row = replace(row, generator=f"{row.generator}{note}")
            self.keeper.drop(row, last.found.reason, last.found.because + again)
            return
        row = replace(row, text=last.found.text, label=last.found.label)
        count = None if self.keeper.knows(row.text) else self._label(answer, last.reply, last.found)
        mark = f"{row.generator}+{count.mark}" if count is not None and count.mark else row.generator
        row = replace(row, generator=f"{mark}{self.plan.note(ask)}{last.found.note}")
        if count is not None and count.shares:
            row = replace(row, label=count.label, probabilities=count.shares, soft_source=count.source)
        if count is None and not self.keeper.knows(row.text):
            because = f"its label's probabilities came from none of {', '.join(self.sources)}"
            self.keeper.drop(row, "no soft label", because + self._silence(answer))
        else:
            self.keeper.offer(row)

    def _repairs(self, answer: Answer) -> list[Request]:
        """Return the turn that sends a reply back, if it cannot be read and asking again may help."""
        found = self._read(answer.reply, answer.ask)
        if isinstance(answer.reply, ProviderError) or isinstance(found, Written) or not found.can_repair:
            return []
        back = Message("user", self.repair.render(error=found.because))
        turns = (*answer.ask.request.messages, Message("assistant", answer.reply.text), back)
        return [replace(answer.ask.request, messages=turns)]

    def _labelling(self, source: Source, answer: Answer) -> list[Request]:
        """Return what a source asks for a row's label, unless it has one, is no row or says nothing new."""
        last = self._last(answer)
        if isinstance(last.found, Rejected) or self.keeper.knows(last.found.text):
            return []
        before = self.sources[: self.sources.index(source)]
        if any(self._given(earlier, answer, last.reply, last.found) is not None for earlier in before):
            return []
        shown = self.plan.shown(answer.ask.target, answer.ask.index)
        return self.askers[source].requests(self.llm, last.found.text, shown)

    def _label(self, answer: Answer, reply: Reply | ProviderError, found: Written) -> Count | None:
        """Return the label that the first source able to gives, or None."""
        given = (self._given(source, answer, reply, found) for source in self.sources)
        return next((count for count in given if count is not None), None)

    def _given(self, source: Source, answer: Answer, reply: Reply | ProviderError, found: Written) -> Count | None:
        """Return the label that a source gives, or None."""
        if source == "hard":
            return Count(found.label, (), "hard")
        if source in self.askers:
            turns = answer.rounds[self.can_repair + list(self.askers).index(source)]
            return self.askers[source].count(turns, found.label)
        soft: Soft | None = None
        if source == "logprobs" and isinstance(reply, Reply):
            soft = self.plan.logprobs(reply)
        elif source == "stated":
            soft = found.stated
        return None if soft is None else Count(self.plan.train.labels[soft.index(max(soft))], soft, source)

    def _silence(self, answer: Answer) -> str:
        """Return what is to be said of votes that were cut off."""
        if "votes" not in self.askers:
            return ""
        turns = answer.rounds[self.can_repair + list(self.askers).index("votes")]
        cut = sum(isinstance(turn.reply, Reply) and turn.reply.finish_reason == "length" for turn in turns)
        told = f"; {cut} of {len(turns)} votes were cut off, a model that thinks first needs more vote_tokens"
        return told if cut else ""

    def _last(self, answer: Answer) -> _Last:
        request, reply = answer.ask.request, answer.reply
        if self.can_repair and answer.rounds and answer.rounds[0]:
            request, reply = answer.rounds[0][0].request, answer.rounds[0][0].reply
        return _Last(request, reply, self._read(reply, answer.ask))

    def _read(self, reply: Reply | ProviderError, ask: Ask) -> Written | Rejected:
        if isinstance(reply, ProviderError):
            return Rejected("failed", f"the provider gave no reply: {reply.message}")
        return self.plan.read(reply, ask)

"""A soft label by asking about the finished text: several answers that count as votes, or a score for every label."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from augtune.core.replies import label_named
from augtune.generation.waves import Turn, draw_number
from augtune.llm.messages import Message, Reply, Request
from augtune.llm.scoring import calibrated, logprobs_of, probabilities

if TYPE_CHECKING:
    from augtune.generation.writing import Writer
    from augtune.llm.client import LLM

__all__ = ["CONTENT_FREE", "Count", "Poll", "Scores", "Votes"]

LEAST_TOKENS = 16
CONTENT_FREE = ("N/A", "[MASK]", "")  # texts that say nothing, those of Zhao et al. (ICML 2021)
TIE = 1e-12


@dataclass(frozen=True, slots=True)
class Poll:
    """How the label of a finished text is asked for.

    Args:
        words: Label to the word that stands for it, ``K`` of them.
        label_type: What the prompt calls a label.
        mark: Name and version of the prompt.
        render: Returns the prompt for a text and the human rows shown with it.
        stop: What ends a vote where the prompt is a text to be continued; None for a chat.
        spoken: What stands in the label's place there, ``K`` texts; by default the words.
    """

    words: Mapping[str, str]
    label_type: str
    mark: str
    render: Callable[[str, Sequence[int]], str]
    stop: tuple[str, ...] | None = None
    spoken: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Count:
    """A label, and where it comes from.

    Args:
        label: The most probable label; of several in a vote, the one the row had.
        shares: ``(K,)`` probabilities, e.g. shares of votes; none for a hard label.
        source: What gave it.
        mark: The prompt's name and what it brought, for the record, where it took calls of its own.
    """

    label: str
    shares: tuple[float, ...]
    source: str
    mark: str = ""


class Votes:
    """Asks for votes and counts them.

    Args:
        poll: How a label is asked for.
        settings: How many votes, and how they are sampled.
        seed: Seed that tells the draws of two runs apart.
    """

    def __init__(self, poll: Poll, settings: Writer, seed: int) -> None:
        self.poll, self.settings, self.seed = poll, settings, seed

    def requests(self, llm: LLM, text: str, shown: Sequence[int]) -> list[Request]:
        """Return the votes on a text: the same prompt several times, told apart by draw."""
        prompt, settings = self.poll.render(text, shown), self.settings
        sampling: dict[str, Any] = {
            "temperature": settings.temperature,
            "top_p": settings.top_p,
            "max_tokens": settings.vote_tokens or max(LEAST_TOKENS, *map(len, self.poll.words.values())),
        }
        if self.poll.stop is None:
            sampling["messages"] = (Message("user", prompt),)
        else:
            sampling |= {"prompt": prompt, "stop": self.poll.stop}
        return [llm.request(draw=draw_number(self.seed, number), **sampling) for number in range(settings.votes)]

    def count(self, turns: Sequence[Turn], label: str) -> Count | None:
        """Return the shares of the votes, or None if no more than half of them name a label.

        Args:
            turns: The votes.
            label: The row's label so far.
        """
        labels = list(self.poll.words)
        named = [self._named(turn.reply) for turn in turns]
        votes = [name for name in named if name is not None]
        if not turns or 2 * len(votes) <= len(turns):
            return None
        smoothing = self.settings.smoothing
        whole = len(votes) + smoothing * len(labels)
        shares = tuple((votes.count(name) + smoothing) / whole for name in labels)
        most = max(shares)
        winners = [name for name, share in zip(labels, shares, strict=True) if share >= most - TIE]
        mark = f"{self.poll.mark}:{len(votes)}/{len(turns)}"
        return Count(label if label in winners else winners[0], shares, "votes", mark)

    def _named(self, reply: object) -> str | None:
        if not isinstance(reply, Reply) or reply.finish_reason == "refusal":
            return None
        text = reply.text if self.poll.stop is None else reply.text.partition(self.poll.stop[0])[0]
        return label_named(text, self.poll.words, label_type=self.poll.label_type)


class Scores:
    """Has a model score every label's words as what comes next, labels of several tokens included.

    Args:
        poll: How a label is asked for.
        settings: Whether scores go by length, and are calibrated.
    """

    def __init__(self, poll: Poll, settings: Writer) -> None:
        self.poll, self.settings = poll, settings

    def requests(self, llm: LLM, text: str, shown: Sequence[int]) -> list[Request]:
        """Return the request for a text's scores and, to calibrate, those for texts that say nothing."""
        texts = (text, *CONTENT_FREE) if self.settings.calibrate else (text,)
        return [self._request(llm, self.poll.render(one, shown)) for one in texts]

    def _request(self, llm: LLM, prompt: str) -> Request:
        continuations = self.poll.spoken or tuple(self.poll.words.values())
        if self.poll.stop is not None:
            return llm.request(prompt=prompt, continuations=continuations)
        return llm.request(messages=(Message("user", prompt),), continuations=continuations)

    def count(self, turns: Sequence[Turn], label: str) -> Count | None:
        """Return each label's probability, or None if the model gave no scores.

        Args:
            turns: What was asked.
            label: The row's label so far; it plays no part.
        """
        replies = [turn.reply for turn in turns]
        read = [reply for reply in replies if isinstance(reply, Reply) and reply.scores is not None]
        if not read or len(read) < len(replies):
            return None
        scores = [logprobs_of(reply, by_length=self.settings.by_length) for reply in read]
        shares = probabilities(calibrated(scores[0], scores[1:]))
        best = list(self.poll.words)[shares.index(max(shares))]
        return Count(best, shares, "local", f"{self.poll.mark}:scored")

"""A soft label by votes: the model is asked for the label of the finished text several times, and the answers count."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from augtune.core.replies import label_named
from augtune.generation.waves import Turn, draw_number
from augtune.llm.messages import Message, Reply, Request

if TYPE_CHECKING:
    from augtune.generation.writing import Writer
    from augtune.llm.client import LLM

__all__ = ["Count", "Poll", "Votes"]

LEAST_TOKENS = 16
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
    """

    words: Mapping[str, str]
    label_type: str
    mark: str
    render: Callable[[str, Sequence[int]], str]
    stop: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Count:
    """The outcome of a vote.

    Args:
        label: The label with most votes; of several, the one the row had.
        shares: ``(K,)`` shares of the votes, smoothed.
        mark: The prompt's name and how many votes could be read, for the record.
    """

    label: str
    shares: tuple[float, ...]
    mark: str


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
            "max_tokens": max(LEAST_TOKENS, *map(len, self.poll.words.values())),
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
        return Count(label if label in winners else winners[0], shares, mark)

    def _named(self, reply: object) -> str | None:
        if not isinstance(reply, Reply) or reply.finish_reason == "refusal":
            return None
        text = reply.text if self.poll.stop is None else reply.text.partition(self.poll.stop[0])[0]
        return label_named(text, self.poll.words, label_type=self.poll.label_type)

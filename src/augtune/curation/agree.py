"""Agree: a row stays only if someone who reads it without its label gives it the same one (after PromptMix, 2023)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from augtune.core.dataset import Dataset, Example
from augtune.core.errors import InputError, SettingsError
from augtune.core.labels import Labels
from augtune.core.outcomes import Changed, Cost, Curation, Dropped
from augtune.core.prompts import folded, read
from augtune.core.replies import label_named
from augtune.core.settings import suggestion
from augtune.curation.base import Context, Step
from augtune.llm.messages import Message, Reply, Request

if TYPE_CHECKING:
    from augtune.llm.client import LLM

__all__ = ["Agree"]

PROMPT = Path(__file__).parent / "prompts" / "agree.jinja2"
MAX_TOKENS = 32
ASK_LLM = "llm"
QUOTED = 60


@dataclass(frozen=True, slots=True)
class Verdict:
    """What someone says of a row.

    Args:
        label: The label it gives, or None if it gives none.
        share: How sure it is: its probability of the label, or the share of votes.
        words: The same in words, for the record.
        probabilities: ``(K,)`` shares of several votes.
    """

    label: str | None
    share: float
    words: str
    probabilities: tuple[float, ...] | None = None


class Agree(Step):
    """Drop, or relabel, synthetic rows whose label a language model or a trained classifier does not share.

    Who checks reads the row without its label. A row that it gives no label at all is dropped. Human rows are never
    checked. Relabelling borderline rows was the half of PromptMix (Sahu et al., EMNLP 2023) that mattered most.
    """

    kind: ClassVar[str] = "agree"

    by: str = ASK_LLM
    """Who checks: llm, the language model of the run; or the folder of a saved classifier, which should not have been
    trained on the rows it checks."""

    action: Literal["drop", "relabel"] = "drop"
    """What becomes of a row that is given another label: it goes, or it gets that label."""

    confidence: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Leave a row as it is unless who checks is at least this sure of the other label: the classifier's probability, or
    the share of votes."""

    votes: Annotated[int, Field(ge=1)] = 1
    """How many times the language model is asked about each row; the label with most votes counts, its own if it is
    among them. With several votes, a relabelled row keeps their shares as a soft label."""

    vote_tokens: Annotated[int, Field(ge=1)] | None = None
    """Most tokens of the language model's reply; by default 32, or as many as the longest label has characters. Models
    that think before they answer need more."""

    temperature: Annotated[float, Field(ge=0)] | None = None
    """Sampling temperature of the language model; by default 0 for one vote and 1 for several."""

    text_type: str = "text"
    """What the prompt calls a text, e.g. 'support message'."""

    label_type: str = "label"
    """What the prompt calls a label, e.g. 'intent'."""

    descriptions: dict[str, str] = Field(default_factory=dict)
    """What a label means, told to the model; by default what the data says of it, if anything."""

    examples: Annotated[int, Field(ge=0)] = 0
    """How many human rows of each label the prompt shows, the first of each."""

    @field_validator("text_type", "label_type")
    @classmethod
    def _on_one_line(cls, value: str) -> str:
        if not value.strip() or folded(value) != value or any(c in value for c in "():"):
            raise ValueError(f"expected a word or two without brackets, colons or line breaks, got {value!r}")
        return value

    @model_validator(mode="after")
    def _votes_differ(self) -> Self:
        if self.votes > 1 and self.temperature == 0:
            raise ValueError("votes drawn at temperature 0 are all alike; raise temperature or set votes: 1")
        return self

    @property
    def needs_llm(self) -> bool:
        """True if the language model checks."""
        return self.by == ASK_LLM

    def files(self) -> tuple[Path, ...]:
        """Return the classifier's folder, if one checks."""
        return () if self.needs_llm else (Path(self.by),)

    def apply(self, rows: Dataset, context: Context) -> Curation:
        """Return the rows kept, in order, those dropped, and those relabelled.

        Raises:
            InputError: If there is no language model, or the folder holds no classifier of these labels.
            BudgetError: If the budget is reached; what was paid for is kept.
        """
        synthetic = rows.synthetic()
        checker = _AskModel(self, rows.labels, context) if self.needs_llm else _AskClassifier(self, rows.labels)
        found = checker.verdicts(synthetic) if len(synthetic) else []
        verdicts = dict(zip(synthetic.ids, found, strict=True))
        kept: list[Example] = []
        dropped: list[Dropped] = []
        changed: list[Changed] = []
        for row in rows:
            outcome = self._outcome(row, verdicts.get(row.id), checker.name)
            if isinstance(outcome, Dropped):
                dropped.append(outcome)
                continue
            if isinstance(outcome, Changed):
                changed.append(outcome)
            kept.append(outcome.after if isinstance(outcome, Changed) else row)
        dataset = Dataset.from_examples(kept, rows.labels, name=rows.name)
        return Curation(dataset, tuple(dropped), tuple(changed), checker.cost)

    def _outcome(self, row: Example, verdict: Verdict | None, who: str) -> Dropped | Changed | None:
        """Return what becomes of a row; None if it stays as it is."""
        if verdict is None or verdict.label == row.label:
            return None
        if verdict.label is None:
            return Dropped(row, self.kind, f"{who} gives it no label: {verdict.words}", "no verdict")
        if verdict.share < self.confidence:
            return None
        because = f"{who} gives it {verdict.label!r}, not {row.label!r} ({verdict.words})"
        if self.action == "drop":
            return Dropped(row, self.kind, because, "other label")
        after = replace(
            row,
            label=verdict.label,
            probabilities=verdict.probabilities,
            soft_source=None if verdict.probabilities is None else "votes",
            generator=f"{row.generator or ''} relabelled:{row.label}>{verdict.label}".strip(),
        )
        return Changed(row, after, self.kind, because)


class _AskClassifier:
    """Has a saved classifier read the rows."""

    def __init__(self, settings: Agree, labels: Labels) -> None:
        from augtune.model.fitted import Fitted

        self.model = Fitted.load(settings.by, labels=labels)
        self.name, self.cost = self.model.name, Cost()

    def verdicts(self, rows: Dataset) -> list[Verdict]:
        """Return the classifier's label of each row."""
        predictions = self.model.predict(rows)
        best = predictions.probabilities.argmax(axis=1)
        shares = predictions.probabilities.max(axis=1)
        names = predictions.labels.names
        return [
            Verdict(names[int(k)], float(share), f"probability {share:.2f}")
            for k, share in zip(best, shares, strict=True)
        ]


class _AskModel:
    """Asks the language model about the rows."""

    def __init__(self, settings: Agree, labels: Labels, context: Context) -> None:
        if context.llm is None:
            raise InputError(
                "agree: by: llm asks a language model, and none was given.",
                hint="Name one: 'llm: {model: PROVIDER/MODEL, budget: 5 USD}' in the file, curate(..., llm=...) in "
                "Python; or have a classifier check: by: FOLDER.",
            )
        unknown = [name for name in settings.descriptions if name not in labels]
        if unknown:
            raise SettingsError(
                [f"agree.descriptions: no label is called {name!r}{suggestion(name, labels)}" for name in unknown]
            )
        self.settings, self.labels, self.llm = settings, labels, context.llm
        self.words = {label: label for label in labels}
        self.template = read(PROMPT)
        self.examples = _first_of_each(context, labels, settings.examples)
        self.name, self.cost = context.llm.name, Cost()
        self.on_progress = context.on_progress

    def verdicts(self, rows: Dataset) -> list[Verdict]:
        """Return the language model's label of each row."""
        before, votes = self.llm.cost, self.settings.votes
        asked = [request for row in rows for request in self._requests(self.llm, row)]
        replies = self.llm.send_all(asked, on_answer=self._telling(len(asked)))
        self.cost = self.llm.cost - before
        return [self._counted(replies[i * votes : (i + 1) * votes], row.label) for i, row in enumerate(rows)]

    def _telling(self, total: int) -> Callable[[int, object], None]:
        done = 0

        def tell(*_: object) -> None:
            nonlocal done
            done += 1
            if self.on_progress is not None:
                self.on_progress("checking labels", done, total)

        return tell

    def _requests(self, llm: LLM, row: Example) -> list[Request]:
        settings = self.settings
        usual = 0.0 if settings.votes == 1 else 1.0
        prompt = self.template.render(
            text=row.text,
            text_pair=row.text_pair,
            text_type=settings.text_type,
            label_type=settings.label_type,
            words=list(self.labels),
            descriptions={n: settings.descriptions.get(n, self.labels.descriptions.get(n, "")) for n in self.labels},
            examples=self.examples,
        )
        return [
            llm.request(
                messages=(Message("user", prompt),),
                temperature=usual if settings.temperature is None else settings.temperature,
                max_tokens=settings.vote_tokens or max(MAX_TOKENS, *map(len, self.labels)),
                draw=number,
            )
            for number in range(settings.votes)
        ]

    def _counted(self, replies: Sequence[object], label: str) -> Verdict:
        """Return the label with most votes; of several, the row's own, else the first."""
        named = [self._named(reply) for reply in replies]
        votes = [name for name in named if name is not None]
        if 2 * len(votes) <= len(replies):
            unread = next(reply for reply, name in zip(replies, named, strict=True) if name is None)
            return Verdict(None, 0.0, _said(unread))
        counts = {name: votes.count(name) for name in self.labels}
        most = max(counts.values())
        winner = label if counts[label] == most else next(name for name, n in counts.items() if n == most)
        shares = tuple(n / len(votes) for n in counts.values()) if len(replies) > 1 else None
        return Verdict(winner, most / len(votes), f"{most} of {len(votes)} votes", shares)

    def _named(self, reply: object) -> str | None:
        if not isinstance(reply, Reply) or reply.finish_reason == "refusal":
            return None
        return label_named(reply.text, self.words, label_type=self.settings.label_type)


def _said(reply: object) -> str:
    """Return what a reply that names no label says, for the record."""
    if not isinstance(reply, Reply):
        return str(reply)
    cut = ", cut off; a model that thinks first needs more vote_tokens"
    return f"{reply.text[:QUOTED]!r}{cut if reply.finish_reason == 'length' else ''}"


def _first_of_each(context: Context, labels: Labels, count: int) -> list[Example]:
    """Return the first human rows of each label.

    Raises:
        SettingsError: If rows are to be shown and there are none.
    """
    if not count:
        return []
    if context.human is None or not len(context.human):
        raise SettingsError("agree.examples: there are no human rows to show; give human=..., or examples: 0")
    return [row for part in context.human.by_label().values() for row in part[:count]]

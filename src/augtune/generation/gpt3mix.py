"""GPT3Mix: show a model a few rows, have it write a new one and its label (Yoo et al., Findings of EMNLP 2021)."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import Field, field_validator, model_validator

from augtune.core.dataset import HumanDataset
from augtune.core.encoders import DEFAULT_ENCODER
from augtune.generation.choose import Choice, Chooser
from augtune.generation.keep import ANY
from augtune.generation.mix import Form, Mix
from augtune.generation.naming import Naming
from augtune.generation.plan import Source
from augtune.generation.quotas import Balance, is_counted, needs_rows, planned
from augtune.generation.writing import Writer

__all__ = ["Gpt3Mix"]

CHAINS: dict[str, tuple[Source, ...]] = {
    "soft": ("logprobs", "hard"),
    "hard": ("hard",),
    "logprobs": ("logprobs",),
    "local": ("local",),
    "stated": ("stated",),
    "votes": ("votes",),
}
LabelSource = Literal["soft", "hard", "logprobs", "local", "stated", "votes", "auto"]


class Gpt3Mix(Writer, Naming):
    """Show the model a few rows, have it write a new one and its label, and make the label soft.

    The quota is one of ``per_class``, ``balance``, ``multiplier`` and ``count``; without any, as many rows as there are
    human ones.
    """

    kind: ClassVar[str] = "gpt3mix"
    list_prompt: ClassVar[str] = "gpt3mix"

    per_class: Balance | None = None
    """Rows wanted of each label: a number; a number per label, e.g. {billing: 30, login: 20}; or a word as in
    balance. The last row shown is of the label that is wanted."""

    balance: Balance | None = None
    """The same by a word: 'max', as many new rows of each label as the largest has human ones; 'minority', what each
    lacks of the largest; 'prior', count rows in the human rows' shares; 'even', count rows, as many of each."""

    multiplier: Annotated[float, Field(gt=0)] | None = None
    """Rows wanted in all, as a multiple of the human rows; their labels fall as the model writes them."""

    count: Annotated[int, Field(ge=1)] | None = None
    """Rows wanted in all; their labels fall as the model writes them, or as balance says."""

    examples: Annotated[int, Field(ge=1)] = 2
    """How many human rows each prompt shows."""

    choose: Choice = "uniform"
    """Which rows a prompt shows: any; 'balanced', equally many of each label; 'closest' or 'furthest', a random row and
    those most (least) like it; 'independent', each drawn by itself, so that one may come twice."""

    encoder: str = DEFAULT_ENCODER
    """For closest and furthest: the encoder that says how alike two texts are."""

    labels: LabelSource | tuple[Source, ...] = "soft"
    """Where a row's label comes from. 'soft': the label word's token probabilities where the provider gives them, else
    only the word. 'logprobs', 'local' (a model in this process scores every label), 'stated' (the model writes a
    probability for each) or 'votes': soft from there, and a row without is dropped. 'hard': the word. 'auto': logprobs,
    else local where it can be, else stated with form: schema and votes without it, else hard. Or a list in order, e.g.
    [logprobs, votes]. Each row keeps which it was."""

    form: Form | None = None
    """How the model is asked: 'chat', one message; 'completion', a text to continue; 'schema', a message and a JSON
    schema for the reply. By default chat, or schema where labels asks for stated probabilities."""

    frequency_penalty: float | None = None
    """Penalty on tokens by how often they came up; null leaves it to the provider."""

    top_logprobs: Annotated[int, Field(ge=1)] = 20
    """For logprobs: how many of the likeliest tokens to ask for at each place; some providers give at most 5."""

    @field_validator("labels", mode="before")
    @classmethod
    def _known_sources(cls, value: Any) -> Any:
        if isinstance(value, str) and value in get_args(LabelSource):
            return value
        chain = list(value) if isinstance(value, (list, tuple)) else []
        if not chain or any(name not in get_args(Source) for name in chain) or len(set(chain)) != len(chain):
            known = ", ".join([*get_args(LabelSource), f"or a list of {', '.join(get_args(Source))}"])
            raise ValueError(f"expected {known}, got {value!r}")
        if "hard" in chain[:-1]:
            raise ValueError(f"what comes after 'hard' is never used, got {value!r}")
        return tuple(chain)

    @model_validator(mode="after")
    def _one_quota(self) -> Self:
        names = ["per_class", "balance", "multiplier", "count"]
        given = [name for name in names if getattr(self, name) is not None]
        if len(given) > 1 and not ("count" in given and is_counted(self.per_class, self.balance) and len(given) == 2):
            raise ValueError(f"{' and '.join(given)} are both given; the number of rows is set by one of them")
        return self

    @model_validator(mode="after")
    def _fitting_form(self) -> Self:
        if "stated" in self.sources and self.asked_by != "schema":
            raise ValueError(f"stated probabilities need form: schema, got form: {self.form}")
        if self.repair and self.asked_by == "completion":
            raise ValueError("repair sends a reply back in a chat; with form: completion there is none")
        return self

    @property
    def asked_by(self) -> Form:
        """The form in use."""
        return self.form or ("schema" if "stated" in self.sources else "chat")

    @property
    def sources(self) -> tuple[Source, ...]:
        """Where a row's label comes from: the first of these that gives one."""
        if not isinstance(self.labels, str):
            return self.labels
        if self.labels == "auto":
            return ("logprobs", "local", "stated" if self.form == "schema" else "votes", "hard")
        return CHAINS[self.labels]

    def plan(self, train: HumanDataset, seed: int) -> Mix:
        """Return the settings resolved against the human rows."""
        chooser = Chooser(train, self.choose, self.examples, encoder=self.encoder)
        quota = self._quota(train)
        plan = Mix(self, train, seed, quota, names=self.names(train.labels), chooser=chooser)
        chooser.check()
        needs_rows(self.kind, "show", {label: n for label, n in quota.items() if label != ANY}, train)
        return plan

    def _quota(self, train: HumanDataset) -> dict[str, int]:
        for name in ("per_class", "balance"):
            if (wanted := getattr(self, name)) is not None:
                return planned(wanted, train, where=f"generate.{name}", count=self.count)
        return {ANY: self.count or max(round((self.multiplier or 1) * len(train)), 1)}

    def spoken(self, word: str) -> str:
        """Return a label's word as the list of rows has it."""
        return word.capitalize()

"""AttrPrompt: each new text has a value of each of some dimensions, so that texts differ (Yu et al., NeurIPS 2023)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field, field_validator

from augtune.core import seeds
from augtune.core.dataset import HumanDataset
from augtune.core.errors import SettingsError
from augtune.core.outcomes import Generation
from augtune.core.settings import suggestion
from augtune.generation.base import Estimate, Progress, needed
from augtune.generation.choose import Chooser
from augtune.generation.conditioned import ClassPlan, Conditioned, Trait
from augtune.generation.proposals import Dimensions, Proposals
from augtune.generation.waves import Ask
from augtune.generation.writing import write

if TYPE_CHECKING:
    from augtune.llm.client import LLM

__all__ = ["Attributes"]

Values = list[str]
TO_COME: Dimensions = {"(a dimension the model proposes)": ("(one of its values)",)}


class Attributes(Conditioned):
    """Have the model write texts that differ along dimensions such as topic, length and tone.

    The dimensions and their values are given, or the model proposes them first, in one call or one per label. Each row
    keeps the values it was asked for.
    """

    kind: ClassVar[str] = "attributes"

    attributes: dict[str, Values | dict[str, Values]] | None = None
    """Dimension to values, e.g. {length: [a few words, two sentences], tone: [polite, angry]}; or to values per label:
    {topic: {billing: [refund, invoice], login: [password]}}. Without it, the model proposes them."""

    dimensions: Annotated[int, Field(ge=1, le=20)] = 5
    """Where the model proposes: how many dimensions."""

    values: Annotated[int, Field(ge=2, le=50)] = 8
    """Where the model proposes: how many values of each."""

    by_label: bool = False
    """Where the model proposes: dimensions of its own for each label, one call a label."""

    examples: Annotated[int, Field(ge=0)] = 0
    """Most human rows of the label that a prompt shows."""

    @field_validator("attributes")
    @classmethod
    def _some_values(cls, given: dict[str, Any] | None) -> dict[str, Any] | None:
        if given is not None and not given:
            raise ValueError("expected at least one dimension with its values, got {}")
        for name, values in (given or {}).items():
            lists = list(values.values()) if isinstance(values, dict) else [values]
            if not name.strip() or not lists or any(not one or not all(map(str.strip, one)) for one in lists):
                raise ValueError(f"expected some values for {name!r}, got {values!r}")
        return given

    def plan(self, train: HumanDataset, seed: int) -> _AttributePlan:
        """Return the settings resolved against the human rows; proposals that are to come are held open."""
        plan = _AttributePlan(self, train, seed)
        if self.attributes is not None:
            plan.known = _given(self.attributes, train)
        return plan

    def generate(
        self, train: HumanDataset, *, llm: LLM | None, seed: int, on_progress: Progress | None = None
    ) -> Generation:
        """Return the rows that the model wrote.

        Raises:
            ProviderError: If the model's proposal of dimensions cannot be read, a repair turn included.
        """
        model = needed(llm, self.kind)
        before, plan = model.cost, self.plan(train, seed)
        if self.attributes is None:
            plan.known = plan.proposals().ask(model)
        return write(plan, model, on_progress=on_progress, before=before)

    def preview(self, train: HumanDataset, *, seed: int = 0, count: int = 3) -> list[str]:
        """Return the first prompts: those that ask for the dimensions, then those that ask for texts."""
        plan = self.plan(train, seed)
        first = [] if self.attributes is not None else list(plan.proposals().prompts.values())
        return [*first, *plan.preview(count)][:count]

    def estimate(self, train: HumanDataset) -> Estimate:
        """Return the calls and tokens expected."""
        plan = self.plan(train, 0)
        rows = plan.estimate()
        if self.attributes is not None:
            return rows
        prompts = list(plan.proposals().prompts.values())
        written = ["a value in words" * self.dimensions * self.values]
        first = Estimate.of(prompts, written, calls=len(prompts), at_most=2 * len(prompts))
        return replace(first + rows, rows=rows.rows)


class _AttributePlan(ClassPlan):
    """Asks for texts that have one value of each dimension."""

    def __init__(self, settings: Attributes, train: HumanDataset, seed: int) -> None:
        chooser = Chooser(train, "uniform", settings.examples, encoder="") if settings.examples else None
        super().__init__(settings, train, seed, chooser)
        self.attributes = settings
        self.known: Mapping[str, Dimensions] = dict.fromkeys(train.labels, TO_COME)

    @property
    def mark(self) -> str:
        """Names and versions of the prompts."""
        own = self.template.mark
        return own if self.attributes.attributes is not None else f"{own}+{self.proposals().mark}"

    def traits(self, target: str, index: int) -> Sequence[Trait]:
        """Return one value of each dimension."""
        rng = seeds.generator(self.seed, self.kind, "traits", index)
        return [(name, values[int(rng.integers(len(values)))]) for name, values in self.known[target].items()]

    def note(self, ask: Ask) -> str:
        """Return the values asked for."""
        return f" traits:{json.dumps(dict(self.traits(ask.target, ask.index)), ensure_ascii=False)}"

    def proposals(self) -> Proposals:
        """Return how the model is asked for dimensions."""
        settings = self.attributes
        return Proposals(
            settings,
            self.train,
            self.seed,
            names=self.names,
            descriptions=self.descriptions,
            labels=list(self.quota),
        )


def _given(attributes: Mapping[str, Values | dict[str, Values]], train: HumanDataset) -> dict[str, Dimensions]:
    """Return the user's dimensions by label; a dimension that does not name a label plays no part for it."""
    problems = [
        f"generate.attributes.{name}: no label is called {label!r}{suggestion(label, train.labels)}"
        for name, values in attributes.items()
        if isinstance(values, dict)
        for label in values
        if label not in train.labels
    ]
    if problems:
        raise SettingsError(problems)
    found: dict[str, Dimensions] = {}
    for label in train.labels:
        own = {name: values.get(label) if isinstance(values, dict) else values for name, values in attributes.items()}
        found[label] = {name: values for name, values in own.items() if values}
    return found

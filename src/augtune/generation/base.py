"""What every generator is, and ``generate``, which runs one or several on the human rows."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from augtune.core.dataset import Dataset, Example, HumanDataset
from augtune.core.errors import DataError, InputError, SettingsError
from augtune.core.outcomes import Cost, Dropped, Generation
from augtune.core.settings import Settings
from augtune.core.task import TaskName, unfit

if TYPE_CHECKING:
    from augtune.llm.client import LLM

__all__ = ["Estimate", "Generator", "Progress", "generate", "needed", "spent"]

Progress = Callable[[int, int, int, Mapping[str, int]], None]
"""Called with how many steps (calls, or rows of a file) are done and how many there will be, as far as known, and with
how many rows are kept so far and how many dropped, by reason."""

CHARACTERS_PER_TOKEN = 4  # the usual rule of thumb for English; an estimate needs no tokenizer


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a generator is expected to ask for, before anything is sent.

    Args:
        calls: Calls if every reply can be used.
        tokens_in: Prompt tokens of these calls.
        tokens_out: Completion tokens of these calls.
        calls_at_most: Calls it stops at, however many replies are dropped.
        rows: Rows wanted; the same as the calls where each row takes one.
    """

    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    calls_at_most: int = 0
    rows: int = 0

    def __add__(self, other: Estimate) -> Estimate:
        names = self.__dataclass_fields__
        return Estimate(**{name: getattr(self, name) + getattr(other, name) for name in names})

    @classmethod
    def of(cls, prompts: Sequence[str], written: Sequence[str], *, calls: int, at_most: int) -> Estimate:
        """Return the estimate that a few prompts and a few texts like those to be written give."""

        def tokens(texts: Sequence[str]) -> float:
            return sum(map(len, texts)) / max(len(texts), 1) / CHARACTERS_PER_TOKEN

        return cls(calls, round(calls * tokens(prompts)), round(calls * tokens(written)), at_most, calls)


class Generator(Settings):
    """A way to get synthetic rows. Its fields are its YAML keys."""

    needs_llm: ClassVar[bool] = True
    tasks: ClassVar[tuple[TaskName, ...]] = ("single_label", "ordinal")
    """The tasks it can write rows for."""
    takes_pairs: ClassVar[bool] = False
    """Whether it can write rows of two texts."""

    @abstractmethod
    def generate(
        self, train: HumanDataset, *, llm: LLM | None, seed: int, on_progress: Progress | None = None
    ) -> Generation:
        """Return the rows made from ``train``, those dropped with the reason, and what the calls cost."""

    @abstractmethod
    def preview(self, train: HumanDataset, *, seed: int = 0, count: int = 3) -> list[str]:
        """Return the first prompts as they would be sent; nothing is sent."""

    @abstractmethod
    def estimate(self, train: HumanDataset) -> Estimate:
        """Return how many calls and tokens it is expected to take; nothing is sent."""

    def require(self, train: HumanDataset) -> None:
        """See that it can write rows for ``train``, before anything is written or trained.

        Raises:
            InputError: If the rows are pairs and it cannot write pairs.
        """
        if train.is_pair and not self.takes_pairs:
            raise InputError(
                f"{self.kind}: works on single texts, and the rows of '{train.name}' are pairs.",
                hint="Pairs can be imported: {kind: imported, path: FILE}.",
            )

    def files(self) -> tuple[Path, ...]:
        """Return the files whose content the result depends on."""
        return ()


def needed(llm: LLM | None, kind: str) -> LLM:
    """Return the language model, or say that there has to be one."""
    if llm is None:
        raise InputError(
            f"{kind}: a language model is needed to write rows, and none was given.",
            hint="Name one: 'llm: {model: PROVIDER/MODEL, budget: 5 USD}' in the file, llm=augtune.LLM(...) in Python.",
        )
    return llm


def spent(before: Cost, after: Cost) -> Cost:
    """Return what was spent between two readings of a model's running cost."""
    return after - before


def generate(
    train: HumanDataset,
    generator: Generator | str | Mapping[str, Any] | Sequence[Generator | str | Mapping[str, Any]],
    *,
    llm: LLM | None = None,
    seed: int = 0,
    on_progress: Progress | None = None,
) -> Generation:
    """Return synthetic rows made from human ones.

    Args:
        train: The human rows to work from; they are not part of the result.
        generator: A generator, its name, a mapping with ``kind``, or a list of these, whose results are joined.
        llm: The language model to ask; not needed by generators that read a file.
        seed: Seed of everything drawn; 0 is a seed like any other.
        on_progress: Told how many steps are done, and of how many.

    Raises:
        DataError: If ``train`` can hold rows that no human wrote.
        InputError: If a generator needs a language model and there is none, or its settings are wrong.
        BudgetError: If the budget is reached; what was paid for is kept.
    """
    from augtune.generation import GENERATORS

    if not isinstance(train, HumanDataset):
        raise DataError(
            f"generate: expected the human training rows, got a {type(train).__name__} that may hold synthetic ones.",
            hint="Use .human() to take the human rows only.",
        )
    several = isinstance(generator, Sequence) and not isinstance(generator, str)
    given: Sequence[Any] = generator if several else [generator]  # type: ignore[assignment]
    wheres = [f"generate[{i}]" if several else "generate" for i in range(len(given))]
    makers = [GENERATORS.parse(value, where=where) for value, where in zip(given, wheres, strict=True)]
    task = train.labels.task
    misfits = [unfit(maker.kind, maker.tasks, task) for maker in makers if task not in maker.tasks]
    if misfits:
        raise SettingsError(misfits)
    for maker in makers:
        maker.require(train)
        if maker.needs_llm:
            needed(llm, maker.kind)
    results = [maker.generate(train, llm=llm, seed=seed, on_progress=on_progress) for maker in makers]
    return results[0] if len(results) == 1 else _joined(results, train)


def _joined(results: Sequence[Generation], train: HumanDataset) -> Generation:
    """Join results in order; an id that an earlier result has gets the result's number appended."""
    taken: set[str] = set()
    kept: list[Example] = []
    dropped: list[Dropped] = []
    shortfall: Counter[str] = Counter()
    for number, result in enumerate(results, start=1):
        own = set(result.dataset.ids) | {row.example.id for row in result.dropped}
        mark = f".{number}" if own & taken else ""
        kept += [replace(row, id=row.id + mark) for row in result.dataset]
        dropped += [replace(row, example=replace(row.example, id=row.example.id + mark)) for row in result.dropped]
        taken |= {name + mark for name in own}
        shortfall.update(result.shortfall)
    cost = sum((result.cost for result in results), Cost())
    dataset = Dataset.from_examples(kept, train.labels, name="+".join(result.dataset.name for result in results))
    return Generation(dataset, tuple(dropped), cost, dict(shortfall))

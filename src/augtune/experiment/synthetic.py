"""The synthetic rows of a run's arms: generated and curated, each stage done once for all arms that share it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from augtune.core.dataset import Dataset, Example
from augtune.core.files import read_jsonl, write_jsonl
from augtune.core.outcomes import Cost, Dropped
from augtune.experiment.asking import Asking
from augtune.experiment.content import VERSION, encoder_content, llm_content, settings_content
from augtune.experiment.nested import Size, nested
from augtune.experiment.plan import ArmPlan, Plan
from augtune.experiment.rows import HumanRows
from augtune.experiment.store import RunFolder, Stage
from augtune.experiment.work import Crew, GenerateWork, write_generation

if TYPE_CHECKING:
    from augtune.experiment.tally import Tallied
    from augtune.generation.base import Generator

__all__ = ["ArmRows", "SyntheticRows"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ArmRows:
    """The synthetic rows of an arm: what was made, what was kept, what was dropped by whom, what it cost.

    Args:
        kept: Rows to train on; None for an arm that generates nothing.
        dropped: The others, with who dropped them and why.
        changed: Rows given another label, as JSON objects.
        generated: Rows before curation.
        shortfall: Per label, rows fewer than asked for.
        cost: What the calls cost; of an arm that takes some of the rows, its share of it.
        short_of: The size asked for, where fewer rows are left; else None.
    """

    kept: Dataset | None
    dropped: tuple[Dropped, ...] = ()
    changed: tuple[Mapping[str, Any], ...] = ()
    generated: int = 0
    shortfall: Mapping[str, int] = field(default_factory=dict)
    cost: Cost = field(default_factory=Cost)
    short_of: Size | None = None

    def training_rows(self, human: Dataset) -> Dataset:
        """Return the rows an arm trains on: human rows first, then synthetic ones."""
        return human if self.kept is None or not len(self.kept) else human + self.kept


class SyntheticRows:
    """Makes the synthetic rows of one run in its folder.

    Args:
        plan: What to do.
        store: The run folder, claimed.
        human: The human rows.
        model: Returns the experiment's language model.
        crew: Who makes rows that take neither a language model nor a file; None: this process.
    """

    def __init__(
        self,
        plan: Plan,
        store: RunFolder,
        human: HumanRows,
        model: Callable[[], Tallied | None],
        crew: Crew | None = None,
    ) -> None:
        self._crew = crew
        self.plan = plan
        self.store = store
        self.human = human
        self._model = model

    @property
    def llm(self) -> Tallied | None:
        """The language model of the experiment."""
        return self._model()

    def of(self, arm: ArmPlan) -> ArmRows:
        """Return the arm's synthetic rows, generated and curated."""
        if not arm.generators:
            return ArmRows(None)
        made = [self._generate(generator) for generator in arm.generators]
        rows = self._joined(made, "rows.jsonl")
        dropped = [Dropped.from_json(row, self.human.train.labels) for row in self._read(made, "dropped.jsonl")]
        curated = self._curate(arm, rows, [stage.key for stage in made])
        dropped += [Dropped.from_json(row, rows.labels) for row in read_jsonl(curated.folder / "dropped.jsonl")]
        shortfall: dict[str, int] = {}
        for stage in made:
            for label, missing in stage.notes["shortfall"].items():
                shortfall[label] = shortfall.get(label, 0) + missing
        made_rows = ArmRows(
            kept=self._joined([curated], "rows.jsonl"),
            dropped=tuple(dropped),
            changed=tuple(read_jsonl(curated.folder / "changed.jsonl")),
            generated=len(rows),
            shortfall=shortfall,
            cost=sum((Cost.from_json(stage.notes["cost"]) for stage in [*made, curated]), Cost()),
        )
        return made_rows if arm.size is None else _sized(made_rows, arm.size, self.human.seed)

    def ahead(self, arm: ArmPlan) -> None:
        """Make the rows that a crew can make without anything of this machine."""
        for generator in filter(_goes_anywhere, arm.generators):
            self._generate(generator)

    def _generate(self, generator: Generator) -> Stage:
        from augtune.generation.base import generate

        seed = self.human.seed
        llm = self.llm if generator.needs_llm else None

        def make(folder: Path) -> dict[str, Any]:
            if self._crew is not None and _goes_anywhere(generator):
                work = GenerateWork(generator, self.human.train, seed)
                return dict(self._crew.do(work, folder, generator.kind, lambda sentence: None))
            asking = Asking(self.store, llm, generator.kind)
            made, cost = _priced(
                llm, lambda: generate(self.human.train, generator, llm=llm, seed=seed, on_progress=asking)
            )
            made = made if cost is None else replace(made, cost=cost)
            asking.end(made)
            return write_generation(folder, made)

        key = {
            "version": VERSION,
            "generator": settings_content(generator, generator.files()),
            "train": self.human.train.fingerprint,
            "seed": seed,
            "llm": llm_content(self.plan.experiment.llm) if generator.needs_llm else None,
        }
        if self.human.train.labels.was:
            key["view"] = dict(self.human.train.labels.was)
        return self.store.stage("generate", key, make, about=generator.kind)

    def _curate(self, arm: ArmPlan, rows: Dataset, made: Sequence[str]) -> Stage:
        from augtune.curation.base import curate

        encoder = arm.settings.encoder
        asks = any(step.needs_llm for step in arm.steps)

        def make(folder: Path) -> dict[str, Any]:
            llm = self.llm if asks else None
            result, cost = _priced(
                llm,
                lambda: curate(
                    rows, arm.steps, human=self.human.train, splits=self.human.splits, encoder=encoder, llm=llm
                ),
            )
            _write(folder, result.dataset, result.dropped)
            write_jsonl(folder / "changed.jsonl", (row.to_json(rows.labels) for row in result.changed))
            cost = cost or result.cost
            return {"rows": len(result.dataset), "dropped": len(result.dropped), "cost": cost.to_json()}

        key = {
            "version": VERSION,
            "steps": [settings_content(step, step.files()) for step in arm.steps],
            "made": list(made),
            "train": self.human.train.fingerprint,
            "validation": None if self.human.validation is None else self.human.validation.fingerprint,
            "test": self.human.test.fingerprint,
            "encoder": encoder_content(encoder),
            "llm": llm_content(self.plan.experiment.llm) if asks else None,
        }
        return self.store.stage("curate", key, make, about=" + ".join(step.kind for step in arm.steps))

    def _joined(self, stages: Sequence[Stage], name: str) -> Dataset:
        labels = self.human.train.labels
        examples = (Example.from_json(row, labels) for row in self._read(stages, name))
        return Dataset.from_examples(_distinct(examples), labels, name="synthetic")

    def _read(self, stages: Sequence[Stage], name: str) -> list[dict[str, Any]]:
        return [row for stage in stages for row in read_jsonl(stage.folder / name)]


def _priced(llm: Tallied | None, work: Callable[[], T]) -> tuple[T, Cost | None]:
    """Return what some work comes to, and what its calls have cost in all; None of work that asks no model."""
    return (work(), None) if llm is None else llm.worth(work)


def _goes_anywhere(generator: Generator) -> bool:
    """Tell whether rows are made of the human rows and the settings alone."""
    return not generator.needs_llm and not generator.files()


def _sized(rows: ArmRows, size: Size, seed: int) -> ArmRows:
    """Return so many of the rows, a nested sample; the others are dropped, and their share of the cost is not counted.

    An arm is compared by what its rows would cost alone, though they were generated together.
    """
    if rows.kept is None:
        return rows
    taken = nested(rows.kept, size, seed=seed)
    kept, chosen = rows.kept.take(taken), set(taken.tolist())
    because = f"not among the {len(kept)} rows of the nested sample (size: {size})"
    left = [Dropped(row, "size", because, "beyond the size") for i, row in enumerate(rows.kept) if i not in chosen]
    wanted = size.number * (len(kept.labels) if size.is_per_class else 1)
    return replace(
        rows,
        kept=kept,
        dropped=(*rows.dropped, *left),
        cost=rows.cost.share(len(kept) / max(len(rows.kept), 1)),
        short_of=size if len(kept) < wanted else None,
    )


def _write(folder: Path, rows: Dataset, dropped: Iterable[Dropped]) -> None:
    write_jsonl(folder / "rows.jsonl", (row.to_json(rows.labels) for row in rows))
    write_jsonl(folder / "dropped.jsonl", (row.to_json(rows.labels) for row in dropped))


def _distinct(examples: Iterable[Example]) -> list[Example]:
    """Return the rows with ids told apart that two generators of one kind both used: ``eda-0001``, ``eda-0001~2``."""
    used: dict[str, int] = {}
    rows = []
    for example in examples:
        used[example.id] = used.get(example.id, 0) + 1
        again = used[example.id]
        rows.append(example if again == 1 else replace(example, id=f"{example.id}~{again}"))
    return rows

"""The arms that train a classifier: for each draw of human rows its synthetic rows, for each seed a model."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING

from augtune.core.errors import AugtuneError, DataError
from augtune.core.files import write_jsonl
from augtune.core.outcomes import Cost
from augtune.experiment.inspecting import Inspecting
from augtune.experiment.outcomes import ArmOutcome, Draw, SeedRun
from augtune.experiment.plan import ArmPlan, Plan
from augtune.experiment.rows import HumanRows, HumanSource
from augtune.experiment.search import shared
from augtune.experiment.searching import Found, SearchRows, Within, searched
from augtune.experiment.stages import Stages
from augtune.experiment.store import RunFolder
from augtune.experiment.synthetic import ArmRows, SyntheticRows
from augtune.experiment.trials import Trial

if TYPE_CHECKING:
    from augtune.experiment.ray_crew import RayCrew
    from augtune.experiment.tally import Tallied
    from augtune.training.running import Stop

__all__ = ["TrainedArms", "write_rows"]


@dataclass(frozen=True, slots=True)
class _Place:
    """What works on one draw of the human rows."""

    human: HumanRows
    synthetic: SyntheticRows
    stages: Stages


class TrainedArms:
    """Makes the trained arms of one run in its folder.

    Args:
        plan: What to do.
        store: The run folder, claimed.
        source: The human rows.
        stop: What ends a training before its last step, and the run with it; None: nothing does.
        crew: Who does the work; None: this process, one piece after the other.
    """

    def __init__(
        self,
        plan: Plan,
        store: RunFolder,
        source: HumanSource,
        stop: Stop | None = None,
        crew: RayCrew | None = None,
    ) -> None:
        self.plan, self.store, self.source, self._crew = plan, store, source, crew
        self._searching: dict[str, RLock] = {arm.name: RLock() for arm in plan.arms}
        self.inspecting = Inspecting(plan, store)
        self._stop = stop
        self._llm: Tallied | None = None
        self._places: dict[int, _Place] = {}
        self._found: dict[str, Found] = {}
        self._first: dict[str, ArmRows] = {}  # of an arm's first draw

    def llm(self) -> Tallied | None:
        """Return the experiment's language model, made on first use; its replies are kept in the run folder."""
        if self._llm is None and self.plan.experiment.llm is not None:
            from augtune.experiment.tally import Tallied

            self._llm = Tallied.from_settings(self.plan.experiment.llm, cache=self.store.path / "cache.sqlite")
        return self._llm

    @property
    def stages(self) -> Stages:
        """The training stages on the experiment's own human rows."""
        return self._at(self.source.of()).stages

    def outcomes(self) -> Iterator[ArmOutcome]:
        """Yield what comes of each arm, in the plan's order.

        All rows of an arm are made, written and looked at before any model of it is trained. A crew trains the models
        of one arm while the rows of the next are made here. If making rows fails, the arms before come first.
        """
        if self._crew is None:
            for arm in self.plan.trained:
                yield self._outcome(arm, self._all_rows(arm))
            return
        crew, under_way, failure = self._crew, [], None
        places = [(arm, self._at(self.source.of(arm.human, seed))) for arm in self.plan.trained for seed in self._seeds]
        for arm, place in places:
            crew.begin(place.synthetic.ahead, arm)
        for arm in self.plan.trained:
            try:
                self._rows_to_search()
                under_way.append(crew.begin(self._outcome, arm, self._all_rows(arm)))
            except AugtuneError as error:
                failure = error
                break
        for future in under_way:
            yield future.result()
        if failure is not None:
            raise failure

    @property
    def _seeds(self) -> list[int]:
        return list(dict.fromkeys(trial.data_seed for trial in self.plan.experiment.all_trials))

    def _all_rows(self, arm: ArmPlan) -> dict[int, ArmRows]:
        """Return the arm's synthetic rows of each draw, by the seed of the data."""
        seeds = self._seeds
        rows = {seed: self._rows(arm, seed, is_first=seed == seeds[0]) for seed in seeds}
        self._forget(arm, seeds[1:])
        return rows

    def _outcome(self, arm: ArmPlan, rows: Mapping[int, ArmRows]) -> ArmOutcome:
        trials, seeds = self.plan.experiment.all_trials, self._seeds
        arm, found = self._searched(arm, rows[seeds[0]])

        def trained(trial: Trial) -> SeedRun:
            place = self._at(self.source.of(arm.human, trial.data_seed))
            return place.stages.trained(arm, rows[trial.data_seed], trial.seed)

        runs = map(trained, trials) if self._crew is None else self._crew.map(trained, trials)
        draws = tuple(Draw(seed, len(self.source.of(arm.human, seed).train), rows[seed]) for seed in seeds)
        cost = sum((draw.rows.cost for draw in draws), Cost())
        groups = tuple(trial.data_seed for trial in trials) if len(seeds) > 1 else None
        told = {"human": self.source.of(arm.human, seeds[0]).train.counts()}
        return ArmOutcome(
            arm, draws[0].rows, tuple(runs), draws[0].human, cost, told, draws=draws, groups=groups, search=found
        )

    def _searched(self, arm: ArmPlan, rows: ArmRows) -> tuple[ArmPlan, Found | None]:
        """Return the arm with the settings that a search found for it, on its first draw of rows, or for another."""
        search = self.plan.experiment.search
        if search is None:
            return arm, None
        if search.arm not in (None, arm.name):
            of = next(one for one in self.plan.trained if one.name == search.arm)
            with self._searching[of.name]:
                if of.name not in self._found:
                    self._searched(of, self._rows(of, self.source.of().seed, is_first=True))
            found = self._found.get(of.name)
            same = arm if found is None else shared(search, found.values, of, arm)
            return same, None if same is arm else found
        human = self.source.of(arm.human)
        known = SearchRows(human.train, rows.kept, human.validation)
        within = Within(self.store, self._stop, self._crew)
        with self._searching[arm.name]:
            chosen, found = searched(arm, known, search, self.plan.experiment.search_metric, within)
            if found is not None and arm.name not in self._found:
                self._found[arm.name] = found
                self.store.event("note", stage="search", about=arm.name, message=str(found))
        return chosen, found

    def _rows_to_search(self) -> None:
        """Make the rows of the arm that a search for all arms takes, so that no other thread makes any."""
        search = self.plan.experiment.search
        if search is not None and search.arm is not None:
            of = next(one for one in self.plan.trained if one.name == search.arm)
            self._rows(of, self.source.of(of.human).seed, is_first=True)

    def _at(self, human: HumanRows) -> _Place:
        if id(human) not in self._places:
            synthetic = SyntheticRows(self.plan, self.store, human, self.llm, self._crew)
            stages = Stages(self.store, human, self._stop, self._crew, keeps=self.plan.experiment.keep_models)
            self._places[id(human)] = _Place(human, synthetic, stages)
        return self._places[id(human)]

    def _rows(self, arm: ArmPlan, data_seed: int, *, is_first: bool) -> ArmRows:
        if is_first and arm.name in self._first:
            return self._first[arm.name]
        place = self._at(self.source.of(arm.human, data_seed))
        rows = place.synthetic.of(arm)
        folder = self.store.path / "data" / arm.folder / ("." if is_first else f"data-seed-{data_seed}")
        write_rows(folder, rows, place.human)
        _check_rows(arm, rows, folder.relative_to(self.store.path))
        about = arm.name if is_first else f"{arm.name} · data seed {data_seed}"
        self.inspecting.look(about, arm, rows, place.human, folder)
        if is_first:
            self._first[arm.name] = rows
        return rows

    def _forget(self, arm: ArmPlan, seeds: list[int]) -> None:
        """Remove the rows of draws that are no longer asked for."""
        for folder in (self.store.path / "data" / arm.folder).glob("data-seed-*"):
            if folder.name not in {f"data-seed-{seed}" for seed in seeds}:
                shutil.rmtree(folder)


def write_rows(folder: Path, rows: ArmRows, human: HumanRows) -> None:
    """Write an arm's synthetic rows, kept, dropped and changed, where a reader looks for them."""
    if rows.kept is None:
        shutil.rmtree(folder, ignore_errors=True)
        return
    labels = human.train.labels
    write_jsonl(folder / "synthetic.jsonl", (row.to_json(labels) for row in rows.kept))
    write_jsonl(folder / "dropped.jsonl", (row.to_json(labels) for row in rows.dropped))
    if rows.changed:
        write_jsonl(folder / "changed.jsonl", rows.changed)
    else:
        (folder / "changed.jsonl").unlink(missing_ok=True)


def _check_rows(arm: ArmPlan, rows: ArmRows, folder: Path) -> None:
    if rows.kept is not None and not len(rows.kept):
        raise DataError(
            f"arm {arm.name!r}: no synthetic row is left after curation ({rows.generated} were generated).",
            hint=f"Look at {folder}/dropped.jsonl in the run folder for the reasons.",
        )

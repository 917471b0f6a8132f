"""The arms that train a classifier: for each draw of human rows its synthetic rows, for each seed a model."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from augtune.core.errors import DataError
from augtune.core.files import write_jsonl
from augtune.core.outcomes import Cost
from augtune.experiment.inspecting import Inspecting
from augtune.experiment.outcomes import ArmOutcome, Draw
from augtune.experiment.plan import ArmPlan, Plan
from augtune.experiment.rows import HumanRows, HumanSource
from augtune.experiment.search import shared
from augtune.experiment.searching import Found, SearchRows, searched
from augtune.experiment.stages import Stages
from augtune.experiment.store import RunFolder
from augtune.experiment.synthetic import ArmRows, SyntheticRows

if TYPE_CHECKING:
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
    """

    def __init__(self, plan: Plan, store: RunFolder, source: HumanSource, stop: Stop | None = None) -> None:
        self.plan, self.store, self.source = plan, store, source
        self.inspecting = Inspecting(plan, store)
        self._stop = stop
        self._llm: Tallied | None = None
        self._places: dict[int, _Place] = {}
        self._found: dict[str, Found] = {}

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

    def outcome(self, arm: ArmPlan) -> ArmOutcome:
        """Return what comes of an arm; all its rows are made, written and looked at before any model is trained."""
        trials = self.plan.experiment.all_trials
        seeds = list(dict.fromkeys(trial.data_seed for trial in trials))
        rows = {seed: self._rows(arm, seed, is_first=seed == seeds[0]) for seed in seeds}
        self._forget(arm, seeds[1:])
        arm, found = self._searched(arm, rows[seeds[0]])
        runs = []
        for trial in trials:
            place = self._at(self.source.of(arm.human, trial.data_seed))
            runs.append(place.stages.trained(arm, rows[trial.data_seed], trial.seed))
        draws = tuple(Draw(seed, len(self.source.of(arm.human, seed).train), rows[seed]) for seed in seeds)
        cost = sum((draw.rows.cost for draw in draws), Cost())
        groups = tuple(trial.data_seed for trial in trials) if len(seeds) > 1 else None
        return ArmOutcome(
            arm, draws[0].rows, tuple(runs), draws[0].human, cost, draws=draws, groups=groups, search=found
        )

    def _searched(self, arm: ArmPlan, rows: ArmRows) -> tuple[ArmPlan, Found | None]:
        """Return the arm with the settings that a search found for it, on its first draw of rows, or for another."""
        search = self.plan.experiment.search
        if search is None:
            return arm, None
        if search.arm not in (None, arm.name):
            of = next(one for one in self.plan.trained if one.name == search.arm)
            if of.name not in self._found:
                self._searched(of, self._rows(of, self.source.of().seed, is_first=True))
            found = self._found.get(of.name)
            same = arm if found is None else shared(search, found.values, of, arm)
            return same, None if same is arm else found
        human = self.source.of(arm.human)
        known = SearchRows(human.train, rows.kept, human.validation)
        chosen, found = searched(arm, known, search, self.plan.experiment.search_metric, self.store, self._stop)
        if found is not None:
            self._found[arm.name] = found
            self.store.event("note", stage="search", about=arm.name, message=str(found))
        return chosen, found

    def _at(self, human: HumanRows) -> _Place:
        if id(human) not in self._places:
            synthetic = SyntheticRows(self.plan, self.store, human, self.llm)
            self._places[id(human)] = _Place(human, synthetic, Stages(self.store, human, self._stop))
        return self._places[id(human)]

    def _rows(self, arm: ArmPlan, data_seed: int, *, is_first: bool) -> ArmRows:
        place = self._at(self.source.of(arm.human, data_seed))
        rows = place.synthetic.of(arm)
        folder = self.store.path / "data" / arm.folder / ("." if is_first else f"data-seed-{data_seed}")
        write_rows(folder, rows, place.human)
        _check_rows(arm, rows, folder.relative_to(self.store.path))
        about = arm.name if is_first else f"{arm.name} · data seed {data_seed}"
        self.inspecting.look(about, arm, rows, place.human, folder)
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

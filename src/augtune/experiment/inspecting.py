"""The stage that looks at an arm's synthetic rows before anything is trained on them, and what it warns of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from augtune.core.files import read_json, write_json
from augtune.experiment.content import VERSION, encoder_content
from augtune.experiment.plan import ArmPlan, Plan
from augtune.experiment.rows import HumanRows
from augtune.experiment.store import RunFolder
from augtune.experiment.synthetic import ArmRows

__all__ = ["Inspecting"]

FILE = "quality.json"


class Inspecting:
    """Inspects the synthetic rows of one run, each set of rows once for all arms that share it.

    Args:
        plan: What to do.
        store: The run folder, claimed.
    """

    def __init__(self, plan: Plan, store: RunFolder) -> None:
        self.plan = plan
        self.store = store
        self._found: dict[str, tuple[list[str], list[str]]] = {}

    def look(self, about: str, arm: ArmPlan, rows: ArmRows, human: HumanRows, folder: Path) -> None:
        """Inspect an arm's rows, write what was found beside them, and warn at once; it never stops a run.

        Args:
            about: What warnings call the rows: the arm's name.
            arm: The arm.
            rows: Its rows.
            human: The human rows they were made from.
            folder: Where they are written.
        """
        target = folder / FILE
        settings, kept = self.plan.experiment.inspect, rows.kept
        if settings is None or kept is None:
            target.unlink(missing_ok=True)
            return
        encoder = settings.encoder or arm.settings.encoder

        def make(place: Path) -> dict[str, Any]:
            from augtune.curation.quality import inspect, warnings_of

            quality = inspect(kept, human.train, test=human.test, settings=settings, encoder=encoder)
            told = warnings_of(quality)
            write_json(place / FILE, {**quality.to_json(), "warnings": told})
            return {"warnings": len(told)}

        key = {
            "version": VERSION,
            "rows": kept.fingerprint,
            "train": human.train.fingerprint,
            "test": human.test.fingerprint,
            "encoder": encoder_content(encoder),
            "settings": settings.to_json(),
        }
        stage = self.store.stage("inspect", key, make, about=f"{len(kept):,} synthetic rows")
        found = read_json(stage.folder / FILE)
        write_json(target, found)
        if stage.key in self._found:
            self._found[stage.key][0].append(about)
            return
        told = [str(line) for line in found["warnings"]]
        self._found[stage.key] = [about], told
        for line in told:
            self.store.event("warning", message=f"Synthetic rows of {about}: {line}", arm=arm.name)

    @property
    def warnings(self) -> list[str]:
        """All warnings, each with the arms that share the rows."""
        return [f"Synthetic rows of {', '.join(arms)}: {line}" for arms, told in self._found.values() for line in told]

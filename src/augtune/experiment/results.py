"""Results: what a finished run says, read back from its folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augtune.core.errors import DataError
from augtune.core.files import read_json
from augtune.reporting.read import read_run

__all__ = ["Results"]


@dataclass(frozen=True, slots=True)
class Results:
    """Scores of every arm and seed, comparisons and the verdict.

    Args:
        folder: The run folder.
        values: The value of ``results.json``.
        details: The value of ``details.json``.
    """

    folder: Path
    values: Mapping[str, Any]
    details: Mapping[str, Any]

    @classmethod
    def read(cls, folder: Path | str) -> Results:
        """Return the results in a run folder.

        Raises:
            DataError: If it holds none, or files that are damaged.
        """
        path = Path(folder)
        if not (path / "results.json").is_file():
            raise DataError(
                f"{path}: holds no results.json, so no finished run is there.",
                hint="Run the experiment first (augtune run FILE), or name the folder DIR/NAME it wrote.",
            )
        read_run(path)  # says what is wrong with them, if anything
        return cls(path, read_json(path / "results.json"), read_json(path / "details.json"))

    @property
    def name(self) -> str:
        """Name of the experiment."""
        return str(self.values["name"])

    @property
    def arms(self) -> Mapping[str, Any]:
        """Per arm: scores per seed, mean, std, interval, rows, cost, seconds; as in ``results.json``."""
        return dict(self.values["arms"])

    @property
    def verdict(self) -> tuple[str, ...]:
        """What the run showed, in sentences."""
        return tuple(self.details.get("verdict", ()))

    def __repr__(self) -> str:
        measured = [set(arm["mean"]) & set(arm["interval"]) for arm in self.arms.values()]
        metrics = [metric for metric in self.details.get("metrics", ()) if all(metric in own for own in measured)]
        width = max(len(name) for name in self.arms)
        lines = [f"{'arm':<{width}}  " + "  ".join(f"{metric:<22}" for metric in metrics)]
        for name, arm in self.arms.items():
            cells = []
            for metric in metrics:
                cells.append(_cell(arm["mean"][metric], arm["interval"][metric]).ljust(22))
            lines.append(f"{name:<{width}}  " + "  ".join(cells))
        return "\n".join([*(line.rstrip() for line in lines), "", *self.verdict])


def _cell(mean: float | None, interval: Sequence[float] | None) -> str:
    if mean is None:
        return "not measured"
    return f"{mean:.3f}" if interval is None else f"{mean:.3f} [{interval[0]:.3f}, {interval[1]:.3f}]"

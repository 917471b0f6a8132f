"""How a fine-tuning stands, kept in a file after every step, so that a restart picks it up where it was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from augtune.core.errors import InputError
from augtune.core.files import read_json, write_json

__all__ = ["OVER", "Status", "TuneState"]

Status = Literal["prepared", "uploaded", "creating", "queued", "running", "succeeded", "failed", "cancelled", "expired"]
OVER = frozenset({"succeeded", "failed", "cancelled", "expired"})


@dataclass(frozen=True, slots=True)
class TuneState:
    """How far a fine-tuning is.

    Args:
        status: Where it stands.
        files: Ids of the uploaded files, by ``train`` and ``validation``.
        job: The provider's name for the job.
        model: The tuned model's name at the provider, or its folder.
        problem: Why it failed, if it did.
        trained_tokens: Tokens it was trained on, as the provider counted them.
        events: What the provider reported, oldest first: ``id``, ``at``, ``level``, ``message``.
        checkpoints: Models saved on the way: ``id``, ``step``, ``model``.
        seconds: Time a local training took.
    """

    status: Status = "prepared"
    files: Mapping[str, str] = field(default_factory=dict)
    job: str | None = None
    model: str | None = None
    problem: str | None = None
    trained_tokens: int | None = None
    events: tuple[Mapping[str, Any], ...] = ()
    checkpoints: tuple[Mapping[str, Any], ...] = ()
    seconds: float = 0.0

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come of it."""
        return self.status in OVER

    def save(self, path: Path, **changes: Any) -> TuneState:
        """Return the state with changes, after writing it down."""
        state = replace(self, **changes)
        value = {name: getattr(state, name) for name in self.__dataclass_fields__}
        write_json(path, {**value, "events": list(state.events), "checkpoints": list(state.checkpoints)})
        return state

    @classmethod
    def load(cls, path: Path) -> TuneState:
        """Return the state a file holds; a fresh one if there is no file.

        Raises:
            InputError: If the file is no state.
        """
        if not path.is_file():
            return cls()
        value = read_json(path)
        try:
            value |= {name: tuple(value.get(name, ())) for name in ("events", "checkpoints")}
            return cls(**value)
        except (TypeError, AttributeError) as error:
            raise InputError(f"{path}: this is no state of a fine-tuning ({error}).") from error

    def __repr__(self) -> str:
        parts = [self.status, *(part for part in (self.job, self.model, self.problem) if part)]
        return " · ".join(parts)

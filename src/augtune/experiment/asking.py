"""What a run tells while a generator asks its language model: every call to the screen, now and then on record."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from augtune.core.outcomes import Generation
from augtune.experiment.store import RunFolder

if TYPE_CHECKING:
    from augtune.llm.client import LLM

__all__ = ["Asking"]

RECORD_EVERY_S = 10.0


class Asking:
    """Progress of one generator; call it with how many calls are done, and of how many.

    Args:
        store: The run folder, whose listener hears every call and whose ``events.jsonl`` one in ten seconds.
        llm: The language model; None for a generator without one.
        about: The generator's name, or the arm's.
        stage: Sort of the stage.
    """

    def __init__(self, store: RunFolder, llm: LLM | None, about: str, stage: str = "generate") -> None:
        self._store = store
        self._where = {"stage": stage, "about": about}
        self._watch: Any = None
        self._recorded = time.monotonic()
        self._last = (0, 0)
        if llm is not None:
            from augtune.llm.progress import Watch

            self._watch = Watch(llm)

    def __call__(self, done: int, of: int, kept: int | None = None, dropped: Mapping[str, int] | None = None) -> None:
        """Tell how far it is, and how many rows were kept and dropped, by reason, if the generator says so."""
        self._last = (done, of)
        how = {"of": of} if self._watch is None else self._watch.at(done, of, kept=kept, dropped=dropped).to_json()
        self._store.listen({"event": "progress", **self._where, "step": done, **how})
        if self._watch is not None and time.monotonic() - self._recorded >= RECORD_EVERY_S:
            self._recorded = time.monotonic()
            self._store.event("asking", **self._where, **how)

    def end(self, made: Generation) -> None:
        """Put on record what came of it all."""
        if self._watch is None:
            return
        dropped = Counter(row.reason for row in made.dropped)
        how = self._watch.at(*self._last, kept=len(made.dataset), dropped=dropped)
        self._store.event("asked", **self._where, **how.to_json())

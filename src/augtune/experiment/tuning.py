"""The fine-tuning of a language model as a stage of a run; its job outlives the run that started it."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from augtune.collaboration.evidence import Evidence
from augtune.collaboration.forms import find_form
from augtune.core.dataset import HumanDataset
from augtune.core.errors import ProviderError
from augtune.core.fingerprint import fingerprint
from augtune.core.outcomes import Cost
from augtune.experiment.answering import content_of
from augtune.experiment.content import VERSION, encoder_content
from augtune.experiment.kinds import TuneArm
from augtune.experiment.store import RunFolder

if TYPE_CHECKING:
    from augtune.collaboration.tune.data import OutOfFold
    from augtune.experiment.tally import Tallied
    from augtune.llm.prices import Price
    from augtune.llm.settings import LLMSettings

__all__ = ["TunedModel", "tuned"]

ABOUT = "finetune.json"
# What of the llm section holds for a tuned model too: the budget of the run, the pace and the time limits.
SHARED = {
    "budget", "max_in_flight", "requests_per_minute", "tokens_per_minute", "timeout_s", "give_up_after_s",
    "own_process",
}  # fmt: skip


@dataclass(frozen=True)
class TunedModel:
    """A fine-tuned language model of a run.

    Args:
        key: Key of its stage.
        folder: Its data, job and, if it was tuned here, its weights.
        seconds: Time it took.
        cost: What it cost.
        price: What asking it costs, where the file says so.
    """

    key: str
    folder: Path
    seconds: float
    cost: Cost
    price: Price | None = None

    def llm(self, cache: Path, run: LLMSettings | None) -> Tallied:
        """Return the model, to be asked.

        Args:
            cache: Where its replies are kept.
            run: The run's ``llm:`` section, whose budget, pace and time limits hold for it too.
        """
        from augtune.collaboration.tune.finetune import FineTune
        from augtune.experiment.tally import Tallied

        shared = {} if run is None else run.model_dump(include=SHARED, exclude_unset=True)
        own = {} if self.price is None else {"price": self.price}
        return Tallied.from_settings(FineTune.open(self.folder).llm(**shared, **own).settings, cache=cache)


def tuned(
    kind: TuneArm, train: HumanDataset, unseen: OutOfFold | None, seed: int, store: RunFolder, about: str
) -> TunedModel:
    """Return the model tuned on human rows, now or before; a job that is under way is carried on.

    Its folder is not the stage's, which is emptied when a run is cut off: what was submitted is paid for.

    Args:
        kind: The arm.
        train: The rows.
        unseen: A classifier's out-of-fold predictions of them, where prompts tell them.
        seed: The run's; the file's own comes first.
        store: The run folder, claimed.
        about: Words for the events.

    Raises:
        InputError: If the data or the provider does not allow it.
        ProviderError: If the job failed, expired or was cancelled.
    """
    from augtune.collaboration.tune.finetune import decisive

    settings = kind.tuning(seed)
    examples = kind.evidence.examples
    key = {
        "version": VERSION,
        "settings": {**decisive(settings), "form": find_form(str(settings.form)).mark},
        "model": encoder_content(settings.model.partition("/")[2]) if settings.is_local else settings.model,
        "rows": train.fingerprint,
        "descriptions": dict(train.labels.descriptions),
        "examples": examples.to_json() if examples.similar else None,
        "encoder": encoder_content(examples.encoder) if examples.similar else None,
        "unseen": content_of(unseen),
    }
    place = store.path / "tuning" / fingerprint(key, length=16)

    def make(_: Path) -> dict[str, Any]:
        from augtune.collaboration.tune.finetune import finetune

        pool = train if examples.similar else None
        evidence = Evidence(predictions=unseen, pool=pool, leave_one_out=True, **examples.model_dump())
        started = time.monotonic()
        try:
            made = finetune(train, place, settings=settings, evidence=evidence)
        except ProviderError as error:
            hint = f"Data, job and events are in {place}; run again to look again, remove that folder to start anew."
            raise ProviderError(error.message, hint=hint, retryable=error.retryable) from error
        return {"seconds": made.state.seconds or time.monotonic() - started, "usd": made.price().usd}

    if not (place / ABOUT).is_file():  # the model was removed: what the stage says of it no longer holds
        shutil.rmtree(store.folder_of("tune", key), ignore_errors=True)
    stage = store.stage("tune", key, make, about=about)
    return TunedModel(stage.key, place, float(stage.notes["seconds"]), Cost(stage.notes["usd"]), kind.price)

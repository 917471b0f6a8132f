"""``FineTune``: a fine-tuning from its data to predictions, each step on record in one folder."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from augtune.collaboration.answers import Answers
from augtune.collaboration.ask import Progress, ask
from augtune.collaboration.evidence import Evidence
from augtune.collaboration.forms import Form, find_form
from augtune.collaboration.questions import Asked
from augtune.collaboration.settings import AskSettings
from augtune.collaboration.tune.check import TunePrice, price_of, problems_of
from augtune.collaboration.tune.count import Count, count_tokens
from augtune.collaboration.tune.data import OutOfFold, Record, check_free, records
from augtune.collaboration.tune.settings import TuneSettings
from augtune.collaboration.tune.state import TuneState
from augtune.core.dataset import HumanDataset
from augtune.core.errors import DataError, InputError, ProviderError, SettingsError
from augtune.core.files import read_json, read_jsonl, write_json, write_jsonl
from augtune.core.fingerprint import fingerprint
from augtune.core.labels import Labels

if TYPE_CHECKING:
    from augtune.llm.client import LLM

__all__ = ["FineTune", "Tuner", "decisive", "finetune"]

ABOUT, STATE = "finetune.json", "state.json"
FILES = {"train": "train.jsonl", "validation": "validation.jsonl"}
INDECISIVE = {
    "usd_per_million_tokens", "price", "tokenizer", "most_bytes", "least_rows", "most_tokens", "poll_s", "api_key_env",
}  # fmt: skip


class Tuner(Protocol):
    """Where a model is tuned: at a provider or here."""

    def submit(self, state: TuneState, files: dict[str, Path], name: str) -> TuneState:
        """Start the training, or carry on starting it."""
        ...

    def poll(self, state: TuneState) -> TuneState:
        """Return how it stands."""
        ...

    def cancel(self, state: TuneState) -> TuneState:
        """Stop it."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


class FineTune:
    """One fine-tuning: prepare → check → price → submit → poll → (cancel) → predict; ``open`` resumes it.

    Everything it knows is in its folder: the training files, what they were made of, the state. So a job outlives the
    process that started it.

    Args:
        folder: The folder.
        settings: The model and how it is tuned.
        labels: The classes.
        tuner: Where it is tuned; by default as the model's name says.
    """

    def __init__(self, folder: Path, settings: TuneSettings, labels: Labels, tuner: Tuner | None = None) -> None:
        self.folder, self.settings, self.labels = folder, settings, labels
        self.form: Form = find_form(settings.form or "classify")
        self.state = TuneState.load(folder / STATE)
        self._tuner = tuner
        self._count: Count | None = None

    # ---- the steps

    @classmethod
    def prepare(
        cls,
        train: HumanDataset,
        folder: str | Path,
        *,
        settings: TuneSettings,
        evidence: Evidence | None = None,
        validation: HumanDataset | None = None,
        validation_evidence: Evidence | None = None,
    ) -> FineTune:
        """Write the training data and return the fine-tuning; nothing is sent.

        The same data in the same folder is the same fine-tuning, however far it is; other data is refused.

        Args:
            train: Human rows.
            folder: Where its files go.
            settings: The model and how it is tuned.
            evidence: What prompts tell. A classifier's predictions have to be ``out_of_fold``: those of a classifier
                trained on these very rows are right far too often.
            validation: Rows the provider reports a loss on.
            validation_evidence: What their prompts tell; an ordinary classifier's predictions are right here.

        Raises:
            DataError: If predictions are not out of fold, a row has none, or labels differ.
            InputError: If the form needs evidence there is none of, or the folder holds another fine-tuning.
        """
        given = evidence or Evidence()
        if given.predictions is not None and not isinstance(given.predictions, OutOfFold):
            raise DataError(
                f"finetune: the predictions of {given.predictions.made_by} are not out of fold: a classifier is right "
                "on most rows it was trained on, and the language model would learn to trust it too much.",
                hint="Make them with out_of_fold(train, encoder=...).",
            )
        chosen = settings if settings.form else settings.model_copy(update={"form": given.form})
        form = find_form(str(chosen.form))
        made = {"train": records(train, form, given, text_type=chosen.text_type)}
        if validation is not None:
            other = validation_evidence or Evidence()
            made["validation"] = records(validation, form, other, text_type=chosen.text_type)
        place = Path(folder)
        mark = fingerprint({"records": made, "settings": decisive(chosen)})
        if (place / ABOUT).is_file():
            if read_json(place / ABOUT).get("fingerprint") != mark:
                raise InputError(
                    f"{place}: holds a fine-tuning of other data or settings.", hint="Choose another folder."
                )
            return cls.open(place)
        check_free(place, {FILES[role]: rows for role, rows in made.items()}, (STATE, "model"))
        for role, rows in made.items():
            write_jsonl(place / FILES[role], rows)
        about = {
            "settings": chosen.model_dump(mode="json", exclude_unset=True),
            "labels": list(train.labels),
            "descriptions": dict(train.labels.descriptions),
            "form": form.mark,
            "fingerprint": mark,
            "rows": {role: len(rows) for role, rows in made.items()},
        }
        write_json(place / ABOUT, about)
        return cls.open(place)

    @classmethod
    def open(cls, folder: str | Path) -> FineTune:
        """Return the fine-tuning a folder holds, as far as it is.

        Raises:
            InputError: If it holds none.
        """
        place = Path(folder)
        if not (place / ABOUT).is_file():
            raise InputError(f"{place}: holds no fine-tuning ({ABOUT} is missing).")
        about = read_json(place / ABOUT)
        settings = TuneSettings.parse(about["settings"], where=f"{place / ABOUT}: settings")
        made = cls(place, settings, Labels(tuple(about["labels"]), about["descriptions"]))
        if made.form.mark != about["form"]:
            raise InputError(
                f"{place}: the prompt form is {made.form.mark} now, and the data was made with {about['form']}.",
                hint="A tuned model has to be asked as it was tuned; prepare the data anew in another folder.",
            )
        return made

    def check(self) -> Count:
        """Return the tokens of each training row, having seen that the data can be sent.

        Raises:
            SettingsError: With one line for each problem: too few rows, a file over the limit, a row too long, a label
                without rows.
        """
        count = self._counted()
        if problems := problems_of(self._records("train"), count, self.files, self.labels, self.settings):
            raise SettingsError(problems)
        return count

    def price(self) -> TunePrice:
        """Return what it will cost, as far as that is known beforehand."""
        return price_of(self._counted(), self.settings)

    def submit(self) -> TuneState:
        """Start it, or carry on where a restart cut it off; a job that is under way or over is left alone.

        Raises:
            SettingsError: If the data cannot be sent.
            InputError: If the provider has no fine-tuning.
            ProviderError: If the provider could not be asked.
        """
        if self.state.job is None or (self.settings.is_local and not self.state.is_over):
            self.check()
            self.state = self.tuner.submit(self.state, self.files, self.name)
        return self.state

    def poll(self) -> TuneState:
        """Return how it stands.

        Raises:
            ProviderError: If the provider could not be asked.
        """
        if self.state.job is not None and not self.state.is_over:
            self.state = self.tuner.poll(self.state)
        return self.state

    def wait(
        self,
        *,
        on_state: Callable[[TuneState], None] | None = None,
        sleep: Callable[[float], None] = time.sleep,
        patience: int = 20,
    ) -> TuneState:
        """Return how it ended, looking again and again.

        Args:
            on_state: Told how it stands after each look.
            sleep: How to wait.
            patience: Looks in a row that may fail before it is given up; the job itself goes on.

        Raises:
            InputError: If nothing was submitted.
            ProviderError: If the provider could not be asked for so long.
        """
        if self.state.job is None and not self.state.is_over:
            raise InputError(f"{self.folder}: nothing was submitted, so there is nothing to wait for.")
        failures = 0
        while not self.state.is_over:
            try:
                self.poll()
                failures = 0
            except ProviderError as error:
                failures += 1
                if not error.retryable or failures >= patience:
                    raise
            if on_state is not None:
                on_state(self.state)
            if not self.state.is_over:
                sleep(self.settings.poll_s)
        return self.state

    def cancel(self) -> TuneState:
        """Stop it, if it is under way.

        Raises:
            ProviderError: If the provider could not be asked.
        """
        if not self.state.is_over:
            if self.state.job is None:
                self.state = self.state.save(self.folder / STATE, status="cancelled")
            else:
                self.state = self.tuner.cancel(self.state)
        return self.state

    def llm(self, **settings: Any) -> LLM:
        """Return the tuned model, to be asked.

        Args:
            settings: Further fields of ``LLMSettings``: budget, cache, price, ...

        Raises:
            InputError: If it is not there: not over, failed, expired or cancelled.
        """
        from augtune.llm.client import LLM

        state = self.state
        if state.status != "succeeded" or state.model is None:
            why = f": {state.problem}" if state.problem else ""
            raise InputError(f"{self.folder}: there is no tuned model; the fine-tuning is {state.status}{why}.")
        if self.settings.is_local:
            return LLM(f"local/{self.folder / 'model'}", **settings)
        own = self.settings.llm.model_dump(exclude_unset=True, exclude_none=True)
        provider = self.settings.target.provider
        return LLM(**{**own, "model": f"{provider}/{state.model}", **settings})

    def predict(
        self,
        rows: Asked,
        *,
        evidence: Evidence | None = None,
        llm: LLM | None = None,
        on_progress: Progress | None = None,
        **settings: Any,
    ) -> Answers:
        """Return the tuned model's labels, asked with the very form it was tuned with.

        Args:
            rows: A dataset, texts, or pairs of texts.
            evidence: What prompts tell; the same kind as in training.
            llm: The tuned model, where it is to be paced, cached or budgeted.
            on_progress: Told how many calls are done, and of how many.
            settings: Further settings of ``ask``, e.g. ``reask=0``.

        Raises:
            InputError: If there is no tuned model, or the form needs evidence that is not given.
        """
        asking = AskSettings.parse(
            {"form": self.settings.form, "text_type": self.settings.text_type, **settings}, where="ask"
        )
        return ask(
            rows,
            llm=llm or self.llm(),
            evidence=evidence,
            labels=self.labels,
            settings=asking,
            on_progress=on_progress,
        )

    # ---- what it is made of

    @property
    def name(self) -> str:
        """Our name of the job, by which it is found at the provider."""
        return str(read_json(self.folder / ABOUT)["fingerprint"])

    @property
    def files(self) -> dict[str, Path]:
        """Paths of the data by role."""
        return {role: self.folder / name for role, name in FILES.items() if (self.folder / name).is_file()}

    @property
    def tuner(self) -> Tuner:
        """Where it is tuned."""
        if self._tuner is None:
            self._tuner = _tuner(self.settings, self.folder / STATE)
        return self._tuner

    def _records(self, role: str) -> list[Record]:
        return list(read_jsonl(self.files[role]))

    def _counted(self) -> Count:
        if self._count is None:
            self._count = count_tokens(self._records("train"), self.settings)
        return self._count

    def __repr__(self) -> str:
        return f"{self.settings.model} · {self.form.name} · {self.state!r}"


def finetune(
    train: HumanDataset,
    folder: str | Path,
    *,
    settings: TuneSettings,
    evidence: Evidence | None = None,
    validation: HumanDataset | None = None,
    validation_evidence: Evidence | None = None,
) -> FineTune:
    """Prepare, check, submit and wait; the same call after a restart carries on, and pays for nothing twice.

    Args:
        train: Human rows.
        folder: Where its files go.
        settings: The model and how it is tuned.
        evidence: What prompts tell; a classifier's predictions have to be ``out_of_fold``.
        validation: Rows the provider reports a loss on.
        validation_evidence: What their prompts tell.

    Raises:
        InputError: If the data or the provider does not allow it.
        ProviderError: If the job failed, expired or was cancelled.
    """
    made = FineTune.prepare(
        train,
        folder,
        settings=settings,
        evidence=evidence,
        validation=validation,
        validation_evidence=validation_evidence,
    )
    made.submit()
    state = made.wait()
    if state.status != "succeeded":
        raise ProviderError(
            f"{settings.model}: the fine-tuning {state.status}: {state.problem or 'no reason was given'}.",
            hint=f"Its data, job and events are in {made.folder}; to try again, use another folder.",
        )
    return made


def _tuner(settings: TuneSettings, path: Path) -> Tuner:
    if settings.is_local:
        from augtune.collaboration.tune.local import LocalTuner

        return LocalTuner(settings, path)
    from augtune.collaboration.tune.provider import ProviderTuner

    return ProviderTuner(settings, path)


def decisive(settings: TuneSettings) -> Mapping[str, Any]:
    """Return the settings that decide what comes out: those of prices, limits and waiting play no part."""
    return dict(json.loads(settings.model_dump_json(exclude=set(INDECISIVE))))

"""``RoutedModel``: a classifier, a router and the address of a language model, saved and served like one model."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import Field

from augtune.collaboration.ask import Progress, ask
from augtune.collaboration.evidence import Choose, Evidence
from augtune.collaboration.forms import FORMS, Form, find_form
from augtune.collaboration.guard import require_model
from augtune.collaboration.questions import Asked, Questions
from augtune.collaboration.router import Routed, Router
from augtune.collaboration.settings import AskSettings
from augtune.core.dataset import Dataset, Example, HumanDataset
from augtune.core.encoders import DEFAULT_ENCODER
from augtune.core.errors import DataError, InputError, StorageError
from augtune.core.files import atomic_write, make_folder, read_json, read_jsonl, read_text, write_json, write_jsonl
from augtune.core.labels import Labels
from augtune.core.settings import Settings
from augtune.core.tables import Predictions
from augtune.llm.settings import LLMSettings

if TYPE_CHECKING:
    from augtune.llm.client import LLM

__all__ = ["ExampleSettings", "Predictor", "RoutedModel", "independent_form"]

ABOUT, MODEL, POOL, FORM = "router.json", "model", "examples.jsonl", "form.jinja2"
UNFINISHED = ".unfinished"  # in a folder whose writing was cut off
# Where replies are kept and what may be spent is up to who serves the model, not to who made it.
LEFT_OUT = {"budget", "cache", "replay"}


class Predictor(Protocol):
    """A classifier such as ``Fitted``."""

    @property
    def fingerprint(self) -> str:
        """Hex digits that name it."""
        ...

    @property
    def labels(self) -> Labels:
        """Its classes."""
        ...

    def predict(self, rows: Any) -> Predictions:
        """Return its predictions of a dataset, texts or pairs of texts."""
        ...

    def save(self, folder: str | Path) -> Path:
        """Write it as a folder."""
        ...


class ExampleSettings(Settings):
    """Which labelled examples a prompt shows; see ``Evidence``."""

    similar: int = Field(default=0, ge=0)
    """Examples per prompt; with balanced, per label."""

    balanced: bool = False
    """Show examples of every label, labels in order."""

    choose: Choose = "similar"
    """similar: the nearest to the text; random: the same few for all."""

    encoder: str = DEFAULT_ENCODER
    """Sentence encoder that says what is near."""

    seed: int = 0
    """Of the draw."""

    def evidence(self, predictions: Predictions | None = None, pool: HumanDataset | None = None) -> Evidence:
        """Return the evidence these settings make of predictions and a pool."""
        return Evidence(predictions=predictions, pool=pool, **self.model_dump())


def independent_form(similar: int) -> str:
    """Return the form for rows a classifier is unsure of: one that does not tell what the classifier thinks.

    On the published study in ``examples/electra_gpt``, an answer given without the classifier's label was worth
    0.9 points of macro-F1 more to a cascade than one given with it: told the label, the model mostly repeats it.
    """
    return "examples" if similar else "classify"


@dataclass(frozen=True, eq=False)
class RoutedModel:
    """A classifier that asks a language model about the rows it is unsure of.

    Args:
        classifier: The classifier, e.g. a ``Fitted``.
        router: The rule; chosen for this classifier.
        asking: How the language model is asked; without a form, by one that does not show the classifier's opinion.
        llm: Which language model; its budget, cache and recording are not part of the saved model.
        examples: Which labelled examples prompts show; none by default.
        pool: Where they come from.

    Raises:
        DataError: If the router was chosen for another classifier, or labels differ.
        InputError: If the prompt's form shows examples and there is no pool.
    """

    classifier: Predictor
    router: Router
    asking: AskSettings
    llm: LLMSettings | None = None
    examples: ExampleSettings = field(default_factory=ExampleSettings)
    pool: HumanDataset | None = None

    def __post_init__(self) -> None:
        own, wanted = self.classifier.fingerprint, self.router.classifier
        if wanted is not None and own != wanted:
            raise DataError(
                f"router: it was chosen for the classifier {wanted}, and this one is {own}.",
                hint="A threshold says nothing of another classifier's confidence: choose it anew with route.",
            )
        if self.classifier.labels.names != self.router.labels.names:
            raise DataError(
                f"router: its labels are {self.router.labels}, the classifier's are {self.classifier.labels}."
            )
        if self.examples.similar and self.pool is None:
            raise InputError("examples: there is no pool of labelled rows to take them from.")
        form = self.asking.form or independent_form(self.examples.similar)
        if "examples" in find_form(form).needs and not self.examples.similar:
            raise InputError(f"form {form!r} shows examples, and examples.similar is 0.")
        object.__setattr__(self, "asking", self.asking.model_copy(update={"form": form}))

    @property
    def form(self) -> Form:
        """The prompt's form."""
        return find_form(str(self.asking.form))

    def predict(self, rows: Asked, *, llm: LLM | None = None, on_progress: Progress | None = None) -> Routed:
        """Return predictions of rows; those the classifier is unsure of are sent to the language model.

        Args:
            rows: A dataset, texts, or pairs of texts; bare texts get the ids ``text-0000`` and so on.
            llm: The language model; by default the one it was saved with.
            on_progress: Told how many calls are done, and of how many.

        Raises:
            InputError: If rows have to be sent and there is no language model.
            DataError: If rows do not fit the classifier.
            BudgetError: If the budget is reached; what was paid for is in the language model's cache.
            ProviderError: If the provider fails every call.
        """
        questions = Questions.of(rows, None if isinstance(rows, Dataset) else self.router.labels)
        own = self.classifier.predict(rows)
        require_model(own, self.classifier.fingerprint)
        sent = self.router.sends(own).nonzero()[0]
        if not len(sent):
            return self.router.combine(own, own)
        asked = questions.take(sent)
        evidence = self.examples.evidence(own.aligned(asked.ids), self.pool)
        answers = ask(asked, llm=self._model(llm), evidence=evidence, settings=self.asking, on_progress=on_progress)
        return self.router.combine(own, answers, cost=answers.cost)

    def _model(self, llm: LLM | None) -> LLM:
        from augtune.llm.client import LLM

        if llm is not None:
            return llm
        if self.llm is None or self.llm.model is None:
            raise InputError(
                "routed model: rows have to be sent to a language model, and none is named.",
                hint="Give llm=augtune.LLM('PROVIDER/MODEL').",
            )
        return LLM.from_settings(self.llm)

    def save(self, folder: str | Path) -> Path:
        """Write the model as a folder: ``router.json``, the classifier in ``model/`` and the pool of examples.

        ``router.json`` is written last, so a folder that has it is whole. No key is ever written.

        Raises:
            StorageError: If it cannot be written, or the folder holds something else.
        """
        place = Path(folder)
        is_ours = (place / ABOUT).is_file() or (place / UNFINISHED).is_file()
        if place.exists() and not is_ours and (not place.is_dir() or any(place.iterdir())):
            raise StorageError(f"{place}: holds something that is no routed model; it was left alone.")
        try:
            make_folder(place)
            (place / UNFINISHED).touch()
            (place / ABOUT).unlink(missing_ok=True)
            if self.pool is None:
                (place / POOL).unlink(missing_ok=True)
            else:
                write_jsonl(place / POOL, (row.to_json(self.pool.labels) for row in self.pool))
        except OSError as error:
            raise StorageError(f"{place}: cannot be written: {error.strerror or error}") from error
        asking = self.asking
        if asking.form not in FORMS:  # a prompt of one's own travels with the model
            with atomic_write(place / FORM) as stream:
                stream.write(read_text(Path(str(asking.form))))
            asking = asking.model_copy(update={"form": FORM})
        self.classifier.save(place / MODEL)
        llm = None if self.llm is None else self.llm.model_dump(mode="json", exclude=LEFT_OUT, exclude_unset=True)
        about = {
            "router": self.router.to_json(),
            "ask": {**asking.model_dump(mode="json", exclude_unset=True), "form": asking.form},
            "form": self.form.mark,
            "examples": self.examples.model_dump(mode="json", exclude_unset=True),
            "llm": llm,
        }
        write_json(place / ABOUT, about)
        (place / UNFINISHED).unlink()
        return place

    @classmethod
    def load(cls, folder: str | Path) -> RoutedModel:
        """Return the model that ``save`` wrote.

        Raises:
            InputError: If the folder holds none, a damaged one, or its prompt has changed since it was saved.
        """
        from augtune.model.fitted import Fitted

        place = Path(folder)
        if not (place / ABOUT).is_file():
            raise InputError(f"{place}: holds no routed model ({ABOUT} is missing).")
        about = read_json(place / ABOUT)
        if not isinstance(about, Mapping) or "router" not in about:
            raise InputError(f"{place / ABOUT}: this is no routed model.")
        router = Router.from_json(about["router"])
        how = dict(about.get("ask") or {})
        if how.get("form") == FORM:
            how["form"] = str(place / FORM)
        asking = AskSettings.parse(how, where=f"{place / ABOUT}: ask")
        given = about.get("llm")
        made = cls(
            Fitted.load(place / MODEL, labels=router.labels),
            router,
            asking,
            None if given is None else LLMSettings.parse(given, where=f"{place / ABOUT}: llm"),
            ExampleSettings.parse(about.get("examples") or {}, where=f"{place / ABOUT}: examples"),
            _pool(place / POOL, router.labels),
        )
        if made.form.mark != about.get("form"):
            raise InputError(
                f"{place}: the prompt form is {made.form.mark} now, and the model was saved with {about.get('form')}.",
                hint="Another wording gets other answers: choose the threshold anew with route.",
            )
        return made

    def __repr__(self) -> str:
        name = "no language model" if self.llm is None else self.llm.model
        return f"{self.classifier!r} + {name} · {self.router!r}"


def _pool(path: Path, labels: Labels) -> HumanDataset | None:
    if not os.path.exists(path):
        return None
    return HumanDataset.from_examples((Example.from_json(row, labels) for row in read_jsonl(path)), labels, name="pool")

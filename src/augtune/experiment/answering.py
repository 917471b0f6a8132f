"""Questions to a language model as a stage of a run: asked once, kept row by row, complete or stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from augtune.collaboration.answers import AnswerRecord, Answers
from augtune.collaboration.evidence import Evidence
from augtune.collaboration.forms import find_form
from augtune.collaboration.routed import ExampleSettings
from augtune.collaboration.settings import AskSettings
from augtune.core.dataset import HumanDataset
from augtune.core.errors import DataError
from augtune.core.files import read_jsonl, write_jsonl
from augtune.core.fingerprint import fingerprint
from augtune.core.outcomes import Cost
from augtune.core.tables import Predictions
from augtune.experiment.asking import Asking
from augtune.experiment.content import VERSION, encoder_content
from augtune.experiment.store import RunFolder

if TYPE_CHECKING:
    from augtune.experiment.tally import Tallied

__all__ = ["Answerer", "Asked", "Job", "answers_of", "completed", "content_of"]


@dataclass(frozen=True)
class Answerer:
    """A language model of a run.

    Args:
        llm: Opens it; called only if something has to be asked.
        content: What of it decides its answers, as JSON.
    """

    llm: Callable[[], Tallied]
    content: Any


@dataclass(frozen=True, kw_only=True)
class Job:
    """Rows to ask about, and how.

    Args:
        arm: The arm's name.
        rows: The rows; their labels are not told.
        asking: How it is asked, form included.
        examples: Which labelled examples are shown.
        pool: Human rows these come from.
        own: A classifier's predictions of the rows, where prompts tell them.
        model: Fingerprint of the classifier that has to have made them; others are refused.
        leave_one_out: The rows asked about are those of the pool.
        is_whole: Whether every row needs an answer, so that the run stops at one without.
        about: Words for the events.
    """

    arm: str
    rows: HumanDataset
    asking: AskSettings
    examples: ExampleSettings
    pool: HumanDataset
    own: Predictions | None = None
    model: str | None = None
    leave_one_out: bool = False
    is_whole: bool = False
    about: str = ""

    @property
    def evidence(self) -> Evidence:
        """What prompts tell.

        Raises:
            DataError: If the predictions are not those of the named model.
        """
        pool = self.pool if self.examples.similar else None
        made = self.examples.evidence(self.own, pool)
        return replace(made, model=self.model, leave_one_out=self.leave_one_out)

    @property
    def key(self) -> dict[str, Any]:
        """What the answers depend on beside the model."""
        examples, similar = self.examples, bool(self.examples.similar)
        return {
            "version": VERSION,
            "asking": {**self.asking.to_json(), "form": find_form(str(self.asking.form)).mark},
            "rows": self.rows.fingerprint,
            "descriptions": dict(self.rows.labels.descriptions),
            "examples": examples.model_dump(mode="json", include=set(ExampleSettings.model_fields))
            if similar
            else None,
            "encoder": encoder_content(examples.encoder) if similar else None,
            "pool": self.pool.fingerprint if similar else None,
            "leave_one_out": self.leave_one_out and similar,
            "own": content_of(self.own),
            "is_whole": self.is_whole,
        }


@dataclass(frozen=True)
class Asked:
    """What came of a job: the stage's key, the answers, and what they are worth."""

    key: str
    answers: Answers
    cost: Cost


def answers_of(job: Job, by: Answerer, store: RunFolder) -> Asked:
    """Return the answers to a job, asked now or before.

    Raises:
        DataError: If rows stay without an answer that need one; what was paid for is in the cache.
        BudgetError: If the budget is reached.
        ProviderError: If the provider fails every call.
    """
    from augtune.collaboration.ask import ask

    def make(folder: Path) -> dict[str, Any]:
        llm = by.llm()
        telling = Asking(store, llm, job.about, "ask")
        made, cost = llm.worth(
            lambda: ask(job.rows, llm=llm, evidence=job.evidence, settings=job.asking, on_progress=telling)
        )
        if job.is_whole and made.unanswered:
            raise _incomplete(job, made)
        write_jsonl(folder / "answers.jsonl", _to_rows(made))
        names = ("made_by", "model", "form", "constrained")
        return {"cost": cost.to_json(), **{name: getattr(made, name) for name in names}}

    stage = store.stage("ask", {**job.key, "llm": by.content}, make, about=job.about)
    rows, notes = read_jsonl(stage.folder / "answers.jsonl"), stage.notes
    table = [row["probabilities"] for row in rows if row["probabilities"] is not None]
    labels = job.rows.labels
    answers = Answers(
        tuple(row["id"] for row in rows if row["probabilities"] is not None),
        np.array([[soft[name] for name in labels] for soft in table]).reshape(len(table), len(labels)),
        labels,
        notes["made_by"],
        notes["model"],
        records=tuple(_record(row) for row in rows),
        form=notes["form"],
        constrained=notes["constrained"],
        cost=Cost.from_json(notes["cost"]),
    )
    return Asked(stage.key, answers, answers.cost)


def completed(answers: Answers, rows: HumanDataset, spare: Predictions | None) -> Answers:
    """Return answers for every row, a classifier's prediction where the language model gave none.

    Args:
        answers: The answers.
        rows: The ``N`` rows.
        spare: The classifier's predictions of them.

    Raises:
        DataError: If a row has no answer and there is no classifier.
    """
    known = {name: i for i, name in enumerate(answers.ids)}
    missing = [name for name in rows.ids if name not in known]
    if missing and spare is None:
        raise DataError(f"predictions of {answers.made_by}: no answer for row {missing[0]!r}.")
    stand_in = spare.aligned(missing).probabilities if spare is not None and missing else ()
    own = dict(zip(missing, stand_in, strict=True))
    table = [answers.probabilities[known[name]] if name in known else own[name] for name in rows.ids]
    records = tuple(
        record if record.is_answered else replace(record, status="classifier", soft_source="classifier")
        for record in answers.records
    )
    return replace(answers, ids=rows.ids, probabilities=np.array(table), records=records)


def content_of(predictions: Predictions | None) -> str | None:
    """Return a fingerprint of predictions: rows, numbers, and who made them."""
    if predictions is None:
        return None
    return fingerprint([list(predictions.ids), predictions.probabilities.tolist(), predictions.model])


def _to_rows(answers: Answers) -> Iterator[dict[str, Any]]:
    place = {name: i for i, name in enumerate(answers.ids)}
    for record in answers.records:
        soft = answers.probabilities[place[record.id]].tolist() if record.id in place else None
        named = None if soft is None else dict(zip(answers.labels, soft, strict=True))
        yield {**record.to_json(), "probabilities": named}


def _record(row: dict[str, Any]) -> AnswerRecord:
    fields = {name: row[name] for name in AnswerRecord.__dataclass_fields__}
    return AnswerRecord(**{**fields, "replies": tuple(row["replies"]), "problems": tuple(row["problems"])})


def _incomplete(job: Job, made: Answers) -> DataError:
    problems = ", ".join(f"{n} {problem}" for problem, n in made.problems.items())
    return DataError(
        f"arm {job.arm!r}: {len(made.unanswered)} of {len(made.records)} test rows have no answer ({problems}), "
        "and every one needs a prediction.",
        hint="Name a trained arm whose prediction stands for them: fallback: ARM. What was paid for is kept.",
    )

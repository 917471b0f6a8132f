"""``ask``: a language model labels rows, told what a classifier and labelled examples say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from augtune.collaboration.answers import AnswerRecord, Answers
from augtune.collaboration.evidence import Evidence, Exhibits
from augtune.collaboration.forms import Form, find_form
from augtune.collaboration.questions import Asked, Questions
from augtune.collaboration.reading import Reading, read_reply, schema_of
from augtune.collaboration.settings import AskSettings
from augtune.core.errors import InputError, ProviderError
from augtune.core.fingerprint import fingerprint
from augtune.core.labels import Labels
from augtune.core.prompts import listed
from augtune.generation.base import spent
from augtune.llm.failures import CallError, is_refusal
from augtune.llm.messages import Message, Reply, Request

if TYPE_CHECKING:
    from augtune.llm.client import LLM, Answer

__all__ = ["Progress", "ask", "prompts"]

Progress = Callable[[int, int], None]
TELLING = 8  # rows, spread over all, that may be asked to find out what the provider can
SPARE_TOKENS = 24  # of a JSON object around the label


def ask(
    rows: Asked,
    *,
    llm: LLM,
    evidence: Evidence | None = None,
    labels: Labels | None = None,
    settings: AskSettings | None = None,
    on_progress: Progress | None = None,
    **overrides: Any,
) -> Answers:
    """Return the labels a language model gives to rows.

    A reply counts only if it is one of the labels and nothing else. One that is not is answered with a reminder
    (``reask``); the text itself is never changed. A row that stays without an answer is counted and has the
    classifier's prediction, or none.

    Args:
        rows: A dataset (its labels are not looked at), texts, or pairs of texts.
        llm: The model.
        evidence: What it is told beside each text; nothing by default.
        labels: The labels to choose from, for bare texts.
        settings: How it is asked; the defaults if None.
        on_progress: Told how many calls are done, and of how many.
        overrides: Single settings, e.g. ``form="label"``.

    Raises:
        InputError: If the form needs evidence that is not given, or a setting is wrong.
        DataError: If a row has no prediction, labels differ, or examples would come from the rows asked about.
        BudgetError: If the budget is reached; what was paid for is kept.
        ProviderError: If the provider fails every call.
    """
    job = _Job.of(rows, llm, evidence, labels, _settings(settings, overrides))
    before = llm.cost
    job.choose_rung()
    first = job.send([job.messages(i) for i in range(len(job.questions))], on_progress)
    trails = [_Trail() for _ in first]
    for trail, reply in zip(trails, first, strict=True):
        trail.add(*reply, job.questions.labels)
    for number in range(job.settings.reask):
        open_rows = [i for i, trail in enumerate(trails) if trail.wants_reminder]
        if not open_rows:
            break
        reminders = [job.reminder(i, trails[i], number) for i in open_rows]
        for i, reply in zip(open_rows, job.send(reminders, on_progress), strict=True):
            trails[i].add(*reply, job.questions.labels)
    return job.answers(trails, spent(before, llm.cost))


def prompts(
    rows: Asked,
    *,
    evidence: Evidence | None = None,
    labels: Labels | None = None,
    settings: AskSettings | None = None,
    count: int = 3,
    **overrides: Any,
) -> list[tuple[Message, ...]]:
    """Return the turns of the first rows as ``ask`` would send them; nothing is sent.

    Raises:
        InputError: If the form needs evidence that is not given, or a setting is wrong.
        DataError: If a row has no prediction, labels differ, or no example is left to show.
    """
    questions = Questions.of(rows, labels).take(range(min(count, len(rows))))
    given, asked = evidence or Evidence(), _settings(settings, overrides)
    form = find_form(asked.form or given.form)
    exhibits = given.exhibits(questions, form)
    return [
        form.messages(exhibits.shown(i), questions.labels, text_type=asked.text_type) for i in range(len(questions))
    ]


def _settings(settings: AskSettings | None, overrides: dict[str, Any]) -> AskSettings:
    if not overrides:
        return settings or AskSettings()
    given = {} if settings is None else settings.model_dump(exclude_unset=True)
    return AskSettings.parse({**given, **overrides}, where="ask")


@dataclass(frozen=True, slots=True)
class _Rung:
    """What is asked of a provider beside the text: a schema, tokens' probabilities, the labels' scores, or nothing.

    A model without a chat template is given one text to continue (``is_text``).
    """

    schema: bool = False
    logprobs: bool = False
    scores: bool = False
    is_text: bool = False


@dataclass(slots=True)
class _Trail:
    """One row's answers so far."""

    answers: list[Answer] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)
    key: str = ""

    def add(self, key: str, answer: Answer, labels: Labels) -> None:
        self.key = key
        self.answers.append(answer)
        self.readings.append(read_reply(answer, labels))

    @property
    def last(self) -> Reading:
        return self.readings[-1]

    @property
    def wants_reminder(self) -> bool:
        return self.last.label is None and self.last.problem != "no reply"

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(answer.text if isinstance(answer, Reply) else answer.message for answer in self.answers)


@dataclass(slots=True)
class _Job:
    """A call of ``ask``, resolved."""

    questions: Questions
    llm: LLM
    exhibits: Exhibits
    form: Form
    settings: AskSettings
    rung: _Rung = _Rung()

    @classmethod
    def of(cls, rows: Asked, llm: LLM, evidence: Evidence | None, labels: Labels | None, settings: AskSettings) -> _Job:
        questions = Questions.of(rows, labels)
        given = evidence or Evidence()
        form = find_form(settings.form or given.form)
        if settings.unanswered == "classifier" and given.predictions is None:
            raise InputError("ask.unanswered: 'classifier' needs the classifier's predictions, and there are none.")
        return cls(questions, llm, given.exhibits(questions, form), form, settings)

    def messages(self, row: int) -> tuple[Message, ...]:
        return self.form.messages(self.exhibits.shown(row), self.questions.labels, text_type=self.settings.text_type)

    def reminder(self, row: int, trail: _Trail, number: int) -> tuple[Message, ...]:
        """Return the conversation so far and a reminder of the labels; the first turns stay as they were."""
        turns = list(self.messages(row))
        note = f"That is not one of the labels. Answer with {listed(list(self.questions.labels))}, with nothing else."
        for text in trail.texts[: number + 1]:
            turns += [Message("assistant", text.strip() or "(no answer)"), Message("user", note)]
        return tuple(turns)

    def request(self, turns: Sequence[Message], rung: _Rung) -> Request:
        labels, settings = self.questions.labels, self.settings
        whole = "\n\n".join(turn.content for turn in turns)
        asked: dict[str, Any] = {"prompt": whole} if rung.is_text else {"messages": turns}
        if rung.scores:
            lead = " " if rung.is_text else ""
            return self.llm.request(**asked, continuations=tuple(lead + name for name in labels))
        longest = max(len(name.encode()) for name in labels)
        return self.llm.request(
            **asked,
            stop=("\n",) if rung.is_text else (),
            temperature=settings.temperature,
            max_tokens=settings.max_tokens or longest + SPARE_TOKENS,
            schema=schema_of(labels) if rung.schema else None,
            logprobs=settings.logprobs if rung.logprobs else None,
        )

    def choose_rung(self) -> None:
        """Find out what the provider can: a schema and probabilities, one of them, or neither.

        The first row tells. If it is refused even where nothing is asked for beside the text, it is the row that is
        refused, and another one tells.
        """
        *more, bare = self._rungs()
        self.rung = more[0] if more else bare
        rows = range(0, len(self.questions), -(-len(self.questions) // TELLING) or 1) if more else ()
        for row in rows:
            if row and self._is_refused(row, bare):
                continue
            for self.rung in more:
                if self._works(row, self.rung):
                    return
            self.rung = bare
            if row or not self._is_refused(row, bare):
                return

    def _rungs(self) -> list[_Rung]:
        labels = list(self.questions.labels)
        if self.llm.can_score:
            # a label that begins another one always scores higher than it, so such labels are written, not scored
            apart = not any(one != other and other.startswith(one) for one in labels for other in labels)
            scores = self.settings.constrain and apart
            return [_Rung(scores=scores, is_text=is_text) for is_text in (False, True)]
        schemas = (True, False) if self.settings.constrain else (False,)
        tops = (True, False) if self.settings.logprobs is not None else (False,)
        return [_Rung(schema, top) for schema in schemas for top in tops]

    @property
    def _is_here(self) -> bool:
        """Whether no provider is asked: a recording answers, or a model in this process."""
        return self.llm.settings.replay is not None or self.llm.can_score

    def _works(self, row: int, rung: _Rung) -> bool:
        try:
            answer = self._probed(row, rung)
        except ProviderError:
            if not self._is_here:
                raise
            return False  # a recording has the replies of one rung only; a model without a chat template takes no chat
        return isinstance(answer, Reply) or not is_refusal(answer)

    def _is_refused(self, row: int, rung: _Rung) -> bool:
        """Return whether a provider refuses a row."""
        answer = None if self._is_here else self._probed(row, rung)
        return isinstance(answer, ProviderError) and is_refusal(answer)

    def _probed(self, row: int, rung: _Rung) -> Answer:
        """Return what comes of a row; what is forbidden before anything is answered may be this row alone."""
        try:
            return self.llm.send_all([self.request(self.messages(row), rung)])[0]
        except CallError as error:
            if not is_refusal(error):
                raise
            return error

    def send(self, turns: Sequence[Sequence[Message]], on_progress: Progress | None) -> list[tuple[str, Answer]]:
        """Return each request's key and answer."""
        requests = [self.request(one, self.rung) for one in turns]
        done = 0

        def tell(*_: object) -> None:
            nonlocal done
            done += 1
            if on_progress is not None:
                on_progress(done, len(requests))

        answers = self.llm.send_all(requests, on_answer=tell)
        return [(request.key, answer) for request, answer in zip(requests, answers, strict=True)]

    def answers(self, trails: Sequence[_Trail], cost: Any) -> Answers:
        """Return the predictions and the record of every row."""
        instead = self.settings.unanswered or ("classifier" if self.exhibits.own is not None else "exclude")
        labels, ids = self.questions.labels, self.questions.ids
        records, kept, table = [], [], []
        for row, trail in enumerate(trails):
            soft, source = self._soft(row, trail.last, instead)
            if soft is not None:
                kept.append(ids[row])
                table.append(soft)
            records.append(self._record(row, trail, source))
        return Answers(
            tuple(kept),
            np.array(table, dtype=np.float64).reshape(len(kept), len(labels)),
            labels,
            f"{self.llm.name} · {self.form.name}",
            self._fingerprint(),
            records=tuple(records),
            form=self.form.mark,
            constrained=self.rung.schema or self.rung.scores,
            cost=cost,
        )

    def _soft(self, row: int, reading: Reading, instead: str) -> tuple[np.ndarray | None, str | None]:
        labels = self.questions.labels
        if reading.probabilities is not None:
            return np.array(reading.probabilities), "scores" if self.rung.scores else "logprobs"
        if reading.label is not None:
            return np.eye(len(labels))[labels.index(reading.label)], "one-hot"
        if instead == "classifier" and self.exhibits.own is not None:
            return self.exhibits.own.probabilities[row], "classifier"
        return None, None

    def _record(self, row: int, trail: _Trail, source: str | None) -> AnswerRecord:
        label = trail.last.label
        if label is not None:
            status: Any = "answered" if len(trail.readings) == 1 else "answered again"
        else:
            status = "none" if source is None else "classifier"
        return AnswerRecord(
            self.questions.ids[row],
            status,
            label,
            trail.texts,
            tuple(reading.problem for reading in trail.readings if reading.problem is not None),
            source,
            trail.key,
        )

    def _fingerprint(self) -> str:
        """Return the name of what answered: the model, the wording, the sampling, and who gave the evidence."""
        blank = self.request([Message("user", "-")], self.rung)
        own = self.exhibits.own
        return fingerprint(
            {
                "request": blank.to_json(),
                "form": self.form.mark,
                "text_type": self.settings.text_type,
                "labels": list(self.questions.labels),
                "evidence": None if own is None else own.model,
                "reask": self.settings.reask,
            }
        )

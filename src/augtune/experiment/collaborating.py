"""Arms of kind ``ask``, ``route`` and ``finetune``: their stages, and what comes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from augtune.collaboration.route import route
from augtune.collaboration.routed import RoutedModel
from augtune.collaboration.router import Router
from augtune.core.dataset import HumanDataset
from augtune.core.errors import DataError, InputError
from augtune.core.files import read_json, read_jsonl, write_json, write_jsonl
from augtune.core.outcomes import Cost
from augtune.core.tables import Predictions
from augtune.experiment.answering import Answerer, Asked, Job, answers_of, completed, content_of
from augtune.experiment.content import VERSION, llm_content
from augtune.experiment.kinds import AskArm, Kind, RouteArm, TuneArm
from augtune.experiment.outcomes import ArmOutcome, SeedRun
from augtune.experiment.plan import ArmPlan, Plan
from augtune.experiment.rows import HumanRows
from augtune.experiment.stages import Stages
from augtune.experiment.store import RunFolder, Stage
from augtune.experiment.synthetic import ArmRows
from augtune.experiment.tuning import tuned

if TYPE_CHECKING:
    from augtune.experiment.tally import Tallied

__all__ = ["Collaborating"]


class Collaborating:
    """Runs the arms of one run that train no classifier of their own.

    Args:
        plan: What to do.
        store: The run folder, claimed.
        human: The human rows.
        stages: The trained arms' stages.
        llm: Returns the experiment's language model.
        trained: What came of the trained arms, by name.
    """

    def __init__(
        self,
        plan: Plan,
        store: RunFolder,
        human: HumanRows,
        stages: Stages,
        llm: Callable[[], Tallied | None],
        trained: Mapping[str, ArmOutcome],
    ) -> None:
        self.plan, self.store, self.human, self.stages, self.trained = plan, store, human, stages, trained
        self._llm = llm
        self._by = Answerer(self._needed, llm_content(plan.experiment.llm))
        self._makers: Mapping[str, Callable[[ArmPlan, Any, int], _Made]] = {
            AskArm.kind: self._ask,
            RouteArm.kind: self._route,
            TuneArm.kind: self._tune,
        }

    def outcome(self, arm: ArmPlan, kind: Kind) -> ArmOutcome:
        """Return what comes of an arm with every seed.

        Raises:
            DataError: If a row that needs a prediction gets none, or evidence is not that of the arm it is said to be.
            BudgetError: If the budget is reached; what was paid for is kept.
            ProviderError: If the provider fails every call, or a fine-tuning fails.
        """
        make = self._makers[kind.kind]
        made = [make(arm, kind, number) for number in range(len(self.plan.experiment.seeds))]
        named = [self.trained[name] for name in dict.fromkeys(kind.named().values()) if name is not None]
        spent = _distinct(one.spent for one in made)
        predicting = _distinct({key: one.spent[key]} for one in made for key in one.predicting)
        predictors = {key for one in made for key in one.predicting}
        once = _distinct({k: cost for k, cost in one.spent.items() if k not in predictors} for one in made)
        usd = [sum((one.spent[key] for key in one.predicting), Cost()).usd for one in made]
        return ArmOutcome(
            arm,
            ArmRows(None),
            tuple(one.run for one in made),
            len(self.human.train) if named or made[0].shows_training_rows else 0,
            sum((one.cost for one in named), spent),
            {
                "costs": {
                    "classifier": sum((one.cost for one in named), Cost()).to_json(),
                    "once": once.to_json() if once.usd is not None else None,
                    "predicting": predicting.to_json(),
                    "usd_per_1000_predictions": _per_thousand(usd, len(self.human.test)),
                },
                **made[0].details([one.facts for one in made]),
            },
            _warnings(arm.name, made),
        )

    # ---- ask

    def _ask(self, arm: ArmPlan, kind: AskArm, number: int) -> _Made:
        asked = self._asked(arm, kind, number, self._by)
        run = self._answered(arm, kind, number, asked, {"seconds": 0.0, "about": asked.answers.made_by})
        return _Made(
            run, {asked.key: asked.cost}, (asked.key,), bool(kind.evidence.similar), _asking_details, _facts([asked])
        )

    def _asked(self, arm: ArmPlan, kind: AskArm | TuneArm, number: int, by: Answerer) -> Asked:
        """Return the answers about the test rows."""
        source = self._run(kind.evidence.classifier, number)
        is_shared = source is None and by is self._by
        about = arm.name if is_shared else f"{arm.name} · seed {self._seed(number)}"
        job = Job(
            arm=arm.name,
            rows=self.human.test,
            asking=kind.asking(),
            examples=kind.evidence.examples,
            pool=self.human.train,
            own=None if source is None else source.predictions,
            model=None if source is None else source.notes["model"],
            is_whole=source is None and kind.fallback is None,
            about=about,
        )
        return answers_of(job, by, self.store)

    def _answered(
        self, arm: ArmPlan, kind: AskArm | TuneArm, number: int, asked: Asked, notes: Mapping[str, Any]
    ) -> SeedRun:
        """Return the run that answers make, complete by the classifier's predictions."""
        named = [run for name in (kind.evidence.classifier, kind.fallback) if (run := self._run(name, number))]
        spare = named[-1].predictions if named else None
        needs_spare = bool(asked.answers.unanswered)
        key = {"asked": asked.key, "spare": content_of(spare) if needs_spare else None}
        seconds = sum(run.seconds for run in {id(run): run for run in named}.values())
        return self._tested(
            arm,
            key,
            lambda: completed(asked.answers, self.human.test, spare),
            {**notes, "seconds": notes["seconds"] + seconds},
        )

    # ---- route

    def _route(self, arm: ArmPlan, kind: RouteArm, number: int) -> _Made:
        source = self._named(kind.classifier, number)
        own, seed = source.predictions, self._seed(number)
        asking = kind.ask.asking()
        base = Job(arm=arm.name, rows=self.human.test, asking=asking, examples=kind.ask.evidence, pool=self.human.train)
        spent: dict[str, Cost] = {}
        stage, seconds = self._router(arm, kind, source, replace(base, about=f"{arm.name}, to choose"), spent, seed)
        router = replace(Router.from_json(read_json(stage.folder / "router.json")), labels=own.labels)
        sent = router.sends(own).nonzero()[0]
        asked = None
        if len(sent):
            rows = self.human.test.take(sent)
            told = own.aligned(rows.ids) if kind.ask.tells_classifier else None
            model = None if told is None else str(source.notes["model"])
            job = replace(base, rows=rows, own=told, model=model, about=f"{arm.name} · seed {seed}")
            asked = answers_of(job, self._by, self.store)
            spent[asked.key] = asked.cost

        def combined() -> Predictions:
            answers = own if asked is None else asked.answers
            return router.combine(own, answers)

        about = f"{source.about} + {_name(self.plan)} · {asking.form}"
        run = self._tested(
            arm,
            {"route": stage.key, "own": content_of(own), "asked": None if asked is None else asked.key},
            combined,
            {"seconds": source.seconds + seconds, "about": about, "precision": source.precision},
            stage.folder,
            None if asked is None else asked,
        )
        facts = {
            "seed": seed,
            "threshold": router.threshold,
            "share": len(sent) / len(own),
            **_facts([] if asked is None else [asked]),
            "router": read_json(stage.folder / "router.json"),
        }
        keys = () if asked is None else (asked.key,)
        return _Made(run, spent, keys, True, _routing_details, facts)

    def _router(
        self, arm: ArmPlan, kind: RouteArm, source: SeedRun, base: Job, spent: dict[str, Cost], seed: int
    ) -> tuple[Stage, float]:
        """Return the stage with the rule, chosen on validation rows or out of fold, and seconds of training for it."""
        seconds, asked = 0.0, None
        guesses: Predictions | None = None
        rows: HumanDataset = self.human.train if self.human.validation is None else self.human.validation
        if not kind.is_given:
            if self.human.validation is None:
                guesses, seconds = self.stages.out_of_fold(self.trained[kind.classifier].plan, seed)
            else:
                guesses = self.stages.predicted(source, rows, f"{arm.name}, to choose · seed {seed}")
            told = guesses if kind.ask.tells_classifier else None
            unseen = self.human.validation is None
            asked = answers_of(replace(base, rows=rows, own=told, leave_one_out=unseen), self._by, self.store)
            spent[asked.key] = asked.cost
        routing = kind.routing()

        def make(folder: Path) -> dict[str, Any]:
            if guesses is None or asked is None:
                router = Router(rows.labels, float(kind.threshold or 0.0), classifier=source.predictions.model)
            else:
                router = self._chosen(arm, routing, guesses, asked, rows, seed)
                router = replace(router, classifier=source.predictions.model)
            write_json(folder / "router.json", router.to_json())
            pool = self.human.train if kind.ask.evidence.similar else None
            llm = self.plan.experiment.llm
            model = RoutedModel(self.stages.model(source), router, base.asking, llm, kind.ask.evidence, pool)
            model.save(folder / "model")
            return {}

        key = {
            "version": VERSION,
            "routing": routing.to_json(),
            "asked": None if asked is None else asked.key,
            "asking": base.key,
            "guesses": content_of(guesses),
            "classifier": source.notes["model"],
            "seed": seed,
        }
        return self.store.stage("route", key, make, about=f"{arm.name} · seed {seed}"), seconds

    @staticmethod
    def _chosen(
        arm: ArmPlan, routing: Any, guesses: Predictions, asked: Asked, rows: HumanDataset, seed: int
    ) -> Router:
        price = None if asked.cost.usd is None else asked.cost.usd / len(rows)
        try:
            return route(guesses, asked.answers, rows, settings=routing, usd_per_call=price, seed=seed)
        except (DataError, InputError) as error:
            raise DataError(f"arm {arm.name!r}: {error.message}", hint=error.hint) from error

    # ---- finetune

    def _tune(self, arm: ArmPlan, kind: TuneArm, number: int) -> _Made:
        seed, unseen, seconds = self._seed(number), None, 0.0
        if kind.evidence.classifier is not None:
            unseen, seconds = self.stages.out_of_fold(self.trained[kind.evidence.classifier].plan, seed)
        model = tuned(kind, self.human.train, unseen, seed, self.store, f"{arm.name} · seed {seed}")
        by = Answerer(lambda: model.llm(self.store.path / "cache.sqlite", self.plan.experiment.llm), model.key)
        asked = self._asked(arm, kind, number, by)
        about = f"{kind.model.rpartition('/')[2]}, fine-tuned · {kind.asking().form}"
        run = self._answered(arm, kind, number, asked, {"seconds": seconds + model.seconds, "about": about})
        spent = {model.key: model.cost, asked.key: asked.cost}
        return _Made(run, spent, (asked.key,), True, _asking_details, _facts([asked]))

    # ---- what all of them share

    def _tested(
        self,
        arm: ArmPlan,
        key: Mapping[str, Any],
        make: Callable[[], Predictions],
        notes: Mapping[str, Any],
        folder: Path | None = None,
        asked: Asked | None = None,
    ) -> SeedRun:
        """Return the run of the predictions that ``make`` returns, written down as a stage."""
        test = self.human.test
        records = {} if asked is None else {record.id: record for record in asked.answers.records}

        def predict(place: Path) -> dict[str, Any]:
            made = make()
            truth = dict(zip(test.ids, test.label_names, strict=True))
            told = ({**row, **_how(records.get(row["id"]))} for row in made.to_rows(truth))
            write_jsonl(place / "predictions.jsonl", told)
            return {"made_by": made.made_by}

        whole = {"version": VERSION, "test": test.fingerprint, **key}
        stage = self.store.stage("predict", whole, predict, about=arm.name)
        file = stage.folder / "predictions.jsonl"
        made = Predictions.from_rows(read_jsonl(file), test.labels, made_by=stage.notes["made_by"])
        return SeedRun(made, file, notes, stage.key, folder)

    def _seed(self, number: int) -> int:
        return self.plan.experiment.seeds[number]

    def _run(self, name: str | None, number: int) -> SeedRun | None:
        return None if name is None else self.trained[name].by_seed[number]

    def _named(self, name: str, number: int) -> SeedRun:
        return self.trained[name].by_seed[number]

    def _needed(self) -> Tallied:
        llm = self._llm()
        if llm is None:
            raise InputError("llm: missing; an arm asks a language model.")
        return llm


@dataclass(frozen=True)
class _Made:
    """What an arm comes to with one seed.

    Args:
        run: The predictions.
        spent: What each stage's calls are worth, by the stage's key.
        predicting: Which of them were for predictions; the others are paid once.
        shows_training_rows: Whether human training rows were used without an arm being named.
        details: Makes the arm's entries of ``details.json`` from the facts of all seeds.
        facts: Of this seed.
    """

    run: SeedRun
    spent: Mapping[str, Cost]
    predicting: tuple[str, ...]
    shows_training_rows: bool
    details: Callable[[Sequence[Mapping[str, Any]]], dict[str, Any]]
    facts: Mapping[str, Any]


def _name(plan: Plan) -> str:
    """Return the language model's name as the file has it."""
    model = None if plan.experiment.llm is None else plan.experiment.llm.model
    return "recorded replies" if model is None else model.partition("/")[2]


def _distinct(costs: Iterable[Mapping[str, Cost]]) -> Cost:
    """Return the sum, what seeds share counted once."""
    found = {key: cost for one in costs for key, cost in one.items()}
    return sum(found.values(), Cost())


def _per_thousand(usd: Sequence[float | None], rows: int) -> float | None:
    known = [value for value in usd if value is not None]
    return 1000 * float(np.mean(known)) / rows if len(known) == len(usd) else None


def _facts(asked: Sequence[Asked]) -> dict[str, Any]:
    """Return how many rows were asked about and how many stayed without an answer, by what was wrong last."""
    problems: dict[str, int] = {}
    for one in asked:
        for problem, n in one.answers.problems.items():
            problems[problem] = problems.get(problem, 0) + n
    return {
        "keys": [one.key for one in asked],
        "asked": sum(len(one.answers.records) for one in asked),
        "unanswered": sum(len(one.answers.unanswered) for one in asked),
        "problems": problems,
        "form": asked[0].answers.form if asked else None,
    }


def _asking_details(facts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    names = ("asked", "unanswered", "problems", "form")
    return {"asking": [{name: one[name] for name in names} for one in facts]}


def _routing_details(facts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the share sent, each seed's threshold, and the first seed's curve."""
    names = ("seed", "threshold", "share", "unanswered", "problems")
    router = facts[0]["router"]
    return {
        "routing": {
            "share": float(np.mean([one["share"] for one in facts])),
            "per_seed": [{name: one[name] for name in names} for one in facts],
            "curve": router["curve"],
            "checked": router["checked"],
        }
    }


def _warnings(arm: str, made: Sequence[_Made]) -> tuple[str, ...]:
    """Return a warning if rows stayed without an answer; answers that seeds share are counted once."""
    facts = {tuple(one.facts["keys"]): one.facts for one in made}.values()
    lost, asked = (sum(one[name] for one in facts) for name in ("unanswered", "asked"))
    if not lost:
        return ()
    return (
        f"{arm}: the language model gave no answer to {lost} of {asked} rows it was asked about; they have the "
        "classifier's prediction.",
    )


def _how(record: Any) -> dict[str, Any]:
    """Return how a row was answered."""
    if record is None:
        return {}
    return {k: v for k, v in record.to_json().items() if k in ("status", "replies", "problems", "call_key")}

"""Commands of a classifier and a language model together: ask, route."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from augtune.cli.inputs import LABEL, PAIR, SEED, SET, TEXT

if TYPE_CHECKING:
    from augtune.cli.texts import Texts
    from augtune.collaboration.curve import Curve, Point
    from augtune.collaboration.evidence import Evidence
    from augtune.collaboration.questions import Questions
    from augtune.collaboration.router import Routed
    from augtune.core.dataset import HumanDataset
    from augtune.core.labels import Labels
    from augtune.core.tables import Predictions
    from augtune.llm.client import LLM
    from augtune.model.fitted import Fitted

__all__ = ["COMMANDS", "Served", "predict_routed"]

MODEL = typer.Option(None, "--llm", metavar="MODEL", help="The language model, PROVIDER/MODEL.")
BUDGET = typer.Option(None, "--budget", help="Most it may cost: '2 USD', '500 calls', '2M tokens'.")
REPLAY = typer.Option(None, "--replay", metavar="FILE", help="Answer from this recording; no network, no cost.")
BASE_URL = typer.Option(None, "--base-url", metavar="URL", help="Address of an OpenAI-compatible API.")
FORM = typer.Option(None, "--form", metavar="NAME", help="Prompt form; by default the one that tells all there is.")
TRAIN = typer.Option(None, "--train", metavar="FILE", help="Human training rows, to show examples from.")
SIMILAR = typer.Option(0, "--similar", metavar="N", help="Show the N nearest of these rows with their labels.")
BALANCED = typer.Option(False, "--balanced", help="Show so many of every label.")
ENCODER = typer.Option("bundled/minilm", "--encoder", help="Encoder that says which rows are near.")
SHOWN = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)


def ask(
    file: Path = typer.Argument(..., metavar="FILE", help="Texts; a label column is not needed.", show_default=False),
    classifier: Path = typer.Option(None, "--classifier", metavar="MODEL", help="Show what this model predicts."),
    labels: str = typer.Option(None, "--labels", metavar="A,B,…", help="The labels, if nothing else tells them."),
    form: str = FORM,
    train: Path = TRAIN,
    similar: int = SIMILAR,
    balanced: bool = BALANCED,
    encoder: str = ENCODER,
    settings: list[str] = SET,
    llm: str = MODEL,
    replay: Path = REPLAY,
    budget: str = BUDGET,
    base_url: str = BASE_URL,
    text: str = TEXT,
    label: str = LABEL,
    text_pair: str = PAIR,
    seed: int = SEED,
    prompts: bool = typer.Option(False, "--prompts", help="Show the first three prompts and send nothing."),
    out: Path = typer.Option(Path("answers.jsonl"), "--out", metavar="FILE", help="Where the answers go (.jsonl)."),
    unanswered: Path = typer.Option(None, "--unanswered", metavar="FILE", help="Where rows without an answer go."),
) -> None:
    """Have a language model label the rows of a file.

    With --classifier it is told what that model predicts, with --train and --similar how people labelled similar rows.
    Replies are kept beside OUT, so the same command pays for nothing twice. Every reply and what was wrong with it is
    in OUT; a reply that is no label is never guessed from.

    Example: augtune ask test.csv --classifier model --train train.csv --similar 4 --llm openai/gpt-4.1-mini
    """
    from augtune.collaboration.ask import ask as put
    from augtune.collaboration.ask import prompts as rendered
    from augtune.core.files import write_jsonl

    sources = _Sources(classifier, train, similar, balanced, encoder, seed)
    told = sources.read(file, names=labels, text=text, label=label, text_pair=text_pair)
    asking = _asking(form, settings)
    if prompts:
        for turns in rendered(told.questions, evidence=told.evidence, settings=asking):
            print("\n\n".join(f"[{turn.role}]\n{turn.content}" for turn in turns) + "\n" + "-" * 40)
        return
    model = _model(llm, budget=budget, replay=replay, base_url=base_url, out=out)
    with _counting() as tell:
        answers = put(told.questions, llm=model, evidence=told.evidence, settings=asking, on_progress=tell)
    write_jsonl(out, told.texts.with_own_ids(answers.to_rows(told.texts.truth)))
    if unanswered is not None:
        left = (record.to_json() for record in answers.records if not record.is_answered)
        write_jsonl(unanswered, told.texts.with_own_ids(left))
    print(answers)
    print(f"written: {out}")


def route(
    classifier: Path = typer.Argument(..., metavar="MODEL", help="A folder augtune train wrote.", show_default=False),
    file: Path = typer.Argument(..., metavar="FILE", help="Labelled rows it was not trained on.", show_default=False),
    settings: list[str] = typer.Option(
        None, "--set", metavar="KEY=VALUE", help="A setting, e.g. least=0.9, most_share=0.2, combine=stack."
    ),
    form: str = FORM,
    train: Path = TRAIN,
    similar: int = SIMILAR,
    balanced: bool = BALANCED,
    encoder: str = ENCODER,
    llm: str = MODEL,
    replay: Path = REPLAY,
    budget: str = BUDGET,
    base_url: str = BASE_URL,
    text: str = TEXT,
    label: str = LABEL,
    text_pair: str = PAIR,
    seed: int = SEED,
    out: Path = typer.Option(..., "--out", metavar="FOLDER", help="Where the routed model goes.", show_default=False),
) -> None:
    """Choose which rows are worth a call, and save classifier, rule and language model as one model.

    The language model is asked about every row of FILE; then the threshold is chosen that gives the best macro-F1, or
    reaches what --set asks for with the fewest calls. It is asked without being told what the classifier thinks, unless
    --form says so: two opinions are worth more than one repeated. 'augtune predict FOLDER FILE' serves the result.

    Example: augtune route model validation.csv --llm openai/gpt-4.1-mini --set least=0.9 --out routed
    """
    from augtune.collaboration.ask import ask as put
    from augtune.collaboration.route import RouteSettings
    from augtune.collaboration.route import route as choose
    from augtune.collaboration.routed import ExampleSettings, RoutedModel, independent_form
    from augtune.core.errors import InputError
    from augtune.experiment.document import override

    wanted = RouteSettings.parse(override({}, settings or ()), where="route")
    sources = _Sources(classifier, train, similar, balanced, encoder, seed)
    told = sources.read(file, names=None, text=text, label=label, text_pair=text_pair)
    truth = told.truth(file)
    if told.fitted is None or told.own is None:
        raise InputError(f"{classifier}: there is no classifier.")
    asking = _asking(form or independent_form(similar), None)
    model = _model(llm, budget=budget, replay=replay, base_url=base_url, out=out)
    with _counting() as tell:
        answers = put(told.questions, llm=model, evidence=told.evidence, settings=asking, on_progress=tell)
    print(answers)
    router = choose(told.own, answers, truth, settings=wanted, seed=seed)
    if router.curve is not None:
        print(_curve_text(router.curve, router.chosen))
    examples = ExampleSettings(similar=similar, balanced=balanced, encoder=encoder, seed=seed)
    routed = RoutedModel(told.fitted, router, asking, model.settings, examples, told.pool)
    print(router)
    print(f"saved: {routed.save(out)}")


def predict_routed(
    model: Path, file: Path, changes: Mapping[str, Any], *, text: str | None, text_pair: str | None
) -> Served:
    """Return a routed model's predictions of a file, and the file's rows.

    Args:
        model: Folder of a routed model.
        file: Texts.
        changes: Settings of its language model beside the saved ones, or in their place, e.g. a budget and a cache.
        text: Column of the text, found by its usual names if None; likewise ``text_pair``.
        text_pair: Column of the second text.
    """
    from augtune.cli.texts import texts_of
    from augtune.collaboration.routed import RoutedModel
    from augtune.llm.client import LLM
    from augtune.llm.settings import LLMSettings

    routed = RoutedModel.load(model)
    is_pair = bool(getattr(routed.classifier, "is_pair", False))
    rows = texts_of(file, text=text, text_pair=text_pair, is_pair=is_pair, labels=routed.router.labels)
    saved = {} if routed.llm is None else routed.llm.model_dump(exclude_unset=True)
    given = {name: value for name, value in changes.items() if value is not None}
    llm = LLM.from_settings(LLMSettings.parse({**saved, **given}, where="llm"))
    with _counting() as tell:
        found = routed.predict(_given(rows), llm=llm, on_progress=tell)
    place = dict(zip(found.ids, rows.ids, strict=True))
    sent, lost = (tuple(place[name] for name in names) for names in (found.sent, found.unanswered))
    return Served(replace(found, ids=rows.ids, sent=sent, unanswered=lost), rows)


@dataclass(frozen=True)
class Served:
    """Predictions of a file's rows, and the rows."""

    predictions: Routed
    texts: Texts


@dataclass(frozen=True)
class _Told:
    """A file's rows and what is told about them."""

    texts: Texts
    questions: Questions
    evidence: Evidence
    fitted: Fitted | None
    own: Predictions | None
    pool: HumanDataset | None

    def truth(self, file: Path) -> HumanDataset:
        """Return the rows with their labels."""
        from augtune.core.dataset import Example, HumanDataset
        from augtune.core.errors import DataError

        known, q = self.texts.truth, self.questions
        if known is None:
            raise DataError(
                f"{file}: a threshold can only be chosen on labelled rows, and no column holds labels among {q.labels}."
            )
        rows = zip(q.ids, q.texts, q.pairs, strict=True)
        examples = [Example(name, one, str(known[name]), text_pair=two) for name, one, two in rows]
        return HumanDataset.from_examples(examples, q.labels, name=file.stem)


@dataclass(frozen=True)
class _Sources:
    """Where the evidence comes from, as the options say."""

    classifier: Path | None
    train: Path | None
    similar: int
    balanced: bool
    encoder: str
    seed: int

    def read(
        self, file: Path, *, names: str | None, text: str | None, label: str | None, text_pair: str | None
    ) -> _Told:
        """Return a file's rows with the evidence about them."""
        from augtune.cli.inputs import human_splits
        from augtune.cli.texts import texts_of
        from augtune.collaboration.evidence import Evidence
        from augtune.collaboration.questions import Questions
        from augtune.core.errors import InputError
        from augtune.core.tables import Predictions
        from augtune.model.fitted import Fitted

        fitted = None if self.classifier is None else Fitted.load(self.classifier)
        order = fitted.labels if fitted is not None else _named(names)
        columns: dict[str, Any] = {"text": text, "label": label, "text_pair": text_pair}
        pool = None if self.train is None else human_splits(self.train, **columns, labels=order).train
        known = order or (None if pool is None else pool.labels)
        if known is None:
            raise InputError(
                "ask: which labels are there? Nothing says so.",
                hint="Give --labels 'spam,ham', a --classifier, or --train with labelled rows.",
            )
        is_pair = text_pair is not None if fitted is None else fitted.is_pair
        rows = texts_of(file, text=text, text_pair=text_pair, is_pair=is_pair, labels=known)
        pairs: tuple[str | None, ...] = rows.pairs if rows.pairs is not None else (None,) * len(rows.ids)
        own = None
        if fitted is not None:
            found = fitted.predict(_given(rows))
            own = Predictions(rows.ids, found.probabilities, found.labels, found.made_by, found.model)
        evidence = Evidence(
            predictions=own,
            model=fitted,
            similar=self.similar,
            pool=pool,
            balanced=self.balanced,
            encoder=self.encoder,
            seed=self.seed,
        )
        return _Told(rows, Questions(rows.ids, rows.texts, pairs, known), evidence, fitted, own, pool)


def _named(names: str | None) -> Labels | None:
    from augtune.core.labels import Labels

    return None if names is None else Labels(tuple(part.strip() for part in names.split(",")))


def _given(rows: Texts) -> Any:
    return list(rows.texts) if rows.pairs is None else list(zip(rows.texts, rows.pairs, strict=True))


def _asking(form: str | None, settings: list[str] | None) -> Any:
    from augtune.collaboration.settings import AskSettings
    from augtune.experiment.document import override

    chosen = {} if form is None else {"form": form}
    return AskSettings.parse(override(chosen, settings or ()), where="ask")


def _model(llm: str | None, *, budget: str | None, replay: Path | None, base_url: str | None, out: Path) -> LLM:
    from augtune.cli.inputs import cache_beside, language_model
    from augtune.core.errors import InputError

    model = language_model(llm, budget=budget, replay=replay, base_url=base_url, cache=cache_beside(out))
    if model is None:
        raise InputError("a language model is needed, and none was named.", hint="Give --llm PROVIDER/MODEL.")
    return model


@contextmanager
def _counting() -> Iterator[Callable[[int, int], None]]:
    """Show how many calls are done: a bar on a terminal, plain lines elsewhere."""
    from augtune.cli.screen import Screen

    about = {"stage": "ask", "about": "rows"}
    with Screen() as screen:
        screen({"event": "stage-started", **about})
        yield lambda done, of: screen({"event": "progress", **about, "step": done, "of": of})
        screen({"event": "stage-done", **about})


def _curve_text(curve: Curve, chosen: Point | None) -> str:
    """Return a few points of the curve as a table, the chosen one marked."""
    from augtune.cli.tree import aligned

    points = [curve.best(most_share=0.0), *(curve[_place(curve, share)] for share in SHOWN[1:])]
    if chosen is not None:
        points = sorted([*points, chosen], key=lambda point: point.share)
    rows = [("sent", curve.metric, "$ per 1,000", "")]
    for point in points:
        price = "unknown" if point.usd_per_1000 is None else f"{point.usd_per_1000:.3f}"
        mark = "← chosen" if point is chosen else ""
        rows.append((f"{point.share:.1%}", f"{point.value:.4f}", price, mark))
    return "\n".join(aligned(rows))


def _place(curve: Curve, share: float) -> int:
    return int((curve.shares <= share + 1e-12).sum()) - 1


COMMANDS = (ask, route)

"""``fit``: rows to the best classifier that can be made of them, with the decision that led there."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from augtune.core.dataset import Dataset, HumanDataset
from augtune.core.errors import DataError, SettingsError
from augtune.experiment.content import encoder_content
from augtune.experiment.layers import layer_problems
from augtune.experiment.store import RunFolder

if TYPE_CHECKING:
    from augtune.choosing.boost import BoostSettings
    from augtune.choosing.settings import ChooseSettings
    from augtune.experiment.writing import Made
    from augtune.llm.client import LLM
    from augtune.model.fitted import Fitted
    from augtune.training.running import Stop
    from augtune.training.settings import TrainSettings

__all__ = ["check_choosable", "chosen", "fit", "unchoosable"]


def fit(
    train: HumanDataset,
    synthetic: Dataset | None = None,
    *,
    llm: LLM | str | None = None,
    budget: str | None = None,
    generate: Any = None,
    boost: BoostSettings | Mapping[str, Any] | None = None,
    curate: Any = None,
    test: HumanDataset | None = None,
    settings: TrainSettings | None = None,
    choose: ChooseSettings | Mapping[str, Any] | None = None,
    seed: int = 0,
    folder: str | Path | None = None,
    **overrides: Any,
) -> Fitted:
    """Return the best classifier that can be made of the rows there are; its ``decision`` says what was tried and why.

    Ways of using the rows are compared on human rows alone: a synthetic row plays no part where a human row judges that
    it was made from. Where nothing is likely to gain, human rows alone are trained on.

    Args:
        train: Human rows; they are what ways are compared on, and are trained on in the end.
        synthetic: Rows that a language model wrote, if there are any.
        llm: Language model that writes rows: PROVIDER/MODEL or an ``LLM``.
        budget: Most that its calls may cost, where its name is given: ``"2 USD"``, ``"500 calls"`` or ``"2M tokens"``.
        generate: How it writes them: a generator, its name or a mapping; gpt3mix with 50 rows of each label, or where
            classes are unbalanced as many in all, in rounds, more of those that are found worst on held-out human rows.
        boost: How rows are written in rounds: settings or a mapping, e.g. ``{"rows": 200, "rounds": 4}``; where it is
            given, they are written so though classes are balanced.
        curate: Steps that drop synthetic rows; by default dedup and, with test rows, contamination.
        test: Human rows that will be measured on: synthetic rows that repeat them, or nearly, are dropped.
        settings: How every way trains; without a recipe, since that is what is chosen.
        choose: What is compared, by what rule, at what cost: settings or a mapping.
        seed: Of everything that is drawn.
        folder: Where what is done is kept, so that the same call carries on if it is cut off; None: nowhere.
        **overrides: Single training settings, e.g. ``encoder=``, ``steps=``.

    Raises:
        SettingsError: If a setting is wrong.
        DataError: If there are too few rows to compare ways of training.
    """
    from augtune.choosing.boost import BoostSettings
    from augtune.choosing.settings import ChooseSettings
    from augtune.experiment.writing import Asked, synthetic_for
    from augtune.training.settings import TrainSettings

    shared = (settings or TrainSettings()).changed(**overrides)
    how = choose if isinstance(choose, ChooseSettings) else ChooseSettings.parse(choose or {}, where="choose")
    _check(train)
    check_choosable(train, shared, how, seed=seed)
    if budget is not None and not isinstance(llm, str):
        raise SettingsError("budget: goes with a model that is named, llm='PROVIDER/MODEL'; an LLM has its own")
    with _kept(folder) as store:
        model = _model(llm, budget, None if folder is None else Path(folder) / "cache.sqlite")
        boosted = BoostSettings.parse(boost, where="boost") if isinstance(boost, Mapping) else boost
        asked = Asked(generate, curate, test, boosted, how.folds, how.metric)
        made = synthetic_for(train, synthetic, model, asked, (shared.encoder, seed), store)
        return chosen(train, made, (shared, how, seed), store)


def chosen(
    train: HumanDataset,
    made: Made,
    how: tuple[TrainSettings, ChooseSettings, int],
    store: RunFolder,
    stop: Stop | None = None,
) -> Fitted:
    """Return the classifier that the best way of training makes, every training of it a stage of a run folder.

    Args:
        train: The human rows.
        made: The synthetic rows.
        how: How every way trains, how is chosen, and the seed.
        store: The run folder, claimed.
        stop: What ends a training before its last step, and the choice with it.

    Raises:
        SettingsError: If settings name a recipe or need validation rows, or are wrong otherwise.
        DataError: If there are too few rows to compare ways of training.
    """
    from augtune.choosing.choose import choose
    from augtune.choosing.work import Rows, Within, Workshop
    from augtune.training.probe import features

    settings, choosing, seed = how
    check_choosable(train, settings, choosing, seed=seed)
    whole = train if made.rows is None else train + made.rows
    rows = Rows(train, made.rows, features(whole, settings.encoder))
    within = Within(store, encoder_content(settings.encoder), stop, store.listen)
    fitted = choose(Workshop(rows, settings, seed, within), choosing, usd=made.cost.usd)
    if fitted.decision is None:
        return fitted
    told = made.notes
    if made.dropped:
        told = (*told, f"{len(made.dropped)} synthetic rows were dropped before anything was tried.")
    decision = replace(fitted.decision, notes=(*fitted.decision.notes, *told), boost=made.boost)
    return replace(fitted, decision=decision)


def check_choosable(train: HumanDataset, settings: TrainSettings, choose: ChooseSettings, *, seed: int = 0) -> None:
    """Refuse what no choice can be made with, before anything is paid for.

    Args:
        train: The human rows.
        settings: How every way trains.
        choose: How is chosen.
        seed: Of the choice.

    Raises:
        SettingsError: If settings name a recipe, need validation rows or layers that the encoder has not, or are not
            made for the labels; if fewer steps are allowed than the final training takes.
        DataError: If human rows alone cannot be trained on, or are too few to judge.
    """
    from augtune.choosing.check import check_choice

    problems = [*unchoosable(settings), *layer_problems(settings)]
    if problems:
        raise SettingsError(problems)
    check_choice(train, settings, choose, seed=seed)


def unchoosable(settings: TrainSettings) -> list[str]:
    """Return what of the settings that all ways share contradicts choosing, a line each."""
    problems = []
    if settings.recipe.kind != "vanilla":
        problems.append(
            f"recipe: {settings.recipe.kind}: how rows are used is what is chosen here; leave recipe out, or train by "
            "it instead of choosing (--recipe, augtune.train)"
        )
    if settings.measured():
        problems.append(
            f"{settings.measured()} needs validation rows, and a choice uses none: it judges by folds of the training "
            "rows; leave it out"
        )
    return problems


def _check(train: Any) -> None:
    if not isinstance(train, HumanDataset):
        raise DataError(
            f"fit: expected human rows as a HumanDataset, got a {type(train).__name__}.",
            hint="augtune.load reads files; synthetic rows are a second argument.",
        )


def _model(llm: LLM | str | None, budget: str | None, cache: Path | None) -> LLM | None:
    from augtune.experiment.tally import Tallied

    return Tallied(llm, budget=budget, cache=cache) if isinstance(llm, str) else llm


@contextmanager
def _kept(
    folder: str | Path | None, listen: Callable[[dict[str, Any]], None] = lambda event: None
) -> Iterator[RunFolder]:
    """Yield the folder that keeps what is done: the one named, or one that is gone afterwards."""
    if folder is None:
        with tempfile.TemporaryDirectory() as place:
            yield RunFolder(Path(place), "fit", listen)
        return
    store = RunFolder(Path(folder), "fit", listen)
    with store.claimed():
        yield store

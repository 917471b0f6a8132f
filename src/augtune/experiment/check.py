"""Check an experiment before it runs: resolve all it names, show its prompts, estimate what it takes; spend nothing.

Nothing is sent to a language model's provider unless that is asked for, no weights are loaded and nothing is written.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from augtune.core.encoders import locate, not_loadable
from augtune.core.errors import AugtuneError, DataError, SettingsError
from augtune.core.json_text import decoded
from augtune.experiment.choosing import choice_problems
from augtune.experiment.content import checker_problems
from augtune.experiment.estimating import asking_of, tuning_of
from augtune.experiment.layers import layer_problems
from augtune.experiment.plan import ArmPlan, Plan, read_plan
from augtune.experiment.rows import HumanRows, HumanSource, checked_source, label_problems
from augtune.experiment.search import keys_for
from augtune.generation.base import Estimate
from augtune.training.tracking import check_tracker

if TYPE_CHECKING:
    from augtune.collaboration.tune.check import TunePrice
    from augtune.experiment.kinds import Kind
    from augtune.generation.base import Generator

__all__ = ["Checked", "GeneratorCheck", "check"]

CHARACTERS_PER_TOKEN = 4
# A training step computes about 6 operations per weight and token (2 forward, 4 backward; Kaplan et al. 2020).
OPERATIONS = 6
PROMPTS = 3
FOLDS = 5  # of out-of-fold predictions


@dataclass(frozen=True, slots=True)
class GeneratorCheck:
    """One generator as the run will use it.

    Args:
        generator: The generator.
        arms: Names of the arms that use it; it runs once for all of them.
        prompts: Its first prompts as they would be sent; none if it asks no model.
        estimate: Calls and tokens it is expected to take, of all draws of the human rows together.
    """

    generator: Generator
    arms: tuple[str, ...]
    prompts: tuple[str, ...]
    estimate: Estimate


@dataclass(frozen=True, slots=True)
class Checked:
    """A plan whose every name was looked up.

    Args:
        plan: The plan.
        human: Its human rows.
        changes: Per arm, what it changes, one ``key: value`` each.
        generators: The generators, each once.
        asking: Per arm that asks or routes, the calls it is expected to take.
        tuning: Per arm that fine-tunes, what one fine-tuning is expected to take.
        usd: What the calls and fine-tunings are expected to cost, or None if the price is not known.
        seconds: What training is expected to take on this processor, or None if the encoder's size is not known.
        warnings: What will stop or weaken the run, though the file is right.
    """

    plan: Plan
    human: HumanRows
    changes: Mapping[str, tuple[str, ...]]
    generators: tuple[GeneratorCheck, ...] = ()
    asking: Mapping[str, Estimate] = field(default_factory=dict)
    tuning: Mapping[str, TunePrice] = field(default_factory=dict)
    usd: float | None = 0.0
    seconds: float | None = None
    warnings: tuple[str, ...] = field(default=())

    @property
    def trainings(self) -> int:
        """How many models are trained: arms times seeds, those of a search, and those that predict out of fold."""
        repeated = {name for arm in self.plan.arms if arm.kind and (name := self._repeated(arm.kind)) is not None}
        final = (len(self.plan.trained) + FOLDS * len(repeated)) * len(self.plan.experiment.seeds)
        return final + sum(_searching(self.plan, arm) for arm in self.plan.trained)

    def _repeated(self, kind: Kind) -> str | None:
        return kind.repeated(has_validation=self.human.validation is not None)


def check(
    source: Path | str | Mapping[str, Any], overrides: Sequence[str] = (), *, ask_provider: bool = False
) -> Checked:
    """Return the plan of an experiment file with everything it names resolved.

    Args:
        source: The experiment file, or what it holds.
        overrides: Settings changed for this time.
        ask_provider: Ask the model's provider whether it has the model and for how long; that costs nothing.

    Raises:
        SettingsError: With one line for every wrong setting.
        DataError: If a file, a column, a label or a sample is wrong.
        InputError: If an encoder is nowhere to be found.
    """
    plan = read_plan(source, overrides)
    rows = checked_source(plan)
    human = rows.of()
    problems: list[str] = []
    for arm in plan.trained:
        before = len(problems)
        problems.extend(f"arms.{arm.name}: {told}" for told in label_problems(arm, rows))
        _check_arm(arm, rows.of(arm.human), problems)
        if len(problems) == before:
            problems.extend(choice_problems(arm, rows.of(arm.human)))
    if problems:
        raise SettingsError(list(dict.fromkeys(problems)), hint="Nothing was run.")
    for encoder in plan.encoders:
        find_encoder(encoder)
    for arm in plan.trained:
        check_tracker(arm.settings.tracker)
    generators = _generators(plan, rows)
    changes = {arm.name: tuple(_changes(_own(plan.document["arms"].get(arm.name)))) for arm in plan.arms}
    warnings = (*_warnings(plan, human), *_lifetime(plan, ask=ask_provider))
    asking = asking_of(plan, human)
    usd = _usd(plan, [*(found.estimate for found in generators if found.generator.needs_llm), *asking.values()])
    tuning = tuning_of(plan, human)
    for one in tuning.values():
        usd = None if usd is None or one.usd is None else usd + one.usd * len(plan.experiment.seeds)
    return Checked(plan, human, changes, generators, asking, tuning, usd, _seconds(plan, rows), warnings)


def _check_arm(arm: ArmPlan, human: HumanRows, problems: list[str]) -> None:
    where = f"arms.{arm.name}"
    settings = arm.settings
    if not arm.generators:
        try:
            settings.recipe.require(human.train)
        except DataError as error:
            problems.append(f"{where}: {error.message}")
    problems.extend(f"{where}.train.{told}" for told in layer_problems(settings))
    problems.extend(f"{where}.train: {told}" for told in settings.unbound(human.train.labels))
    problems.extend(f"{where}.train.checkers.{told}" for told in checker_problems(settings, human.train.labels))
    for step in arm.steps:
        if getattr(step, "against", None) == "validation" and human.validation is None:
            problems.append(f"{where}: curate: {step.kind}.against: validation, but data.validation is none")
    for generator in arm.generators:
        problems.extend(f"{where}: generate: {path}: no such file." for path in generator.files() if not path.is_file())


def find_encoder(name: str) -> str:
    """Return where an encoder's files are, without loading its weights.

    A hub name is looked for in the local cache, then asked for at the hub.

    Raises:
        InputError: If it is nowhere, or there is no network.
    """
    place = locate(name)
    if Path(place).is_dir():
        return place
    try:
        import huggingface_hub as hub

        if isinstance(hub.try_to_load_from_cache(place, "config.json"), str):
            return place
        if hub.constants.HF_HUB_OFFLINE:
            raise not_loadable(name, ConnectionError("offline"))
        hub.get_hf_file_metadata(hub.hf_hub_url(place, "config.json"), timeout=20)
    except AugtuneError:
        raise
    except Exception as error:  # the hub's client raises its own errors, the HTTP library's and ValueError
        raise not_loadable(name, error) from error
    return place


# ---- generators


def _generators(plan: Plan, source: HumanSource) -> tuple[GeneratorCheck, ...]:
    """Return the generators; one that works on several samples of the human rows comes once for each."""
    draws = dict.fromkeys(trial.data_seed for trial in plan.experiment.all_trials)
    users: dict[str, list[ArmPlan]] = {}
    first: dict[str, Generator] = {}
    for arm in plan.arms:
        for generator in arm.generators:
            key = json.dumps([generator.to_json(), arm.human], sort_keys=True)
            first.setdefault(key, generator)
            users.setdefault(key, []).append(arm)
    found = []
    for key, generator in first.items():
        rows = [source.of(users[key][0].human, seed) for seed in draws]
        found.append(
            GeneratorCheck(
                generator,
                tuple(arm.name for arm in users[key]),
                tuple(generator.preview(rows[0].train, seed=rows[0].seed, count=PROMPTS)),
                sum((generator.estimate(one.train) for one in rows), Estimate()),
            )
        )
    return tuple(found)


def _usd(plan: Plan, asking: Sequence[Estimate]) -> float | None:
    """Return the expected cost of the calls: 0 for recorded replies and own servers, None without a price."""
    llm = plan.experiment.llm
    if not asking or llm is None or llm.replay is not None:
        return 0.0
    from augtune.llm.settings import price_of, target_of

    price = price_of(llm, target_of(llm))
    if price is None:
        return None
    return float(sum(price.usd(tokens_in=e.tokens_in, tokens_out=e.tokens_out) for e in asking))


# ---- time


def _seconds(plan: Plan, source: HumanSource) -> float | None:
    """Return a rough time for all trainings on this processor: operations over measured speed."""
    human = source.of()
    texts = [text + (pair or "") for text, pair in zip(human.train.texts, human.train.text_pairs, strict=True)]
    tokens = sum(map(len, texts)) / max(len(texts), 1) / CHARACTERS_PER_TOKEN + 2
    total = 0.0
    for arm in plan.trained:
        weights = _weights(arm.settings.encoder)
        if weights is None:
            return None
        own = source.of(arm.human)
        steps = arm.settings.steps_for(len(own.train) + _wanted(arm, own))
        steps += _checker_steps(arm, steps)
        longest = arm.settings.max_length or tokens
        times = len(plan.experiment.seeds) * (1.0 if arm.choose is None else arm.choose.trainings)
        times += _searching(plan, arm)
        total += times * OPERATIONS * weights * steps * arm.settings.batch_size * min(tokens, longest)
    return total / _speed()


def _searching(plan: Plan, arm: ArmPlan) -> int:
    """Return how many models the search for an arm's settings trains."""
    search = plan.experiment.search
    if search is None or search.arm not in (None, arm.name) or not keys_for(search, arm):
        return 0
    return search.trials * (search.folds or 1)


def _wanted(arm: ArmPlan, human: HumanRows) -> int:
    """Return how many synthetic rows an arm trains on, as far as that is known."""
    if arm.size is not None:
        return arm.size.number * (len(human.train.labels) if arm.size.is_per_class else 1)
    return sum(generator.estimate(human.train).rows for generator in arm.generators)


def _checker_steps(arm: ArmPlan, steps: int) -> int:
    """Return the steps of an arm's checkers: folds times checkers; a probe has none worth counting."""
    checkers = arm.settings.checkers
    each = 0 if checkers.model == "probe" else checkers.steps or steps
    saved = {"quality": checkers.quality, "diversity": checkers.diversity}
    return sum(saved[name] is None for name in arm.settings.recipe.needs) * checkers.folds * each


def _weights(encoder: str) -> int | None:
    """Return how many weights of an encoder a token passes through, from its configuration; None if it does not say."""
    path = Path(locate(encoder)) / "config.json"
    try:
        config = decoded(path.read_text(encoding="utf-8"))
        hidden, layers = int(config["hidden_size"]), int(config["num_hidden_layers"])
        inner = int(config.get("intermediate_size", 4 * hidden))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return layers * (4 * hidden * hidden + 2 * hidden * inner)


def _speed() -> float:
    """Return how many operations a second this processor does on matrices the size of a small encoder's batch."""
    left, right = np.ones((512, 384), dtype=np.float32), np.ones((384, 1536), dtype=np.float32)
    best = float("inf")
    for _ in range(20):  # the best of some: what else the processor does at the moment is not the run's speed
        started = time.perf_counter()
        left @ right
        best = min(best, time.perf_counter() - started)
    return 2.0 * left.shape[0] * left.shape[1] * right.shape[1] / best


# ---- words


def _own(value: Any) -> Any:
    """Return an arm of the file without its place on the axes, which is in what it changes already."""
    return {key: one for key, one in value.items() if key != "axes"} if isinstance(value, Mapping) else value


def _changes(value: Any, place: str = "") -> list[str]:
    """Return what an arm changes as ``train.recipe: dimp``, a line each."""
    if isinstance(value, Mapping) and (value or not place) and "kind" not in value:
        return [
            line for key, inner in value.items() for line in _changes(inner, f"{place}.{key}" if place else str(key))
        ]
    if not place:
        return []
    return [f"{place}: {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"]


def _asks(plan: Plan) -> bool:
    """Return whether the language model is asked anything."""
    return any(
        any(generator.needs_llm for generator in arm.generators) or (arm.kind is not None and arm.kind.needs_llm)
        for arm in plan.arms
    )


def _lifetime(plan: Plan, *, ask: bool) -> list[str]:
    """Return what is known of the day the language model shuts down."""
    if plan.experiment.llm is None or not _asks(plan):
        return []
    from augtune.llm.lifetime import lifetime_warnings

    return lifetime_warnings(plan.experiment.llm, ask=ask)


def _warnings(plan: Plan, human: HumanRows) -> list[str]:
    found = []
    llm = plan.experiment.llm
    if llm is not None and llm.replay is None and _asks(plan):
        from augtune.llm.keys import find_key
        from augtune.llm.settings import target_of

        key = target_of(llm).api_key_env
        if key is not None and find_key(key) is None:
            found.append(f"the environment variable {key} is not set; a run will stop at its first call.")
    if llm is not None and llm.replay is not None and not Path(plan.path(str(llm.replay))).is_file():
        found.append(f"llm.replay: {llm.replay}: no such file; a run will stop at its first call.")
    if len(plan.experiment.seeds) == 1:
        found.append("with one seed, chance in training is not measured; three or more show it.")
    few = [label for label, n in human.test.counts().items() if n < 5]
    if few:
        found.append(f"fewer than 5 test rows: {', '.join(few)}; what is measured on them means little.")
    return found

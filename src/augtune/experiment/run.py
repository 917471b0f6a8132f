"""``run``: one experiment file to one run folder, skipping whatever is done already."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from augtune.core.encoders import locate
from augtune.core.errors import SettingsError
from augtune.core.files import atomic_write, sync, write_json, write_jsonl
from augtune.experiment import document
from augtune.experiment.choosing import choice_problems
from augtune.experiment.collaborating import Collaborating
from augtune.experiment.kinds import KINDS
from augtune.experiment.layers import layer_problems
from augtune.experiment.outcomes import ArmOutcome
from augtune.experiment.plan import Plan, read_plan
from augtune.experiment.ray_settings import RaySettings
from augtune.experiment.results import Results
from augtune.experiment.rows import HumanRows, HumanSource, checked_source, label_problems
from augtune.experiment.scoring import details_of, out_of_reach, results_of
from augtune.experiment.store import RunFolder, link_tree
from augtune.experiment.tidy import write_csv
from augtune.experiment.trained import TrainedArms, write_rows
from augtune.training.tracking import check_tracker

if TYPE_CHECKING:
    from augtune.experiment.ray_crew import RayCrew
    from augtune.training.running import Stop

__all__ = ["run"]

LEFT_OUT = "left-out.jsonl"


def run(
    source: Path | str | Mapping[str, Any],
    overrides: Sequence[str] = (),
    *,
    out: Path | str = "runs",
    listen: Callable[[dict[str, Any]], None] | None = None,
    stop: Stop | None = None,
    ray: str | None = None,
) -> Results:
    """Run an experiment and return its results; run it again and only what changed or is missing is done.

    Everything that can be wrong with the input is checked before anything is written, generated or trained.

    Args:
        source: An experiment file, or the mapping it would hold.
        overrides: ``key=value`` assignments, e.g. ``train.lr=3e-5``.
        out: Folder in which the run folder ``NAME`` is made.
        listen: Called with every event: the rows of ``events.jsonl``, and ``progress`` of the steps in between.
        stop: Takes Ctrl-C while a classifier is trained: the first press ends the run after the step it is at.
        ray: Where trainings are done: ``local``, a Ray of this machine's own, or the ``HOST:PORT`` of a cluster's head,
            of which this machine is one; None: here, one after the other.

    Raises:
        AugtuneError: With one clear message; what was done so far is kept.
        Stopped: If a training was stopped by hand; the same call carries on from its checkpoint.
    """
    plan = read_plan(source, overrides)
    rows = checked_source(plan)
    human = rows.of()
    _check_encoders(plan)
    _check_training(plan, rows)
    store = RunFolder(Path(out) / plan.experiment.name, plan.experiment.name, listen or (lambda event: None))
    with _crew(ray, plan, store) as crew, store.claimed(), nullcontext() if crew is None else closing(crew):
        with atomic_write(store.path / "experiment.yaml") as stream:
            stream.write(document.dump(_resolved(plan, store.path)))
        store.event("run-started", name=plan.experiment.name, arms=len(plan.arms), seeds=len(plan.experiment.seeds))
        warnings = _warnings(plan, rows)
        _write_left_out(store.path / "data" / LEFT_OUT, human)
        trained = TrainedArms(plan, store, rows, stop, crew)
        made: dict[str, ArmOutcome] = {}
        for outcome in trained.outcomes():
            made[outcome.plan.name] = outcome
            if crew is None and plan.is_done_with_models:
                store.lighten("train")
            _write_arm(store.path, plan, outcome)
        others = Collaborating(plan, store, human, trained.stages, trained.llm, dict(made))
        for arm in plan.arms:
            if arm.kind is not None:
                made[arm.name] = others.outcome(arm, arm.kind)
                write_rows(store.path / "data" / arm.folder, made[arm.name].rows, human)
                _write_arm(store.path, plan, made[arm.name])
        outcomes = [made[arm.name] for arm in plan.arms]
        warnings += _shortfalls(outcomes)
        warnings += [warning for outcome in outcomes for warning in outcome.warnings]
        results = results_of(plan, human, outcomes)
        warnings += out_of_reach(results["comparisons"])
        for warning in warnings:
            store.event("warning", message=warning)
        warnings += trained.inspecting.warnings  # told already, before training
        _write_results(store.path, results, details_of(plan, human, outcomes, results, warnings), outcomes)
        if not plan.experiment.keep_models:
            store.lighten("train")
            for outcome in outcomes:
                _link_models(store.path, plan, outcome)
        store.forget_others("train", "checker", "predict", "curate", "unseen", "route", "inspect")
        store.event("run-done", name=plan.experiment.name)
    return Results.read(store.path)


@contextmanager
def _crew(address: str | None, plan: Plan, store: RunFolder) -> Iterator[RayCrew | None]:
    """Connect to the Ray that is asked for, before anything is written."""
    if address is None:
        yield None
        return
    from augtune.experiment.ray_crew import connected

    with connected(address, plan.experiment.ray, store) as crew:
        yield crew


def _check_encoders(plan: Plan) -> None:
    """Find every encoder before any row is generated or any model trained."""
    for name in plan.encoders:
        if name == locate(name):
            from augtune.model.encoder import load_tokenizer

            load_tokenizer(name)


def _check_training(plan: Plan, rows: HumanSource) -> None:
    """Refuse missing trackers, layers that an encoder has not, labels without a row and choices without room or rows.

    That is before anything is paid for.
    """
    problems = []
    for arm in plan.trained:
        check_tracker(arm.settings.tracker)
        missing = [f"arms.{arm.name}: {told}" for told in label_problems(arm, rows)]
        problems += missing or choice_problems(arm, rows.of(arm.human))
        problems += [f"arms.{arm.name}.train.{told}" for told in layer_problems(arm.settings)]
    if problems:
        raise SettingsError(problems, hint="Nothing was run.")


def _resolved(plan: Plan, folder: Path) -> dict[str, Any]:
    """Return the file as it is meant, to stand in ``folder``: overrides applied, defaults filled in.

    Paths are as seen from there, so that the run folder and what it was made from can be moved together.
    """

    def seen(text: str) -> str:
        return os.path.relpath(text, folder) if Path(text).exists() else text

    top = plan.experiment.model_dump(mode="json", exclude={"generate", "curate", "train", "arms"}, exclude_none=True)
    if plan.experiment.inspect is None:
        top["inspect"] = None
    empty = {"data_seeds": plan.experiment.data_seeds == [], "ray": plan.experiment.ray == RaySettings()}
    empty["keep_models"] = plan.experiment.keep_models
    for key in ("master_seed", "trials", *(key for key, is_empty in empty.items() if is_empty)):
        top.pop(key, None)  # what the first two come to is written out
    top["data"]["source"] = seen(plan.path(plan.experiment.data.source))
    if top.get("llm", {}).get("replay"):
        top["llm"]["replay"] = seen(top["llm"]["replay"])
    arms = {arm.name: arm.to_json() for arm in plan.arms}
    for arm in arms.values():
        for generator in arm.get("generate") or []:
            if "path" in generator:
                generator["path"] = seen(generator["path"])
        for kind in filter(None, map(arm.get, KINDS)):
            for asking in (kind, kind.get("ask") or {}):
                if str(asking.get("form")).endswith(".jinja2"):
                    asking["form"] = seen(asking["form"])
    return {**top, "arms": arms}


def _warnings(plan: Plan, source: HumanSource) -> list[str]:
    """Return what makes the scores doubtful before anything is trained."""
    found = _leaks(plan, source)
    fewest = min(source.of().test.counts().items(), key=lambda item: item[1])
    if fewest[1] < 10:
        found.append(f"The test set has {fewest[1]} rows of {fewest[0]!r}; its scores say little.")
    return found


def _leaks(plan: Plan, source: HumanSource) -> list[str]:
    """Return a warning for each draw of training rows that has test rows in it, with the arms that it is of."""
    from augtune.curation.contamination import leak_told

    arms: dict[str, list[str]] = {}
    for arm in plan.arms:
        arms.setdefault(arm.human or plan.experiment.data.train, []).append(arm.name)
    seeds = list(dict.fromkeys(trial.data_seed for trial in plan.experiment.all_trials))
    found = []
    for sample, names in arms.items():
        told = ", ".join(map(repr, names))
        who = "every arm has" if len(arms) == 1 else f"arm {told} has" if len(names) == 1 else f"arms {told} have"
        for seed in seeds:
            rows = source.of(sample, seed)
            which = "" if len(seeds) == 1 else f" of data seed {seed}"
            found.append(leak_told(rows.train, rows.test, who=who, which=which))
    return [sentence for sentence in found if sentence is not None]


def _shortfalls(outcomes: Sequence[ArmOutcome]) -> list[str]:
    """Return one warning for each shortfall, naming all arms that share the rows."""
    arms: dict[str, list[str]] = {}
    for outcome in outcomes:
        if outcome.rows.shortfall:
            missing = ", ".join(f"{label} {number}" for label, number in outcome.rows.shortfall.items())
            arms.setdefault(missing, []).append(outcome.plan.name)
    found = [
        f"Fewer rows than asked for were generated for {', '.join(names)}; missing: {missing}."
        for missing, names in arms.items()
    ]
    for outcome in outcomes:
        for draw in outcome.draws:
            if draw.rows.short_of is not None and draw.rows.kept is not None:
                found.append(
                    f"{outcome.plan.name} has {len(draw.rows.kept)} synthetic rows, not {draw.rows.short_of}: no more "
                    "are left after curation. Generate more than the largest size, e.g. by generate.per_class."
                )
    return list(dict.fromkeys(found))


def _write_left_out(path: Path, human: HumanRows) -> None:
    """Write the human rows that the view of the labels leaves out, if there are any."""
    if human.left_out:
        write_jsonl(path, (row.to_json() for row in human.left_out))
    else:
        path.unlink(missing_ok=True)


def _write_arm(path: Path, plan: Plan, outcome: ArmOutcome) -> None:
    """Put predictions, models, history and weights of an arm where a reader looks for them."""
    arm = outcome.plan.folder
    for sort in ("predictions", "models", "history"):
        _clear(path / sort / arm, plan.experiment.seeds)
    _link_models(path, plan, outcome)
    for seed, one in zip(plan.experiment.seeds, outcome.by_seed, strict=True):
        history = path / "history" / arm / f"seed-{seed}.jsonl"
        if (told := one.part("history.jsonl")) is not None:
            _copy(told, history)
        else:
            history.unlink(missing_ok=True)
        _copy(one.predictions_file, path / "predictions" / arm / f"seed-{seed}.jsonl")
    rows = [row for one in outcome.by_seed for row in one.weight_rows()]
    target = path / "data" / arm / "weights.jsonl"
    if rows:
        write_jsonl(target, rows)
    else:
        target.unlink(missing_ok=True)


def _link_models(path: Path, plan: Plan, outcome: ArmOutcome) -> None:
    """Put the models of an arm where a reader looks for them."""
    for seed, one in zip(plan.experiment.seeds, outcome.by_seed, strict=True):
        model = path / "models" / outcome.plan.folder / f"seed-{seed}"
        if (made := one.part("model")) is not None:
            link_tree(made, model)
        else:
            shutil.rmtree(model, ignore_errors=True)


def _write_results(
    path: Path, results: Mapping[str, Any], details: Mapping[str, Any], outcomes: Sequence[ArmOutcome]
) -> None:
    """Put the files that speak of all arms in place together.

    All are on the disk before the first of an earlier run is touched, and ``results.json``, by which a run is known to
    be finished, goes first and comes back last: results are never read beside details of another run.
    """
    part = path / ".results.part"
    write_json(part / "details.json", details)
    write_csv(part / "results.csv", results, {outcome.plan.name: outcome for outcome in outcomes})
    write_json(part / "results.json", results)
    (path / "results.json").unlink(missing_ok=True)
    for name in ("details.json", "results.csv", "results.json"):
        (part / name).replace(path / name)
    sync(path)
    part.rmdir()


def _clear(folder: Path, seeds: Sequence[int]) -> None:
    """Remove what an earlier run of the arm left for seeds that are no longer asked for."""
    keep = {f"seed-{seed}" for seed in seeds}
    for path in folder.glob("seed-*"):
        if path.name.removesuffix(".jsonl") in keep:
            continue
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as stream, atomic_write(target, binary=True) as written:
        shutil.copyfileobj(stream, written)

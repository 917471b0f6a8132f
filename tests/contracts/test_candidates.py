"""What every row of the catalog of candidates has to hold."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from augtune.choosing import CANDIDATES
from augtune.choosing.candidates.base import Situation
from augtune.choosing.frozen import Frozen
from augtune.choosing.settings import ChooseSettings
from augtune.core.task import TASKS
from augtune.training.settings import TrainSettings
from training_rows import human_rows, synthetic_rows

ROWS = human_rows(16) + synthetic_rows(24)
SHARED = TrainSettings(steps=20)
NEEDED = {"own": {"train": {"recipe": "sungen"}}}
VECTORS = np.random.default_rng(0).normal(size=(len(ROWS), 12)) + 3 * ROWS.targets()[:, :1]
FROZEN = Frozen(VECTORS, ROWS.targets(), 16)
PLENTY = Situation((3, 13), 24, "single_label", False)


@pytest.fixture(params=CANDIDATES)
def candidate(request):
    return CANDIDATES.parse({"kind": request.param, **NEEDED.get(request.param, {})}, where="candidates")


def test_candidate_is_called_in_the_catalog_what_it_calls_itself(candidate):
    assert CANDIDATES.parse(candidate.to_json(), where="candidates") == candidate
    assert candidate.name.startswith(candidate.kind)
    assert candidate.about
    assert not candidate.about.endswith(".")


def test_candidate_applies_where_there_is_all_it_may_need(candidate):
    assert candidate.unfit(PLENTY) == ""


@pytest.mark.parametrize("task", TASKS)
def test_candidate_is_made_for_the_tasks_that_its_settings_are_made_for(candidate, task):
    quality = np.linspace(0, 1, 24) if candidate.wants_quality else None
    problems = candidate.settings(SHARED, candidate.rows(ROWS, quality)).misfits(task)
    if problems:
        assert "made for data.task" in candidate.misfit(task)
    elif task != "multi_label":
        assert candidate.misfit(task) == ""


def test_stand_in_of_several_labels_learns_each(candidate):
    if candidate.misfit("multi_label"):
        return
    targets = np.concatenate([ROWS.targets()[:, :1], np.arange(len(ROWS))[:, None] % 3 == 0], axis=1).astype(float)
    vectors = np.random.default_rng(1).normal(size=(len(ROWS), 12))
    vectors[:, :2] += 4 * targets
    probe = candidate.stand_in(Frozen(vectors, targets, 16, many=True))
    assert probe.many
    found = np.exp(probe.log_probabilities(vectors)) >= 0.5
    assert (found == (targets > 0)).mean() > 0.85


def test_what_is_expected_of_a_candidate_follows_from_the_rows(candidate):
    def of(*counts: int, counts_classes: bool = True) -> float:
        return candidate.expected(Situation(counts, 24, "single_label", False, counts_classes))

    rare = candidate.kind in ("balanced", "logit_adjusted")
    uses = candidate.uses_synthetic
    assert of(100, 1000) == pytest.approx(1.25 * rare or uses * 10 / 550)
    assert of(*[30] * 10) == pytest.approx(uses / 3)  # few of a class
    assert of(*[10] * 20) == uses
    assert of(50, 50) == pytest.approx(uses * 0.65**2)  # few in all
    assert of(20, 20) == 1.25 * uses
    if rare:
        assert of(10, 1000) == pytest.approx(2.5)
        assert of(10, 1000, counts_classes=False) == 0
    # a stand-in that sees written rows is believed less
    assert (candidate.stand_in_bias > 0) == (candidate.stand_in_noise > 0.02) == candidate.uses_synthetic


def test_gains_scatter_more_where_human_rows_are_few():
    spreads = [Situation((n, n), 24, "single_label", False).spread for n in (500, 50, 40, 25, 5)]
    assert spreads == [1.0, 1.0, 1.25, 2.0, 2.0]


def test_candidate_without_the_rows_it_needs_says_so(candidate):
    bare = Situation((10, 10), 0, "single_label", False)
    uses = candidate.needs_synthetic or candidate.kind == "own"
    assert (candidate.unfit(bare) == "there are no synthetic rows") == uses


def test_candidate_trains_on_rows_there_are_in_as_many_steps_as_all(candidate):
    quality = np.linspace(0, 1, 24) if candidate.wants_quality else None
    rows = candidate.rows(ROWS, quality)
    assert set(rows.ids) <= set(ROWS.ids)
    assert set(human_rows(16).ids) <= set(rows.ids)
    settings = candidate.settings(SHARED, rows)
    assert settings.steps == SHARED.steps
    assert settings.encoder == SHARED.encoder
    assert sum(stage.steps for stage in settings.recipe.plan(settings, 20)) == 20
    settings.recipe.require(rows)


def test_stand_in_is_the_same_each_time_and_finite(candidate):
    first, second = (candidate.stand_in(Frozen(VECTORS, ROWS.targets(), 16)) for _ in range(2))
    assert first.weights.shape == (12, 2)
    assert np.isfinite(first.weights).all()
    assert first.weights.tobytes() == second.weights.tobytes()


def test_stand_in_learns_what_the_rows_say(candidate):
    found = candidate.stand_in(FROZEN).log_probabilities(VECTORS).argmax(axis=1)
    assert (found == ROWS.label_indices).mean() > 0.8


def test_listing_candidates_loads_no_torch():
    code = (
        "import sys\nfrom augtune.choosing import CANDIDATES\nfrom augtune.choosing.settings import ChooseSettings\n"
        "[CANDIDATES.load(name) for name in CANDIDATES]\nChooseSettings()\nassert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_defaults_are_every_candidate_that_needs_nothing_from_its_user():
    assert {way.kind for way in ChooseSettings().ways} == set(CANDIDATES) - set(NEEDED)

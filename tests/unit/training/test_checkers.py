from __future__ import annotations

import numpy as np
import pytest

from augtune.core.errors import DataError
from augtune.training import checkers as module
from augtune.training.checkers import fit_temperature, make_checkers, spread
from augtune.training.settings import TrainSettings
from training_rows import human_rows, synthetic_rows


@pytest.fixture
def settings(tiny_encoder):
    return TrainSettings(
        encoder=tiny_encoder, steps=4, batch_size=4, precision="fp32", recipe="imp", checkers={"model": "encoder"}
    )


def test_spread_puts_as_many_rows_of_a_class_in_each_fold_as_can_be():
    classes = np.array([0] * 7 + [1] * 4 + [2])
    folds = spread(classes, 3, np.random.default_rng(0))
    for k in range(3):
        counts = np.bincount(folds[classes == k], minlength=3)
        assert counts.max() - counts.min() <= 1
    assert sorted(np.bincount(folds)) == [4, 4, 4]


def test_no_row_is_scored_by_a_model_that_saw_it(settings, monkeypatch):
    seen, dataset = [], human_rows(12) + synthetic_rows(20)

    def record(job):
        seen.append(set(job.dataset.ids))
        return real(job)

    real = module.fit
    monkeypatch.setattr(module, "fit", record)

    def scores_of_seen(fitted, rows, plan):
        # 0.99 of the first class for a row the model saw, even chances for any other.
        known = np.array([name in seen[-1] for name in rows.ids])
        return np.log(np.where(known[:, None], [[0.99, 0.01]], [[0.5, 0.5]]))

    monkeypatch.setattr(module, "_log_probabilities", scores_of_seen)
    found = make_checkers(dataset, settings, 0)
    np.testing.assert_allclose(found.quality.probabilities, 0.5, atol=1e-9)
    np.testing.assert_allclose(found.diversity.probabilities, 0.5, atol=1e-9)
    assert len(seen) == 6
    assert all(ids <= set(human_rows(12).ids) for ids in seen[:3])
    assert all(ids <= set(synthetic_rows(20).ids) for ids in seen[3:])


def test_checkers_say_something_of_every_row_the_same_each_time(settings):
    dataset = human_rows(12) + synthetic_rows(20)
    found, again = make_checkers(dataset, settings, 3), make_checkers(dataset, settings, 3)
    assert found.quality.ids == dataset.ids
    assert np.array_equal(found.quality.probabilities, again.quality.probabilities)
    assert found.quality.made_by == "quality checker (3 × encoder)"
    assert set(found.temperatures) == {"quality", "diversity"}
    assert 0 <= found.quality_accuracy <= 1


def test_no_row_is_scored_by_a_probe_that_saw_it(settings, monkeypatch):
    seen, dataset = [], human_rows(12) + synthetic_rows(20)
    vectors = np.arange(len(dataset), dtype=float)[:, None]
    monkeypatch.setattr(module, "features", lambda rows, encoder: vectors)

    class Probe:
        def __init__(self, known):
            self.known = known

        def log_probabilities(self, asked):
            return np.log(np.where(np.isin(asked, self.known), [[0.99, 0.01]], [[0.5, 0.5]]))

    def fit(part, targets, *, balanced):
        assert balanced
        seen.append(set(part[:, 0].astype(int)))
        return Probe(part)

    monkeypatch.setattr(module, "fit_probe", fit)
    found = make_checkers(dataset, settings.changed(checkers={"model": "probe", "folds": 3}), 0)
    np.testing.assert_allclose(found.quality.probabilities[:12], 0.5, atol=1e-9)
    np.testing.assert_allclose(found.diversity.probabilities[12:], 0.5, atol=1e-9)
    assert len(seen) == 6
    assert all(rows <= set(range(12)) for rows in seen[:3])
    assert all(rows <= set(range(12, 32)) for rows in seen[3:])


def test_probes_tell_the_classes_apart(settings):
    dataset = human_rows(12) + synthetic_rows(20)
    found = make_checkers(dataset, settings.changed(checkers={"model": "probe"}), 0)
    assert found.quality.made_by == "quality checker (3 × probe)"
    assert found.quality_accuracy > 0.7


def test_only_the_checkers_a_recipe_needs_are_made(settings):
    found = make_checkers(human_rows(12) + synthetic_rows(8), settings.changed(recipe="dimp"), 0)
    assert found.diversity is None
    assert list(found.temperatures) == ["quality"]


def test_too_few_human_rows_are_refused(settings):
    dataset = human_rows(3) + synthetic_rows(8)
    with pytest.raises(DataError) as caught:
        make_checkers(dataset, settings, 0)
    assert str(caught.value) == (
        "human+made: the quality checker needs at least 2 human rows in each of at least 2 classes; "
        "got negative 2, positive 1."
    )


def test_temperature_undoes_overconfidence():
    random = np.random.default_rng(0)
    true = random.normal(size=(4000, 3))
    chances = np.exp(true) / np.exp(true).sum(axis=1, keepdims=True)
    targets = np.eye(3)[[random.choice(3, p=row) for row in chances]]
    assert fit_temperature(3 * np.log(chances), targets) == pytest.approx(3, rel=0.1)

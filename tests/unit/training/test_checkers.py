from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from augtune.collaboration.tune.data import out_of_fold
from augtune.core.dataset import Dataset, HumanDataset
from augtune.core.errors import DataError, InputError
from augtune.core.labels import Labels
from augtune.model.fitted import Fitted
from augtune.model.losses import Dimp, LossBatch, mean_loss
from augtune.training import checkers as module
from augtune.training.checkers import fit_temperature, make_checkers, spread
from augtune.training.settings import TrainSettings
from augtune.training.tables import Checkers
from augtune.training.train import train
from augtune.weighting.importance import importance, label_probability
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


@pytest.fixture(scope="module")
def saved_checkers(tiny_encoder, tmp_path_factory):
    """Folders of a classifier of the human rows and of one of other rows, its labels the other way round."""
    folder = tmp_path_factory.mktemp("checkers")
    common = {"encoder": tiny_encoder, "steps": 8, "batch_size": 4, "precision": "fp32", "lr": 1e-3}
    quality, other = folder / "quality", folder / "diversity"
    train(human_rows(12), **common).save(quality)
    rows = synthetic_rows(8)
    turned = Dataset.from_examples(list(rows), Labels(tuple(reversed(rows.labels.names))), name="made")
    train(turned, **common).save(other)
    return {"quality": str(quality), "diversity": str(other)}


def test_saved_classifiers_are_checkers_whatever_the_order_of_their_labels(settings, saved_checkers):
    dataset = human_rows(12) + synthetic_rows(20)
    found = make_checkers(dataset, settings.changed(checkers=saved_checkers), 0)
    quality, diversity = (Fitted.load(saved_checkers[name]) for name in ("quality", "diversity"))
    assert np.array_equal(found.quality.probabilities, quality.predict(dataset).probabilities)
    assert diversity.labels.names == tuple(reversed(dataset.labels.names))
    assert np.array_equal(found.diversity.probabilities, diversity.predict(dataset).probabilities[:, ::-1])
    assert found.diversity.labels == dataset.labels
    assert found.quality_accuracy is None
    assert found.temperatures == {"quality": 1.0, "diversity": 1.0}
    both = sum(text in set(synthetic_rows(8).texts) for text in synthetic_rows(20).texts)
    assert found.notes[-1] == (
        f"the diversity checker {saved_checkers['diversity']} judges {both} synthetic rows that it was trained on; "
        "it is sure of those."
    )


def test_one_checker_may_be_saved_and_the_other_trained(settings, saved_checkers):
    dataset = human_rows(12) + synthetic_rows(20)
    mixed = settings.changed(checkers={"model": "probe", "quality": saved_checkers["quality"]})
    found = make_checkers(dataset, mixed, 0)
    assert found.quality.made_by.startswith("quality checker (saved: ")
    assert found.diversity.made_by == "diversity checker (3 × probe)"


def test_cached_quality_is_the_loss_on_the_fly_bit_for_bit(settings, saved_checkers):
    """A checker in evaluation says the same of fixed rows in every step, so its table is all that training needs."""
    dataset = human_rows(12) + synthetic_rows(20)
    checker = Fitted.load(saved_checkers["quality"])
    cached = label_probability(
        make_checkers(dataset, settings.changed(recipe="dimp", checkers=saved_checkers), 0).quality, dataset
    )
    logits = torch.randn(len(dataset), 2, generator=torch.Generator().manual_seed(0))
    targets = torch.from_numpy(dataset.targets())
    for _ in range(3):
        said = label_probability(checker.predict(dataset), dataset)
        on_the_fly = mean_loss(Dimp(), logits, LossBatch(targets, quality=torch.from_numpy(said)))
        from_table = mean_loss(Dimp(), logits, LossBatch(targets, quality=torch.from_numpy(cached)))
        assert on_the_fly.equal(from_table)


def test_saved_checker_of_other_labels_is_refused(settings, tiny_encoder, tmp_path):
    rows = human_rows(12)
    named = Dataset.from_examples(
        [replace(row, label={"negative": "bad", "positive": "good"}[row.label]) for row in rows],
        Labels(("bad", "good")),
    )
    train(named, encoder=tiny_encoder, steps=1).save(tmp_path / "other")
    with pytest.raises(InputError) as caught:
        make_checkers(rows + synthetic_rows(8), settings.changed(checkers={"quality": str(tmp_path / "other")}), 0)
    assert str(caught.value) == (
        f"checkers.quality: {tmp_path / 'other'}: the classifier's labels are bad · good, expected negative · positive."
    )


@pytest.mark.parametrize("saved", [False, True])
def test_rows_the_quality_checker_was_trained_on_select_nothing(settings, saved_checkers, saved):
    own = human_rows(12)
    validation = HumanDataset.from_examples(
        [replace(row, id=f"val-{i}") for i, row in enumerate(own[2:6])], own.labels, name="validation"
    )
    trained_on = human_rows(40)[12:] if saved else own
    chosen = settings.changed(recipe="dimp", keep="best", checkers=saved_checkers if saved else {"model": "probe"})
    known = set(own.texts) | (set() if saved else set(trained_on.texts))
    count = sum(text in known for text in validation.texts)
    with pytest.raises(DataError) as caught:
        train(trained_on + synthetic_rows(8), validation=validation, settings=chosen)
    assert str(caught.value) == (
        f"validation: keep: best selects on {count} rows that the quality checker was trained on, the first is val-0 "
        f"{own.texts[2][:40]!r}; what it knows by heart selects nothing.\n"
        "  Take them out of the validation rows, or out of the human rows that are trained on."
    )


def test_cross_validation_makes_no_checker_of_the_rows_it_asks_about(settings, monkeypatch):
    """A recipe with checkers needs synthetic rows; cross-validation has human ones only and refuses it."""
    with pytest.raises(DataError, match=r"^human: recipe imp weighs synthetic rows, and there are none\."):
        out_of_fold(human_rows(12), settings=settings, folds=3)


def test_checkers_survive_json_with_what_they_saw(settings, saved_checkers):
    dataset = human_rows(12) + synthetic_rows(20)
    made = make_checkers(dataset, settings.changed(checkers=saved_checkers), 0)
    found = Checkers.from_json(made.to_json(), dataset.labels)
    assert (found.seen, found.notes) == (made.seen, made.notes)
    assert made.seen == set(Fitted.load(saved_checkers["quality"]).seen)


def test_scores_are_columns(settings, saved_checkers):
    dataset = human_rows(12) + synthetic_rows(20)
    made = make_checkers(dataset, settings.changed(checkers=saved_checkers), 0)
    synthetic = dataset.synthetic()
    weights = importance(made.quality, made.diversity, synthetic)
    rows = list(made.columns(synthetic, weights))
    assert [row["id"] for row in rows] == list(synthetic.ids)
    assert list(rows[0]) == ["id", "weight", "quality", "diversity"]
    assert rows[3]["weight"] == pytest.approx(min(10, rows[3]["quality"] / rows[3]["diversity"]))
    assert list(next(Checkers(made.quality).columns(synthetic))) == ["id", "quality"]

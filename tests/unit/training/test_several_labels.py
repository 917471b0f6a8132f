"""Training on rows with several labels: thresholds, soft targets, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score

from augtune.core.dataset import Dataset, Example, HumanDataset
from augtune.core.errors import DataError, SettingsError
from augtune.core.labels import Labels
from augtune.core.seeds import generator
from augtune.training.settings import TrainSettings
from augtune.training.thresholds import tuned_thresholds
from augtune.training.train import train

TAGS = Labels(("joy", "anger", "fear"), task="multi_label")
QUICK = {"steps": 6, "batch_size": 4, "lr": 1e-3, "precision": "fp32"}


def tagged(count: int = 24, seed: int = 0, name: str = "train") -> HumanDataset:
    chance = generator(seed, "tags").random((count, 3)) < 0.5
    words = ("good", "bad", "late")
    rows = [
        Example(
            f"{name}-{i}",
            f"the {' '.join(w for w, has in zip(words, row, strict=True) if has)} film {i}",
            "",
            labels=tuple(n for n, has in zip(TAGS, row, strict=True) if has),
        )
        for i, row in enumerate(chance)
    ]
    return HumanDataset.from_examples(rows, TAGS, name=name)


def test_tuned_thresholds_have_the_best_f1_there_is():
    random = generator(0, "thresholds")
    chances, marks = np.round(random.random((40, 4)), 2), random.random((40, 4)) < [0.5, 0.2, 0.05, 0]
    found = tuned_thresholds(chances, marks)
    for k in range(3):
        ours = f1_score(marks[:, k], chances[:, k] >= found[k])
        best = max(f1_score(marks[:, k], chances[:, k] >= cut, zero_division=0) for cut in np.linspace(0.001, 1, 1999))
        assert ours == pytest.approx(best)
    assert found[3] == 0.5


def test_threshold_stays_at_one_half_where_no_other_is_better():
    assert tuned_thresholds(np.array([[0.9], [0.2]]), np.array([[True], [False]])) == (0.5,)


def test_every_label_has_a_chance_of_its_own_and_the_same_seed_the_same_bits(tiny_encoder):
    settings = TrainSettings(encoder=tiny_encoder, **QUICK)
    first, again = (train(tagged(), settings=settings, seed=3) for _ in range(2))
    assert [row["loss"] for row in first.history] == [row["loss"] for row in again.history]
    assert first.fingerprint == again.fingerprint
    assert first.history[0]["loss"] == pytest.approx(np.log(2), abs=0.1)  # each label undecided
    table = first.predict(tagged(8, seed=1)).probabilities
    assert not np.allclose(table.sum(axis=1), 1)


def test_cross_entropy_and_bce_are_the_same_training(tiny_encoder):
    one, other = (train(tagged(), encoder=tiny_encoder, loss=loss, **QUICK) for loss in ("cross_entropy", "bce"))
    assert [row["loss"] for row in one.history] == [row["loss"] for row in other.history]


def test_soft_labels_are_what_training_aims_at(tiny_encoder):
    hard = tagged()
    soft = [Example(r.id, r.text, "", labels=r.labels, probabilities=(0.5, 0.5, 0.5)) for r in hard]
    fitted = train(Dataset.from_examples(soft, TAGS), encoder=tiny_encoder, allow_missing=True, **QUICK)
    other = train(hard, encoder=tiny_encoder, **QUICK)
    assert fitted.history[-1]["loss"] != other.history[-1]["loss"]
    assert fitted.history[0]["loss"] >= np.log(2) - 1e-6  # the entropy of one half is the least there is


def test_fixed_and_tuned_thresholds_are_kept_with_the_model(tiny_encoder, tmp_path):
    fixed = train(tagged(), encoder=tiny_encoder, threshold=0.3, **QUICK)
    assert fixed.thresholds == (0.3, 0.3, 0.3)
    valid = tagged(12, seed=2, name="validation")
    tuned = train(tagged(), validation=valid, encoder=tiny_encoder, threshold="tuned", keep="best", **QUICK)
    assert tuned.kept.startswith("best")
    plain = tuned.predict(valid)
    assert tuned.thresholds == tuned_thresholds(plain.probabilities, valid.marks)
    again = type(tuned).load(tuned.save(tmp_path / "model"))
    assert again.thresholds == tuned.thresholds
    assert again.labels == TAGS
    assert again.predict(valid).predicted == plain.predicted


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"recipe": "dimp"}, "recipe dimp: made for data.task single_label or ordinal; here it is multi_label"),
        (
            {"recipe": {"kind": "curriculum", "order": "easiest_first"}},
            "order easiest_first: made for data.task single_label or ordinal; here it is multi_label",
        ),
        ({"loss": "focal"}, "loss focal: made for data.task single_label or ordinal; here it is multi_label"),
        ({"threshold": "tuned"}, "threshold: tuned needs validation rows; none were given"),
    ],
)
def test_settings_that_do_not_fit_several_labels_are_refused(tiny_encoder, changes, told):
    with pytest.raises(SettingsError) as error:
        train(tagged(), encoder=tiny_encoder, **changes)
    assert error.value.problems[0] == told


def test_threshold_of_rows_with_one_label_is_refused(tiny_encoder):
    rows = Dataset.from_examples([Example("a", "x", "p"), Example("b", "y", "q")], Labels(("p", "q")))
    with pytest.raises(SettingsError) as error:
        train(rows, encoder=tiny_encoder, threshold=0.4)
    assert str(error.value) == "threshold: made for data.task multi_label; here it is single_label"


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ([("joy",), ("joy",)], "train: every row is 'joy'; there is nothing to tell apart."),
        ([(), ()], "train: every row is '(none)'; there is nothing to tell apart."),
        ([("joy",), ("anger",)], "train: no row is 'fear', so it could never be predicted."),
    ],
)
def test_rows_that_teach_nothing_are_refused(tiny_encoder, labels, told):
    rows = [Example(str(i), f"text {i}", "", labels=own) for i, own in enumerate(labels)]
    with pytest.raises(DataError) as error:
        train(HumanDataset.from_examples(rows, TAGS, name="train"), encoder=tiny_encoder)
    assert error.value.message == told


def test_model_and_rows_of_other_tasks_are_told_apart(tiny_encoder):
    fitted = train(tagged(), encoder=tiny_encoder, **QUICK)
    single = HumanDataset.from_examples([Example("a", "x", "joy")], Labels(TAGS.names), name="one")
    with pytest.raises(DataError) as error:
        fitted.predict(single)
    assert str(error.value) == "one: its task is single_label; the model's is multi_label."

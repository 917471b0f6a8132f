"""One model that learns what another says of texts."""

import numpy as np
import pytest

from augtune.core.dataset import Example, HumanDataset
from augtune.core.errors import DataError
from augtune.core.labels import Labels
from augtune.model.averaged import average
from augtune.training.distilled import TRUTH, distilled, taught
from augtune.training.settings import TrainSettings
from augtune.training.train import train
from training_rows import human_rows, pair_rows, synthetic_rows

HUMAN, MADE = human_rows(24), synthetic_rows(16)
ROWS = HUMAN + MADE


@pytest.fixture(scope="module")
def settings(tiny_encoder):
    return TrainSettings(encoder=tiny_encoder, steps=120, batch_size=8, lr=1e-3, precision="fp32")


@pytest.fixture(scope="module")
def teacher(settings):
    return average([train(HUMAN, seed=seed, settings=settings) for seed in (0, 1)], name="a+b")


def test_targets_are_the_teachers_and_a_part_of_a_human_label():
    said = np.tile([0.3, 0.7], (len(ROWS), 1))
    rows = taught(ROWS, said)
    expected = np.where(np.arange(len(ROWS))[:, None] < len(HUMAN), TRUTH * ROWS.targets() + (1 - TRUTH) * said, said)
    np.testing.assert_allclose(rows.targets(), expected, rtol=0, atol=1e-12)
    assert (rows.ids, rows.texts, rows.origins) == (ROWS.ids, ROWS.texts, ROWS.origins)


def test_labels_of_synthetic_rows_play_no_part():
    said = np.tile([0.3, 0.7], (len(ROWS), 1))
    turned = [
        Example(row.id, row.text, ROWS.labels[1 - ROWS.labels.index(row.label)], origin=row.origin) for row in MADE
    ]
    other = HUMAN + type(MADE).from_examples(turned, MADE.labels)
    np.testing.assert_array_equal(taught(ROWS, said).targets(), taught(other, said).targets())


def test_one_model_says_nearly_what_the_average_says_and_is_one(teacher, settings):
    student = distilled(teacher, ROWS, settings, seed=3)
    new = human_rows(40, "new")
    mine, its = student.predict(new).probabilities, teacher.predict(new).probabilities
    assert np.abs(mine - its).mean() < 0.1
    assert (mine.argmax(axis=1) == its.argmax(axis=1)).mean() >= 0.9
    alone = train(HUMAN, seed=3, settings=settings.changed(steps=1)).predict(new).probabilities
    assert np.abs(alone - its).mean() > 0.3  # a model that learned nothing is far from it
    assert (student.recipe, student.steps) == ("distilled a+b", 120)
    assert student.settings["distilled"] == {"teacher": teacher.fingerprint, "recipe": "a+b", "truth": TRUTH}
    count = sum(weight.numel() for weight in student.classifier.parameters())
    assert count == sum(weight.numel() for weight in teacher.classifier.parts[0].parameters())


def test_the_same_seed_makes_the_same_model(teacher, settings):
    short = settings.changed(steps=5)
    made = [distilled(teacher, ROWS, short, seed=seed).fingerprint for seed in (3, 3, 4)]
    assert made[0] == made[1] != made[2]


def test_several_labels_and_pairs_are_learned_too(settings):
    short = settings.changed(steps=5)
    labels = Labels(("a", "b", "c"), task="multi_label")
    sets = [(), ("a",), ("a", "b"), ("c",)]
    many = HumanDataset.from_examples(
        [Example(row.id, row.text, "", labels=sets[i % 4]) for i, row in enumerate(HUMAN)], labels
    )
    for rows in (many, pair_rows(16)):
        mean = average([train(rows, seed=seed, settings=short) for seed in (0, 1)], name="both")
        student = distilled(mean, rows, short)
        assert student.predict(rows).probabilities.shape == mean.predict(rows).probabilities.shape
        assert (student.labels, student.is_pair) == (rows.labels, rows.is_pair)


def test_a_table_of_other_rows_is_refused():
    with pytest.raises(DataError) as found:
        taught(HUMAN, np.ones((3, 2)) / 2)
    assert str(found.value) == "human: expected (24, 2) probabilities of a teacher, got (3, 2)."

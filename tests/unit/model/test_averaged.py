"""Averages of classifiers: one model whose probabilities are the mean of several, saved as one folder."""

import numpy as np
import pytest

from augtune.core.errors import DataError
from augtune.model.averaged import average
from augtune.model.fitted import Fitted
from augtune.training.probed import probed
from augtune.training.train import train
from training_rows import human_rows, pair_rows


@pytest.fixture(scope="module")
def members(tiny_encoder):
    shared = {"encoder": tiny_encoder, "steps": 3, "batch_size": 8, "compile": False}
    return [
        train(human_rows(16), **shared),
        train(human_rows(16), seed=1, head="own", **shared),
        probed(human_rows(16), encoder=tiny_encoder, ridge=1e-3),
    ]


def test_average_predicts_the_mean_of_its_members(members):
    found = average(members, name="three").predict(human_rows(12)).probabilities
    expected = np.mean([one.predict(human_rows(12)).probabilities for one in members], axis=0)
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_average_is_saved_as_one_folder_and_read_back_the_same(members, tmp_path):
    made = average(members, name="three")
    read = Fitted.load(made.save(tmp_path / "model"))
    assert read.fingerprint == made.fingerprint
    assert (read.recipe, read.steps) == ("three", 6)
    rows = human_rows(12)
    np.testing.assert_array_equal(read.predict(rows).probabilities, made.predict(rows).probabilities)
    assert sorted(path.name for path in (tmp_path / "model").iterdir() if path.is_dir()) == ["member-1", "member-2"]
    made.save(tmp_path / "model")
    assert Fitted.load(tmp_path / "model").fingerprint == made.fingerprint


def test_average_differs_from_its_members_by_fingerprint(members):
    found = {average(members, name="x").fingerprint, average(members[:2], name="x").fingerprint}
    assert len(found | {one.fingerprint for one in members}) == 5


def test_average_of_one_or_of_others_labels_is_refused(members, tiny_encoder):
    pairs = train(pair_rows(), encoder=tiny_encoder, steps=1)
    for wrong in (members[:1], [members[0], pairs]):
        with pytest.raises(
            DataError, match="average: expected two classifiers at least, of the same labels, thresholds"
        ):
            average(wrong, name="x")

"""A linear probe as a classifier: predicts what the regression predicts, saved and read back."""

import numpy as np
import pytest

from augtune.core.errors import DataError
from augtune.model.fitted import Fitted
from augtune.training.probe import features, fit_probe
from augtune.training.probed import probed
from training_rows import human_rows, pair_rows


def test_classifier_predicts_what_the_regression_predicts(tiny_encoder, tmp_path):
    rows = human_rows(20)
    made = probed(rows, encoder=tiny_encoder, ridge=1e-3)
    vectors = features(rows, tiny_encoder)
    probe = fit_probe(vectors, rows.targets(), balanced=False, ridge=1e-3)
    expected = np.exp(probe.log_probabilities(vectors))
    np.testing.assert_allclose(made.predict(rows).probabilities, expected, atol=1e-4)
    read = Fitted.load(made.save(tmp_path / "probe"))
    np.testing.assert_array_equal(read.predict(rows).probabilities, made.predict(rows).probabilities)
    again = probed(rows, encoder=tiny_encoder, ridge=1e-3, seed=5, vectors=vectors)
    assert again.fingerprint == made.fingerprint


def test_pairs_are_refused(tiny_encoder):
    with pytest.raises(DataError, match=r"^pairs: a probe is made for single texts with one label each\."):
        probed(pair_rows(), encoder=tiny_encoder, ridge=1e-3)

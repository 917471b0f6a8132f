"""A linear probe as a classifier: predicts what the regression predicts, saved and read back."""

import numpy as np
import pytest

from augtune.core.dataset import Example, HumanDataset
from augtune.core.errors import DataError
from augtune.core.labels import Labels
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


def test_several_labels_have_a_regression_each(tiny_encoder, tmp_path):
    labels = Labels(("bad", "good", "long"), task="multi_label")
    rows = HumanDataset.from_examples(
        [
            Example(row.id, row.text, "", labels=(labels[i % 2], *(("long",) if "very very" in row.text else ())))
            for i, row in enumerate(human_rows(20))
        ],
        labels,
    )
    made = probed(rows, encoder=tiny_encoder, ridge=1e-3)
    vectors, targets = features(rows, tiny_encoder), rows.targets()
    expected = np.exp(fit_probe(vectors, targets, balanced=False, ridge=1e-3, many=True).log_probabilities(vectors))
    read = Fitted.load(made.save(tmp_path / "probe"))
    np.testing.assert_allclose(read.predict(rows).probabilities, expected, atol=1e-4)
    alone = fit_probe(vectors, targets[:, 2:], balanced=False, ridge=1e-3, many=True)
    np.testing.assert_allclose(np.exp(alone.log_probabilities(vectors))[:, 0], expected[:, 2], atol=1e-3)


def test_pairs_are_refused(tiny_encoder):
    with pytest.raises(DataError, match=r"^pairs: a probe is made for single texts, and these rows are pairs\."):
        probed(pair_rows(), encoder=tiny_encoder, ridge=1e-3)

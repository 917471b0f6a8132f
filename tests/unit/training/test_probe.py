"""The linear probe: against scikit-learn, on soft targets, on pairs."""

from __future__ import annotations

import numpy as np
import pytest

from augtune.core.dataset import Dataset, Example
from augtune.core.labels import Labels
from augtune.embedding.probe import Asked, Probe
from augtune.training.probe import features, fit_probe

CHANCE = np.random.default_rng(0)
CENTRES = CHANCE.normal(size=(3, 8))
CLASSES = np.repeat([0, 1, 2], [40, 15, 5])
VECTORS = CENTRES[CLASSES] + CHANCE.normal(size=(60, 8))
TARGETS = np.eye(3)[CLASSES]


@pytest.mark.parametrize("balanced", [True, False])
def test_probe_agrees_with_scikit_learn(balanced):
    from sklearn.linear_model import LogisticRegression

    ridge = 1e-3
    oracle = LogisticRegression(
        C=1 / (2 * ridge * len(CLASSES)), class_weight="balanced" if balanced else None, tol=1e-8, max_iter=5000
    ).fit(VECTORS, CLASSES)
    probe = fit_probe(VECTORS, TARGETS, balanced=balanced, ridge=ridge)
    np.testing.assert_allclose(np.exp(probe.log_probabilities(VECTORS)), oracle.predict_proba(VECTORS), atol=2e-3)


def test_probe_of_a_soft_target_equals_that_of_hard_rows_in_its_shares():
    soft = np.array([[0.75, 0.25], [0.0, 1.0]])
    rows, hard = np.array([[1.0], [-1.0]]), np.array([[1, 0], [1, 0], [1, 0], [0, 1], [0, 1], [0, 1], [0, 1], [0, 1]])
    repeated = np.array([[1.0]] * 4 + [[-1.0]] * 4)
    one = fit_probe(rows, soft, balanced=False, ridge=0.01).log_probabilities(rows)
    other = fit_probe(repeated, hard.astype(float), balanced=False, ridge=0.01).log_probabilities(rows)
    np.testing.assert_allclose(one, other, atol=1e-5)


def test_probe_when_balanced_does_not_doubt_a_rare_class():
    rare = CLASSES == 2
    plain = np.exp(fit_probe(VECTORS, TARGETS, balanced=False, ridge=0.1).log_probabilities(VECTORS))[rare, 2]
    balanced = np.exp(fit_probe(VECTORS, TARGETS, balanced=True, ridge=0.1).log_probabilities(VECTORS))[rare, 2]
    assert balanced.mean() > 1.5 * plain.mean()


def test_probe_of_a_class_without_rows_stays_finite():
    logs = fit_probe(VECTORS, np.c_[TARGETS, np.zeros(60)]).log_probabilities(VECTORS)
    assert np.isfinite(logs).all()
    np.testing.assert_allclose(np.exp(logs).sum(axis=1), 1)


def test_probe_of_several_labels_agrees_with_scikit_learn_label_by_label():
    from sklearn.linear_model import LogisticRegression

    marks = np.stack([CLASSES == 0, CLASSES != 2, VECTORS[:, 0] > 0.5], axis=1)
    rows = np.where(CLASSES == 1, 3.0, 1.0)
    for balanced in (False, True):
        probe = fit_probe(
            VECTORS, marks.astype(float), balanced=balanced, ridge=1e-3, asked=Asked(weights=rows), many=True
        )
        counts = (rows / rows.mean()) @ marks
        inverse = 3 / counts / (1 / counts).sum()
        for k in range(3):
            oracle = LogisticRegression(C=1 / (2e-3 * rows.sum()), tol=1e-8, max_iter=5000)
            counted = rows * np.where(marks[:, k], inverse[k], 1.0) if balanced else rows
            oracle.fit(VECTORS, marks[:, k], sample_weight=counted)
            expected = oracle.predict_proba(VECTORS)[:, 1]
            np.testing.assert_allclose(np.exp(probe.log_probabilities(VECTORS))[:, k], expected, atol=2e-3)


def test_probe_of_a_label_that_no_row_has_stays_finite():
    marks = np.c_[CLASSES == 0, np.zeros(60)].astype(float)
    found = fit_probe(VECTORS, marks, many=True).log_probabilities(VECTORS)
    assert np.isfinite(found).all()
    assert np.exp(found[:, 1]).max() < 0.1


def test_features_of_pairs_hold_both_texts(tiny_encoder):
    labels = Labels(("no", "yes"))
    rows = [Example("a", "good film", "yes", text_pair="great film"), Example("b", "bad", "no", text_pair="awful")]
    single = features(Dataset.from_examples([Example("a", "good film", "yes")], labels), tiny_encoder)
    pairs = features(Dataset.from_examples(rows, labels), tiny_encoder)
    assert single.shape == (1, 32)
    assert pairs.shape == (2, 128)
    np.testing.assert_allclose(pairs[0, :32], single[0], atol=1e-6)


def test_probe_of_weighted_rows_equals_that_of_repeated_ones():
    times = np.where(np.arange(60) % 2, 1, 3)
    for balanced in (True, False):
        one = fit_probe(VECTORS, TARGETS, balanced=balanced, asked=Asked(weights=times.astype(float)))
        other = fit_probe(np.repeat(VECTORS, times, axis=0), np.repeat(TARGETS, times, axis=0), balanced=balanced)
        np.testing.assert_allclose(one.log_probabilities(VECTORS), other.log_probabilities(VECTORS), atol=2e-3)


def test_probe_with_offsets_leaves_them_out_when_it_predicts():
    priors = np.log(TARGETS.mean(axis=0))
    plain = fit_probe(VECTORS, TARGETS, balanced=False)
    adjusted = fit_probe(VECTORS, TARGETS, balanced=False, asked=Asked(offsets=priors))
    expected = np.log(np.exp(plain.log_probabilities(VECTORS) - priors))
    expected -= np.log(np.exp(expected).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(adjusted.log_probabilities(VECTORS), expected, atol=2e-2)


def test_probe_stays_near_the_one_it_is_drawn_towards():
    other = Probe(np.random.default_rng(1).normal(size=(8, 3)), np.zeros(3))
    near = fit_probe(VECTORS, TARGETS, ridge=1e3, asked=Asked(towards=other))
    np.testing.assert_allclose(near.weights, other.weights, atol=1e-2)

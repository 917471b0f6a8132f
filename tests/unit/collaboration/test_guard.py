from types import SimpleNamespace

import numpy as np
import pytest

from augtune.collaboration.evidence import Evidence
from augtune.collaboration.guard import same_model
from augtune.core.errors import DataError, InputError
from augtune.core.labels import Labels
from augtune.core.tables import Predictions


def made(table, labels, ids=None, **fields):
    return Predictions(ids or tuple(f"r{i}" for i in range(len(table))), np.array(table), labels, **fields)


AB = Labels(("a", "b"))


def test_evidence_of_the_named_model_is_taken(guesses):
    assert Evidence(predictions=guesses, model="abc123").predictions is guesses
    assert Evidence(predictions=guesses, model=SimpleNamespace(fingerprint="abc123")).form == "label_probabilities"


def test_evidence_of_another_model_is_refused(guesses):
    message = r"^evidence: the predictions were made by model abc123 \(small\), expected ffff00\.\n  Another classifier"
    with pytest.raises(DataError, match=message):
        Evidence(predictions=guesses, model=SimpleNamespace(fingerprint="ffff00"))


def test_evidence_that_names_no_model_is_refused_when_one_is_named(test):
    nameless = made([[1, 0]] * 3, test.labels, test.ids)
    with pytest.raises(DataError, match=r"^evidence: the predictions of unknown do not say which model made them"):
        Evidence(predictions=nameless, model="abc123")
    with pytest.raises(InputError, match=r"^evidence: a model is named, and there are no predictions of it\.$"):
        Evidence(model="abc123")


def test_evidence_is_compared_with_reference_predictions(guesses):
    same = made(guesses.probabilities + [[1e-5, -1e-5]] * 3, guesses.labels, guesses.ids, made_by="Large")
    Evidence(predictions=guesses, reference=same)
    other = made(guesses.probabilities[:, ::-1], guesses.labels, guesses.ids, made_by="Large")
    message = (
        r"^evidence: the predictions of small are not those of Large: two models: 3 of 3 labels differ, "
        r"probabilities by up to 0\.8; the first is row 'test-0'\.\n"
    )
    with pytest.raises(DataError, match=message):
        Evidence(predictions=guesses, reference=other)


def test_same_model_compares_labels_where_one_side_has_no_probabilities():
    soft, hard = made([[0.6, 0.4], [0.3, 0.7]], AB), made([[1, 0], [0, 1]], AB)
    assert repr(same_model(soft, hard)) == "one model: 0 of 2 labels differ"
    assert not same_model(soft, made([[1, 0], [1, 0]], AB))


def test_same_model_forgives_the_rounding_of_a_tie():
    assert same_model(made([[0.5, 0.5]], AB), made([[0.4999, 0.5001]], AB))
    assert same_model(made([[0.5, 0.5], [0.9, 0.1]], AB), made([[0, 1], [1, 0]], AB))


def test_same_model_says_nothing_without_a_common_row():
    found = same_model(made([[1, 0]], AB, ("x",)), made([[1, 0]], AB, ("y",)))
    assert not found
    assert repr(found) == "no row in common"
    with pytest.raises(DataError, match="expected the labels b · a in this order, got a · b"):
        same_model(made([[1, 0]], AB), made([[1, 0]], Labels(("b", "a"))))

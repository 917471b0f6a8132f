from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score, log_loss

from augtune.core.dataset import Example, HumanDataset
from augtune.core.errors import SettingsError
from augtune.core.labels import Labels
from augtune.model.batching import encode
from augtune.model.classifier import Classifier
from augtune.model.encoder import load_tokenizer
from augtune.training.schedules import ReduceOnPlateau
from augtune.training.selection import Selection, SelectionRules, ValidationRows, measures
from augtune.training.settings import TrainSettings
from augtune.training.train import train
from training_rows import LABELS, THINGS, human_rows, synthetic_rows

SCORES = np.array([[2.0, 1.0, 0.0], [0.0, 3.0, 0.5], [1.0, 0.0, -1.0], [0.0, 0.0, 4.0]])
TRUTH = np.array([0, 1, 2, 2])


@pytest.fixture
def settings(tiny_encoder):
    return TrainSettings(encoder=tiny_encoder, steps=12, batch_size=4, lr=3e-3, precision="fp32", evaluate_every=1)


@pytest.fixture
def classifier(tiny_encoder):
    return Classifier.new(tiny_encoder, ["a", "b"], head="mean")


def selection_of(classifier, tiny_encoder, **rules):
    encoded = encode(load_tokenizer(tiny_encoder), ["good film", "bad"], max_length=16)
    rows = ValidationRows(human_rows(2), encoded)
    return Selection(classifier, rows, SelectionRules(**{"every": 1, **rules}))


def told(monkeypatch, selection, by, values):
    """Let the evaluations find the given values, and return after which of them training stops."""
    for step, value in enumerate(values, start=1):
        found = {"macro_f1": 0.0, "accuracy": 0.0, "validation_loss": 0.0} | {by: value}
        monkeypatch.setattr("augtune.training.selection.measures", lambda *rest, found=found: found)
        assert selection.evaluate(step) == found
        if selection.stopped:
            return step
    return None


def rows_of(labels, *each):
    found = (
        Example(f"row-{i}", "text", "", labels=one) if labels.has_many else Example(f"row-{i}", "text", one)
        for i, one in enumerate(each)
    )
    return HumanDataset.from_examples(list(found), labels)


def test_measures_are_those_of_scikit_learn():
    found = measures(SCORES, rows_of(Labels(("a", "b", "c")), "a", "b", "c", "c"))
    shares = np.exp(SCORES) / np.exp(SCORES).sum(axis=1, keepdims=True)
    predicted = SCORES.argmax(axis=1)
    assert found == {
        "macro_f1": pytest.approx(f1_score(TRUTH, predicted, average="macro")),
        "accuracy": pytest.approx(accuracy_score(TRUTH, predicted)),
        "validation_loss": pytest.approx(log_loss(TRUTH, shares)),
    }
    far = measures(np.array([[0.0, 2000.0, 0.0]]), rows_of(Labels(("a", "b", "c")), "a"))
    assert far["validation_loss"] == 2000.0


def test_measures_of_several_labels_are_those_of_scikit_learn():
    labels = Labels(("a", "b", "c"), task="multi_label")
    rows = rows_of(labels, ("a",), ("a", "b"), (), ("c",))
    found = measures(SCORES - 0.5, rows)
    shares = 1 / (1 + np.exp(0.5 - SCORES))
    predicted = SCORES >= 0.5
    assert found == {
        "macro_f1": pytest.approx(f1_score(rows.marks, predicted, average="macro")),
        "accuracy": pytest.approx(accuracy_score(rows.marks, predicted)),
        "validation_loss": pytest.approx(
            np.mean([log_loss(rows.marks[:, k], shares[:, k], labels=[0, 1]) for k in range(3)])
        ),
    }


@pytest.mark.parametrize(
    ("rules", "by", "values", "stops", "best"),
    [
        ({"patience": 2}, "macro_f1", [0.5, 0.6, 0.6, 0.59, 0.7], 4, 2),
        ({"patience": 2}, "macro_f1", [0.5, 0.4, 0.6, 0.5, 0.7], None, 5),
        ({"patience": 2, "tolerance": 0.05}, "macro_f1", [0.5, 0.52, 0.54, 0.56], 3, 3),
        ({"patience": 3, "tolerance": 0.05}, "macro_f1", [0.5, 0.52, 0.56, 0.57, 0.58, 0.59], 6, 6),
        ({"patience": 1, "by": "accuracy"}, "accuracy", [0.5, 0.5], 2, 1),
        ({"patience": 1, "by": "loss"}, "validation_loss", [1.0, 0.8, 0.9], 3, 2),
        ({"target": 0.6}, "macro_f1", [0.5, 0.6, 0.7], 2, 2),
        ({"target": 0.3, "by": "loss"}, "validation_loss", [0.5, 0.31, 0.3, 0.1], 3, 3),
        ({"patience": 2}, "macro_f1", [np.nan, np.nan], 2, 1),
        ({}, "macro_f1", [0.5, 0.4, 0.3, 0.2], None, 1),
    ],
)
def test_training_stops_where_it_should(classifier, tiny_encoder, monkeypatch, rules, by, values, stops, best):
    selection = selection_of(classifier, tiny_encoder, **rules)
    assert told(monkeypatch, selection, by, values) == stops
    assert selection.restore() == f"best, step {best}"


@pytest.mark.parametrize(
    ("rules", "by", "values", "why"),
    [
        ({"patience": 1}, "macro_f1", [0.5, 0.5], "macro_f1 had not risen in the last evaluation"),
        (
            {"patience": 2, "tolerance": 0.01, "by": "loss"},
            "validation_loss",
            [0.5, 0.495, 0.495],
            "loss had not fallen by more than 0.01 in the last 2 evaluations",
        ),
        ({"target": 0.9, "by": "accuracy"}, "accuracy", [0.95], "accuracy reached 0.9500, the target is 0.9"),
    ],
)
def test_why_it_stopped_is_said(classifier, tiny_encoder, monkeypatch, rules, by, values, why):
    selection = selection_of(classifier, tiny_encoder, **rules)
    assert told(monkeypatch, selection, by, values) == len(values)
    assert selection.stopped == why


def test_plateau_lowers_the_rate_after_its_patience_and_never_below_its_end(classifier, tiny_encoder, monkeypatch):
    plateau = ReduceOnPlateau(patience=2, multiply=0.5, end=0.2)
    selection = selection_of(classifier, tiny_encoder, plateau=plateau)
    found = []
    for step, value in enumerate([0.5, 0.5, 0.5, 0.6, 0.6, 0.6, 0.6, 0.6], start=1):
        told(monkeypatch, selection, "macro_f1", [value])
        found.append((step, selection.lr_share))
    assert [share for _, share in found] == [1.0, 1.0, 0.5, 0.5, 0.5, 0.25, 0.25, 0.2]


def test_selection_carries_on_from_its_state(classifier, tiny_encoder, monkeypatch):
    rules = {"patience": 3, "plateau": ReduceOnPlateau(patience=2)}
    values = [0.5, 0.6, 0.55, 0.5, 0.4]
    whole, first, second = (selection_of(classifier, tiny_encoder, **rules) for _ in range(3))
    assert told(monkeypatch, whole, "macro_f1", values) == 5
    told(monkeypatch, first, "macro_f1", values[:3])
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    assert told(monkeypatch, second, "macro_f1", values[3:]) == 2
    for found, expected in zip(second.state_dict().values(), whole.state_dict().values(), strict=True):
        assert torch.equal(found, expected) if torch.is_tensor(found) else found == expected
    assert second.lr_share == whole.lr_share == 0.5


def test_early_stopping_restores_the_best_weights_and_says_where_it_stopped(settings):
    validation = human_rows(12, "other")
    fitted = train(human_rows(), settings=settings, validation=validation, patience=2, schedule="constant")
    scores = {row["step"]: row["macro_f1"] for row in fitted.history}
    best = max(scores, key=scores.get)
    assert fitted.steps == len(fitted.history) == best + 2 < 12
    assert fitted.kept == f"best, step {best}"
    assert fitted.notes == (
        f"stopped at step {best + 2} of 12: macro_f1 had not risen in the last 2 evaluations; "
        f"the weights kept are: best, step {best}.",
    )
    right = np.array(fitted.predict(validation).predicted) == np.array(validation.label_names)
    assert right.mean() == pytest.approx(fitted.history[best - 1]["accuracy"])


def test_last_weights_are_kept_where_that_is_asked_of_an_early_stop(settings):
    rows = human_rows(12, "other")
    stopped = train(human_rows(), settings=settings, validation=rows, patience=2, keep="last", schedule="constant")
    assert stopped.kept == "last"
    assert stopped.steps < 12
    same = train(human_rows(), settings=settings, schedule="constant", steps=stopped.steps)
    assert same.classifier.digest() == stopped.classifier.digest()


def test_plateau_slows_a_training(settings):
    fitted = train(
        human_rows(), settings=settings, validation=human_rows(12, "other"), warmup_share=0,
        schedule={"kind": "reduce_on_plateau", "patience": 1, "multiply": 0.1, "end": 0.01},
    )  # fmt: skip
    rates = [row["lr"] for row in fitted.history]
    assert len(rates) == 12
    assert rates[0] == 3e-3
    assert rates[-1] == pytest.approx(3e-5)
    assert fitted.kept == "last"


def test_checkers_of_a_recipe_are_trained_without_validation_rows(settings):
    plan = settings.changed(
        recipe="dimp", checkers={"model": "encoder", "folds": 2, "steps": 2}, patience=1, schedule="reduce_on_plateau"
    )
    unseen = [Example(f"unseen-{i}", f"{text} today", LABELS[i % 2]) for i, text in enumerate(THINGS[:6])]
    validation = HumanDataset.from_examples(unseen, LABELS, name="unseen")
    fitted = train(human_rows() + synthetic_rows(12), settings=plan, validation=validation)
    assert fitted.weights is not None


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("patience", 2, "patience"),
        ("target", 0.9, "target"),
        ("schedule", "reduce_on_plateau", "schedule: reduce_on_plateau"),
        ("keep", "best", "keep: best"),
    ],
)
def test_what_needs_validation_rows_is_refused_without(settings, field, value, named):
    with pytest.raises(SettingsError) as caught:
        train(human_rows(), settings=settings, **{field: value})
    assert str(caught.value) == f"{named} needs validation rows; none were given"


def test_patience_keeps_the_best_unless_told_otherwise():
    assert TrainSettings(patience=2).keep == "best"
    assert TrainSettings(patience=2, keep="last").keep == "last"
    assert TrainSettings().changed(target=0.9).keep == "best"
    assert TrainSettings(keep_by="loss", tolerance=0.1).keep == "last"
    plain = TrainSettings(patience=2, schedule="reduce_on_plateau").unmeasured()
    assert plain.measured() == ""
    assert (plain.keep, plain.schedule.kind) == ("last", "constant")

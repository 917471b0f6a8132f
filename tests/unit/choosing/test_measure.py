"""Scores of folds, stand-ins, learning curves: on vectors whose truth is known."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, hamming_loss

from augtune.choosing.candidates.base import Situation
from augtune.choosing.decide import Rung, decide
from augtune.choosing.folds import FoldSettings, folds_of, ties_of
from augtune.choosing.frozen import Vectors
from augtune.choosing.learning import class_needs, learning_points, wilson
from augtune.choosing.measure import Judged, class_recall, fold_scores, frozen_rung
from augtune.choosing.settings import ChooseSettings
from augtune.core.dataset import Dataset, Example, HumanDataset
from augtune.core.labels import Labels
from augtune.evaluation.metrics import metrics_of

LABELS = Labels(("a", "b", "c"))
(MACRO_F1,) = metrics_of(["macro_f1"])
(ACCURACY,) = metrics_of(["accuracy"])
(HAMMING,) = metrics_of(["hamming_loss"])
WIDTH = 16


def world(human: int, made: int, *, shuffled: bool = False, seed: int = 0, spread: float = 0.55):
    """Return human and synthetic rows around three centres, and their vectors."""
    chance = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(3, WIDTH))
    classes = [np.arange(count) % 3 for count in (human, made)]
    vectors = [centres[own] + spread * 4 * chance.normal(size=(len(own), WIDTH)) for own in classes]
    vectors = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in vectors]
    told = chance.permutation(classes[1]) if shuffled else classes[1]
    people = HumanDataset.from_examples(
        [Example(f"h{i}", f"human text {i}", LABELS[k]) for i, k in enumerate(classes[0])], LABELS
    )
    rows = [Example(f"s{i}", f"made text {i}", LABELS[k], origin="generated") for i, k in enumerate(told)]
    return people, Dataset.from_examples(rows, LABELS), np.concatenate(vectors)


def verdict_of(people, made, vectors):
    ties = ties_of(people, made, (vectors[: len(people)], vectors[len(people) :]))
    folds = folds_of(people, made, ties, FoldSettings(), seed=0)
    ways = [way for way in ChooseSettings(exclude=("balanced", "logit_adjusted", "probe")).ways]
    judged = frozen_rung(ways, folds, Vectors.of(vectors, people, made), lambda done, of: None)
    scores = {name: fold_scores(one, people.label_indices, MACRO_F1) for name, one in judged.items()}
    names = tuple(name for name in scores if name != "human_only")
    gains = np.stack([scores[name] - scores["human_only"] for name in names])
    situation = Situation(tuple(people.counts().values()), len(made), "single_label", is_pair=False)
    expected = {way.name: way.expected(situation) for way in ways}
    off = {way.name: (way.stand_in_noise, way.stand_in_bias) for way in ways}
    noise, bias = np.array([off[name] for name in names]).T
    return decide([Rung(names, gains, 5, noise, bias=bias)], expected=expected), scores


def test_scores_of_folds_average_to_that_of_all_rows():
    truth = np.array([0, 0, 1, 1, 2, 2, 0, 1, 2, 0])
    people = HumanDataset.from_examples([Example(f"h{i}", f"t {i}", LABELS[k]) for i, k in enumerate(truth)], LABELS)
    folds = folds_of(people, None, None, FoldSettings(folds=3, repeats=2), seed=0)
    chance = np.random.default_rng(0)
    judged = Judged(folds, [chance.dirichlet(np.ones(3), size=len(fold.held_out)) for fold in folds])
    for repeat in range(2):
        own = [i for i, fold in enumerate(folds) if fold.repeat == repeat]
        rows = np.concatenate([folds[i].held_out for i in own])
        whole = ACCURACY.value(np.concatenate([judged.tables[i] for i in own]), truth[rows])
        # of a share of rows the pseudo-values are nearly the folds' own shares
        assert fold_scores(judged, truth, ACCURACY)[own].mean() == pytest.approx(whole, abs=0.08)
    assert fold_scores(judged, truth, MACRO_F1).shape == (6,)


def test_good_synthetic_rows_are_found_out():
    verdict, _ = verdict_of(*world(60, 600))
    assert verdict.take in ("alone", "averaged")
    assert verdict.best.mean > 0.01


@pytest.mark.parametrize("human", [30, 90])  # with 30, 10 a class, written rows are expected to gain
@pytest.mark.parametrize("seed", range(4))
def test_poisoned_synthetic_rows_change_nothing_beyond_noise(human, seed):
    verdict, scores = verdict_of(*world(human, 600, shuffled=True, seed=seed))
    if verdict.take == "human only":
        return
    # what is taken all but leaves them out
    assert verdict.name in ("mix 0.1", "quality", "imp", "dimp", "best_quality 0.5", "two_stage", "curriculum")
    assert scores[verdict.name].mean() > scores["human_only"].mean() - 0.02


def test_copies_of_the_rows_that_judge_gain_nothing():
    people, _, vectors = world(120, 0)  # of fewer something would be expected whatever the folds say
    copies = [Example(f"s{i}", row.text.upper(), row.label, origin="generated") for i, row in enumerate(people)]
    verdict, scores = verdict_of(people, Dataset.from_examples(copies, LABELS), np.concatenate([vectors, vectors]))
    assert verdict.take == "human only"
    assert scores["mix 1"].mean() == pytest.approx(scores["human_only"].mean(), abs=0.05)


def test_learning_points_rise_with_rows_and_end_at_all_of_them():
    people, made, vectors = world(60, 300)
    ties = ties_of(people, made, (vectors[:60], vectors[60:]))
    folds = folds_of(people, made, ties, FoldSettings(), seed=0)
    points = learning_points(folds, Vectors.of(vectors, people, made), people.label_indices, MACRO_F1, (1.0, 0))
    assert [(one.rows, one.share) for one in points] == [
        ("human", 0.5), ("human", 0.7), ("human", 1.0), ("synthetic", 0.5), ("synthetic", 0.7), ("synthetic", 1.0),
    ]  # fmt: skip
    human = points[:3]
    assert human[0].count < human[1].count < human[2].count == 48
    assert human[0].gain < 0
    assert (human[2].gain, human[2].interval) == (0.0, (0.0, 0.0))
    assert human[0].interval[0] <= human[0].gain <= human[0].interval[1]


def test_class_needs_name_the_worst_first():
    people, _, _ = world(30, 0)
    folds = folds_of(people, None, None, FoldSettings(folds=3, repeats=2), seed=0)
    truth = people.label_indices
    tables = [np.eye(3)[np.where(truth[fold.held_out] == 1, 0, truth[fold.held_out])] for fold in folds]
    needs = class_needs(Judged(folds, tables), people, None)
    assert [(one.label, one.human, one.synthetic, one.recall) for one in needs] == [
        ("b", 10, 0, 0.0), ("a", 10, 0, 1.0), ("c", 10, 0, 1.0),
    ]  # fmt: skip
    assert needs[0].interval == pytest.approx(wilson(0.0, 10))


def several(rows: int):
    """Return human rows with any of three labels, some with none."""
    labels = Labels(("a", "b", "c"), task="multi_label")
    sets = [("a",), ("a", "b"), (), ("b", "c"), ("a", "c"), ("b",)]
    return HumanDataset.from_examples(
        [Example(f"h{i}", f"text {i}", "", labels=sets[i % len(sets)]) for i in range(rows)], labels
    )


def test_several_labels_score_as_evaluation_scores_them():
    people, chance = several(48), np.random.default_rng(0)
    folds = folds_of(people, None, None, FoldSettings(folds=4, repeats=1), seed=0)
    judged = Judged(folds, [chance.random((len(fold.held_out), 3)) for fold in folds])
    rows = np.concatenate([fold.held_out for fold in folds])
    table = np.concatenate(judged.tables)
    truth = people.marks.astype(float)
    for threshold in (0.5, 0.3):
        found = fold_scores(judged, truth, HAMMING, threshold)
        assert -found.mean() == pytest.approx(hamming_loss(people.marks[rows], table >= threshold))
    # no mean of rows, so that folds do not average to it exactly
    whole = f1_score(people.marks[rows], table >= 0.5, average="macro")
    assert fold_scores(judged, truth, MACRO_F1).mean() == pytest.approx(whole, abs=0.05)
    found, right = class_recall(judged, truth, 3)
    assert found.tolist() == people.marks.sum(axis=0).tolist()
    assert right.tolist() == (people.marks[rows] & (table >= 0.5)).sum(axis=0).tolist()


def test_folds_of_several_labels_leave_each_label_a_row_and_spread_it():
    people = several(40)
    for fold in folds_of(people, None, None, FoldSettings(folds=5, repeats=2), seed=0):
        assert people.marks[fold.train].any(axis=0).all()
        counts = people.marks[fold.held_out].sum(axis=0)
        assert np.abs(counts - people.marks.sum(axis=0) / 5).max() <= 2


def test_parts_of_rows_with_several_labels_are_nested_and_have_each_label():
    people, chance = several(60), np.random.default_rng(0)
    vectors = np.concatenate([people.marks, np.ones((60, 1))], axis=1) + 0.1 * chance.normal(size=(60, 4))
    folds = folds_of(people, None, None, FoldSettings(folds=3, repeats=1), seed=0)
    known = Vectors.of(vectors, people, None)
    points = learning_points(folds, known, people.marks.astype(float), MACRO_F1, (1.0, 0))
    assert [(one.share, one.count) for one in points] == [(0.5, 20), (0.7, 28), (1.0, 40)]
    assert points[-1].score > 0.9
    needs = class_needs(
        frozen_rung(ChooseSettings(candidates=[]).ways, folds, known, print)["human_only"], people, None
    )
    assert {one.label: one.human for one in needs} == people.counts()
    assert all(one.recall > 0.8 for one in needs)


def test_wilson_agrees_with_statsmodels():
    from statsmodels.stats.proportion import proportion_confint

    assert wilson(0.3, 20) == pytest.approx(proportion_confint(6, 20, method="wilson"), abs=1e-6)


def test_a_class_whose_only_row_is_always_trained_on_is_not_judged():
    human, _, vectors = world(31, 0)
    lone = HumanDataset.from_examples(
        [Example(row.id, row.text, "c" if i == 0 else row.label.replace("c", "b")) for i, row in enumerate(human)],
        LABELS,
    )
    folds = folds_of(lone, None, None, FoldSettings(), seed=0)
    judged = frozen_rung([ChooseSettings().ways[0]], folds, Vectors.of(vectors, lone, None), lambda done, of: None)
    needs = class_needs(judged["human_only"], lone, None)
    assert (needs[-1].label, needs[-1].human, needs[-1].recall, needs[-1].interval) == ("c", 1, None, (0.0, 1.0))
    assert all(one.recall is not None for one in needs[:-1])

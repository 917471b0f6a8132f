"""Metrics of rows with several labels and of ordered labels, against scikit-learn and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn import metrics as sk

from augtune.core.dataset import Example, HumanDataset
from augtune.core.errors import DataError, SettingsError
from augtune.core.labels import Labels
from augtune.core.seeds import generator
from augtune.core.tables import Predictions
from augtune.evaluation.answers import aligned, right, truth_of
from augtune.evaluation.comparisons import Runs, compare, compare_classes
from augtune.evaluation.ordinal import Spearman
from augtune.evaluation.resample import resample
from augtune.evaluation.scores import evaluate, majority
from augtune.evaluation.settings import EvaluateSettings
from augtune.evaluation.significance import discordance, mcnemar, mean_predictions

TAGS = Labels(("joy", "anger", "fear", "calm"), task="multi_label")
STARS = Labels(("1", "2", "5"), task="ordinal")
SEVERAL = ["macro_f1", "micro_f1", "weighted_f1", "accuracy", "hamming_loss", "auroc"]
ORDERED = ["mae", "rmse", "qwk", "spearman", "macro_f1"]


def tagged(rows: int = 120, seed: int = 0) -> HumanDataset:
    chance = generator(seed, "tags").random((rows, 4)) < np.array([0.5, 0.3, 0.1, 0.4])
    examples = [
        Example(f"t{i}", f"text {i}", "", labels=tuple(n for n, has in zip(TAGS, row, strict=True) if has))
        for i, row in enumerate(chance)
    ]
    return HumanDataset.from_examples(examples, TAGS, name="test")


def guesses(truth: HumanDataset, noise: float, seed: int = 0, **more: object) -> Predictions:
    random = generator(seed, "guesses")
    table = np.clip(truth.targets() * 0.6 + 0.2 + noise * random.normal(size=truth.targets().shape), 0, 1)
    if not truth.labels.has_many:
        table = (table + 1e-6) / (table + 1e-6).sum(axis=1, keepdims=True)
    return Predictions(truth.ids, table, truth.labels, **more)  # type: ignore[arg-type]


def starred(rows: int = 90) -> HumanDataset:
    columns = generator(0, "stars").integers(3, size=rows)
    examples = [Example(f"t{i}", f"text {i}", STARS[int(k)]) for i, k in enumerate(columns)]
    return HumanDataset.from_examples(examples, STARS, name="test")


def test_scores_of_several_labels_are_scikit_learns():
    truth = tagged()
    said = guesses(truth, 0.3)
    scores = evaluate(said, truth, SEVERAL, resamples=0)
    true, predicted = truth.marks, said.probabilities >= 0.5
    for average in ("macro", "micro", "weighted"):
        assert scores[f"{average}_f1"] == pytest.approx(sk.f1_score(true, predicted, average=average))
    assert scores["accuracy"] == pytest.approx(sk.accuracy_score(true, predicted))
    assert scores["hamming_loss"] == pytest.approx(sk.hamming_loss(true, predicted))
    assert scores["auroc"] == pytest.approx(sk.roc_auc_score(true, said.probabilities, average="macro"))
    p, r, f1, support = sk.precision_recall_fscore_support(true, predicted)
    found = [(one.precision, one.recall, one.f1, one.support) for one in scores.per_class.values()]
    assert found == [pytest.approx(row) for row in zip(p, r, f1, support, strict=True)]
    assert scores.titles["accuracy"] == "subset accuracy"


def test_decisions_by_own_thresholds_are_what_is_measured():
    truth = tagged()
    said = guesses(truth, 0.3)
    decided = TAGS.rule.marks(said.probabilities, (0.3, 0.4, 0.6, 0.7))
    own = Predictions(said.ids, said.probabilities, TAGS, decided=decided)
    scores = evaluate(own, truth, ["micro_f1", "auroc"], resamples=0)
    assert scores["micro_f1"] == pytest.approx(sk.f1_score(truth.marks, decided, average="micro"))
    assert scores["auroc"] == evaluate(said, truth, ["auroc"], resamples=0)["auroc"]


def test_confusion_of_several_labels_counts_misses_beside_what_was_said_instead():
    rows = HumanDataset.from_examples(
        [Example("a", "x", "", labels=("joy", "anger")), Example("b", "x", "", labels=("joy",))], TAGS
    )
    said = Predictions.from_rows([{"id": "a", "predicted": ["joy", "fear"]}, {"id": "b", "predicted": ["joy"]}], TAGS)
    found = evaluate(said, rows, resamples=0).confusion
    assert found.tolist() == [[2, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]]


def test_intervals_of_several_labels_are_those_of_resampled_rows():
    truth = tagged(60)
    said = guesses(truth, 0.4)
    answers, true = aligned([said], truth), truth_of(truth)
    measured = [metric for metric in EvaluateSettings(metrics=tuple(SEVERAL)).measured]
    bound = [metric.bound(TAGS) for metric in measured]
    found = resample(answers, true, bound, resamples=4000, random=generator(0, "r"))
    random = generator(1, "by hand")
    by_hand = {metric.key: [] for metric in bound}
    for _ in range(600):
        rows = random.integers(60, size=60)
        for metric in bound:
            by_hand[metric.key].append(metric.value(answers[0][rows], true[rows]))
    for key, values in by_hand.items():
        assert np.mean(found[key]) == pytest.approx(np.mean(values), abs=0.01), key
        assert np.std(found[key]) == pytest.approx(np.std(values), rel=0.12), key


def test_comparison_of_several_labels_is_paired_and_mcnemars_is_of_whole_rows():
    truth = tagged()
    good, bad = Runs("good", (guesses(truth, 0.2),)), Runs("bad", (guesses(truth, 0.6, seed=1),))
    found = {one.metric: one for one in compare(truth, good, bad, EvaluateSettings(metrics=tuple(SEVERAL)))}
    assert found["micro_f1"].verdict() == "better"
    assert found["hamming_loss"].verdict() == "better"
    by_row = [(one.predictions[0].marks == truth.marks).all(axis=1) for one in (good, bad)]
    assert right(aligned(good.predictions, truth), truth_of(truth))[0].tolist() == by_row[0].tolist()
    exact = mcnemar(truth, good.predictions[0], bad.predictions[0])
    assert exact.only_first == int((by_row[0] & ~by_row[1]).sum())
    assert discordance(truth, good.predictions, bad.predictions) == pytest.approx(np.mean(by_row[0] != by_row[1]))
    assert [one.metric for one in compare_classes(truth, [bad, good])] == [f"F1 of {name}" for name in TAGS]


def test_ensemble_of_several_labels_decides_by_majority():
    truth = tagged(30)
    runs = [guesses(truth, 0.6, seed=seed) for seed in range(3)]
    mean = mean_predictions(runs)
    assert mean.marks.tolist() == (np.mean([run.marks for run in runs], axis=0) >= 0.5).tolist()


def test_majority_of_several_labels_says_those_that_most_rows_have():
    truth = tagged()
    assert set(majority(truth).predicted) == {TAGS.text_of(n for n, c in truth.counts().items() if c >= 60)}


def test_scores_of_ordered_labels_are_scikit_learns_and_scipys():
    truth = starred()
    said = guesses(truth, 0.5)
    scores = evaluate(said, truth, ORDERED, resamples=200)
    stars = np.array([1.0, 2.0, 5.0])
    placed, true = said.probabilities @ stars, stars[truth.label_indices]
    assert scores["mae"] == pytest.approx(sk.mean_absolute_error(true, placed))
    assert scores["rmse"] == pytest.approx(sk.root_mean_squared_error(true, placed))
    assert scores["spearman"] == pytest.approx(spearmanr(true, placed).statistic)
    assert scores["qwk"] in scores.intervals["qwk"]


def test_quadratic_kappa_of_evenly_placed_labels_is_scikit_learns():
    labels = Labels(("bad", "fair", "good"), task="ordinal")
    rows = [
        Example(row.id, row.text, labels[int(k)]) for row, k in zip(starred(), starred().label_indices, strict=True)
    ]
    truth = HumanDataset.from_examples(rows, labels)
    said = guesses(truth, 0.5)
    nearest = np.rint(said.probabilities @ np.arange(3)).astype(int)
    assert evaluate(said, truth, ["qwk"], resamples=0)["qwk"] == pytest.approx(
        sk.cohen_kappa_score(truth.label_indices, nearest, weights="quadratic")
    )


def test_spearman_of_a_resample_is_that_of_its_rows():
    truth = starred(40)
    said = guesses(truth, 0.7)
    metric = Spearman().bound(STARS)
    weights = generator(0, "weights").integers(0, 4, size=(5, 40)).astype(float)
    found = metric.scorer(said.probabilities, truth.label_indices)(weights)
    placed, true = metric.places(said.probabilities, truth.label_indices)
    for row, value in zip(weights.astype(int), found, strict=True):
        picked = np.repeat(np.arange(40), row)
        assert value == pytest.approx(spearmanr(placed[picked], true[picked]).statistic)


@pytest.mark.parametrize("metric", ["qwk", "spearman"])
def test_what_is_undefined_is_zero(metric):
    rows = HumanDataset.from_examples([Example("a", "x", "2"), Example("b", "x", "2")], STARS)
    said = Predictions(rows.ids, np.tile([0.0, 1.0, 0.0], (2, 1)), STARS)
    assert evaluate(said, rows, [metric], resamples=0)[metric] == 0


@pytest.mark.parametrize(
    ("metric", "truth", "told"),
    [
        ("mcc", tagged, "metric mcc: made for data.task single_label or ordinal; here it is multi_label"),
        ("mae", tagged, "metric mae: made for data.task ordinal; here it is multi_label"),
        ("hamming_loss", starred, "metric hamming_loss: made for data.task multi_label; here it is ordinal"),
    ],
)
def test_metric_of_another_task_is_refused(metric, truth, told):
    rows = truth()
    with pytest.raises(SettingsError) as error:
        evaluate(guesses(rows, 0.1), rows, [metric])
    assert str(error.value) == told


def test_predictions_of_another_task_are_refused():
    truth = tagged()
    single = Labels(TAGS.names)
    said = Predictions(truth.ids, np.full((len(truth), 4), 0.25), single)
    with pytest.raises(DataError) as error:
        evaluate(said, truth)
    assert str(error.value) == "predictions of unknown: expected task multi_label, got single_label."

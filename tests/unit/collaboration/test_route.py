import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augtune.collaboration.answers import AnswerRecord, Answers
from augtune.collaboration.combine import Pool, Replace, Stack, combiner_of, fit_pool, fit_stack
from augtune.collaboration.curve import curve_of, metric_of
from augtune.collaboration.route import route
from augtune.collaboration.router import Router
from augtune.core.dataset import Example, HumanDataset
from augtune.core.errors import DataError, InputError, SettingsError
from augtune.core.labels import Labels
from augtune.core.outcomes import Cost
from augtune.core.seeds import generator
from augtune.core.tables import Predictions
from augtune.evaluation.scores import evaluate

LABELS = Labels(("a", "b", "c"))


def task(rows=600, classifier=0.7, llm=0.8, labels=LABELS, seed=0):
    """Return a truth, a classifier that is right where it is sure, and answers that are right anywhere."""
    random, classes = generator(seed, "task"), len(labels)
    true = random.integers(classes, size=rows)
    sure = random.uniform(size=rows)
    right = random.uniform(size=rows) < np.clip(classifier + 0.5 * (sure - 0.5), 0, 1)
    own = np.where(right, true, (true + 1) % classes)
    table = np.full((rows, classes), 1.0)
    table[np.arange(rows), own] += 8 * sure
    said = np.where(random.uniform(size=rows) < llm, true, (true + 1) % classes)
    ids = tuple(f"r{i}" for i in range(rows))
    truth = HumanDataset.from_examples(
        [Example(name, f"text {name}", labels[int(k)]) for name, k in zip(ids, true, strict=True)], labels, name="val"
    )
    made = Predictions(ids, table / table.sum(axis=1, keepdims=True), labels, "small", "abc123")
    return truth, made, Predictions(ids, np.eye(classes)[said], labels, "large")


@given(st.integers(0, 50), st.integers(1, 40), st.sampled_from(["macro_f1", "accuracy", "mcc"]))
@settings(max_examples=30, deadline=None)
def test_every_point_of_the_curve_is_what_routing_there_gives(seed, rows, metric):
    random = generator(seed, "curve")
    truth, alone, together = (random.integers(3, size=rows) for _ in range(3))
    confidence = np.round(random.uniform(0.4, 1, size=rows), 1)
    curve = curve_of(confidence, (truth, alone, together), classes=3, metric=metric_of(metric))
    for point in curve:
        predicted = np.where(confidence < point.threshold, together, alone)
        assert point.value == pytest.approx(metric_of(metric).value(np.eye(3)[predicted], truth))
        assert point.share == pytest.approx((confidence < point.threshold).mean())
        assert curve.at(point.threshold).value == point.value
    assert (curve.alone.share, curve.everything.share) == (0, 1)


def test_route_sends_the_unsure_rows_and_gains():
    truth, made, said = task()
    router = route(made, said, truth)
    assert 0 < router.chosen.share < 1
    found = router.combine(made, said)
    assert evaluate(found, truth, resamples=0)["macro_f1"] == pytest.approx(router.chosen.value)
    assert router.chosen.value > max(router.curve.alone.value, router.curve.everything.value)
    assert found.share == pytest.approx(router.chosen.share)
    assert set(found.sent) == {name for name, sent in zip(made.ids, router.sends(made), strict=True) if sent}
    assert repr(found).startswith(f"600 predictions · {len(found.sent)} sent")
    assert router.checked.value <= router.chosen.value
    assert route(made, said, truth).checked == router.checked


def test_route_takes_given_rows_for_given_goals():
    truth, made, said = task()
    best = route(made, said, truth).chosen
    cheap = route(made, said, truth, least=best.value - 0.02).chosen
    assert cheap.share < best.share
    assert cheap.value >= best.value - 0.02
    assert route(made, said, truth, most_share=0.05).chosen.share <= 0.05
    paid = route(made, said, truth, most_usd_per_1000=0.1, usd_per_call=0.001)
    assert paid.chosen.share <= 0.1
    assert paid.chosen.usd_per_1000 <= 0.1
    assert route(made, said, truth, tolerance=0.01).chosen.share <= best.share
    fixed = route(made, said, truth, threshold=0.6)
    assert (fixed.threshold, fixed.temperature, fixed.checked) == (0.6, 1.0, None)
    assert fixed.chosen.share == pytest.approx((made.confidence < 0.6).mean())
    assert route(made, said, truth, threshold=2).chosen.share == 1


def test_route_says_what_cannot_be():
    truth, made, said = task()
    with pytest.raises(
        DataError, match=r"^route.least: no threshold reaches macro_f1 0\.999 on val; the most is 0\.\d+"
    ):
        route(made, said, truth, least=0.999)
    with pytest.raises(SettingsError, match=r"^route.most_usd_per_1000: what a call costs is not known"):
        route(made, said, truth, most_usd_per_1000=1)
    with pytest.raises(SettingsError, match=r"^route.metric: expected a metric of predicted labels"):
        route(made, said, truth, metric="nll")
    with pytest.raises(SettingsError, match=r"^route.threshold: is given, so least would have no effect"):
        route(made, said, truth, threshold=0.5, least=0.5)
    with pytest.raises(DataError, match=r"^answers of large: none of the 600 rows has one\.$"):
        route(made, Predictions((), np.zeros((0, 3)), LABELS, "large"), truth)
    with pytest.raises(DataError, match=r"^answers of large: expected the labels a · b · c in this order"):
        route(made, Predictions(said.ids, said.probabilities, Labels(("c", "b", "a")), "large"), truth)


@pytest.mark.parametrize("combine", ["pool", "stack"])
@pytest.mark.parametrize("labels", [LABELS, Labels(("a", "b"))])
def test_two_opinions_together_beat_each_alone(combine, labels):
    truth, made, said = task(labels=labels)
    router = route(made, said, truth, combine=combine, threshold=2)
    assert router.chosen.share == 1
    assert router.chosen.value > max(router.curve.alone.value, evaluate(said, truth, resamples=0)["macro_f1"])
    assert evaluate(router.combine(made, said), truth, resamples=0)["macro_f1"] > router.curve.alone.value
    chosen = route(made, said, truth, combine=combine)
    assert chosen.checked.value > router.curve.alone.value


def test_row_sent_without_an_answer_keeps_the_classifiers_prediction_and_is_counted():
    truth, made, said = task(rows=50)
    gone = set(said.ids[::2])
    kept = [i for i, name in enumerate(said.ids) if name not in gone]
    part = said.aligned([said.ids[i] for i in kept])
    found = Router(LABELS, 2.0).combine(made, part)
    assert set(found.unanswered) == gone
    assert found.aligned(sorted(gone)).predicted == made.aligned(sorted(gone)).predicted
    stand_in = Answers(
        said.ids, said.probabilities, LABELS, records=tuple(AnswerRecord(n, "classifier", None) for n in said.ids)
    )
    assert Router(LABELS, 2.0).combine(made, stand_in).predicted == made.predicted
    assert route(made, part, truth, threshold=2).chosen.value < 1


def test_price_of_a_call_is_what_the_answers_cost():
    truth, made, said = task(rows=60)
    records = tuple(AnswerRecord(name, "answered", "a") for name in said.ids)
    answers = Answers(said.ids, said.probabilities, LABELS, records=records, cost=Cost(0.6, calls=60))
    assert route(made, answers, truth).curve.everything.usd_per_1000 == pytest.approx(10)
    cached = Answers(said.ids, said.probabilities, LABELS, records=records, cost=Cost(0.1, calls=10, cached=50))
    assert route(made, cached, truth).curve.usd_per_call is None


def test_router_is_the_same_after_json():
    truth, made, said = task()
    for combine in ("replace", "pool", "stack"):
        router = route(made, said, truth, combine=combine, usd_per_call=0.002)
        value = json.loads(json.dumps(router.to_json()))
        again = Router.from_json(value)
        assert (again.combine(made, said).probabilities == router.combine(made, said).probabilities).all()
        assert again.checked == router.checked
        assert len(value["curve"]["share"]) <= 202
        assert value["curve"]["usd_per_1000"][-1] == pytest.approx(2.0)
        assert repr(router).startswith(f"{combine} · ")
    with pytest.raises(InputError, match=r"^router: this is no saved router"):
        Router.from_json({"format": 1})
    with pytest.raises(InputError, match=r"^router: expected format 1, got 9\.$"):
        Router.from_json({"format": 9})
    with pytest.raises(InputError, match=r"^router: expected a combiner of kind replace, pool or stack, got 'vote'\.$"):
        combiner_of({"kind": "vote"})


def test_router_refuses_another_classifiers_predictions():
    truth, made, said = task(rows=60)
    router = route(made, said, truth)
    other = Predictions(made.ids, made.probabilities, LABELS, "other", "ffff00")
    with pytest.raises(
        DataError, match=r"^evidence: the predictions were made by model ffff00 \(other\), expected abc123"
    ):
        router.combine(other, said)


def test_pools_and_stacks_are_fitted_to_who_is_right():
    truth, made, said = task(rows=400, classifier=0.4, llm=0.95)
    assert fit_pool(made.probabilities, said.probabilities, truth.label_indices).weight < 0.5
    assert Pool(1.0)(made.probabilities, said.probabilities).tolist() == made.probabilities.tolist()
    assert Replace()(made.probabilities, said.probabilities) is said.probabilities
    with pytest.raises(InputError, match=r"^pool.weight: expected a number from 0 to 1, got 1\.5\.$"):
        Pool(1.5)
    with pytest.raises(DataError, match=r"^stack: needs rows of every label to fit on, and 1 labels have none\.$"):
        fit_stack(made.probabilities, said.probabilities, np.zeros(400, dtype=int) + (np.arange(400) % 2))


def test_stack_of_two_classes_is_sklearns():
    from sklearn.linear_model import LogisticRegression

    truth, made, said = task(labels=Labels(("a", "b")))
    stack = fit_stack(made.probabilities, said.probabilities, truth.label_indices)
    assert isinstance(stack, Stack)
    features = np.log(np.maximum(np.hstack([made.probabilities, said.probabilities]), 1e-3))
    expected = LogisticRegression(max_iter=1000).fit(features, truth.label_indices).predict_proba(features)
    assert np.abs(stack(made.probabilities, said.probabilities) - expected).max() < 1e-3

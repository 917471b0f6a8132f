"""Rows written of each label follow how badly it is found on held-out human rows, until rounds gain nothing."""

from __future__ import annotations

import numpy as np
import pytest

from augtune.choosing.boost import Boosting, BoostSettings, Measure, gain_of, is_over, is_unbalanced, shared_out
from augtune.choosing.folds import FoldSettings
from augtune.choosing.simulate import STOP_SCENES, stop_rates
from augtune.core.dataset import Dataset, Example, HumanDataset
from augtune.core.decision import Boost, ClassNeed, Decision
from augtune.core.labels import Labels

LABELS = Labels(("many", "some", "few", "none"))
CENTRES = np.random.default_rng(1).normal(size=(4, 8))


def rows(*counts: int) -> HumanDataset:
    names = [name for name, count in zip(LABELS, counts, strict=False) for _ in range(count)]
    return HumanDataset.from_examples([Example(f"h{i}", f"text {i}", name) for i, name in enumerate(names)], LABELS)


def written(count: int, label: str, first: int = 0) -> Dataset:
    made = [Example(f"s{i}", f"words {i}", label, origin="generated") for i in range(first, first + count)]
    return Dataset.from_examples(made, LABELS)


def vectors(data, scatter: float, seed: int) -> np.ndarray:
    chance = np.random.default_rng(seed)
    return CENTRES[data.label_indices] + scatter * chance.normal(size=(len(data), 8))


def boosting(human, **settings) -> Boosting:
    known = BoostSettings(**settings)
    return Boosting(human, known, Measure(FoldSettings(), "macro_f1", known.weight, 0), 60)


def test_what_is_missed_and_what_is_unknown_get_rows():
    needs = [ClassNeed("a", 50, 0, 0.9, (0.8, 0.96)), ClassNeed("b", 50, 0, 0.5, (0.36, 0.64))]
    found = shared_out([*needs, ClassNeed("c", 2, 0, 0.5, (0.1, 0.9))], 100)
    assert found["a"] < found["b"] < found["c"]
    assert sum(found.values()) == 100
    assert shared_out(needs, 2) == {"a": 1, "b": 1}


def test_fewer_rows_than_classes_go_to_those_in_most_need():
    needs = [ClassNeed("a", 50, 0, 0.9, (0.8, 0.96)), ClassNeed("b", 50, 0, 0.5, (0.36, 0.64))]
    needs += [ClassNeed("c", 2, 0, 0.5, (0.1, 0.9)), ClassNeed("d", 1, 0, None, (0.0, 1.0))]
    assert shared_out(needs, 2) == {"c": 1, "d": 1}
    assert shared_out(needs, 1) == {"d": 1}
    assert shared_out(needs, 4) == dict.fromkeys("abcd", 1)
    made = boosting(rows(40, 40, 4), rows=2)
    made.stands(None, vectors(rows(40, 40, 4), 0.1, 0))
    assert sum(made.wanted().values()) == 2
    assert made.wanted() is None


def test_the_class_that_is_hardest_to_find_gets_most_and_one_without_rows_none():
    human = rows(40, 40, 4)
    seen = vectors(human, 0.1, 0)
    seen[80:] = np.random.default_rng(0).normal(size=(4, 8))  # nothing tells the few
    made = boosting(human, rounds=1)
    made.stands(None, seen)
    found = made.wanted()
    assert list(found) == ["many", "some", "few"]
    assert sum(found.values()) == 60
    assert found["few"] > 2 * max(found["many"], found["some"])


def test_a_class_that_is_found_with_the_rows_written_so_far_gets_fewer_of_the_next():
    human = rows(30, 30, 3)
    seen = vectors(human, 1.2, 3)
    made = boosting(human, rounds=2, rows=40)
    made.stands(None, seen)
    first = made.wanted()
    more = written(20, "few")
    made.stands(more, np.concatenate([seen, vectors(more, 0.05, 4)]), {"few": 20})
    second = made.wanted()
    assert sum(first.values()) == sum(second.values()) == 20
    assert second["few"] < first["few"]


def test_rounds_end_when_all_rows_are_written_or_two_in_a_row_gained_nothing():
    human = rows(30, 30, 6)
    seen = vectors(human, 1.5, 5)
    good, bad = boosting(human, rounds=3), boosting(human, rounds=4)
    for made in (good, bad):
        made.stands(None, seen)
    count = 0
    while good.wanted() is not None:
        count += 10
        more = written(count, "few")
        good.stands(more, np.concatenate([seen, vectors(more, 1.0, 6)]), {"few": 10})
    assert len(good.told().rounds) == 3
    assert good.told().because == "all rows were written"
    while bad.wanted() is not None:  # rows of one class that are called another
        count = 30 * (1 + len(bad._gains))
        more = written(count, "few")
        bad.stands(more, np.concatenate([seen, CENTRES[np.arange(count) % 2]]), {"few": 30})
    told = bad.told()
    assert len(told.rounds) == 2
    assert all(one.gain < 0 for one in told.rounds)
    assert told.because == "the last 2 rounds were less likely than 0.5 to have gained anything on human rows"
    assert (
        str(told) == f"written in 2 of 4 rounds, 30 of 60 rows asked for: {told.because} · kept: many 0, some 0, few 60"
    )
    assert Boost.from_json(Decision.to_json(_decision(told))["boost"]) == told
    assert Decision.from_json(_decision(told).to_json()).boost == told


def _decision(boost: Boost) -> Decision:
    empty = dict.fromkeys(
        ("gain", "probability", "human", "synthetic", "held_back", "folds", "repeats", "base_score"), 0
    )
    return Decision("a", "alone", ("a",), "b", "c", interval=(0, 0), tried=(), left_out=(), boost=boost, **empty)


@pytest.mark.parametrize(
    ("probabilities", "over"), [([0.4], False), ([0.4, 0.4], True), ([0.4, 0.6, 0.4], False), ([0.6, 0.5, 0.4], False)]
)
def test_idle_rounds_count_one_after_the_other(probabilities, over):
    assert is_over(probabilities, BoostSettings()) is over
    assert not is_over(probabilities, BoostSettings(idle=None))


def test_a_gain_shrinks_towards_none_by_an_error_corrected_for_folds_that_share_rows():
    after = np.array([0.05, 0.15] * 5)
    gain = gain_of(np.zeros(10), after, 5)
    assert gain.measured == pytest.approx(0.1)
    variance = np.var(after, ddof=1) * (1 / 10 + 1 / 4) + 0.02**2
    assert gain.error == pytest.approx(np.sqrt(variance))
    assert gain.mean == pytest.approx(0.1 * 0.02**2 / (0.02**2 + variance), rel=1e-6)


def test_the_rule_saves_rows_that_harm_and_seldom_ends_rounds_that_gain():
    scenes = {scene.name: scene for scene in STOP_SCENES}

    def early(name):
        return stop_rates(scenes[name], times=100).early

    assert early("each round loses 3 points, about 200 human rows") > 0.7
    assert early("each round gains 1 point, about 200 human rows") < 0.2
    assert early("gains of 3, 1.5, 0.7, 0.3 points, about 1,000 human rows") < 0.05


def test_balanced_rows_are_left_alone():
    assert is_unbalanced(rows(30, 10, 10))
    assert not is_unbalanced(rows(20, 10, 10))
    assert not is_unbalanced(rows(20))

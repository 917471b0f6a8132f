"""Seeds of training and of the data: given, taken in turn, or derived from one."""

from __future__ import annotations

import pytest

from augtune.core.errors import SettingsError
from augtune.experiment.plan import read_plan
from augtune.experiment.trials import derived


def trials(**keys):
    made = read_plan({"name": "x", "data": {"source": "nowhere", "seed": 4}, "arms": {"a": {}}, **keys})
    return [(trial.data_seed, trial.seed) for trial in made.experiment.all_trials]


def test_one_draw_for_all_seeds_unless_asked_for_more():
    assert trials(seeds=[7, 42]) == [(4, 7), (4, 42)]


def test_seeds_of_the_data_take_turns():
    assert trials(seeds=[0, 1, 2, 3, 4], data_seeds=[10, 20]) == [(10, 0), (20, 1), (10, 2), (20, 3), (10, 4)]
    assert trials(data_seeds=[10, 20]) == [(10, 0), (20, 1)]


def test_a_master_seed_gives_both_and_more_trials_keep_those_of_fewer():
    three, five = trials(master_seed=1), trials(master_seed=1, trials=5)
    assert (len(three), five[:3]) == (3, three)
    assert all(0 <= seed < 2**31 for pair in five for seed in pair)
    assert trials(master_seed=2) != three
    assert derived(0, "a", 3) != derived(0, "b", 3)


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"trials": 2}, "trials: says how many seeds to derive from master_seed; set that, or list seeds"),
        ({"master_seed": 1, "seeds": [0]}, "master_seed: stands beside seeds; leave one of them out"),
        (
            {"seeds": [0], "data_seeds": [1, 2]},
            "data_seeds: 2 seeds of the data and 1 of training; each trial has one of both, so give as many seeds or more",
        ),
        ({"data_seeds": [1, 1]}, "data_seeds: every seed may stand once, got [1, 1]"),
    ],
)
def test_seeds_that_contradict_are_refused(keys, problem):
    with pytest.raises(SettingsError) as caught:
        trials(**keys)
    assert list(caught.value.problems) == [problem]


def test_an_arm_that_asks_has_one_draw():
    with pytest.raises(SettingsError) as caught:
        trials(data_seeds=[1, 2], llm={"model": "openai/x"}, arms={"a": {}, "b": {"ask": {}}})
    assert list(caught.value.problems) == [
        "arms.b.ask: works on one draw of rows; leave data_seeds and master_seed out"
    ]

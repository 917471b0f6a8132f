"""What a user may ask of a choice."""

import pytest

from augtune.choosing.plan import Budget, Short, short_trainings
from augtune.choosing.settings import ChooseSettings
from augtune.core.errors import SettingsError


def test_ways_are_added_and_excluded_by_name_or_kind():
    asked = ChooseSettings.parse(
        {
            "add": [
                {"kind": "own", "called": "sungen", "train": {"recipe": "sungen"}},
                {"kind": "mix", "weight": 0.05},
            ],
            "exclude": ["curriculum", "mix 0.5", "imp"],
        },
        where="choose",
    )
    names = [way.name for way in asked.ways]
    assert names[0] == "human_only"
    assert names[-2:] == ["sungen", "mix 0.05"]
    assert not {"curriculum", "mix 0.5", "imp"} & set(names)
    none = ChooseSettings.parse({"exclude": ["mix"]}, where="choose")
    assert not any(way.kind == "mix" for way in none.ways)


def test_all_problems_are_told_at_once():
    with pytest.raises(SettingsError) as found:
        ChooseSettings.parse(
            {"candidates": ["mixx", {"kind": "mix", "weight": 2}], "exclude": ["two_stag"]}, where="choose"
        )
    text = str(found.value)
    assert "no candidate is called 'mixx'; did you mean 'mix'?" in text
    assert "candidates[1].weight: should be less than or equal to 1, got 2" in text
    with pytest.raises(SettingsError, match="exclude: nothing is called 'two_stag'; did you mean 'two_stage'"):
        ChooseSettings(exclude=("two_stag",))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"exclude": ["human_only"]}, "human_only is what every way is compared with; it cannot be left out"),
        ({"candidates": ["mix", "mix"]}, "candidates: two are called 'mix 1'"),
        ({"add": ["imp"]}, "add: two ways are called 'imp'"),
        ({"add": [{"kind": "own", "train": {"steps": 5}}]}, "train.steps: it is the same for all ways"),
        ({"add": [{"kind": "own", "train": {"recipee": "imp"}}]}, "train.recipee: unknown key"),
        ({"candidates": "mix"}, "expected a list such as"),
        (
            {"distill": True, "average": False},
            "distill: with average: false there is nothing to distill; leave one of them out",
        ),
        (
            {"distill": True, "trainings": 2},
            "distill: takes 3 trainings in the end, two that are averaged and the small model's; trainings allows 2",
        ),
    ],
)
def test_wrong_settings_are_refused(fields, message):
    with pytest.raises(SettingsError) as found:
        ChooseSettings.parse(fields, where="choose")
    assert message in str(found.value)


@pytest.mark.parametrize("full", [1, 2, 30, 100, 300, 2000])
@pytest.mark.parametrize("trainings", [1, 2, 3, 4.5, 6])
@pytest.mark.parametrize("ways", [0, 1, 2, 9])
@pytest.mark.parametrize("folds", [2, 3, 5])
@pytest.mark.parametrize("distill", [False, True])
def test_short_trainings_and_the_final_ones_stay_within_the_budget(full, trainings, ways, folds, distill):
    if distill and trainings < 3:
        return
    budget = Budget.of(full, ChooseSettings(trainings=trainings, distill=distill))
    short = short_trainings(budget, ways, folds)
    spent = (budget.finals + distill) * full
    assert budget.kept == spent
    if short is not None:
        assert 2 <= short.folds <= folds
        assert short.ways <= max(1, ways)
        spent += (1 + short.ways) * short.folds * short.steps
    assert spent <= trainings * full


def test_steps_allowed_bound_what_trainings_would_allow():
    assert short_trainings(Budget.of(300, ChooseSettings()), 9, 5) == Short(2, 3, 100)
    assert short_trainings(Budget.of(300, ChooseSettings(distill=True)), 9, 5) == Short(1, 3, 100)
    assert short_trainings(Budget.of(300, ChooseSettings(max_steps=700)), 9, 5) == Short(1, 2, 100)
    assert short_trainings(Budget.of(300, ChooseSettings(max_steps=900)), 9, 5) == Short(0, 3, 100)
    assert short_trainings(Budget.of(300, ChooseSettings(max_steps=1000)), 9, 5) == Short(1, 2, 100)
    assert short_trainings(Budget.of(300, ChooseSettings(max_steps=1200)), 9, 5) == Short(1, 3, 100)


def test_a_third_final_training_gives_way_to_what_only_folds_can_judge():
    assert Budget.of(100, ChooseSettings()).finals == 3
    assert short_trainings(Budget.of(100, ChooseSettings()), 9, 5) == Short(0, 3, 100)
    comparing = Budget.of(100, ChooseSettings(), compares=True)
    assert comparing.finals == 2
    assert short_trainings(comparing, 9, 5) == Short(1, 2, 100)
    assert Budget.of(300, ChooseSettings(), compares=True).finals == 3

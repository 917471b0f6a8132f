"""A sweep becomes arms: their names, what each changes, what is refused."""

from __future__ import annotations

import pytest

from augtune.core.errors import SettingsError
from augtune.experiment.plan import read_plan


def plan(**keys):
    base = {
        "name": "x",
        "data": {"source": "nowhere"},
        "train": {"steps": 9, "recipe": {"kind": "two_stage"}},
        "arms": {"human only": {"generate": None, "curate": None}, "plain": {}},
        **keys,
    }
    return read_plan({key: value for key, value in base.items() if value is not ...})


def refused(**keys):
    with pytest.raises(SettingsError) as caught:
        plan(**keys)
    return list(caught.value.problems)


def names(**keys):
    return [arm.name for arm in plan(**keys).arms]


def test_an_arm_takes_every_axis_that_it_has_use_for():
    made = plan(generate="eda", sweep={"size": [10, 50], "encoder": ["bundled/minilm", "a/b"]})
    assert made.swept == "2 size × 2 encoder · 6 arms"
    assert [arm.name for arm in made.arms] == [
        "human only · minilm", "human only · b",
        "plain · 10 · minilm", "plain · 10 · b", "plain · 50 · minilm", "plain · 50 · b",
    ]  # fmt: skip
    last = made.arms[-1]
    assert (last.size.number, last.settings.encoder, last.settings.steps) == (50, "a/b", 9)
    assert last.axes == {"base_arm": "plain", "size": 50, "encoder": "a/b"}
    assert last.folder == "plain _ 50 _ b"


def test_an_arm_keeps_what_it_sets_itself():
    arms = {"own": {"train": {"lr": 0.1}}, "shared": {}}
    assert names(arms=arms, sweep={"train.lr": [1e-5, 2e-5]}) == ["own", "shared · lr 1e-05", "shared · lr 2e-05"]


def test_one_generation_is_planned_for_the_largest_size():
    made = plan(llm={"model": "openai/x"}, arms=..., sweep={
        "size": [10, 50], "generate": ["gpt3mix", "rephrase", {"kind": "eda", "per_class": 7}]
    })  # fmt: skip
    quotas = {arm.name: (arm.generators[0].count, arm.generators[0].per_class) for arm in made.arms}
    assert quotas["gpt3mix · 10"] == quotas["gpt3mix · 50"] == (50, None)
    assert quotas["rephrase · 10"] == (50, None)
    assert quotas["eda · 10"] == (None, 7)
    assert made.arms[2].generators[0].balance == "even"
    each = plan(llm={"model": "openai/x"}, arms=..., generate="gpt3mix", sweep={"size": ["5/class", "9/class"]}).arms
    assert [(arm.name, arm.generators[0].per_class) for arm in each] == [
        ("5/class", 9),
        ("9/class", 9),
    ]


def test_generators_of_one_sweep_share_what_the_file_says_of_their_kind():
    made = plan(
        arms=..., generate={"kind": "eda", "p_rd": 0.3}, sweep={"generate": ["eda", {"kind": "eda", "alpha_sr": 0.2}]}
    )
    assert [arm.name for arm in made.arms] == ["eda", "eda alpha_sr 0.2"]
    assert [arm.generators[0].p_rd for arm in made.arms] == [0.3, 0.3]


def test_values_may_be_given_names():
    made = plan(arms=..., sweep={"generate": {"words": "eda", "none": None}, "size": [1, 2]})
    assert [(arm.name, dict(arm.axes)) for arm in made.arms] == [
        ("words · 1", {"generate": "words", "size": 1}),
        ("words · 2", {"generate": "words", "size": 2}),
        ("none", {"generate": "none"}),
    ]


def test_a_key_within_a_recipe_or_generator_is_swept():
    made = plan(arms=..., generate="eda", sweep={"train.recipe.stage1_share": [0.3, 0.6], "generate.p_rd": [0.1, 0.2]})
    assert made.arms[-1].name == "stage1_share 0.6 · p_rd 0.2"
    assert (made.arms[-1].settings.recipe.stage1_share, made.arms[-1].generators[0].p_rd) == (0.6, 0.2)


def test_arms_that_ask_are_not_multiplied():
    arms = {"plain": {}, "asked": {"ask": {}}}
    assert names(arms=arms, llm={"model": "openai/x"}, sweep={"train.lr": [1e-5, 1e-4]})[-1] == "asked"


@pytest.mark.parametrize(
    ("filters", "left"),
    [
        ({"skip": [{"size": 50, "generate": "eda"}]}, ["human only", "plain · eda · 10", "plain · file · 10", "plain · file · 50"]),
        ({"skip": {"generate": "file"}}, ["human only", "plain · eda · 10", "plain · eda · 50"]),
        ({"only": {"size": [50], "arm": "plain"}}, ["human only", "plain · eda · 50", "plain · file · 50"]),
    ],
)  # fmt: skip
def test_filters(filters, left):
    swept = {"generate": {"eda": "eda", "file": {"kind": "imported", "path": __file__}}, "size": [10, 50]}
    assert names(sweep={**swept, **filters}) == left


@pytest.mark.parametrize(
    ("sweep", "problems"),
    [
        ([1], ["sweep: expected a mapping such as {size: [10, 50, 100]}, got [1]"]),
        ({}, ["sweep: names nothing to sweep, e.g. {size: [10, 50, 100]}"]),
        ({"sizes": [1, 2]}, ["sweep.sizes: unknown key; did you mean 'size'?"]),
        ({"lr": [1, 2]}, ["sweep.lr: unknown key; did you mean 'train.lr'?"]),
        ({"train.lrr": [1, 2]}, ["sweep.train.lrr: unknown key; did you mean 'train.lr'?"]),
        ({"size": [5]}, ["sweep.size: expected two values or more, got [5]; what has one value stands in the arms or the shared section"]),
        ({"encoder": "x"}, ["sweep.encoder: expected a list of values, or a mapping from names to values, got 'x'"]),
        ({"size": [5, 5]}, ["sweep.size: two values get the same name; name them, e.g. {first: ..., second: ...}"]),
        ({"size": [0, 5]}, ["sweep.size: expected a number of synthetic rows such as 50 or 10/class, got 0; an arm without synthetic rows is {generate: null, curate: null}"]),
        ({"size": [5, "2/class"]}, ["sweep.size: some are rows in all and some rows per class; use one of the two"]),
        ({"encoder": ["a", "b"], "train.encoder": ["a", "b"]}, ["sweep.train.encoder: the same setting as sweep.encoder; leave one out"]),
        ({"size": [5, 6]}, ["sweep.size: no arm takes it: each sets the key itself, or has no use for it"]),
        ({"train.lr": [1e-4, "fast"]}, ["sweep.train.lr: should be a valid number, unable to parse string as a number, got 'fast'"]),
        ({"data.train": ["3/class", "x"]}, ["sweep.data.train: sample size 'x': 'x' is not understood."]),
        ({"train.lr": [1, 2], "skip": [{"lr": 1}]}, ["sweep.skip[0].lr: no axis; known: arm, train.lr"]),
        ({"train.lr": [1, 2], "skip": [{"train.lr": 3}]}, ["sweep.skip[0]: no arm is at {'train.lr': 3}"]),
        ({"train.lr": [1, 2], "only": [5]}, ["sweep.only[0]: expected a mapping such as {size: 500, generate: eda}, got 5"]),
        ({"train.recipe": ["vanilla", "imp"], "skip": {"train.recipe": ["vanilla", "imp"]}}, ["sweep: no arm is left; look at skip and only"]),
    ],
)  # fmt: skip
def test_a_wrong_sweep_is_told_of(sweep, problems):
    assert [line for line in refused(sweep=sweep, arms={"plain": {}}) if line.startswith("sweep")] == problems


def test_two_axes_that_give_one_name_are_refused():
    swept = {"train.recipe": {"a": "vanilla", "a · b": "imp"}, "train.loss": {"b · c": "cross_entropy", "c": "focal"}}
    assert refused(arms=..., sweep=swept) == [
        "sweep: two arms get the name 'a · b · c'; name values apart, e.g. generate: {warm: ..., cold: ...}"
    ]


@pytest.mark.parametrize(
    ("arm", "problem"),
    [
        ({"size": 5}, "arms.x.size: the arm generates no rows to take some of; leave it out"),
        ({"data": {"test": "all"}}, "arms.x.data: expected {train: SAMPLE}, all else of data is the same for all, got {'test': 'all'}"),
        ({"axes": {"seed": 1}}, "arms.x.axes.seed: results.csv has a column of that name already"),
        ({"axes": 3}, "arms.x.axes: expected a mapping such as {size: 50, generate: eda}, got 3"),
    ],
)  # fmt: skip
def test_wrong_keys_of_an_arm_are_told_of(arm, problem):
    assert refused(arms={"x": arm}) == [problem]


def test_an_arm_is_compared_with_the_baseline_at_its_place():
    made = plan(generate="eda", evaluate={"baseline": "human only"}, sweep={"size": [10, 50], "encoder": ["a", "b"]})
    assert made.baseline == "human only · a"
    assert {arm.name: made.baseline_of(arm.name) for arm in made.arms} == {
        "human only · a": "human only · a", "human only · b": "human only · b",
        "plain · 10 · a": "human only · a", "plain · 10 · b": "human only · b",
        "plain · 50 · a": "human only · a", "plain · 50 · b": "human only · b",
    }  # fmt: skip
    alone = plan(generate="eda", evaluate={"baseline": "human only"}, sweep={"size": [10, 50]})
    assert alone.baseline_of("plain · 10") == "human only"

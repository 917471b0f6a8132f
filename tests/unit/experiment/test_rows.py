"""The human rows of a run: no row in two parts, rows named by position those of the file."""

import pytest

from augtune.cli.tree import plan_text
from augtune.core.errors import DataError, SettingsError
from augtune.experiment.check import check
from augtune.experiment.plan import read_plan
from augtune.experiment.rows import checked_source
from augtune.experiment.run import run


def plan_of(folder, labels, **data):
    lines = [f"row number {i},{label}" for i, label in enumerate(labels)]
    (folder / "rows.csv").write_text("text,label\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return {
        "name": "x",
        "seeds": [0],
        "data": {"source": str(folder / "rows.csv"), **data},
        "train": {"steps": 4, "encoder": "bundled/minilm"},
        "arms": {"human only": {}},
    }


def rows_of(folder, **data):
    return checked_source(read_plan(plan_of(folder, ["good", "bad"] * 50, **data))).of()


def test_positions_are_those_of_the_file_whatever_other_parts_took(tmp_path):
    human = rows_of(
        tmp_path,
        test="[0, 1, 2, 3] of train",
        validation="[96, 97, 98, 99] of train",
        train="[10, 11, 12, 13] of train",
    )
    assert human.test.texts == tuple(f"row number {i}" for i in range(4))
    assert human.validation.texts == tuple(f"row number {i}" for i in range(96, 100))
    assert human.train.texts == tuple(f"row number {i}" for i in range(10, 14))


def test_a_row_of_another_part_cannot_be_named(tmp_path):
    with pytest.raises(DataError) as error:
        rows_of(tmp_path, test="[0, 1, 2, 3] of train", validation="[7, 8] of train", train="[9, 8, 2, 3] of train")
    assert str(error.value) == (
        "data.train: names row 2 of 'train' and 2 more, taken by data.test and data.validation.\n"
        "  Positions count from 0 in the whole split, and no row is in two parts. Name rows that no other part has; "
        "to know which these are, name those of data.test and data.validation by position too."
    )


def test_a_position_beyond_the_file_is_told_with_all_its_rows(tmp_path):
    with pytest.raises(DataError, match=r"^x/train: there is no row 100; the 100 rows count from 0\.$"):
        rows_of(tmp_path, test="20% of train", train="[95, 100] of train")


def test_a_share_is_of_what_other_parts_left_and_check_says_so(tmp_path):
    shared = {"test": "20% of train", "validation": "10% of train", "train": "50% of train"}
    checked = check(plan_of(tmp_path, ["good", "bad"] * 50, **shared))
    assert [len(part) for part in (checked.human.test, checked.human.validation, checked.human.train)] == [20, 8, 36]
    lines = [line.lstrip("│├└─ ") for line in plan_text(checked).splitlines()[2:5]]
    assert lines == [
        "train       50% of train  36 rows · bad 18 · good 18 · of what test and validation left",
        "validation  10% of train  8 rows · bad 4 · good 4 · of what test left",
        "test        20% of train  20 rows · bad 10 · good 10",
    ]


ONE_LEFT_OUT = (
    "arms.human only: no training row has the label 'rare': 'train' has {told}, or set train.allow_missing: true"
)


@pytest.mark.parametrize(
    ("rare", "data", "told"),
    [
        (
            1,
            {"test": "20% of train"},
            "1 row of it, of which data.test takes 1; add rows of it, name other rows for data.test, "
            "merge it with another label or drop it (data.view)",
        ),
        (
            2,
            {"test": "20% of train", "validation": "10% of train"},
            "2 rows of it, of which data.test takes 1 and data.validation takes 1; add rows of it, name other rows for "
            "data.test or data.validation, merge it with another label or drop it (data.view)",
        ),
        (
            3,
            {"test": "20% of train", "train": "{good: 5, bad: 5, rare: 0} of train"},
            "3 rows of it, of which data.test takes 1; sample more (data.train)",
        ),
    ],
)
def test_a_label_without_training_rows_is_told_with_who_has_them(tmp_path, rare, data, told):
    plan = plan_of(tmp_path, ["good", "bad"] * 10 + ["rare"] * rare, **data)
    with pytest.raises(SettingsError) as error:
        check(plan)
    assert error.value.problems == (ONE_LEFT_OUT.format(told=told),)


def test_a_run_refuses_a_label_without_training_rows_before_anything_is_made(tmp_path):
    plan = plan_of(tmp_path, ["good", "bad"] * 10 + ["rare"], test="20% of train")
    with pytest.raises(SettingsError, match=r"of which data\.test takes 1"):
        run(plan, out=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_an_arm_may_do_without_a_label_if_it_says_so(tmp_path):
    plan = plan_of(tmp_path, ["good", "bad"] * 10 + ["rare"], test="20% of train")
    plan["train"]["allow_missing"] = True
    assert check(plan).human.train.counts()["rare"] == 0

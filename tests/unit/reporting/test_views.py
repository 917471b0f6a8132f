from __future__ import annotations

import json

import pytest

from augtune.reporting import views
from augtune.reporting.palette import arm_styles
from augtune.reporting.read import read_run
from augtune.reporting.rowset import browser_rows, weighed_rows
from augtune.reporting.summary import facts


@pytest.fixture
def styles(view):
    return arm_styles(view.arms, view.baseline)


def headings(grid):
    return [column.heading for column in grid.columns]


def test_every_row_is_as_long_as_the_headings(view, styles):
    grids = [
        views.arms_grid(view, styles),
        views.differences_grid(view, styles),
        views.labels_grid(view),
        views.f1_grid(view),
        views.classes_grid(view, "dimp", 0),
        views.confusion_grid(view, "dimp", 0),
        views.confusions_list(view, "dimp", 0),
        views.curation_grid(view, styles),
        views.cost_grid(view, styles),
    ]
    for grid in grids:
        assert grid.rows
        assert {len(row) for row in (*grid.rows, *grid.foot)} == {len(grid.columns)}, grid.id


def test_arms_grid_sets_the_best_apart(view, styles):
    grid = views.arms_grid(view, styles)
    best = [row[0].text for row in grid.rows if row[1].strong]
    assert best == ["dimp"]
    assert grid.foot[0][1].text == "0.083"


def test_differences_grid_says_what_holds(view, styles):
    rows = {(r[0].text, r[1].text, r[7].text): r[8].text for r in views.differences_grid(view, styles).rows}
    assert rows["dimp", "macro-F1", "paired bootstrap"] == "better"
    assert rows["dimp", "accuracy", "exact McNemar"] == "not shown"


def test_a_gain_in_an_error_is_worse(own_run):
    path = own_run / "results.json"
    value = json.loads(path.read_text())
    row = {"arm": "dimp", "baseline": "human only", "metric": "nll", "difference": 0.2, "p_adjusted": 0.01}
    value["comparisons"] = [row]
    path.write_text(json.dumps(value))
    view = read_run(own_run)
    grid = views.differences_grid(view, arm_styles(view.arms, view.baseline))
    assert [cell.text for cell in grid.rows[0]][2:] == ["+0.200", "–", "–", "–", "0.010", "", "worse"]


def test_arms_whose_rows_met_the_same_fate_share_a_line(view, styles):
    row = views.curation_grid(view, styles).rows[0]
    assert [cell.text for cell in row] == [
        'human + "gpt" <b>4/5</b>, two-stage and dimp',
        "300",
        "270",
        "30",
        "dedup: 10 repeat; contamination: 10 near test row; gpt3mix: 10 unreadable",
        "3",
    ]
    assert len(views.curation_grid(view, styles).rows) == 1


def test_one_seed_has_no_spread_and_no_certainty(own_run):
    path = own_run / "results.json"
    value = json.loads(path.read_text())
    value["seeds"] = [0]
    for arm in value["arms"].values():
        arm["std"] = {"macro_f1": None, "accuracy": None}
    path.write_text(json.dumps(value))
    view = read_run(own_run)
    grid = views.arms_grid(view, arm_styles(view.arms, view.baseline))
    assert grid.caption == "Every arm on 240 test rows: one seed, 95 % interval."
    assert "±" not in grid.rows[0][1].note
    assert facts(view)[1].value == "On this one seed"


def test_confusion_shades_each_row_by_its_shares(view):
    for row in views.confusion_grid(view, "dimp", 0).rows:
        assert sum(cell.depth for cell in row[1:]) == pytest.approx(1)


def test_confusions_list_has_the_largest_first(view):
    rows = views.confusions_list(view, "dimp", 0, limit=4).rows
    counts = [row[2].value for row in rows]
    assert len(rows) == 4
    assert counts == sorted(counts, reverse=True)
    assert all(row[0].text != row[1].text for row in rows)


def test_cost_per_point_needs_a_cost_and_a_gain(view):
    gain = view.arm("dimp").mean["macro_f1"] - view.arm("human only").mean["macro_f1"]
    assert views.points_cost(view, "dimp") == pytest.approx(0.0312 / (100 * gain))
    assert views.points_cost(view, "human only") is None


def test_facts_judge_the_best_arm(view):
    found = facts(view)
    assert [fact.label for fact in found] == [
        "dimp",
        "Is it real?",
        "Cost of its rows",
        "Measured on",
    ]
    assert found[0].value.startswith("+")
    assert found[1].value == "Yes, it holds"
    assert found[2].value == "$0.031"


def test_facts_do_without_comparisons(own_run):
    path = own_run / "results.json"
    value = json.loads(path.read_text())
    value["comparisons"] = []
    path.write_text(json.dumps(value))
    assert [fact.label for fact in facts(read_run(own_run))] == ["Cost of its rows", "Measured on"]


def test_rows_shared_by_arms_are_there_once(view):
    found = browser_rows(view)
    assert found["total"] == len(found["rows"]) == 300
    assert {tuple(row[8]) for row in found["rows"]} == {(1, 2, 3)}
    assert sum(bool(row[4]) for row in found["rows"]) == 30


def test_too_many_rows_are_thinned_and_long_texts_cut(own_run, monkeypatch):
    monkeypatch.setattr("augtune.reporting.rowset.ROW_LIMIT", 20)
    monkeypatch.setattr("augtune.reporting.rowset.TEXT_LIMIT", 50)
    found = browser_rows(read_run(own_run))
    assert (found["total"], len(found["rows"])) == (60, 20)
    long = next(row for row in found["rows"] if row[1].startswith("www"))
    assert long[1] == "w" * 50 + "… (cut: 700 characters, whole in the run folder)"


def test_heaviest_and_lightest_rows_are_apart(view):
    found = weighed_rows(view, "dimp")
    assert found.count == 270
    assert found.heaviest[0].weight >= found.heaviest[-1].weight > found.lightest[-1].weight >= found.lightest[0].weight
    assert all(row.text for row in found.heaviest)


def test_few_weighed_rows_are_not_shown_twice(own_run):
    path = own_run / "data" / "dimp" / "weights.jsonl"
    path.write_text("".join(json.dumps({"id": f"h{i}", "seed": 0, "weight": i}) + "\n" for i in range(3)))
    found = weighed_rows(read_run(own_run), "dimp")
    assert ([row.id for row in found.heaviest], [row.id for row in found.lightest]) == (["h2", "h1"], ["h0"])
    assert found.heaviest[0].text is None

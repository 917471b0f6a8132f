from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augtune.reporting.curves import learning_curves
from augtune.reporting.histogram import weight_histogram
from augtune.reporting.palette import ARMS, BASELINE, ROLES, arm_styles, dark_of_light
from augtune.reporting.plots import labels_charts, weights_chart
from augtune.reporting.points import arms_chart, differences_chart
from augtune.reporting.read import read_run
from augtune.reporting.steps import learning_chart


@pytest.fixture
def styles(view):
    return arm_styles(view.arms, view.baseline)


def contrast(one: str, other: str) -> float:
    def light(color):
        parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((light(one), light(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("side", [0, 1])
def test_colours_stand_out_from_the_page(side):
    page, panel = ROLES["page"][side], ROLES["panel"][side]
    for pair in (BASELINE, *ARMS):
        assert contrast(pair[side], page) >= 3.5
    for role in ("ink", "muted", "accent", "warn"):
        assert contrast(ROLES[role][side], page) >= 4.5
        assert contrast(ROLES[role][side], panel) >= 4.5


def test_every_light_colour_has_one_dark_one():
    pairs = [*ROLES.values(), BASELINE, *ARMS]
    assert len(dark_of_light()) == len({light for light, _ in pairs}) == len(pairs)


def test_arms_keep_apart_where_colours_run_out():
    styles = arm_styles([f"arm {i}" for i in range(20)], "arm 3")
    assert (styles["arm 3"].index, styles["arm 3"].glyph) == (0, "●")
    others = [(style.color, style.symbol) for arm, style in styles.items() if arm != "arm 3"]
    assert len(set(others)) == len(others)


def test_arms_chart_shows_means_and_intervals(view, styles):
    chart = arms_chart(view, styles)
    assert [trace["y"] for trace in chart.figure["data"]] == [[3], [2], [1], [0]]
    assert [trace["x"][0] for trace in chart.figure["data"]] == [view.arm(a).mean["macro_f1"] for a in view.arms]
    assert all(trace["error_x"]["array"][0] == pytest.approx(0.031) for trace in chart.figure["data"])
    assert chart.alt.startswith("macro-F1 by arm with 95 % intervals: human only 0.")
    assert chart.alt.endswith("Always answering the largest class scores 0.083.")


def test_majority_is_a_line_where_it_is_near_and_an_arrow_where_it_is_far(own_run):
    def dotted_and_texts(majority):
        path = own_run / "results.json"
        value = json.loads(path.read_text())
        value["references"]["majority"]["macro_f1"] = majority
        path.write_text(json.dumps(value))
        view = read_run(own_run)
        layout = arms_chart(view, arm_styles(view.arms, view.baseline)).figure["layout"]
        dotted = [shape["x0"] for shape in layout["shapes"] if shape["line"].get("dash") == "dot"]
        return dotted, [note["text"] for note in layout["annotations"]]

    assert dotted_and_texts(0.6)[0] == [0.6]
    dotted, texts = dotted_and_texts(0.083)
    assert dotted == []
    assert "◂ always the largest class: 0.083" in texts


def test_names_with_markup_are_escaped_in_charts(view, styles):
    layout = arms_chart(view, styles).figure["layout"]
    texts = [
        note["text"] for note in [*layout["annotations"], *arms_chart(view, styles).figure["narrow"]["annotations"]]
    ]
    assert 'human + "gpt" &lt;b&gt;4/5&lt;/b…' in texts or 'human + "gpt" &lt;b&gt;4/5&lt;/b&gt;' in texts
    assert not any("<b>" in text for text in texts)


def test_differences_chart_shows_each_arm_once(view, styles):
    points = [trace for trace in differences_chart(view, styles, "accuracy").figure["data"] if "hovertext" in trace]
    assert [trace["y"] for trace in points] == [[2], [1], [0]]
    assert differences_chart(view, styles, "mcc") is None


def test_learning_chart_has_a_line_per_seed_and_arm(view, styles):
    chart = learning_chart(view, styles)
    faint = [trace for trace in chart.figure["data"] if trace.get("opacity", 1) < 1]
    assert len(faint) == 12
    assert chart.arms == view.arms
    ends = [note["y"] for note in chart.figure["layout"]["annotations"]]
    span = chart.figure["layout"]["yaxis"]["range"]
    gaps = [b - a for a, b in pairwise(ends)]
    assert min(gaps) >= 0.05 * (span[1] - span[0])


def test_learning_curve_marks_the_stages(view):
    curve = next(one for one in learning_curves(view) if one.arm == "two-stage")
    assert [(step, stage) for step, _, stage in curve.stages] == [(151, "human")]
    assert (curve.mean.steps[0], curve.mean.steps[-1]) == (1, 300)


def test_learning_curve_counts_on_where_a_stage_counts_anew(own_run):
    path = own_run / "history" / "dimp"
    rows = [{"step": s, "stage": stage, "loss": 1.0} for stage in (1, 2) for s in (1, 2, 3)]
    rows[4]["loss"] = None
    for file in path.iterdir():
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    curve = next(one for one in learning_curves(read_run(own_run)) if one.arm == "dimp")
    assert curve.mean.steps == [1, 2, 3, 4, 6]
    assert curve.mean.losses == [1.0] * 5


def test_learning_chart_is_none_without_history(own_run):
    for file in own_run.glob("history/*/*"):
        file.unlink()
    view = read_run(own_run)
    assert learning_chart(view, arm_styles(view.arms, view.baseline)) is None


def test_arms_with_the_same_rows_share_a_label_chart(view):
    assert [chart.title for chart in labels_charts(view)] == [
        "human only",
        'human + "gpt" <b>4/5</b>, two-stage and dimp',
    ]


def test_weights_chart_counts_every_weight(view, styles):
    chart = weights_chart(view, "dimp", styles["dimp"], 0)
    assert sum(chart.figure["data"][0]["y"]) == len(view.weights("dimp"))
    assert weights_chart(view, "two-stage", styles["two-stage"], 0) is None


@given(st.lists(st.floats(0, 1e6), max_size=60))
def test_histogram_counts_every_weight(weights):
    found = weight_histogram(weights)
    if not weights:
        assert found is None
        return
    assert sum(found.counts) == len(weights)
    assert len(found.edges) == len(found.counts) + 1
    assert all(a <= b for a, b in pairwise(found.edges))
    assert len(found.tick_places) == len(found.tick_texts) < 20


def test_histogram_is_logarithmic_where_weights_span_much():
    assert weight_histogram([0.01, 1, 2]).is_log
    narrow = weight_histogram([0.5, 1, 1.5])
    assert not narrow.is_log
    assert Counter(narrow.tick_texts).most_common(1)[0][1] == 1

"""The data behind the charts: reliability, cost and quality, routing, generators, evaluations while training, sizes."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from augtune.evaluation.metrics import Ece
from augtune.reporting.charts import charts_of
from augtune.reporting.confusions import confusion_charts
from augtune.reporting.curves import measured_curves
from augtune.reporting.frontier import frontier_chart, spent_by_arm
from augtune.reporting.html import report
from augtune.reporting.makers import makers, makers_chart, makers_grid
from augtune.reporting.palette import arm_styles
from augtune.reporting.points import differences_chart
from augtune.reporting.read import read_run
from augtune.reporting.reliability import calibration_grid, reliability_chart, reliability_of
from augtune.reporting.routing import routing_chart
from augtune.reporting.saturation import saturation_chart, saturation_words, steps_of
from augtune.reporting.steps import validation_chart
from augtune.reporting.views import labels_grid


@pytest.fixture
def styles(view):
    return arm_styles(view.arms, view.baseline)


@pytest.fixture
def change(own_run):
    """Change a JSON file of the run and return the view of it."""

    def changed(file, edit):
        value = json.loads((own_run / file).read_text())
        edit(value)
        (own_run / file).write_text(json.dumps(value))
        return read_run(own_run)

    return changed


def test_every_chart_has_an_id_and_words_of_its_own(view, styles):
    found = list(charts_of(view, styles))
    assert len({chart.id for chart in found}) == len({chart.alt for chart in found}) == len(found) == 15
    tables = [chart.table.id for chart in found if chart.table is not None]
    assert len(set(tables)) == len(tables) == 10


def test_reliability_is_the_error_that_the_metric_has(view):
    found = reliability_of(view, "dimp")
    errors = []
    for seed in view.seeds:
        rows = view.predictions("dimp", seed)
        table = np.array([[row.probabilities[label] for label in view.labels] for row in rows])
        errors.append(Ece().value(table, np.array([view.labels.index(row.label) for row in rows])))
    assert found.ece == pytest.approx(np.mean(errors))
    assert sum(one.answers for one in found.bins) == 3 * view.test_rows
    rows = [row for seed in view.seeds for row in view.predictions("dimp", seed)]
    assert found.accuracy == pytest.approx(np.mean([row.label == row.predicted for row in rows]))


def test_reliability_has_the_interval_of_wilson_for_rows_and_not_for_answers(view):
    found = reliability_of(view, "dimp")
    one = found.bins[-1]
    n, p, z = one.answers / 3, one.accuracy, 1.959964
    low, high = found.interval(one)
    for end in (low, high):  # Wilson's ends are where the score test is just at its limit
        assert abs(p - end) / np.sqrt(end * (1 - end) / n) == pytest.approx(z)


def test_reliability_diagram_shows_every_bin_and_the_table_says_who_is_too_sure(view, styles):
    found = reliability_of(view, "human only")
    chart = reliability_chart("human only", found, styles["human only"], 0)
    (trace,) = chart.figure["data"]
    assert trace["x"] == [one.confidence for one in found.bins]
    assert trace["y"] == [one.accuracy for one in found.bins]
    assert len(chart.table.rows) == len(found.bins)
    rows = calibration_grid([("human only", found), ("dimp", reliability_of(view, "dimp"))], styles).rows
    assert rows[0][-1].text == "too sure"
    assert float(rows[0][4].value) == pytest.approx(found.confidence - found.accuracy)


def test_reliability_is_left_out_of_rows_with_several_labels_and_without_predictions(change, own_run):
    assert reliability_of(change("details.json", lambda value: value.update(task="multi_label")), "dimp") is None
    view = change("details.json", lambda value: value.update(task="single_label"))
    for file in own_run.glob("predictions/dimp/*"):
        file.unlink()
    assert reliability_of(view, "dimp") is None
    assert reliability_of(view, "two-stage") is not None


def test_of_many_arms_the_baseline_and_the_best_are_drawn(change, own_run):
    def many(value):
        for k in range(9):
            one = json.loads(json.dumps(value["arms"]["dimp"]))
            one["mean"]["macro_f1"] = k / 10
            value["arms"][f"more {k}"] = one

    change("details.json", lambda value: value["arms"].update({f"more {k}": value["arms"]["dimp"] for k in range(9)}))
    view = change("results.json", many)
    first = sorted(view.arms[1:], key=lambda arm: -view.arm(arm).mean["macro_f1"])[:5]
    assert view.leading(6) == ["human only", *(arm for arm in view.arms if arm in first)]
    assert view.leading(13) == view.arms
    for arm in view.arms[4:]:
        for part in ("history", "predictions"):
            shutil.copytree(own_run / part / "dimp", own_run / part / arm)
    charts = charts_of(view, arm_styles(view.arms, view.baseline))
    assert [chart.title for chart in charts.reliability] == view.leading(6)
    assert charts.learning.arms == charts.validation.arms == view.leading(8)
    titles = " ".join(chart.title for chart in charts.labels)
    assert [arm in titles for arm in view.arms] == [arm in view.leading(8) for arm in view.arms]
    page = report(own_run).read_text(encoding="utf-8")
    assert page.count("Of these many arms the baseline and the best are drawn.") == 2
    assert "Diagrams of 6 of 13 arms: the baseline and those that score best." in page


def costs(change, usd, means, seconds=None):
    def edit(value):
        for place, arm in enumerate(value["arms"].values()):
            arm["cost"]["usd"], arm["mean"]["macro_f1"] = usd[place], means[place]
            arm["train_seconds"] = (seconds or [10, 20, 30, 40])[place]

    return change("results.json", edit)


def test_frontier_joins_the_arms_that_none_beats_on_both(change):
    view = costs(change, [0.0, 0.03, 0.03, 1.0], [0.6, 0.7, 0.8, 0.75])
    unit, spent = spent_by_arm(view)
    assert unit == "usd"
    assert [(one.arm, one.is_best) for one in spent] == [
        ("human only", True), ("two-stage", True), (view.arms[1], False), ("dimp", False),
    ]  # fmt: skip
    chart = frontier_chart(view, arm_styles(view.arms, view.baseline))
    assert chart.figure["data"][0]["x"][:2] == [0.0, 0.03]
    assert chart.figure["data"][0]["y"] == [0.6, 0.8, 0.8]
    assert chart.alt.endswith("Not beaten on both: human only and two-stage.")
    assert [row[-1].text for row in chart.table.rows] == ["not beaten on both"] * 2 + ["beaten"] * 2


def test_frontier_is_of_seconds_where_nothing_was_paid_and_leaves_out_unknown_prices(change):
    view = costs(change, [0.0, 0.0, None, 0.0], [0.6, 0.7, 0.8, 0.75])
    unit, spent = spent_by_arm(view)
    assert (unit, [one.cost for one in spent]) == ("seconds", [10, 20, 30, 40])
    unit, spent = spent_by_arm(costs(change, [0.0, 0.5, None, 0.2], [0.6, 0.7, 0.8, 0.75]))
    assert (unit, [one.arm for one in spent]) == ("usd", ["human only", "dimp", view.arms[1]])
    assert [one.is_best for one in spent] == [True, True, False]


def test_of_an_error_less_is_better_on_the_frontier(change):
    change("details.json", lambda value: value.update(metrics=["nll"]))

    def edit(value):
        for place, arm in enumerate(value["arms"].values()):
            arm["cost"]["usd"], arm["mean"] = place * 0.1, {"nll": [0.9, 0.5, 0.7, 0.4][place]}

    _, spent = spent_by_arm(change("results.json", edit))
    assert [one.is_best for one in spent] == [True, True, False, True]


def test_routing_chart_is_priced_and_marks_the_rule_in_use(view, styles):
    chart = routing_chart(view, "two-stage", styles["two-stage"], 0)
    line, chosen = chart.figure["data"]
    curve = view.arm_details("two-stage").routing.curve
    assert (line["x"], line["y"]) == (curve.usd_per_1000, curve.value)
    assert chosen["x"] == pytest.approx([0.16])
    assert chosen["y"] == [curve.value[8]]
    assert chart.alt.endswith("In use: 40 % sent, 0.841. Of the test rows 37 % were sent.")
    assert [row[0].text for row in chart.table.rows][::11] == ["0 %", "100 %"]


def test_routing_chart_is_of_shares_where_no_price_is_known(change):
    view = change("details.json", lambda value: value["arms"]["two-stage"]["routing"]["curve"].pop("usd_per_1000"))
    chart = routing_chart(view, "two-stage", arm_styles(view.arms, view.baseline)["two-stage"], 0)
    assert chart.figure["data"][0]["x"][-1] == 100
    assert chart.figure["data"][1]["x"] == [40]
    assert chart.figure["layout"]["xaxis"]["title"]["text"] == "Rows sent to the language model, %"
    assert {row[1].text for row in chart.table.rows} == {"–"}


def test_validation_chart_has_the_mean_of_the_seeds_where_it_was_measured(view, styles):
    chart = validation_chart(view, styles)
    curve = next(one for one in measured_curves(view, "macro_f1") if one.arm == "dimp")
    steps = list(range(30, 301, 30))
    assert curve.mean.steps == steps
    known = [[point.macro_f1 for point in view.history("dimp", seed) if point.macro_f1] for seed in view.seeds]
    assert curve.mean.losses == pytest.approx(np.mean(known, axis=0), abs=1e-4)
    assert chart.title == "Macro-F1 on validation rows"
    assert [int(row[0].value) for row in chart.table.rows] == steps


def test_validation_chart_is_none_where_nothing_was_measured(own_run):
    for file in own_run.glob("history/*/*"):
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        file.write_text("".join(json.dumps({**row, "macro_f1": None}) + "\n" for row in rows))
    view = read_run(own_run)
    assert validation_chart(view, arm_styles(view.arms, view.baseline)) is None


def test_rows_are_told_apart_by_who_wrote_them(own_run):
    path = own_run / "data" / "dimp" / "synthetic.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    written = [{"id": f"eda-{i}", "text": f"a word {i}", "label": "billing"} for i in range(4)]
    path.write_text("".join(json.dumps(row) + "\n" for row in [*rows, *written]))
    view = read_run(own_run)
    found = {one.name: one for one in makers(view)}
    assert set(found) == {"gpt3mix", "eda"}
    assert found["eda"].arms == ("dimp",)
    assert (found["eda"].rows, found["eda"].kept, found["eda"].length) == (4, {"billing": 4}, 3.0)
    assert not found["eda"].is_alone
    assert found["gpt3mix"].arms == (view.arms[1], "two-stage", "dimp")
    assert found["gpt3mix"].dropped == len(view.dropped("dimp"))
    chart = makers_chart(view, list(found.values()))
    human, *others = (trace["x"] for trace in chart.figure["data"])
    assert human == [100 * n / 122 for n in view.details.counts.train.values()]
    assert [sum(shares) for shares in others] == pytest.approx([100, 100])
    off = {row[0].text: row[5].value for row in makers_grid(view, list(found.values())).rows}
    assert off["eda"] == pytest.approx(1 - 24 / 122)


def test_a_smaller_sample_of_the_same_rows_is_not_listed_again(own_run):
    path = own_run / "data" / "dimp" / "synthetic.jsonl"
    path.write_text("\n".join(path.read_text().splitlines()[:20]))
    (one,) = makers(read_run(own_run))
    assert one.arms == (read_run(own_run).arms[1], "two-stage")


def test_arms_with_human_rows_of_their_own_are_shown_with_those(change):
    own = {"billing": 90, "refund": 10}
    view = change("details.json", lambda value: value["arms"]["dimp"].update(human=own))
    assert view.human("dimp") == own
    assert view.human("two-stage") == view.details.counts.train
    assert view.shared_human() is None
    charts = charts_of(view, arm_styles(view.arms, view.baseline))
    assert [chart.title for chart in charts.labels][1:] == [f"{view.arms[1]} and two-stage", "dimp"]
    assert "billing: 90 human" in charts.labels[2].alt
    (trace,) = charts.maker_labels.figure["data"]
    assert trace["name"] == "gpt3mix"
    assert "Human rows" not in [column.heading for column in charts.maker_labels.table.columns]
    grid = labels_grid(view)
    assert [column.heading for column in grid.columns][1:5] == [f"Human: {arm}" for arm in view.arms]
    assert [row[4].text for row in grid.rows if row[0].text == "billing"] == ["90"]


def test_generators_of_a_sweep_have_its_words(change, own_run):
    rows = [{"id": f"model-{i}", "text": f"row {i}", "label": "billing"} for i in range(3)]
    for arm, text in (("two-stage", "a"), ("dimp", "b")):
        path = own_run / "data" / arm / "synthetic.jsonl"
        path.write_text("".join(json.dumps({**row, "text": text}) + "\n" for row in rows))
    assert [one.name for one in makers(read_run(own_run))] == ["gpt3mix", "model · two-stage", "model · dimp"]

    def swept(value):
        for arm, name in (("two-stage", "gpt-neo"), ("dimp", "gpt-j")):
            value["arms"][arm]["axes"] = {"generate": name}

    assert [one.name for one in makers(change("results.json", swept))] == ["gpt3mix", "gpt-neo", "gpt-j"]


def test_corrected_intervals_are_drawn_behind_the_others(view, styles):
    traces = differences_chart(view, styles, "macro_f1").figure["data"]
    outer, inner = traces[:3], traces[3:]
    assert [trace["y"] for trace in outer] == [trace["y"] for trace in inner]
    wider = [a["error_x"]["array"][0] - b["error_x"]["array"][0] for a, b in zip(outer, inner, strict=True)]
    assert wider == pytest.approx([0.02] * 3)


def test_confusion_charts_are_shaded_by_the_true_class(view):
    chart = confusion_charts(view)[3]
    table = view.arm_details("dimp").confusion
    (heat,) = chart.figure["data"]
    assert heat["z"][2] == pytest.approx([n / sum(table[2]) for n in table[2]])
    assert [note["text"] for note in chart.figure["layout"]["annotations"]][:6] == [f"{n:,}" for n in table[0]]


@pytest.fixture
def swept(own_run):
    """Arms of 10, 20 and 40 synthetic rows: right on 60 %, 90 % and 90 % of the test rows."""
    results, details = (json.loads((own_run / name).read_text()) for name in ("results.json", "details.json"))
    labels, arms, about, random = details["labels"], {}, {}, np.random.default_rng(0)
    easy = random.permutation(240)
    for size, right in ((10, 0.6), (20, 0.9), (40, 0.9)):
        axes = {"base_arm": "plain", "generate": "eda", "size": size}
        arms[f"eda {size}"] = {**results["arms"]["dimp"], "axes": axes, "rows": {"human": 122, "synthetic": size}}
        about[f"eda {size}"] = details["arms"]["dimp"]
        folder = own_run / "predictions" / f"eda {size}"
        folder.mkdir()
        for seed in results["seeds"]:
            rows = []
            for row in range(240):
                said = labels[row % 6 if easy[row] < 240 * right else (row + 1) % 6]
                one = {"id": f"t{row}", "label": labels[row % 6], "predicted": said, "probabilities": {said: 1.0}}
                rows.append(json.dumps(one) + "\n")
            (folder / f"seed-{seed}.jsonl").write_text("".join(rows))
    (own_run / "results.json").write_text(json.dumps({**results, "arms": arms, "comparisons": []}))
    (own_run / "details.json").write_text(json.dumps({**details, "arms": about, "metrics": ["accuracy"]}))
    return read_run(own_run)


def test_saturation_says_which_step_is_the_last_to_add_anything(swept):
    first, second = steps_of(swept)
    assert (first.rows, first.gain) == ((10, 20), pytest.approx(0.3, abs=0.005))
    assert first.is_gain
    # the standard error of a paired difference that 72 of 240 rows make, all of them one way
    assert first.interval[1] - first.interval[0] == pytest.approx(2 * 1.96 * np.sqrt(0.3 * 0.7 / 240), rel=0.1)
    assert (second.gain, second.interval, second.is_gain) == (0, (0, 0), False)
    assert saturation_words([first, second]) == [f"{first.line.name}: no step beyond 20 rows shows a gain."]
    chart = saturation_chart(swept, [first, second])
    assert [trace["x"] for trace in chart.figure["data"]] == [[first.gain], [0.0]]


def test_saturation_in_words_of_every_course(swept):
    first, second = steps_of(swept)
    name = first.line.name
    assert saturation_words([first]) == [f"{name}: the last step, to 20 rows, still shows a gain."]
    assert saturation_words([second]) == [f"{name}: no step up to 40 rows shows a gain."]
    assert saturation_chart(swept, []) is None


def test_saturation_needs_predictions(swept, own_run):
    for file in own_run.glob("predictions/eda 20/*"):
        file.unlink()
    assert steps_of(read_run(own_run)) == []

"""The chart of a sweep over sizes."""

from __future__ import annotations

import json

import pytest

from augtune.reporting.html import report
from augtune.reporting.read import read_run
from augtune.reporting.sizes import size_lines, sizes_chart


@pytest.fixture
def swept(own_run):
    """A run of two generators in two sizes beside an arm of human rows."""
    results, details = (json.loads((own_run / name).read_text()) for name in ("results.json", "details.json"))
    base = next(iter(results["arms"]))
    arms, about, compared = {base: results["arms"][base]}, {base: details["arms"][base]}, []
    for maker in ("eda", "<b>file</b>"):
        for size in (50, 10):
            name = f"plain · {maker} · {size}"
            axes = {"base_arm": "plain", "generate": maker, "size": size}
            arms[name] = {**results["arms"]["dimp"], "axes": axes, "rows": {"human": 122, "synthetic": size - 1}}
            about[name] = details["arms"]["dimp"]
            compared.append({**results["comparisons"][0], "arm": name})
    results |= {"arms": arms, "comparisons": compared}
    (own_run / "results.json").write_text(json.dumps(results))
    (own_run / "details.json").write_text(json.dumps({**details, "arms": about}))
    return own_run


def test_there_is_a_line_for_what_differs_but_the_size_from_no_rows_on(swept):
    lines = size_lines(read_run(swept))
    assert [line.name for line in lines] == ["eda", "<b>file</b>"]
    assert [rows for rows, _ in lines[0].arms] == [0, 9, 49]
    assert lines[0].arms[0][1] == "human only"


def test_chart_shows_means_intervals_and_the_majority(swept):
    view = read_run(swept)
    chart = sizes_chart(view)
    trace = chart.figure["data"][0]
    means = [view.arm(arm).mean["macro_f1"] for _, arm in size_lines(view)[0].arms]
    assert trace["y"] == means
    lows = [view.arm(arm).interval["macro_f1"][0] for _, arm in size_lines(view)[0].arms]
    assert [mean - less for mean, less in zip(means, trace["error_y"]["arrayminus"], strict=True)] == pytest.approx(
        lows
    )
    (line,) = chart.figure["layout"]["shapes"]
    assert line["y0"] == line["y1"] == view.majority("macro_f1")
    assert chart.figure["layout"]["xaxis"]["tickvals"] == [0, 9, 49]
    assert "eda: 0 rows " in chart.alt
    assert chart.alt.endswith("Always answering the largest class scores 0.083.")
    assert "<b>" not in json.dumps(chart.figure["data"])


def test_page_has_it_with_a_legend_where_sizes_were_swept(swept, own_run):
    page = report(swept).read_text(encoding="utf-8")
    assert 'id="sizes-title"' in page
    assert "&lt;b&gt;file&lt;/b&gt;" in page
    assert "<b>file" not in page


def test_a_run_without_sizes_has_none(view):
    assert size_lines(view) == []
    assert sizes_chart(view) is None

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

import augtune
from augtune.core.errors import DataError, ExtraError, StorageError
from augtune.reporting.html import embedded_json, report
from augtune.reporting.papers import paper_tables
from augtune.reporting.tables import results_table
from run_folder import NASTY


@pytest.fixture(scope="module")
def page(run):
    return report(run).read_text(encoding="utf-8")


def script(page: str, name: str) -> str:
    return re.search(rf'<script type="[^"]*" id="{name}">(.*?)</script>', page, re.S)[1]


def test_report_goes_into_the_run_folder_or_where_it_is_told(own_run, tmp_path):
    assert report(own_run) == own_run / "report.html"
    assert report(str(own_run), tmp_path / "deep" / "other.html") == tmp_path / "deep" / "other.html"
    assert (tmp_path / "deep" / "other.html").read_bytes() == (own_run / "report.html").read_bytes()
    assert not list(own_run.glob(".*.part"))
    assert augtune.report is report


def test_report_loads_nothing_from_anywhere(page):
    assert not re.search(r"<(?:script|link|img)[^>]+(?:src|href)=[\"'](?:https?:)?//", page)
    assert not re.search(r"@import|url\(", page.split("</style>")[0])
    assert len(page.encode()) < 4_000_000


def test_report_has_its_sections_in_order(page):
    titles = re.findall(r"<h2[^>]*>(.*?)</h2>", page)
    assert titles == [
        "Verdict",
        "Arms",
        "Differences",
        "Choices",
        "Learning curves",
        "Labels",
        "Generators",
        "Classes",
        "Confusion",
        "Calibration",
        "Weights",
        "What the model wrote",
        "Rows",
        "Routing",
        "Cost",
        "Warnings and settings",
    ]
    assert page.index('class="lede"') < page.index('id="arms"')


def test_policy_names_the_scripts_that_run_and_no_other(page):
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1].replace("&#39;", "'")
    plotly = gzip.decompress(base64.b64decode(script(page, "plotly-code")))
    own = re.findall(r"<script>(.*?)</script>", page, re.S)
    assert len(own) == 1
    hashes = [base64.b64encode(hashlib.sha256(code).digest()).decode() for code in (own[0].encode(), plotly)]
    assert re.findall(r"'sha256-([^']+)'", policy) == hashes
    assert policy.startswith("default-src 'none'; ")


def test_page_has_no_script_but_its_own(page):
    assert re.findall(r"<script[^>]*>", page) == [
        '<script type="application/json" id="figures">',
        '<script type="application/json" id="row-data">',
        '<script type="application/octet-stream" id="plotly-code">',
        "<script>",
    ]
    assert "<!--" not in page
    assert "<img" not in page
    assert "<b>4/5" not in page
    assert "<i>billing" not in page


def test_rows_come_back_as_they_were(page):
    rows = json.loads(script(page, "row-data"))["rows"]
    texts = {row[1] for row in rows}
    assert {text for text in NASTY if "\ud83d" not in text.replace("💡", "") and len(text) <= 4000} - texts <= {
        text for text in NASTY if "half a pair" in text or "Long letter" in text
    }


def test_half_a_surrogate_pair_does_not_stop_the_report(page):
    assert "half a pair ? and a control" in page


def test_rerun_command_has_no_path_of_this_machine(page, run):
    command = re.search(r'<pre class="command".*?<code>(.*?)</code>', page, re.S)[1]
    assert command == "augtune run helpdesk/experiment.yaml --out ."
    assert str(run.parent) not in page


@given(st.text())
def test_embedded_json_cannot_end_its_element(text):
    embedded = str(embedded_json({text: [text]}))
    assert json.loads(embedded) == {text: [text]}
    assert not set(embedded) & set("<>&\u2028\u2029")


def test_every_place_names_the_level_of_the_intervals(own_run):
    path = own_run / "results.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "level": 0.9}))
    assert results_table(own_run).splitlines()[0].endswith("; means with 90 % intervals")
    assert ", 90 % interval, ±" in paper_tables(own_run, "markdown")
    assert r", 90 \% interval, " in paper_tables(own_run, "latex")
    page = report(own_run).read_text(encoding="utf-8")
    for sentence in (
        "each line its 90 % interval.",
        "by arm with 90 % intervals:",
        "Differences in macro-F1 from human only with 90 % intervals:",
        "all of them hold their difference at once in 90 % of cases",
    ):
        assert sentence in page


def test_bare_run_still_has_a_report(own_run):
    for file in [*own_run.glob("data/*/*"), *own_run.glob("history/*/*"), own_run / "experiment.yaml"]:
        file.unlink()
    results, details = (json.loads((own_run / name).read_text()) for name in ("results.json", "details.json"))
    results["comparisons"], results["references"] = [], {}
    for arm in results["arms"].values():
        arm["interval"] = dict.fromkeys(arm["mean"])
        arm["std"] = dict.fromkeys(arm["mean"])
        arm["cost"]["usd"] = None
    details |= {"verdict": [], "warnings": [], "environment": {}, "baseline": None}
    for arm in details["arms"].values():
        arm |= {"weights": None, "synthetic": {}, "dropped": {}, "generated": 0}
    (own_run / "results.json").write_text(json.dumps(results))
    (own_run / "details.json").write_text(json.dumps(details))
    page = report(own_run).read_text()
    for sentence in (
        "compares no arms",
        "No training history",
        "no synthetic rows",
        "weighs its rows",
        "price unknown",
    ):
        assert sentence in page


def test_many_classes_get_a_list_of_confusions(own_run):
    path = own_run / "details.json"
    details = json.loads(path.read_text())
    details["labels"] = [f"class {i}" for i in range(30)]
    for arm in details["arms"].values():
        arm["confusion"] = [[int(i == k) for k in range(30)] for i in range(30)]
        arm["confusion"][3][4] = 7
    path.write_text(json.dumps(details))
    page = report(own_run).read_text()
    assert "With 30 classes, the most frequent confusions" in page
    assert 'class="num shaded"' not in page


def test_damaged_folder_leaves_no_report(tmp_path):
    with pytest.raises(DataError):
        report(tmp_path)
    assert not list(tmp_path.iterdir())


def test_report_that_cannot_be_written_says_so(own_run, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        report(own_run, tmp_path / "file" / "report.html")


def test_missing_plotly_names_the_extra(own_run, monkeypatch):
    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    monkeypatch.setitem(sys.modules, "plotly.graph_objects", None)
    with pytest.raises(ExtraError) as caught:
        report(own_run)
    assert str(caught.value) == (
        "'plotly' is needed to draw the report and is not installed.\n  pip install 'augtune[report]'"
    )


def test_importing_the_package_loads_nothing_heavy():
    code = (
        "import sys, augtune.reporting, augtune.reporting.tables; "
        "print([m for m in ('plotly', 'jinja2', 'torch', 'scipy', 'datasets') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"

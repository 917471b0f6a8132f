"""``augtune report``: the page again, its charts as files, its tables for a paper."""

from __future__ import annotations

import importlib

import pytest

from augtune.cli.main import main
from run_folder import write_run_folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_run_folder(tmp_path_factory.mktemp("runs") / "helpdesk", rows=60)


def test_page_charts_and_tables_are_written_where_asked(run, tmp_path, capsys):
    page, figures, latex, markdown = (tmp_path / name for name in ("a.html", "figures", "t.tex", "t.md"))
    told = ["--out", str(page), "--charts", str(figures), "--latex", str(latex), "--markdown", str(markdown)]
    assert main(["report", str(run), *told]) == 0
    assert capsys.readouterr().out == (
        f"report: {page}\ncharts: 19 files in {figures}\ntables: {markdown}\ntables: {latex}\n"
    )
    assert len(list(figures.glob("*.svg"))) == 19
    assert latex.read_text().startswith("\\begin{table}\n\\centering\n\\caption{Every arm on 240 test rows")
    assert markdown.read_text().startswith("Every arm on 240 test rows")


def test_a_format_that_is_none_is_told_before_anything_is_written(run, tmp_path, capsys):
    assert (
        main(["report", str(run), "--out", str(tmp_path / "a.html"), "--charts", str(tmp_path), "--format", "jpg"]) == 2
    )
    assert capsys.readouterr().err == "error: --format: expected one of svg, pdf, png, got 'jpg'.\n"
    assert list(tmp_path.iterdir()) == []


def test_what_to_install_is_told_where_matplotlib_is_missing(run, tmp_path, capsys, monkeypatch):
    original = importlib.import_module

    def without(name, *rest):
        if name.startswith("matplotlib"):
            raise ModuleNotFoundError("No module named 'matplotlib'", name="matplotlib")
        return original(name, *rest)

    monkeypatch.setattr(importlib, "import_module", without)
    assert main(["report", str(run), "--out", str(tmp_path / "a.html"), "--charts", str(tmp_path / "figures")]) == 2
    assert capsys.readouterr().err == (
        "error: 'matplotlib' is needed to draw charts into files and is not installed.\n  pip install 'augtune[charts]'\n"
    )

"""What the report shows of inspected rows."""

from __future__ import annotations

import json

import pytest

from augtune.core.errors import DataError
from augtune.reporting.html import report
from augtune.reporting.quality import inspected
from augtune.reporting.read import read_run
from run_folder import folder_of

NASTY = '<b>odd</b> & "label"'

GROUP = {
    "rows": 40, "repeats": 2, "near_repeats": 0.25, "near_human": 0.0, "near_test": 1, "distinct_2": 0.8, "self_bleu": 0.31,
    "nearest_human": 0.6, "agreement": 0.5, "length": 12.0, "drift": 0.4, "names_label": 0.1, "tagged": 7, "tagged_wrong": 3,
    "sources": 1, "largest_source": 40, "human": {"self_bleu": 0.2, "agreement": 0.75, "length": None},
}  # fmt: skip


def write(folder, arms, **changes):
    value = {"whole": GROUP, "by_label": {NASTY: GROUP}, "threshold": 0.9, "warnings": [f"{NASTY} is odd."], **changes}
    for arm in arms:
        target = folder / "data" / folder_of(arm) / "quality.json"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(value))


def test_arms_that_share_rows_share_a_table(own_run):
    view = read_run(own_run)
    assert inspected(view) == []
    first, second, third = view.arms[1:4]
    write(own_run, [first, third])
    write(own_run, [second], warnings=[])
    found = inspected(view)
    assert [one.arms for one in found] == [f"{first} and {third}", second]
    assert [len(one.warnings) for one in found] == [1, 0]
    line, whole = found[0].grid.rows[0], found[0].grid.foot[0]
    assert len(line) == len(whole) == len(found[0].grid.columns)
    assert [(cell.text, cell.note) for cell in line[1:]] == [
        ("40", ""), ("2", ""), ("25 %", ""), ("0.31", "human 0.20"), ("0.80", ""), ("0.60", ""), ("50 %", "human 75 %"),
        ("12", ""), ("0.40", ""), ("10 %", ""), ("7", "3 wrongly"), ("1", "40 rows of one"), ("1", ""),
    ]  # fmt: skip


def test_the_page_shows_warnings_and_escapes_labels(own_run):
    write(own_run, read_run(own_run).arms[1:2])
    page = report(own_run).read_text(encoding="utf-8")
    section = page[page.index('<section id="quality"') : page.index('<section id="rows"')]
    assert "is odd." in section
    assert NASTY not in section
    assert 'id="table-quality-0"' in section


def test_a_damaged_file_is_named(own_run):
    arm = read_run(own_run).arms[1]
    write(own_run, [arm], threshold="high")
    with pytest.raises(DataError, match=r"quality\.json: not what a run folder holds: threshold: "):
        report(own_run)

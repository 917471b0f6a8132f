"""Arms that chose their way of training: what the report says of each seed, and of the ways that were tried."""

from __future__ import annotations

import json
import shutil

import pytest

from augtune.core.errors import DataError
from augtune.reporting.choices import choices_of
from augtune.reporting.html import report
from augtune.reporting.read import read_run
from run_folder import NASTY


@pytest.fixture(scope="module")
def choice(view):
    (found,) = choices_of(view)
    return found


def test_each_seed_has_a_line_with_what_it_took_and_how_sure_that_is(choice):
    assert choice.arm == "dimp"
    assert choice.lede == (
        "It took dimp (2 seeds) and human_only (1 seed). Expected gain over human rows alone, as judged on them: +1.7 "
        "points of macro-F1 on average. Choosing and training took 5.7 trainings and 5 min 13 s on average."
    )
    first, _, last = choice.seeds.rows
    assert [cell.text for cell in first] == [
        "0", "dimp", "97 %", "+3.1", "3", "5.7", "5 min 12 s", "Dimp gains with a probability of 0.97.",
    ]  # fmt: skip
    assert first[3].note == "[+1.1, +5.1]"
    assert [cell.text for cell in last[1:4]] == ["human_only", "–", "0.0"]


def test_ways_are_drawn_by_their_mean_gain_with_a_dot_for_each_seed(choice):
    assert [way.name for way in choice.ways] == ["dimp", f"mix {NASTY[0]}", "two_stage"]
    first = choice.ways[0]
    assert len(first.dots) == 3
    assert first.low < min(first.dots) < max(first.dots) < first.high
    assert choice.zero < min(first.dots)
    assert first.taken
    assert not choice.ways[2].taken
    assert first.told == "+2.1 [+0.1, +4.1]"
    assert [cell.text for cell in choice.tried.rows[0][-2:]] == ["3", "2"]


def test_a_seed_leads_to_its_page_where_there_is_one(choice):
    assert [row[-1].link for row in choice.seeds.rows] == ["models/dimp/seed-0/decision.html", "", ""]


def test_the_report_of_a_copied_folder_says_the_same_and_keeps_texts_texts(run, tmp_path):
    copied = tmp_path / "copied"
    shutil.copytree(run, copied)
    page = report(copied).read_text(encoding="utf-8")
    assert '<h2 id="choices-title">Choices</h2>' in page
    assert 'href="models/dimp/seed-0/decision.html"' in page
    assert NASTY[0] not in page.split('id="row-data"')[0]
    shutil.rmtree(copied / "models")
    assert "decision.html" not in report(copied).read_text(encoding="utf-8")


def test_a_run_without_choices_has_no_such_section(own_run):
    path = own_run / "details.json"
    value = json.loads(path.read_text())
    value["arms"]["dimp"]["decisions"] = []
    path.write_text(json.dumps(value))
    assert choices_of(read_run(own_run)) == []
    assert "Choices</a>" not in report(own_run).read_text(encoding="utf-8")


def test_a_damaged_decision_is_told_with_its_place(own_run):
    path = own_run / "details.json"
    value = json.loads(path.read_text())
    value["arms"]["dimp"]["decisions"][1]["decision"]["gain"] = "much"
    path.write_text(json.dumps(value))
    with pytest.raises(
        DataError, match=r"arms → dimp → decisions → row 2 → decision → gain: input should be a valid number"
    ):
        read_run(own_run)

"""The page that says why: what it claims, that it stands alone, and that what a file wrote stays text."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from augtune.core.decision import ClassNeed, Decision, LearningPoint, LeftOut, RowPlan, Tried
from augtune.reporting.decision import bars_of, decision_page, learning_words, need_words, plan_words

HOSTILE = "<script>alert(1)</script>"

TRIED = (
    Tried("mix 0.25", "Fine-tune on all rows", 1, 0.66, 0.05, 0.02, (-0.005, 0.045), 0.94, 240, 31.0),
    Tried("imp", "Weigh rows", 0, 0.61, -0.01, -0.004, (-0.03, 0.022), 0.38, 0, 1.5),
)
DECISION = Decision(
    chosen="mix 0.25",
    take="alone",
    members=("mix 0.25", "mix 0.25"),
    because="mix 0.25 gains with a probability of 0.94, at least 0.9",
    metric="macro-F1",
    gain=0.02,
    interval=(-0.005, 0.045),
    probability=0.94,
    human=200,
    synthetic=1200,
    held_back=240.4,
    folds=5,
    repeats=2,
    tried=TRIED,
    left_out=(
        LeftOut("balanced", "the largest class has 1.2 times the human rows of the smallest; it is tried from 3"),
    ),
    base_score=0.61,
    classes=(
        ClassNeed(HOSTILE, 20, 3, 0.2, (0.08, 0.42)),
        ClassNeed("good", 180, 1197, 0.9, (0.85, 0.94)),
    ),
    steps=1800,
    trainings=6.0,
    seconds=93.0,
    usd=None,
)


def point(rows: str, gain: float, low: float, high: float) -> LearningPoint:
    return LearningPoint(rows, 0.5, 80, 0.6, gain, (low, high))


def test_decision_is_read_back_from_json_the_same():
    learned = replace(DECISION, learning=(point("human", -0.1, -0.2, -0.01),), notes=("a note",))
    assert Decision.from_json(learned.to_json()) == learned


def test_page_says_what_was_chosen_and_stands_alone(tmp_path):
    first = decision_page(DECISION, tmp_path / "a.html", title="tickets")
    assert first.read_bytes() == decision_page(DECISION, tmp_path / "b.html", title="tickets").read_bytes()
    page = first.read_text(encoding="utf-8")
    assert "Chosen: mix 0.25. It should gain +2.0 points of macro-F1" in page.replace("\u00a0", " ")
    assert "Mix 0.25 gains with a probability of 0.94, at least 0.9." in page
    assert "price unknown" in page
    assert "it is tried from 3" in page
    assert not re.search(r"""(?:src|href)=["'](?!#|data:)""", page)
    assert "<script" not in page
    assert HOSTILE not in page
    assert "&lt;script&gt;" in page


def test_page_of_human_rows_alone_claims_no_gain(tmp_path):
    alone = replace(
        DECISION, chosen="human_only", take="human only", gain=0.0, interval=(0.0, 0.0), tried=(), classes=()
    )
    page = decision_page(alone, tmp_path / "a.html", title="tickets").read_text(encoding="utf-8")
    assert "Trained on the 200 human rows alone: nothing else was likely enough to be better." in page
    assert "There was nothing to compare human rows alone with." in page


def test_chart_keeps_all_bars_inside_and_marks_what_was_taken():
    bars = bars_of(DECISION)
    assert [bar.taken for bar in bars] == [True, False]
    assert all(0 <= bar.low <= bar.middle <= bar.high <= 100 for bar in bars)
    assert bars[0].told == "+2.0 [-0.5, +4.5]"


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (
            point("human", -0.05, -0.09, -0.01),
            "More human rows would probably help: half of the human rows cost -5.0 points",
        ),
        (
            point("human", -0.01, -0.05, 0.03),
            "Whether more human rows would help cannot be told: half of the human rows",
        ),
        (
            point("synthetic", 0.04, 0.01, 0.07),
            "More synthetic rows would hardly help: with synthetic rows cut to half",
        ),
    ],
)
def test_learning_is_told_with_care(found, said):
    first, last = learning_words(replace(DECISION, learning=(found,)))
    assert first.startswith(said)
    assert last.startswith("These are probes on frozen vectors;")


def test_nothing_is_told_of_learning_that_was_not_looked_into():
    assert learning_words(DECISION) == []


def test_plans_are_told_with_their_bounds(tmp_path):
    plans = (
        RowPlan("synthetic", 1200, (600, None), 2.4),
        RowPlan("human", None, (0, None), None, "it is further than two doublings, which the curve cannot say"),
    )
    asked = replace(DECISION, target=0.7, plans=plans)
    assert plan_words(asked) == [
        "With about 1,200 more synthetic rows (from 600 to more than the curve can say), about $2.40.",
        "With human rows: it is further than two doublings, which the curve cannot say.",
    ]
    assert Decision.from_json(asked.to_json()) == asked
    assert "To reach macro-F1 0.700" in decision_page(asked, tmp_path / "a.html", title="x").read_text(encoding="utf-8")


def test_classes_are_named_only_beyond_chance():
    assert need_words(DECISION).startswith(f"Worst found, beyond chance: {HOSTILE} (20 %); overall 83 %.")
    even = replace(DECISION, classes=(ClassNeed("a", 9, 0, 0.7, (0.4, 0.9)), ClassNeed("b", 9, 0, 0.8, (0.5, 0.95))))
    assert need_words(even) == "No class is found worse than the others beyond chance."


def test_a_class_that_no_row_judges_is_marked_and_counts_for_nothing(tmp_path):
    lone = ClassNeed("lone", 1, 0, None, (0.0, 1.0))
    told = "Not judged, for want of rows that could be held out: lone."
    assert need_words(replace(DECISION, classes=(*DECISION.classes, lone))) == f"{need_words(DECISION)} {told}"
    assert need_words(replace(DECISION, classes=(lone,))).endswith(told)
    page = decision_page(replace(DECISION, classes=(*DECISION.classes, lone)), tmp_path / "d.html", title="m")
    assert "not judged" in page.read_text(encoding="utf-8")

import re
from pathlib import Path

from augtune.cli.main import main
from augtune.cli.tree import aligned, draw, duration

HELPDESK = Path(__file__).parents[3] / "examples" / "helpdesk" / "helpdesk.yaml"


def test_columns_stand_below_each_other():
    assert aligned([("a", "long", "x"), ("bcd", "s", "")]) == ["a    long  x", "bcd  s"]


def test_tree_is_drawn_with_lines():
    assert draw("r", [("a", [("b", []), ("c", [])]), ("d", [])]) == "r\n├── a\n│   ├── b\n│   └── c\n└── d"


def test_durations_are_said_as_one_says_them():
    assert [duration(s) for s in (0.2, 40, 300, 9000)] == ["1 s", "40 s", "5 min", "2.5 h"]


def test_check_shows_plan_prompts_and_estimate(capsys):
    assert main(["check", str(HELPDESK)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.startswith("helpdesk · 4 arms × 3 seeds\n├── data: . · 6 labels: billing · cancellation")
    assert "│   ├── human only (baseline): generate: null; curate: null\n" in out
    assert "│   │       ├── stage 1: 60 steps on the synthetic rows, training head, pooler and the top layer\n" in out
    assert "│           ├── checkers: quality, 3 folds, a probe\n" in out
    assert [int(n) for n in re.findall(r"^gpt3mix, prompt (\d) of about 280$", out, re.MULTILINE)] == [1, 2, 3]
    assert "  money     nothing: no paid call is made\n" in out
    assert out.endswith(f"The file is right. Run it: augtune run {HELPDESK}\n")

from augtune.cli.screen import Screen


def test_events_are_plain_lines_without_a_terminal(capsys):
    with Screen(is_terminal=False) as screen:
        screen({"event": "run-started", "name": "x"})
        screen({"event": "stage-started", "stage": "train", "about": "dimp · seed 0"})
        screen({"event": "progress", "stage": "train", "about": "dimp · seed 0", "step": 1, "of": 3})
        screen({"event": "stage-done", "stage": "train", "about": "dimp · seed 0"})
        screen({"event": "stage-skipped", "stage": "generate", "about": "imported"})
        screen({"event": "warning", "message": "few rows"})
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        "train     dimp · seed 0: …\n"
        "train     dimp · seed 0: done in 0.0 s\n"
        "generate  imported: done before\n"
        "warning: few rows\n"
    )


def test_progress_is_told_now_and_then_without_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr("augtune.cli.screen.EVERY_S", 0.0)
    with Screen(is_terminal=False) as screen:
        screen({"event": "progress", "stage": "train", "about": "dimp", "step": 2, "of": 3})
    assert capsys.readouterr().err == "train     dimp: 2 of 3\n"


def test_events_are_shown_on_a_terminal(capsys):
    with Screen(is_terminal=True) as screen:
        screen({"event": "stage-started", "stage": "train", "about": "[dimp]"})
        screen({"event": "progress", "stage": "train", "about": "[dimp]", "step": 2, "of": 3})
        screen({"event": "stage-done", "stage": "train", "about": "[dimp]"})
    assert "train     [dimp]: done in 0.0 s" in capsys.readouterr().err


ASKED = {
    "stage": "generate", "about": "gpt3mix", "done": 5, "of": 20, "kept": 4, "dropped": {"repeat": 1}, "seconds": 30.0,
    "usd": 0.5, "calls": 5, "cached": 0, "tokens_in": 400, "tokens_out": 100, "usd_expected": 2.0,
}  # fmt: skip


def test_a_model_at_work_shows_rows_tokens_and_money(capsys, monkeypatch):
    monkeypatch.setattr("augtune.cli.screen.EVERY_S", 0.0)
    with Screen(is_terminal=False) as screen:
        screen({"event": "progress", "step": 5, **ASKED})
        screen({"event": "asked", **ASKED})
        screen({"event": "stage-done", "stage": "generate", "about": "gpt3mix"})
    words = "5 of 20 · 4 kept · 1 dropped (1 repeat) · 500 tokens, 1,000/min · $0.500, $1.000/min, about $2.000 in all"
    assert capsys.readouterr().err == f"generate  gpt3mix: {words}\ngenerate  gpt3mix: done in 0.0 s: {words}\n"


def test_a_model_at_work_is_shown_on_a_terminal(capsys):
    with Screen(is_terminal=True) as screen:
        screen({"event": "stage-started", "stage": "generate", "about": "gpt3mix"})
        screen({"event": "progress", "step": 5, **ASKED})
        screen({"event": "asked", **ASKED})
        screen({"event": "stage-done", "stage": "generate", "about": "gpt3mix"})
    assert "done in 0.0 s: 5 of 20 · 4 kept" in capsys.readouterr().err

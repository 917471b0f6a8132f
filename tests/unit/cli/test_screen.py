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

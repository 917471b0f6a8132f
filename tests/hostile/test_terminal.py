"""A terminal shows what texts hold, and does none of it."""

from __future__ import annotations

import io
import sys

import pytest

from augtune.cli.main import main
from augtune.cli.visible import plainly_shown, visible

ESCAPE = "\x1b]0;owned\x07\x1b[2J\r\x9b31m\u202e\u2066\x7f\x00"
SHOWN = "\\x1b]0;owned\\x07\\x1b[2J\\r\\x9b31m\\u202e\\u2066\\x7f\\x00"


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self):
        return True


def test_control_characters_are_written_out_and_others_left():
    assert visible(ESCAPE) == SHOWN
    assert visible("é 💡👩‍👩‍👧 \t tab\nline ﷽") == "é 💡👩‍👩‍👧 \t tab\nline ﷽"


@pytest.mark.parametrize(("stream", "written"), [(Terminal(), SHOWN), (io.StringIO(), ESCAPE)])
def test_terminal_is_shown_what_a_file_is_given(stream, written, monkeypatch):
    monkeypatch.setattr(sys, "stdout", stream)
    with plainly_shown():
        print(ESCAPE, end="")
    assert sys.stdout is stream
    assert stream.getvalue() == written


def test_error_about_a_hostile_file_does_nothing_to_the_terminal(tmp_path, capsys):
    path = tmp_path / "x.csv"
    path.write_text(f"te{ESCAPE[:4]}xt,b\n1,2\n", encoding="utf-8")
    assert main(["fit", str(path), "--label", "b", "--out", str(tmp_path / "m")]) == 2
    assert main(["train", str(tmp_path / f"no{ESCAPE[:-1]}.csv"), "--out", str(tmp_path / "m")]) == 2
    shown = capsys.readouterr().err
    assert "\x1b" not in shown
    assert "\\x1b]0;" in shown

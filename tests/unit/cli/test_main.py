import errno
import subprocess
import sys

import pytest

from augtune.cli.main import main
from augtune.core.errors import BudgetError, DataError, ProviderError, SettingsError
from augtune.experiment.results import Results


def raising(error, monkeypatch):
    def read(folder):
        raise error

    monkeypatch.setattr(Results, "read", read)


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (DataError("x.csv: no such file.", hint="Look again."), 2, "error: x.csv: no such file.\n  Look again.\n"),
        (SettingsError(["a: wrong", "b: wrong"]), 2, "error: a: wrong\nb: wrong\n"),
        (BudgetError("the budget of 1 USD is reached."), 3, "error: the budget of 1 USD is reached.\n"),
        (ProviderError("the key was refused."), 4, "error: the key was refused.\n"),
        (KeyboardInterrupt(), 130, "error: interrupted; the same command carries on from here.\n"),
        (
            OSError(errno.ENOSPC, "No space left on device", "runs/x"),
            2,
            "error: runs/x: No space left on device.\n"
            "  Nothing that was finished is lost; run the same command again.\n",
        ),
        (
            RuntimeError("list index\nmore"),
            1,
            "error: RuntimeError: list index\n"
            "  This is a mistake in augtune, not in your input. 'augtune --debug …' shows where it happened;\n"
            "  please report it with that output.\n",
        ),
    ],
)
def test_error_becomes_message_and_exit_code(error, code, told, monkeypatch, capsys):
    monkeypatch.delenv("AUGTUNE_DEBUG", raising=False)
    raising(error, monkeypatch)
    assert main(["show", "x"]) == code
    out, err = capsys.readouterr()
    assert (out, err) == ("", told)


def test_traceback_is_shown_when_debugging(monkeypatch, capsys):
    monkeypatch.setenv("AUGTUNE_DEBUG", "")
    raising(RuntimeError("list index"), monkeypatch)
    assert main(["--debug", "show", "x"]) == 1
    assert "Traceback (most recent call last)" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["shwo"], ["show"], ["run", "x.yaml", "--outt", "y"], ["train", "--steps", "many"]]
)
def test_usage_error_exits_with_2(arguments, capsys):
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Usage: augtune")


def test_version_is_printed(capsys):
    import augtune

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"augtune {augtune.__version__}\n"


@pytest.mark.parametrize(
    "command",
    "new check run report show generate curate train predict evaluate compare fit ls doctor".split(),
)
def test_every_command_has_help_with_an_example(command, capsys):
    assert main([command, "--help"]) == 0
    out = capsys.readouterr().out
    assert f"Example: augtune {command}" in " ".join(out.split())
    assert "None" not in out


def test_closed_pipe_ends_quietly():
    code = "import sys; from augtune.cli.main import main; sys.exit(main(['ls', 'losses']))"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait() == 141
    assert err == b""

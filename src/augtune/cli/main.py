"""``augtune``: the commands, and what the process says and returns when something goes wrong.

Exit codes: 0 done; 1 a bug of ours; 2 the input is wrong; 3 the budget was reached; 4 the provider failed for good;
130 interrupted; 141 the reader of our output went away.
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperGroup

from augtune.cli import catalogs, collaborate, comparing, experiments, fit, inspecting, measure, steps, use, weighing
from augtune.cli.visible import plainly_shown, visible
from augtune.core.errors import AugtuneError
from augtune.core.launched import is_helper, is_one_of_several

__all__ = ["app", "main"]

INTERRUPTED, BROKEN_PIPE = 130, 141
# Errors of the system that the user, not the program, has to do something about.
SYSTEM = {
    errno.ENAMETOOLONG,
    errno.ELOOP,
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.EMFILE,
    errno.EIO,
}


class Commands(TyperGroup):
    """The command group; errors leave it as exit codes, with a message on stderr."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; see the module for the exit codes."""
        try:
            return super().invoke(ctx)
        except AugtuneError as error:
            raise _told(error) from error
        except KeyboardInterrupt as error:
            complain(str(error) or "interrupted; the same command carries on from here.")
            raise SystemExit(INTERRUPTED) from error
        except BrokenPipeError as error:
            raise SystemExit(BROKEN_PIPE) from error
        except OSError as error:
            if error.errno not in SYSTEM:
                _report_bug(error)
            place = f"{error.filename}: " if error.filename else ""
            complain(f"{place}{error.strerror}.\n  Nothing that was finished is lost; run the same command again.")
            raise SystemExit(2) from error
        except UnicodeEncodeError as error:
            if error.encoding in ("utf-8", "utf8"):
                _report_bug(error)
            complain(
                f"{error.object[error.start : error.end]!r} cannot be written in this locale, whose encoding is "
                f"{error.encoding}.\n  Set PYTHONUTF8=1, or a locale such as C.UTF-8, and run the same command again."
            )
            raise SystemExit(2) from error
        except Exception as error:
            if _is_typers(error):
                raise
            _report_bug(error)


def complain(message: str) -> None:
    """Write an error to stderr, ``error:`` before its first line."""
    sys.stdout.flush()
    sys.stderr.write(f"error: {visible(message)}\n")


def _told(error: AugtuneError) -> SystemExit:
    """Return what ends the process, once its user has read what is wrong."""
    complain(str(error))
    return SystemExit(error.exit_code)


def _is_typers(error: Exception) -> bool:
    """Tell whether typer itself raised it, to end with a usage message or an exit code."""
    return isinstance(error, typer.Exit | typer.Abort) or hasattr(error, "format_message")


def _report_bug(error: Exception) -> None:
    if os.environ.get("AUGTUNE_DEBUG"):
        traceback.print_exception(error)
    what = str(error).strip().split("\n")[0]
    complain(
        f"{type(error).__name__}{': ' if what else ''}{what}\n"
        "  This is a mistake in augtune, not in your input. 'augtune --debug …' shows where it happened;\n"
        "  please report it with that output."
    )
    raise SystemExit(1) from error


def _print_version(wanted: bool) -> None:
    if wanted:
        from augtune import __version__

        print(f"augtune {__version__}")
        raise typer.Exit()


app = typer.Typer(
    name="augtune",
    cls=Commands,
    help="From a few labelled texts, any language model and a budget to a small text classifier, with proof.",
    epilog="Start with: augtune new hello.yaml; augtune check hello.yaml",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


@app.callback()
def _options(
    debug: bool = typer.Option(False, "--debug", help="Show where an unexpected error happened."),
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version and stop."
    ),
) -> None:
    if debug:
        os.environ["AUGTUNE_DEBUG"] = "1"


for _group in (experiments, steps, inspecting, weighing, measure, comparing, collaborate, fit, use, catalogs):
    for _command in _group.COMMANDS:
        app.command(name=_command.__name__.strip("_"))(_command)


def _one_of_several(arguments: list[str]) -> None:
    """Run the command; where a launcher started several processes, in the first, and have the others serve it."""
    if not is_one_of_several():
        app(args=arguments, prog_name="augtune", obj=arguments)
        return
    from augtune.training.leading import leading, serve

    if is_helper():
        try:
            serve()
        except AugtuneError as error:
            raise _told(error) from error
        except Exception as error:
            _report_bug(error)
        return
    with leading():
        app(args=arguments, prog_name="augtune", obj=arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``augtune`` with the given arguments (by default the process's) and return its exit code."""
    try:
        with plainly_shown():
            _one_of_several(sys.argv[1:] if arguments is None else list(arguments))
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:
        code = INTERRUPTED
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = BROKEN_PIPE
    if code == BROKEN_PIPE:
        # what is still buffered has no reader: without this, the interpreter complains about it as it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code

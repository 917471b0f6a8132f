"""``--processes N``: the same command again, in N processes that train each model together."""

from __future__ import annotations

import typer

from augtune.core.launched import is_one_of_several

__all__ = ["PROCESSES", "start_several"]

PROCESSES = typer.Option(1, "--processes", min=1, metavar="N", help="Processes that train each model together.")


def start_several(processes: int, context: typer.Context) -> bool:
    """Start the present command in several processes, if that is asked for and they are not started yet.

    Args:
        processes: How many.
        context: Of the command; its root holds the arguments of the command line.

    Returns:
        True if they did the command; a failure of theirs ends this process with their exit code.
    """
    if processes == 1 or is_one_of_several():
        return False
    from augtune.training.launching import launch

    code = launch(context.find_root().obj, processes)
    if code:
        raise typer.Exit(code)
    return True

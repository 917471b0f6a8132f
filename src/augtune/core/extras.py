"""Optional dependencies: import them where they are needed, or say exactly what to install."""

from __future__ import annotations

import importlib
from types import ModuleType

from augtune.core.errors import ExtraError

__all__ = ["need"]


def need(module: str, *, extra: str, to: str) -> ModuleType:
    """Return the imported module.

    Args:
        module: Dotted name, e.g. ``"plotly.graph_objects"``.
        extra: The extra of augtune that brings it.
        to: What the user was about to do, e.g. ``"draw the report"``.

    Raises:
        ExtraError: If it is not installed; the message holds the pip line.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and not module.startswith(error.name.split(".")[0]):
            raise
        raise ExtraError(
            f"'{module.split('.')[0]}' is needed to {to} and is not installed.",
            hint=f"pip install 'augtune[{extra}]'",
        ) from error

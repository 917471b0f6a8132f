"""Reporting: what a run folder says, as one HTML page, as text for the terminal and as Markdown."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from augtune.reporting.html import report
    from augtune.reporting.tables import markdown_table, results_table

__all__ = ["markdown_table", "report", "results_table"]

_HOME = {"markdown_table": "tables", "report": "html", "results_table": "tables"}


def __getattr__(name: str) -> Any:
    """Import a public name from where it lives, the first time it is asked for."""
    if name not in _HOME:
        raise AttributeError(f"module 'augtune.reporting' has no attribute {name!r}")
    return getattr(importlib.import_module(f"augtune.reporting.{_HOME[name]}"), name)

"""Reporting: what a run folder says, as one HTML page, as text for the terminal, as figures and as tables."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from augtune.reporting.files import export_charts
    from augtune.reporting.html import report
    from augtune.reporting.papers import paper_tables
    from augtune.reporting.tables import markdown_table, results_table

__all__ = ["export_charts", "markdown_table", "paper_tables", "report", "results_table"]

_HOME = {
    "export_charts": "files",
    "markdown_table": "tables",
    "paper_tables": "papers",
    "report": "html",
    "results_table": "tables",
}


def __getattr__(name: str) -> Any:
    """Import a public name from where it lives, the first time it is asked for."""
    if name not in _HOME:
        raise AttributeError(f"module 'augtune.reporting' has no attribute {name!r}")
    return getattr(importlib.import_module(f"augtune.reporting.{_HOME[name]}"), name)

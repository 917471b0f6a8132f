"""The pages' templates: every text in them is escaped but our own styles and scripts; a missing name is an error."""

from __future__ import annotations

from importlib import resources
from typing import Any

import jinja2
from markupsafe import Markup

__all__ = ["own", "render", "static"]


def static(name: str) -> str:
    """Return the text of a style sheet or script of ours."""
    return (resources.files("augtune.reporting") / "static" / name).read_text(encoding="utf-8")


def own(text: str) -> Markup:
    """Return what is in our own files, or a library's in base64, as it goes into the page, never others' texts."""
    return Markup(text)  # nosec B704


def render(template: str, context: dict[str, Any]) -> str:
    """Return a page.

    Args:
        template: Name of the template.
        context: What it shows.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("augtune.reporting"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(context)

"""JSON schemas that a reply has to follow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["schema_of"]


def schema_of(fields: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the JSON schema of an object with exactly the given fields, as strict modes ask for it."""
    return {
        "type": "object",
        "properties": {name: dict(kind) for name, kind in fields.items()},
        "required": list(fields),
        "additionalProperties": False,
    }

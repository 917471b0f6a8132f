"""Settings: classes whose fields are the YAML keys, checked whole, with a suggestion for each wrong key."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from types import UnionType
from typing import Annotated, Any, ClassVar, Literal, Self, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError

from augtune.core.errors import SettingsError

__all__ = ["Settings", "describe_type", "problems_of", "suggestion"]


class Settings(BaseModel):
    """Base of everything a user configures; frozen, strict about unknown keys, documented by attribute docstrings.

    A subclass that a catalog lists sets ``kind``, the name it has there.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, validate_default=True, arbitrary_types_allowed=True
    )

    kind: ClassVar[str] = ""

    def __init__(self, **fields: Any) -> None:
        try:
            super().__init__(**fields)
        except ValidationError as error:
            raise SettingsError(problems_of(error, type(self), where=type(self).__name__)) from None

    # Else pydantic would call it for a mapping too, nested ones included, and problems would lose their place.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    @classmethod
    def parse(cls, value: Mapping[str, Any], *, where: str) -> Self:
        """Return the settings a mapping (as read from YAML) describes.

        Args:
            value: The mapping, without its ``kind``.
            where: Dotted place of the mapping in the file, for messages.

        Raises:
            SettingsError: With one line per problem, e.g.
                ``generate.per_clas: unknown key; did you mean 'per_class'?``.
        """
        try:
            return cls.model_validate(dict(value))
        except ValidationError as error:
            raise SettingsError(problems_of(error, cls, where=where)) from None

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain JSON values, with ``kind`` first where there is one."""
        fields = self.model_dump(mode="json")
        return {"kind": self.kind, **fields} if self.kind else fields


def suggestion(wrong: str, known: Iterable[str]) -> str:
    """Return ``; did you mean 'x'?`` or, where nothing is close, the list of what there is."""
    names = list(known)
    close = difflib.get_close_matches(wrong, names, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; known: {', '.join(names)}" if names else ""


def problems_of(error: ValidationError, model: type[BaseModel], *, where: str) -> list[str]:
    """Return one line per problem of a pydantic error: place, expected, got.

    A SettingsError that a validator raised brings its own lines; they get the place of the settings it stands in.
    """
    lines: list[str] = []
    for problem in error.errors():
        path = [str(part) for part in problem["loc"]]
        inner = problem.get("ctx", {}).get("error")
        if isinstance(inner, SettingsError):
            lines.extend(_placed(line, [where, *path]) for line in inner.problems)
            continue
        place = _joined([where, *path])
        if problem["type"] == "extra_forbidden":
            lines.append(f"{place}: unknown key{suggestion(path[-1], _fields_at(model, path[:-1]))}")
        elif problem["type"] == "missing":
            lines.append(f"{place}: missing; it has to be given")
        else:
            message = problem["msg"].removeprefix("Value error, ")
            message = message[:1].lower() + message[1:]
            got = "" if problem["type"] == "value_error" else f", got {problem['input']!r}"
            lines.append(f"{place}: {message.replace('input should', 'should')}{got}")
    return lines


def _joined(parts: Iterable[str]) -> str:
    return ".".join(part for part in parts if part)


def _placed(line: str, parts: list[str]) -> str:
    """Return a line under the place of its settings; a place that begins with the last part continues it."""
    repeats = len(parts) > 1 and line.startswith((f"{parts[-1]}.", f"{parts[-1]}[", f"{parts[-1]}:"))
    return _joined([*(parts[:-1] if repeats else parts), line])


def _fields_at(model: type[BaseModel], path: Iterable[str]) -> list[str]:
    """Return the keys of the settings at a place below a model; none where that is no one class of settings."""
    for part in path:
        annotation = model.model_fields[part].annotation if part in model.model_fields else None
        choices = [annotation, *get_args(annotation)]
        found = [one for one in choices if isinstance(one, type) and issubclass(one, BaseModel)]
        if len(found) != 1:
            return []
        model = found[0]
    return list(model.model_fields)


def describe_type(annotation: Any) -> str:
    """Return a field's type as a user reads it, e.g. ``int | null`` or ``'cosine' | 'jaccard'``."""
    origin, args = get_origin(annotation), get_args(annotation)
    if annotation is None or annotation is type(None):
        return "null"
    if origin is Annotated:
        return describe_type(args[0])
    if origin is Literal:
        return " | ".join(map(repr, args))
    if origin in (Union, UnionType):
        return " | ".join(map(describe_type, args))
    name = getattr(origin or annotation, "__name__", str(annotation))
    inner = [describe_type(arg) for arg in args if arg is not Ellipsis]
    return f"{name}[{', '.join(inner)}]" if inner else name

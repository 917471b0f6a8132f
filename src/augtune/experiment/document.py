"""The experiment file as text: YAML 1.2 in, ``key=value`` overrides applied, YAML out."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from augtune.core.errors import SettingsError
from augtune.core.files import read_text

__all__ = ["assign", "copied", "dump", "override", "read", "value_of"]

LONGEST = 1_000_000  # characters; a file of rows taken for an experiment file would be read for minutes
MOST_VALUES = 200_000
DEEPEST = 100
SHOWN = 200
BRACKET = re.compile(r"[\[\]{}]")
NESTED = re.compile(r"(?:[-?:][ \t]+){100}")


def read(path: Path) -> dict[str, Any]:
    """Return the mapping an experiment file holds.

    Raises:
        DataError: If the file is missing or not UTF-8.
        SettingsError: If it is not YAML (with line and column) or not a mapping.
    """
    document = _load(read_text(path), where=str(path))
    if not isinstance(document, dict):
        raise SettingsError(f"{path}: expected a mapping with keys such as name, data and arms.")
    return document


def value_of(text: str) -> Any:
    """Return the value a piece of YAML stands for: ``3e-5`` a number, ``no`` a text, ``[a, b]`` a list."""
    return _load(text, where=text)


def _load(text: str, *, where: str) -> Any:
    if len(text) > LONGEST:
        raise SettingsError(f"{where[:SHOWN]}: {len(text):,} characters are no settings; at most {LONGEST:,} are read.")
    if _is_deep(text):
        raise SettingsError(f"{where}: not readable: nested too deeply.")
    try:
        with warnings.catch_warnings(action="ignore"):  # of an anchor that is used twice, which YAML allows
            value = YAML(typ="safe", pure=True).load(text)
        _check(value)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f": line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
        raise SettingsError(f"{where}{place}: not YAML: {error.problem or error.context}") from error
    except YAMLError as error:
        raise SettingsError(f"{where}: not YAML: {error}") from error
    except RecursionError as error:
        raise SettingsError(f"{where}: not readable: nested too deeply, or within itself.") from error
    # What the library's constructors raise on a value that is none of its tag: !!int x, a date of month 13
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError) as error:
        raise SettingsError(f"{where}: not YAML: {type(error).__name__}: {error}") from error
    return value


def _is_deep(text: str) -> bool:
    """Tell whether brackets or dashes nest so deeply that reading them takes the library minutes."""
    if NESTED.search(text):
        return True
    depth = 0
    for mark in BRACKET.findall(text):
        depth = depth + 1 if mark in "[{" else max(depth - 1, 0)
        if depth > DEEPEST:
            return True
    return False


def _check(value: Any) -> None:
    """Refuse what is small in a file and endless in memory (aliases of aliases), and halves of characters.

    Raises:
        ValueError: If it has more than ``MOST_VALUES`` values once its aliases are written out.
        UnicodeEncodeError: If a text in it has half of a surrogate pair.
        RecursionError: If it is nested deeper than ``DEEPEST``, or within itself.
    """
    left = [(value, 0)]
    seen = 0
    while left:
        one, depth = left.pop()
        seen += 1
        if seen > MOST_VALUES:
            raise ValueError(f"more than {MOST_VALUES:,} values; aliases repeat what they stand for")
        if depth > DEEPEST:
            raise RecursionError
        if isinstance(one, str):
            one.encode()
        elif isinstance(one, Mapping):
            left.extend((part, depth + 1) for pair in one.items() for part in pair)
        elif isinstance(one, Sequence | Set) and not isinstance(one, bytes):
            left.extend((part, depth + 1) for part in one)


def dump(document: Mapping[str, Any]) -> str:
    """Return a mapping as YAML in block style, keys in their order."""
    yaml: Any = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False
    yaml.allow_unicode = True
    yaml.width = 120
    stream = io.StringIO()
    yaml.dump(dict(document), stream)
    return stream.getvalue()


def override(document: Mapping[str, Any], assignments: Iterable[str]) -> dict[str, Any]:
    """Return the document with ``key.key=value`` assignments applied, values read as YAML; the input is unchanged.

    A key with a dot in it (an arm's name, say) is found where the document already has it.

    Raises:
        SettingsError: If an assignment has no ``=`` or goes through something that is no mapping.
    """
    result: dict[str, Any] = copied(document)
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        if not equals or not path.strip():
            raise SettingsError(f"override {assignment!r}: expected key=value, e.g. train.lr=3e-5")
        assign(result, path.strip(), value_of(text), where=f"override {assignment!r}")
    return result


def copied(value: Any) -> Any:
    """Return a value of a YAML file, free to change."""
    if isinstance(value, Mapping):
        return {key: copied(inner) for key, inner in value.items()}
    return [copied(inner) for inner in value] if isinstance(value, list) else value


def assign(place: dict[str, Any], path: str, value: Any, *, where: str) -> None:
    """Set ``key.key`` in a mapping; a bare name on the way stands for ``{kind: name}``.

    Raises:
        SettingsError: If the path goes through something that is no mapping.
    """
    while True:
        key = _longest_key(place, path)
        rest = path[len(key) + 1 :]
        if not rest:
            place[key] = value
            return
        inner = place.get(key)
        if inner is None or isinstance(inner, str):
            # `recipe: dimp` and `recipe.clamp=5`: a bare name stands for {kind: name}
            inner = place[key] = {} if inner is None else {"kind": inner}
        if not isinstance(inner, dict):
            raise SettingsError(f"{where}: {key!r} holds {inner!r}, which has no keys.")
        place, path = inner, rest


def _longest_key(place: Mapping[str, Any], path: str) -> str:
    known = [key for key in place if isinstance(key, str) and (path == key or path.startswith(f"{key}."))]
    return max(known, key=len) if known else path.partition(".")[0]

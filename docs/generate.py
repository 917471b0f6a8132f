"""Reference pages made from the code: every catalog with every setting, every command, every public name."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import typer.main

import augtune
from augtune.cli import catalogs
from augtune.cli.main import app
from augtune.core.settings import Settings, describe_type

__all__ = ["write"]


def write(folder: Path) -> None:
    """Write all generated pages into a folder; a page that has not changed is left alone."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = {f"{sort}.md": _catalog(sort) for sort in catalogs.SORTS}
    pages |= {"settings.md": _experiment(), "commands.md": _commands(), "python.md": _python()}
    for name, text in pages.items():
        path = folder / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def _catalog(sort: str) -> str:
    """Return the page of one catalog."""
    parts = [f"# {sort.capitalize()}", catalogs.SUMMARIES[sort]]
    for name, summary in catalogs.rows_of(sort).items():
        settings = catalogs.settings_of(sort, name)
        parts += [f"## {name}", summary if settings is None else _doc(settings)]
        if settings is not None:
            parts.append(_table(settings))
    return "\n\n".join(part for part in parts if part) + "\n"


def _experiment() -> str:
    """Return the page of the settings an experiment file holds outside its catalogs."""
    from augtune.evaluation.settings import EvaluateSettings
    from augtune.llm.settings import LLMSettings
    from augtune.training.settings import CheckerSettings, TrainSettings

    parts = ["# Keys of the experiment file", "What stands under `train:`, `train.checkers:`, `llm:` and `evaluate:`."]
    for key, settings in {
        "train": TrainSettings, "train.checkers": CheckerSettings, "llm": LLMSettings, "evaluate": EvaluateSettings,
    }.items():  # fmt: skip
        parts += [f"## {key}", _doc(settings), _table(settings)]
    return "\n\n".join(parts) + "\n"


def _doc(settings: type[Settings]) -> str:
    return inspect.getdoc(settings) or ""


def _table(settings: type[Settings]) -> str:
    """Return a Markdown table of a settings class: key, type, default, meaning."""
    rows = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for name, field in settings.model_fields.items():
        default = "required" if field.is_required() else _short(field.get_default(call_default_factory=True))
        meaning = " ".join((field.description or "").split())
        rows.append(
            "| " + " | ".join(map(_cell, (f"`{name}`", describe_type(field.annotation), default, meaning))) + " |"
        )
    return "\n".join(rows) if len(rows) > 2 else ""


def _short(value: Any) -> str:
    if isinstance(value, Settings):
        return getattr(value, "kind", "as below")
    return "none" if value is None else str(value)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def _commands() -> str:
    """Return the page of every command's help."""
    group: Any = typer.main.get_command(app)
    parts = ["# Commands", "Every command with its arguments and options, as `--help` prints them."]
    for name, command in sorted(group.commands.items()):
        rows = ["| argument or option | meaning |", "|---|---|"]
        for parameter in command.params:
            shown = (
                ", ".join(parameter.opts)
                if parameter.param_type_name == "option"
                else (parameter.metavar or parameter.name)
            )
            rows.append(f"| `{_cell(shown)}` | {_cell(' '.join((getattr(parameter, 'help', None) or '').split()))} |")
        parts += [f"## augtune {name}", inspect.cleandoc(command.help or ""), "\n".join(rows)]
    return "\n\n".join(parts) + "\n"


def _python() -> str:
    """Return the page of the public names of ``augtune``."""
    parts = [
        "# Python",
        "Every public name of `augtune`; the settings of generators, curation steps and recipes have "
        "pages of their own.",
    ]
    for name in sorted(augtune.__all__, key=str.lower):
        found = getattr(augtune, name)
        kind = "autoclass" if inspect.isclass(found) else "autofunction" if callable(found) else None
        if kind is None:
            continue
        plain = kind == "autoclass" and issubclass(found, Settings | Exception)
        shown = f"augtune.{name}(**settings)" if plain and issubclass(found, Settings) else f"augtune.{name}"
        block = f".. {kind}:: {shown}\n" + ("   :members:\n" if kind == "autoclass" and not plain else "")
        parts.append(f"```{{eval-rst}}\n{block}```")
    return "\n\n".join(parts) + "\n"

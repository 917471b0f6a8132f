"""Reference pages made from the code: catalogs and settings, keys of the experiment file, commands, prices, names."""

from __future__ import annotations

import inspect
import re
import tomllib
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any, get_args

import typer.main

import augtune
from augtune.cli import catalogs
from augtune.cli.main import app
from augtune.core.settings import Settings, describe_type

__all__ = ["write"]

CATALOGUED = {
    "Recipe": "recipes", "Loss": "losses", "Head": "heads", "Mixing": "mixings", "Optimizer": "optimizers",
    "Schedule": "schedules", "Metric": "metrics", "DifferenceTest": "tests",
    "Weighting": "weightings", "Candidate": "candidates",
}  # fmt: skip
"""Fields of these classes take a row of a catalog."""

ARM = {
    "generate": "its generators, in place of the file's, or keys of the one the file has; null: no synthetic rows",
    "curate": "its curation steps, in place of the file's; null: none but contamination",
    "train": "training settings, each in place of the file's",
    "size": "how many of its curated rows it trains on: 50, or 10/class; a nested sample",
    "data": "{train: SAMPLE}, a sample of the human rows of its own; nothing else of data can differ",
    "axes": "where tables and charts put it, e.g. {size: 50}; a sweep writes it",
    "ask": "it trains nothing: the language model labels the test rows; keys below",
    "route": "it trains nothing: rows that a classifier is unsure of go to the language model; keys below",
    "finetune": "it fine-tunes a language model, which labels the test rows; keys below",
}
"""What may stand under the name of an arm."""


def write(folder: Path) -> None:
    """Write all generated pages into a folder; a page that has not changed is left alone."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = {f"{sort}.md": _catalog(sort) for sort in catalogs.SORTS}
    pages |= {"settings.md": _experiment(), "commands.md": _commands(), "prices.md": _prices(), "python.md": _python()}
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
            parts += [_table(settings)]
            for key, part in _parts(settings, ""):
                parts += [f"`{key}`: {_doc(part)}", _table(part)]
        if sort == "providers":
            parts.append(_address(name))
    return "\n\n".join(part for part in parts if part) + "\n"


def _address(name: str) -> str:
    """Return where a provider is and which variable holds its key."""
    from augtune.llm.presets import PRESETS

    preset = PRESETS.get(name)
    if preset is None:
        return ""
    address = "given by `base_url`" if preset.base_url is None else f"`{preset.base_url}`"
    key = "no key" if preset.api_key_env is None else f"key in `{preset.api_key_env}`"
    return f"Address {address} · {key}{' · free' if preset.is_free else ''} · `llm: {{model: {name}/MODEL}}`"


def _experiment() -> str:
    """Return the page of every key an experiment file may have outside its catalogs."""
    from augtune.choosing.boost import BoostSettings
    from augtune.choosing.settings import ChooseSettings
    from augtune.experiment.axes import AXES
    from augtune.experiment.kinds import KINDS
    from augtune.experiment.plan import Experiment
    from augtune.training.settings import TrainSettings

    parts = [
        "# Keys of the experiment file",
        "Every key with its type, its default and what it means; `llm.price` is a key in the section `price` of `llm`.",
        "## The file",
        _doc(Experiment),
        _table(Experiment),
        "`sweep` takes "
        + ", ".join(f"`{key}`" for key in (*AXES, "train.KEY", "generate.KEY"))
        + " and `skip`, `only`, "
        "each of the first a list of values, or a mapping from names to values: [how](../../how-to/sweep.md).",
    ]
    for key, part in _parts(Experiment, ""):
        parts += [f"## {key}", _doc(part), _table(part)]
    parts += ["## train", "Also the keywords of `augtune.train`.", _table(TrainSettings)]
    for key, part in _parts(TrainSettings, "train."):
        parts += [f"## {key}", _doc(part), _table(part)]
    parts += ["## choose", "Also what `augtune.fit` takes as `choose`.", _table(ChooseSettings)]
    for key, part in _parts(ChooseSettings, "choose."):
        parts += [f"## {key}", _doc(part), _table(part)]
    parts += ["## boost", "No key of the file: what `augtune.fit` takes as `boost`, and `augtune fit` as `--boost`."]
    parts += [_doc(BoostSettings), _table(BoostSettings)]
    parts += ["## arms.ARM", "An arm changes only what it names.", "| key | meaning |\n|---|---|"]
    parts[-1] += "".join(f"\n| `{key}` | {meaning} |" for key, meaning in ARM.items())
    for kind, settings in KINDS.items():
        for key, part in ((f"arms.ARM.{kind}", settings), *_parts(settings, f"arms.ARM.{kind}.")):
            parts += [f"## {key}", _doc(part), _table(part)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _parts(settings: type[Settings], place: str) -> Iterator[tuple[str, type[Settings]]]:
    """Yield the sections within a section, each with its place: settings that are no row of a catalog."""
    for name, field in settings.model_fields.items():
        for part in _within(field.annotation):
            yield f"{place}{name}", part
            yield from _parts(part, f"{place}{name}.")


def _within(annotation: Any) -> Iterator[type[Settings]]:
    if inspect.isclass(annotation) and issubclass(annotation, Settings) and annotation.__name__ not in CATALOGUED:
        yield annotation
    for argument in get_args(annotation):
        yield from _within(argument)


def _doc(settings: type[Settings]) -> str:
    return inspect.getdoc(settings) or ""


def _table(settings: type[Settings]) -> str:
    """Return a Markdown table of a settings class: key, type, default, meaning."""
    rows = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for name, field in settings.model_fields.items():
        default = "required" if field.is_required() else _short(field.get_default(call_default_factory=True))
        meaning = " ".join((field.description or "").split())
        if any(_within(field.annotation)) and default not in ("none", "required"):
            default = "as below"
        cells = (f"`{name}`", _type(field.annotation), default, meaning)
        rows.append("| " + " | ".join(map(_cell, cells)) + " |")
    return "\n".join(rows) if len(rows) > 2 else ""


def _type(annotation: Any) -> str:
    """Return a type as readers of YAML know it; a catalogued one names the page of its catalog."""
    text = {"Any": "name, mapping or list", "dict[str, Any]": "mapping"}.get(describe_type(annotation))
    text = text or describe_type(annotation).replace("dict[str, dict[str, Any] | null]", "mapping")
    for name, sort in CATALOGUED.items():
        text = re.sub(rf"\b{name}\b", f"[{sort}]({sort}.md)", text)
    for part in _within(annotation):
        text = re.sub(rf"\b{part.__name__}\b", "section", text)
    return text


def _short(value: Any) -> str:
    if isinstance(value, Settings):
        return str(getattr(value, "kind", ""))
    if isinstance(value, tuple) and value and all(isinstance(each, Settings) for each in value):
        return ", ".join(_short(each) for each in value)
    return "none" if value is None else str(value)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def _commands() -> str:
    """Return the page of every command's help."""
    group: Any = typer.main.get_command(app)
    parts = ["# Commands", "Every command with its arguments and options, as `--help` prints them.", _options(group)]
    for name, command in sorted(group.commands.items()):
        told = re.sub(r"^Example: (.+)$", r"Example: `\1`", inspect.cleandoc(command.help or ""), flags=re.MULTILINE)
        parts += [f"## augtune {name}", told, _options(command)]
    return "\n\n".join(parts) + "\n"


def _options(command: Any) -> str:
    """Return a Markdown table of a command's arguments and options."""
    rows = ["| argument or option | default | meaning |", "|---|---|---|"]
    for parameter in command.params:
        named = parameter.param_type_name == "option"
        shown = ", ".join(parameter.opts) if named else (parameter.metavar or parameter.name)
        taken = f" {parameter.metavar}" if named and parameter.metavar else ""
        default = "required" if parameter.required else _default(parameter.default)
        meaning = " ".join((getattr(parameter, "help", None) or "").split())
        rows.append(f"| `{_cell(shown + taken)}` | {_cell(default)} | {_cell(meaning)} |")
    return "\n".join(rows)


def _default(value: Any) -> str:
    return "" if value in (None, False, [], ()) or callable(value) else str(value)


def _prices() -> str:
    """Return the page of the models whose prices are known."""
    path = resources.files("augtune.llm") / "prices.toml"
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    columns = ("input", "output", "cached", "cache_write", "batch", "as_of", "shutdown")
    rows = [f"| model | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for model, row in table.items():
        rows.append(f"| `{model}` | " + " | ".join(str(row.get(column, "")) for column in columns) + " |")
    about = (
        "US dollars per million tokens, as `prices.toml` has them; `batch` is the share of it that a call in a batch "
        "costs. A price bears the day it was last compared with a published list (`as_of`) and is not looked up when a "
        "run starts: compare it with your provider's, and give `llm.price` where it differs."
    )
    return "\n\n".join(["# Prices", about, "\n".join(rows)]) + "\n"


def _python() -> str:
    """Return the page of the public names of ``augtune``."""
    parts = [
        "# Python",
        "Every public name of `augtune`. The keywords of generators, curation steps and recipes are on the pages of "
        "their catalogs, those of other settings among the [keys of the experiment file](settings.md).",
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

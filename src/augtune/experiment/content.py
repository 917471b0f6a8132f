"""What a stage's result depends on, as JSON: settings with the files they name replaced by what is in those files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from augtune.core.encoders import is_bundled, locate
from augtune.core.files import read_json
from augtune.core.fingerprint import fingerprint
from augtune.core.settings import Settings
from augtune.llm.settings import LLMSettings, target_of

if TYPE_CHECKING:
    from augtune.core.labels import Labels
    from augtune.training.settings import TrainSettings

__all__ = ["VERSION", "checker_problems", "encoder_content", "llm_content", "model_content", "settings_content"]

# Raised when a stage's result changes for the same settings, so that old run folders redo it.
VERSION = 1
# Keys that came later: at their default they are left out, so that what is made without them stays what it was.
LATER = {"vote_tokens": None}


def settings_content(settings: Settings, files: Iterable[Path]) -> dict[str, Any]:
    """Return settings as JSON, a path among ``files`` replaced by its content: moving a file changes nothing.

    Args:
        settings: A generator's or curation step's.
        files: Files and folders its result depends on.
    """
    contents = {str(path): _content(path) for path in files}
    return {
        name: contents.get(value, value) if isinstance(value, str) else value
        for name, value in settings.to_json().items()
        if name not in LATER or value != LATER[name]
    }


def llm_content(settings: LLMSettings | None) -> dict[str, Any] | None:
    """Return what of a language model's settings changes its answers: not the budget, the pace or the time-out.

    Of a model in this process that is which weights it has, in what precision, and of a script which replies.
    """
    if settings is None:
        return None
    value = settings.to_json()
    kept = {name: value[name] for name in ("model", "base_url", "extra") if value.get(name)}
    if settings.replay is not None:
        return {**kept, "replay": _content(settings.replay)}
    is_here = str(settings.model).startswith(("local/", "scripted/"))
    which = target_of(settings).base_url if is_here else None
    return kept if which is None else {**kept, "which": which}


def encoder_content(name: str) -> str:
    """Return a fingerprint of an encoder: its name on the hub, or what is in its folder.

    One that is bundled is an installed package's and does not change: its configuration and the size of its weights do.
    """
    path = Path(locate(name))
    if is_bundled(name):
        sizes = sorted([file.name, file.stat().st_size] for file in path.rglob("*.safetensors"))
        return fingerprint([_digest(path / "config.json"), sizes])
    return _content(path) if path.is_dir() else name


def checker_problems(settings: TrainSettings, labels: Labels) -> list[str]:
    """Return what is wrong with the saved checkers that a training needs, a line each.

    Args:
        settings: Of the training.
        labels: Of the rows to be judged.
    """
    named = {"quality": settings.checkers.quality, "diversity": settings.checkers.diversity}
    problems = []
    for name in settings.recipe.needs:
        path = named[name]
        about = None if path is None else Path(path) / "augtune.json"
        if about is None:
            continue
        if not about.is_file():
            problems.append(f"{name}: expected the folder of a saved classifier, got {path}")
            continue
        own = tuple(read_json(about).get("labels", ()))
        if set(own) != set(labels.names):
            problems.append(f"{name}: the classifier's labels are {' · '.join(own)}, the rows' are {labels}")
    return problems


def model_content(folder: str) -> str:
    """Return the fingerprint that a saved classifier was written with."""
    return str(read_json(Path(folder) / "augtune.json")["fingerprint"])


# Of a model's folder, what is read of it: not its card, its pages or how its rows were weighed.
READ = (
    "*.safetensors", "*.bin", "*.index.json", "config.json", "augtune.json", "*token*.json", "vocab*", "merges.txt",
    "*.model",
)  # fmt: skip


def _content(path: Path) -> str:
    """Return a file's SHA-256, or for a model's folder that of the files that are read of it, its members' too."""
    if path.is_file():
        return _digest(path)
    places = [path, *path.glob("member-*")]
    files = {file for place in places for pattern in READ for file in place.glob(pattern) if file.is_file()}
    return fingerprint(sorted([file.relative_to(path).as_posix(), _digest(file)] for file in files))


def _digest(path: Path) -> str:
    """Return a file's SHA-256; of one that stays as it is, it is computed once in a process."""
    about = path.stat()
    return _hashed(str(path.resolve()), about.st_size, about.st_mtime_ns)


@lru_cache(maxsize=1024)
def _hashed(path: str, size: int, mtime_ns: int) -> str:
    """Return the SHA-256 of a file, whose size and time of change tell whether it is still the same."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()

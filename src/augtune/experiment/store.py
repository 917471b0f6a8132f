"""The run folder and its stages: a stage is done when its stamp is there and every file the stamp lists is whole.

A stage's key is the fingerprint of its settings and of the keys of its inputs, so changing a setting redoes just what
depends on it. Its files are written into a folder of its own; the stamp, with each file's size and SHA-256, comes
last, when all of them are on the disk. A stage folder without a valid stamp is an interrupted or damaged write: it is
emptied and done again, a training from its newest checkpoint.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any

from augtune.core.errors import DataError, StorageError
from augtune.core.files import append_jsonl, cut_tail, make_folder, read_json, sync, system_errors, write_json
from augtune.core.fingerprint import fingerprint

__all__ = ["CHECKPOINTS", "RunFolder", "Stage", "is_light", "link_tree"]

MARKER = ".augtune.json"
LOCK = ".lock"
EVENTS = "events.jsonl"
STAMP = "stamp.json"
CHECKPOINTS = "checkpoints"
STAGES = "stages"
WEIGHTS = ".safetensors"
HINT = "Free some space or choose another --out, then run the same command again; nothing was lost."
# What the system says of a disk or folder that does not take what is written, whoever wrote it.
STORAGE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO}


@dataclass(frozen=True, slots=True)
class Stage:
    """A finished stage: where its files are, its key, and what it noted."""

    key: str
    folder: Path
    notes: Mapping[str, Any]


@dataclass
class RunFolder:
    """The folder of one run.

    Args:
        path: The folder.
        name: Name of the experiment it belongs to.
        listen: Called with every event as it is written to ``events.jsonl``.
        used: Folders of the stages that were asked for, done now or before.
    """

    path: Path
    name: str
    listen: Callable[[dict[str, Any]], None] = field(default=lambda event: None)
    used: set[Path] = field(default_factory=set)
    _own: Lock = field(default_factory=Lock, init=False, repr=False)
    _stages: dict[Path, Lock] = field(default_factory=dict, init=False, repr=False)

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Make the folder ours for the length of a run.

        Whose it is is told by a lock that the system lets go of with its holder, however that ends.

        Raises:
            StorageError: If it belongs to something else, another process is running in it, or it cannot be written.
        """
        self._refuse_others()
        try:
            make_folder(self.path)
        except OSError as error:
            raise _unwritable(self.path, error) from error
        try:
            with _locked(self.path / LOCK):
                self._refuse_others()  # another may have had it until this moment
                if not (self.path / MARKER).exists():
                    write_json(self.path / MARKER, {"schema": 1, "name": self.name})
                self._clean()
                yield
        except OSError as error:
            place = Path(str(error.filename or self.path))
            if error.errno not in STORAGE or not place.is_relative_to(self.path):
                raise
            raise _unwritable(place, error) from error

    def _refuse_others(self) -> None:
        """Refuse a folder that is not this experiment's; one whose making was cut off is no one's."""
        marker = self.path / MARKER
        if self.path.exists() and not self.path.is_dir():
            raise StorageError(f"{self.path}: is a file, expected a folder; choose another --out.")
        if marker.exists():
            owner = _marker_name(marker)
            if owner != self.name:
                raise StorageError(
                    f"{self.path}: belongs to the experiment {owner!r}, not to {self.name!r}.",
                    hint="Choose another --out or another name; nothing was changed.",
                )
        elif self.path.exists() and not all(_is_of_a_claim(path.name) for path in self.path.iterdir()):
            raise StorageError(
                f"{self.path}: is not empty and was not made by augtune.",
                hint="Choose another --out or another name; nothing was changed.",
            )
        _refuse_links(self.path)

    def _clean(self) -> None:
        """Remove what was written in half by a run that was killed."""
        for part in list(self.path.rglob(".*.part")):
            if part.is_dir():
                shutil.rmtree(part, ignore_errors=True)
            else:
                part.unlink(missing_ok=True)
        cut_tail(self.path / EVENTS)

    def event(self, event: str, **what: Any) -> None:
        """Write an event to ``events.jsonl`` and tell the listener."""
        row = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, **what}
        with self._own:
            append_jsonl(self.path / EVENTS, row)
            self.listen(row)

    def stage(
        self,
        sort: str,
        key_of: Mapping[str, Any],
        make: Callable[[Path], Mapping[str, Any]],
        *,
        about: str = "",
        whole: bool = True,
    ) -> Stage:
        """Return a stage, done now or before; of several threads that want the same one, the first does it.

        Args:
            sort: What it does: ``generate``, ``curate``, ``checkers``, ``train``.
            key_of: Everything that its result depends on, as JSON.
            make: Does it: writes files into the folder it is given and returns notes (JSON). What it writes into
                ``checkpoints`` there is kept until the stage is done.
            about: Words for the events, e.g. the arm and seed.
            whole: Do it again if the weights of its model were removed by ``lighten``.
        """
        folder = self.folder_of(sort, key_of)
        with self._own:
            self.used.add(folder)
            mine = self._stages.setdefault(folder, Lock())
        with mine:
            if whole and is_light(folder):
                shutil.rmtree(folder)
            return self._stage(sort, folder, make, about)

    def _stage(self, sort: str, folder: Path, make: Callable[[Path], Mapping[str, Any]], about: str) -> Stage:
        key = folder.name.removeprefix(f"{sort}-")
        notes = _valid(folder)
        if notes is not None:
            shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
            self.event("stage-skipped", stage=sort, key=key, about=about)
            return Stage(key, folder, notes)
        try:
            _empty(folder)
            self.event("stage-started", stage=sort, key=key, about=about)
            make_folder(folder)
            with system_errors():
                made = dict(make(folder))
            files = _on_disk(folder)
        except OSError as error:
            raise _unwritable(folder, error) from error
        write_json(folder / STAMP, {"sort": sort, "key": key, "about": about, "notes": made, "files": files})
        shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
        self.event("stage-done", stage=sort, key=key, about=about)
        return Stage(key, folder, made)

    def folder_of(self, sort: str, key_of: Mapping[str, Any]) -> Path:
        """Return where a stage's files are, or would be."""
        return self.path / STAGES / f"{sort}-{fingerprint({'sort': sort, **key_of}, length=16)}"

    def lighten(self, sort: str) -> None:
        """Remove the weights of the models of this sort's stages; a stage stays done, and its stamp says what is gone.

        The stamp is written first, so that a run that is killed here finds the stage done.
        """
        for folder in sorted(self.used):
            stamp = read_json(folder / STAMP) if folder.name.startswith(f"{sort}-") and folder.is_dir() else {}
            gone = [name for name in stamp.get("files", {}) if name.endswith(WEIGHTS)]
            if gone:
                stamp["files"] = {name: seal for name, seal in stamp["files"].items() if name not in gone}
                write_json(folder / STAMP, {**stamp, "removed": gone})
            for path in folder.rglob(f"*{WEIGHTS}") if gone or stamp.get("removed") else ():
                path.unlink()

    def forget_others(self, *sorts: str) -> None:
        """Remove the stages of these sorts that the present run did not ask for; models take much room."""
        for sort in sorts:
            for folder in (self.path / STAGES).glob(f"{sort}-*"):
                if folder not in self.used:
                    shutil.rmtree(folder)

    @property
    def is_begun(self) -> bool:
        """Whether there is a stage, done or not."""
        return (self.path / STAGES).exists()

    def remove(self) -> None:
        """Remove stages and events, and the folder if nothing else is in it; only while it is claimed.

        What cannot be removed stays.
        """
        with suppress(OSError):
            shutil.rmtree(self.path / STAGES, ignore_errors=True)
            (self.path / EVENTS).unlink(missing_ok=True)
            if all(path.name in (MARKER, LOCK) for path in self.path.iterdir()):
                shutil.rmtree(self.path)


def is_light(folder: Path) -> bool:
    """Tell whether the weights of a stage's model were removed by ``RunFolder.lighten``."""
    try:
        return bool(read_json(folder / STAMP).get("removed"))
    except (DataError, AttributeError):
        return False


def _refuse_links(folder: Path) -> None:
    """See that nothing in a folder is a link: what a run empties and writes there would be somebody else's.

    Raises:
        StorageError: If something is.
    """
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            if os.path.islink(os.path.join(place, name)):
                raise StorageError(
                    f"{os.path.join(place, name)}: is a symbolic link; augtune makes none in a run folder, and follows "
                    "none.",
                    hint="Take it away, or choose another --out; nothing was changed.",
                )


def _unwritable(path: Path, error: OSError) -> StorageError:
    return StorageError(f"{path}: cannot be written: {error.strerror or error}", hint=HINT)


def _is_of_a_claim(name: str) -> bool:
    """Tell whether a file is one that is there before the marker is: the lock, or a marker written in half."""
    return name == LOCK or (name.startswith(f".{MARKER}.") and name.endswith(".part"))


def _empty(folder: Path) -> None:
    """Remove what a stage that was cut off left, but for its checkpoints, with which it carries on."""
    for path in folder.iterdir() if folder.exists() else ():
        if path.is_dir() and path.name != CHECKPOINTS:
            shutil.rmtree(path)
        elif path.name != CHECKPOINTS:
            path.unlink()


def _marker_name(marker: Path) -> str:
    try:
        return str(read_json(marker).get("name"))
    except (DataError, AttributeError):
        return "?"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StorageError(
                f"{path.parent}: another process is running in this folder.",
                hint="Wait for it, or choose another --out.",
            ) from None
        yield


def _on_disk(folder: Path) -> dict[str, list[Any]]:
    """Return size and hash of each file of a stage by its path, checkpoints left out, once they are on the disk.

    Sizes alone are compared of large files later on, and a file that the system had not yet written when the power
    failed may have its size and no content.
    """
    files = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if name.parts[0] == CHECKPOINTS:
            continue
        if path.is_file():
            files[str(name)] = _seal(path)
        sync(path)
    sync(folder)
    return files


def _seal(path: Path) -> list[Any]:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return [path.stat().st_size, digest.hexdigest()]


def _valid(folder: Path) -> Mapping[str, Any] | None:
    """Return the notes of a stage whose stamp holds, or None.

    Sizes are compared always, hashes of files under 16 MiB: a cut-off file shows in its size.
    """
    try:
        stamp = read_json(folder / STAMP)
        for name, (size, digest) in stamp["files"].items():
            path = folder / name
            if Path(name).is_absolute() or ".." in Path(name).parts or not path.is_file() or path.is_symlink():
                return None
            if path.stat().st_size != size or (size < 1 << 24 and _seal(path)[1] != digest):
                return None
        return dict(stamp["notes"])
    except (DataError, OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def link_tree(source: Path, target: Path) -> None:
    """Make ``target`` a folder with the files of ``source``: hard links where the disk allows, else copies.

    The new folder is made beside its place and renamed onto it; where it is cut off, the next run makes it again.
    """
    if _same_files(source, target):
        return
    fresh = target.with_name(f".{target.name}.part")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        make_folder(target.parent)
        shutil.copytree(source, fresh, copy_function=_link)
        if target.exists():
            shutil.rmtree(target)
        fresh.replace(target)
        sync(target.parent)
    except OSError as error:
        shutil.rmtree(fresh, ignore_errors=True)
        raise _unwritable(target, error) from error


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
        sync(target)


def _same_files(source: Path, target: Path) -> bool:
    def listing(folder: Path) -> dict[str, tuple[int, int]]:
        return {
            str(p.relative_to(folder)): (p.stat().st_size, p.stat().st_mtime_ns)
            for p in folder.rglob("*")
            if p.is_file()
        }

    return target.is_dir() and listing(source) == listing(target)

"""A folder with the files that pages speak of, a model on loopback, and trainings of a few steps."""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from pytest_httpserver import HTTPServer

import tiny_causal
from doc_blocks import ROOT
from stand_in import StandIn

EXAMPLES = ROOT / "examples"
STEPS = 2
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


@dataclass
class Small:
    """Whether something was trained since it was last asked: its numbers are then not those of the page."""

    was_trained: bool = False


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tiny_encoder: str) -> Small:
    """Train the tiny encoder for some steps, whatever a page asks for."""
    from augtune.core.encoders import BUNDLED, CARRIED
    from augtune.model import encoder
    from augtune.training import contrastive, probed, train

    told, located, fitted, probe = Small(), encoder.locate, train.fit, probed.probed
    contrast = contrastive.contrast
    if os.environ.get("AUGTUNE_DOCS") == "real":
        return told

    def locate(name: str) -> str:
        return tiny_encoder if name in {*BUNDLED, *CARRIED} else located(name)

    def fit(job):
        told.was_trained = True
        asked = job.settings
        if asked.epochs is not None or asked.steps > STEPS:
            asked = asked.model_copy(update={"steps": STEPS, "epochs": None})
        return fitted(replace(job, settings=asked))

    def small_probe(dataset, *, encoder, ridge, seed=0, vectors=None):
        made = probe(dataset, encoder=tiny_encoder, ridge=ridge, seed=seed)
        return replace(made, encoder=encoder)

    def small_contrast(dataset, settings, *, ridge, seed=0, running=None):
        few = settings.changed(steps=STEPS, epochs=None)
        return contrast(dataset, few, ridge=ridge, seed=seed, running=running)

    monkeypatch.setattr(encoder, "locate", locate)
    monkeypatch.setattr(contrastive, "contrast", small_contrast)
    monkeypatch.setattr(train, "fit", fit)
    monkeypatch.setattr(probed, "probed", small_probe)
    return told


@pytest.fixture(scope="session")
def known() -> dict[tuple[object, ...], np.ndarray]:
    """Vectors that the tests of pages have made so far."""
    return {}


@pytest.fixture(autouse=True)
def embedded_once(known: dict[tuple[object, ...], np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the real encoder read each text once: nearly all pages embed the same rows of the helpdesk example."""
    from augtune.embedding import encode

    read = encode._Encoder.pooled

    def pooled(self, tokens: list[list[int]]) -> np.ndarray:
        keys = [(self.model.config._name_or_path, *row) for row in tokens]
        missing = {key: row for key, row in zip(keys, tokens, strict=True) if key not in known}
        if missing:
            known.update(zip(missing, read(self, list(missing.values())), strict=True))
        return np.stack([known[key] for key in keys])

    monkeypatch.setattr(encode._Encoder, "pooled", pooled)


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rows of the helpdesk example under the names that the pages use."""
    folder = tmp_path_factory.mktemp("files")
    for name in ("helpdesk", "labels"):
        shutil.copytree(EXAMPLES / name, folder, dirs_exist_ok=True)
    (folder / "examples").symlink_to(EXAMPLES)
    shutil.copy(folder / "train.csv", folder / "tickets.csv")
    with (folder / "test.csv").open(encoding="utf-8", newline="") as stream:
        head, *rows = list(csv.reader(stream))
    write_csv(folder / "new.csv", head[:1], [row[:1] for row in rows[:20]])
    write_csv(folder / "validation.csv", head, rows[0::6])
    for name, part in {"train": None, "validation": rows[0::6], "test": rows[1::6]}.items():
        (folder / "tickets").mkdir(exist_ok=True)
        if part is None:
            shutil.copy(folder / "train.csv", folder / "tickets" / "train.csv")
        else:
            write_csv(folder / "tickets" / f"{name}.csv", head, part)
    (folder / "reviews").mkdir()
    names = ("negative", "neutral", "positive")
    for name in ("train", "test"):
        made = [(f"{name} review {i}: {names[i % 3]} words", names[i % 3]) for i in range(24)]
        write_csv(folder / "reviews" / f"{name}.csv", ["text", "label"], made)
    (folder / "synonyms.txt").write_text("late: delayed, overdue\n", encoding="utf-8")
    tiny_causal.build(folder / "Qwen" / "Qwen2.5-0.5B", ["Review: a warm and clever film\nSentiment: positive"] * 8)
    return folder


def write_csv(path: Path, head: list[str], rows: list) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([head, *rows])


@pytest.fixture
def workplace(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh copy of the files, as the folder one works in; the project is beside it."""
    folder = tmp_path / "work"
    shutil.copytree(files, folder, symlinks=True)
    (tmp_path / "augtune").symlink_to(ROOT)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    return folder


@pytest.fixture
def stand_in(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """Every provider's address leads to this machine."""
    from augtune.llm.presets import PRESETS

    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
    model = StandIn(httpserver)
    for name, preset in PRESETS.items():
        if preset.base_url is not None:
            monkeypatch.setitem(PRESETS, name, replace(preset, base_url=model.url))
    return model


@pytest.fixture
def saved_model(small: Small, workplace: Path) -> Callable[[], None]:
    """Make ``model``, a saved classifier of the helpdesk rows, in the folder one works in."""

    def make() -> None:
        import augtune as at

        at.train(at.load("train.csv", text="message", label="intent").train).save("model")
        small.was_trained = False

    return make


@pytest.fixture
def predictions(workplace: Path) -> Callable[[], None]:
    """Make ``old.csv`` and ``new.jsonl``, predictions for ``test.csv``."""

    def make() -> None:
        with (workplace / "test.csv").open(encoding="utf-8", newline="") as stream:
            labels = [row["intent"] for row in csv.DictReader(stream)]
        write_csv(workplace / "old.csv", ["predicted"], [[labels[i - i % 3]] for i in range(len(labels))])
        lines = [json.dumps({"predicted": labels[i - i % 2]}) for i in range(len(labels))]
        (workplace / "new.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")

    return make

"""Weight files of others: nothing that is not weights is ever opened, wherever a model can be named."""

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from augtune.core.errors import InputError
from augtune.core.foreign import told, weights_problem
from augtune.embedding.encode import embed
from augtune.model.encoder import load_encoder, load_stock, load_tokenizer
from augtune.model.fitted import Fitted
from augtune.training.settings import TrainSettings
from augtune.training.train import train
from training_rows import human_rows, synthetic_rows

AGAIN = "\n  Get the files again from a source that you trust."
FOLDER = "\n  It has to be a folder as save_pretrained writes it, its weights in safetensors files."


class Evil:
    """Makes a file as it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


@pytest.fixture
def marker(tmp_path):
    """A folder that is there if code of a model's file was run."""
    return tmp_path / "code-was-run"


@pytest.fixture
def folder(tiny_encoder, tmp_path):
    """The tiny encoder without its weights."""
    place = tmp_path / "encoder"
    shutil.copytree(tiny_encoder, place)
    (place / "model.safetensors").unlink()
    return place


def put(kind: str, folder: Path, marker: Path) -> None:
    if kind == "pickle by another name":
        (folder / "model.safetensors").write_bytes(pickle.dumps(Evil(marker)))
    elif kind == "torch zip by another name":
        torch.save({"weights": Evil(marker)}, folder / "model.safetensors")
    elif kind == "pickle":
        (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Evil(marker)))
    else:
        torch.save({"weights": Evil(marker)}, folder / "pytorch_model.bin")


PICKLES = {
    "pickle by another name": "encoder {name!r}: model.safetensors is a pickle by the name of a safetensors file; "
    f"it could run code and was not opened.{AGAIN}",
    "torch zip by another name": "encoder {name!r}: model.safetensors is a pickle by the name of a safetensors file; "
    f"it could run code and was not opened.{AGAIN}",
    "pickle": "encoder {name!r} could not be loaded: its weights file holds more than weights: it is a pickle that "
    f"would run code, and it was not run.{FOLDER}",
    "torch zip": "encoder {name!r} could not be loaded: its weights file holds more than weights: it is a pickle that "
    f"would run code, and it was not run.{FOLDER}",
}
USES = {
    "encoder": load_encoder,
    "own head": lambda name: load_stock(name, ["a", "b"]),
    "train": lambda name: train(human_rows(8), encoder=name, steps=1),
    "embed": lambda name: embed(["a film"], encoder=name),
    "checkers": lambda name: train(
        human_rows(12) + synthetic_rows(12),
        settings=TrainSettings(encoder=name, recipe="imp", steps=1, checkers={"encoder": name}),
    ),
}


def test_the_marker_would_show_that_code_was_run(marker):
    pickle.loads(pickle.dumps(Evil(marker)))
    assert marker.is_dir()


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("kind", PICKLES)
def test_pickle_named_like_a_model_is_refused_and_not_run(kind, use, folder, marker):
    put(kind, folder, marker)
    with pytest.raises(InputError) as caught:
        USES[use](str(folder))
    assert str(caught.value) == PICKLES[kind].format(name=str(folder))
    assert not marker.exists()


def test_plain_weights_in_a_bin_file_load_as_the_safetensors_do(folder, tiny_encoder):
    weights = load_file(f"{tiny_encoder}/model.safetensors")
    torch.save(weights, folder / "pytorch_model.bin")
    loaded = load_encoder(str(folder)).state_dict()
    assert all(torch.equal(loaded[name], weight) for name, weight in weights.items())


def test_pickle_beside_the_weights_is_never_opened(folder, tiny_encoder, marker):
    shutil.copy(f"{tiny_encoder}/model.safetensors", folder)
    for name in ("training_args.bin", "pytorch_model.bin", "optimizer.pt"):
        (folder / name).write_bytes(pickle.dumps(Evil(marker)))
    load_encoder(str(folder))
    load_tokenizer(str(folder))
    assert not marker.exists()


@pytest.mark.parametrize("kind", PICKLES)
def test_saved_classifier_with_a_pickle_is_refused_and_not_run(kind, tiny_encoder, tmp_path, marker):
    fitted = train(human_rows(8), encoder=tiny_encoder, steps=1)
    saved = fitted.save(tmp_path / "model")
    os.unlink(saved / "model.safetensors")
    put(kind, saved, marker)
    with pytest.raises(InputError) as caught:
        Fitted.load(saved)
    why = "a pickle by the name of a safetensors file; it could run code and was not opened"
    why = why if "name" in kind else "missing"
    assert str(caught.value) == (
        f"{saved}: the saved classifier is damaged: model.safetensors is {why}.\n  Train it again or restore a copy; "
        "a run with keep_models: false leaves no weights."
    )
    assert not marker.exists()


@pytest.mark.parametrize(("cut", "problem"), [(-1, "is cut off"), (100, "is no safetensors file, or is cut off")])
def test_truncated_weights_are_told(cut, problem, folder, tiny_encoder):
    whole = Path(tiny_encoder, "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[:cut])
    with pytest.raises(InputError, match=re.escape(f"encoder '{folder}': model.safetensors {problem}.{AGAIN}")):
        load_encoder(str(folder))


def test_safetensors_header_that_is_not_one_is_told(tmp_path):
    path = tmp_path / "x.safetensors"
    for content in (b"", b"\x02\0\0\0\0\0\0\0[]", b"\x02\0\0\0\0\0\0\0{{", (10**12).to_bytes(8, "little") + b"{}"):
        path.write_bytes(content)
        assert str(weights_problem(path)).startswith("is no safetensors file"), content
    save_file({"a": torch.zeros(3), "b": torch.zeros(0)}, path, metadata={"format": "pt"})
    assert weights_problem(path) is None
    assert weights_problem(tmp_path) == "is no file"


@pytest.mark.parametrize("load", [load_encoder, USES["own head"]])
def test_encoder_of_which_a_part_is_missing_is_refused(load, folder, tiny_encoder):
    weights = load_file(f"{tiny_encoder}/model.safetensors")
    part = {name: weight for name, weight in weights.items() if "layer.1.attention" not in name}
    save_file(part, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError) as caught:
        load(str(folder))
    assert str(caught.value) == (
        f"encoder '{folder}': its weights lack 10 of the encoder's own, the first is "
        "'encoder.layer.1.attention.output.LayerNorm.bias'; they would be random.\n"
        "  The file is of another kind of model, or only a part of it. 'augtune import' reads classifiers that other "
        "programs saved."
    )


def test_code_that_comes_with_a_model_is_not_run_and_not_asked_about(folder, marker, monkeypatch):
    about = json.loads((folder / "config.json").read_text())
    about |= {"model_type": "own", "auto_map": {"AutoConfig": "own.Config", "AutoModel": "own.Model"}}
    (folder / "config.json").write_text(json.dumps(about))
    (folder / "own.py").write_text(f"import os\nos.mkdir({str(marker)!r})\n")
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked at a prompt"))
    with pytest.raises(InputError, match=r"could not be loaded: ValueError: "):
        load_encoder(str(folder))
    assert not marker.exists()


def test_a_models_advice_to_run_its_pickle_is_left_out():
    class UnpicklingError(Exception):
        """Like pickle's own."""

    advice = "Re-running `torch.load` with `weights_only` set to `False` will likely succeed"
    assert "weights_only" not in told(UnpicklingError(advice))
    assert told(ValueError("\n  first\nsecond")) == "ValueError: first"
    assert told(OSError()) == "OSError"


def test_no_source_file_unpickles():
    source = Path(__file__).parents[3] / "src"
    found = {}
    for path in source.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        loads = re.findall(r"torch\.load\((?![^)]*weights_only=True)", text)
        if loads or re.search(r"^\s*(import|from) (pickle|dill|joblib|cloudpickle)\b|allow_pickle=True", text, re.M):
            found[path.name] = loads
    assert found == {}

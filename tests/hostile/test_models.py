"""Model folders that somebody else made: sizes that are lies, links that lead out, headers that overlap, code, bombs."""

from __future__ import annotations

import json
import re
import shutil
import time
import zipfile
from pathlib import Path

import pytest
import torch

from augtune.core.errors import AugtuneError, InputError
from augtune.core.foreign import weights_problem
from augtune.core.untrusted import archive_problem, config_problem, link_problem
from augtune.embedding.encode import embed
from augtune.model.encoder import load_encoder, load_stock, load_tokenizer
from augtune.model.fitted import Fitted
from augtune.model.foreign_weights import read_weights
from augtune.training.settings import TrainSettings
from augtune.training.train import train
from training_rows import human_rows


@pytest.fixture
def folder(tiny_encoder, tmp_path):
    """A copy of the tiny encoder."""
    place = tmp_path / "encoder"
    shutil.copytree(tiny_encoder, place)
    return place


@pytest.fixture(scope="module")
def trained(tiny_encoder, tmp_path_factory):
    """A classifier, saved."""
    settings = TrainSettings(encoder=tiny_encoder, steps=1, precision="fp32")
    return train(human_rows(8), settings=settings).save(tmp_path_factory.mktemp("trained") / "model")


def change_config(folder: Path, **values: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **values}), encoding="utf-8")


# ---- sizes


SIZES = {
    "layers": ({"num_hidden_layers": 10**7}, "num_hidden_layers is 10000000, and no model has more than 1,000"),
    "positions": ({"max_position_embeddings": 2 * 10**9}, "max_position_embeddings is 2000000000, and no model"),
    "kinds": ({"type_vocab_size": 10**12}, "type_vocab_size is 1000000000000, and no model has more than 1,000,000"),
    "labels": ({"num_labels": 10**9}, "num_labels is 1000000000, and no model has more than 1,000,000"),
    "units": ({"hidden_size": 50_000}, "speaks of 5,000,000,000 weights, and there are files for 8,388,608 at most"),
    "inner": ({"intermediate_size": 10**9}, "speaks of 64,000,000,000 weights, and there are files for 8,388,608"),
    "words": ({"vocab_size": 10**9}, "speaks of 32,000,000,000 weights, and there are files for 8,388,608 at most"),
    "a part": ({"text_config": {"num_hidden_layers": 10**9}}, "num_hidden_layers is 1000000000, and no model"),
}
USES = {
    "encoder": load_encoder,
    "own head": lambda name: load_stock(name, ["a", "b"]),
    "tokenizer": load_tokenizer,
    "embed": lambda name: embed(["a film"], encoder=name),
    "train": lambda name: train(human_rows(8), encoder=name, steps=1),
}


@pytest.mark.parametrize("which", SIZES)
def test_configuration_out_of_proportion_is_refused_at_once(which, folder):
    values, message = SIZES[which]
    change_config(folder, **values)
    before = time.process_time()
    for use in USES.values():
        with pytest.raises(InputError, match=re.escape(f"encoder '{folder}': config.json")) as caught:
            use(str(folder))
        assert message in str(caught.value)
    assert time.process_time() - before < 5


@pytest.mark.parametrize("text", ["[" * 100_000, "[1]", "9" * 5_000, '{"a": '])
def test_configuration_that_is_none_is_refused(text, folder):
    (folder / "config.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"config\.json is no JSON"):
        load_encoder(str(folder))


def test_saved_classifier_out_of_proportion_is_refused(trained, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(trained, copy)
    change_config(copy, num_hidden_layers=10**7)
    with pytest.raises(
        InputError, match=r"the saved classifier is damaged: config\.json: num_hidden_layers is 10000000"
    ):
        Fitted.load(copy)


def test_configuration_without_weights_is_measured_by_the_weights_it_is_for(folder):
    (folder / "model.safetensors").unlink()
    change_config(folder, hidden_size=50_000)
    assert config_problem(folder) is None
    assert "5,000,000,000 weights" in str(config_problem(folder, weights=100_000))


def test_real_models_are_in_proportion(tiny_encoder, tmp_path):
    assert config_problem(Path(tiny_encoder)) is None
    config = {"vocab_size": 30_000, "embedding_size": 128, "hidden_size": 4096, "intermediate_size": 16_384}
    config |= {"num_hidden_layers": 12, "num_hidden_groups": 1, "max_position_embeddings": 10_485_760}  # ALBERT xxlarge
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with (tmp_path / "model.safetensors").open("wb") as stream:
        stream.truncate(890_000_000)  # a file with a hole, no byte of it on disk
    assert config_problem(tmp_path) is None


# ---- links


def test_vocabulary_that_is_a_link_to_a_private_file_is_refused(folder, tmp_path):
    private = tmp_path / "id_rsa"
    private.write_text("secret\n", encoding="utf-8")
    (folder / "vocab.txt").unlink(missing_ok=True)
    (folder / "vocab.txt").symlink_to(private)
    for use in USES.values():
        with pytest.raises(InputError) as caught:
            use(str(folder))
        assert str(caught.value).split("\n")[0] == (
            f"encoder '{folder}': vocab.txt is a link that leads out of the folder."
        )


def test_saved_classifier_with_a_link_out_is_refused(trained, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(trained, copy)
    (copy / "tokenizer.json").unlink()
    (copy / "tokenizer.json").symlink_to("/etc/passwd")
    with pytest.raises(InputError, match=r"tokenizer\.json is a link that leads out of the folder"):
        Fitted.load(copy)


def test_links_of_the_hubs_own_cache_are_followed(folder, tmp_path):
    blobs, snapshot = tmp_path / "hub" / "blobs", tmp_path / "hub" / "snapshots" / "0123"
    blobs.mkdir(parents=True)
    snapshot.mkdir(parents=True)
    for number, path in enumerate(sorted(folder.iterdir())):
        path.rename(blobs / str(number))
        (snapshot / path.name).symlink_to(f"../../blobs/{number}")
    assert link_problem(snapshot) is None
    assert load_encoder(str(snapshot)) is not None


# ---- headers


def tensor_file(path: Path, header: object, data: int) -> Path:
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"\0" * data)
    return path


def entry(start: object, end: object, shape: object = (2,), dtype: str = "F32") -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


OVERLAP = "is no safetensors file: its tensors overlap or have gaps between them"
LENGTH = "is no safetensors file: a tensor is not as long as its shape says"
HEADERS = {
    "right": ({"a": entry(0, 8), "b": entry(8, 16)}, 16, None),
    "overlap": ({"a": entry(0, 8), "b": entry(4, 12)}, 12, OVERLAP),
    "gap": ({"a": entry(0, 8), "b": entry(12, 20)}, 20, OVERLAP),
    "backwards": ({"a": entry(8, 0), "b": entry(0, 8)}, 8, OVERLAP),
    "beyond": ({"a": entry(0, 8), "b": entry(8, 16)}, 12, "is cut off"),
    "before": ({"a": entry(-8, 0)}, 8, "is no safetensors file"),
    "more": ({"a": entry(0, 8)}, 99, "is no safetensors file: there is more in it than its tensors"),
    "shape": ({"a": entry(0, 8, (3,))}, 8, LENGTH),
    "huge shape": ({"a": entry(0, 8, (2**62, 2**62))}, 8, LENGTH),
    "negative shape": ({"a": entry(0, 8, (-2, -1))}, 8, "is no safetensors file"),
    "kind": ({"a": entry(0, 8, (2,), "F64")}, 8, LENGTH),
    "words": ({"a": entry("0", "8")}, 8, "is no safetensors file"),
    "fractions": ({"a": entry(0.0, 8.0)}, 8, "is no safetensors file"),
    "no entries": ({"a": 1}, 0, "is no safetensors file"),
    "a list": ([1], 0, "is no safetensors file"),
}


@pytest.mark.parametrize("which", HEADERS)
def test_header_is_held_to_what_it_says(which, tmp_path):
    header, data, problem = HEADERS[which]
    assert weights_problem(tensor_file(tmp_path / "x.safetensors", header, data)) == problem


@pytest.mark.parametrize("first", [2**63 - 1, 100_000_001, 10**9, 1])
def test_header_of_a_length_that_is_a_lie_is_refused_unread(first, tmp_path):
    path = tmp_path / "x.safetensors"
    path.write_bytes(first.to_bytes(8, "little") + b"{}" * 50)
    assert weights_problem(path) == "is no safetensors file, or is cut off"


def test_header_nested_without_end_is_refused(tmp_path):
    path, text = tmp_path / "x.safetensors", b"[" * 100_000
    path.write_bytes(len(text).to_bytes(8, "little") + text)
    assert weights_problem(path) == "is no safetensors file"


# ---- code and bombs


def test_folder_that_brings_code_is_refused_and_the_code_not_run(folder, tmp_path):
    marker = tmp_path / "run"
    (folder / "evil.py").write_text(f"open({str(marker)!r}, 'w')\nclass C: ...\n", encoding="utf-8")
    names = {
        name: "evil.C" for name in ("AutoConfig", "AutoModel", "AutoTokenizer", "AutoModelForSequenceClassification")
    }
    change_config(folder, auto_map=names, model_type="evil")
    path = folder / "tokenizer_config.json"
    about = {**json.loads(path.read_text(encoding="utf-8")), "auto_map": {"AutoTokenizer": ["evil.C", "evil.C"]}}
    path.write_text(json.dumps({**about, "tokenizer_class": "Evil"}), encoding="utf-8")
    for use in USES.values():
        with pytest.raises(AugtuneError):
            use(str(folder))
    assert not marker.exists()


def test_weights_that_grow_as_they_are_read_are_refused_unopened(tmp_path):
    path = tmp_path / "model.bin"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data/0", b"\0" * 200_000_000)
    assert path.stat().st_size < 1_000_000
    with pytest.raises(InputError, match=r"would grow from [\d,]+ to 200,000,000 bytes as it is read, and was not"):
        read_weights(path)


def test_weights_of_torch_do_not_grow(tmp_path):
    torch.save({"w": torch.zeros(1_000)}, tmp_path / "model.bin")
    assert archive_problem(tmp_path / "model.bin") is None
    assert read_weights(tmp_path / "model.bin")["w"].shape == (1_000,)


@pytest.mark.parametrize("text", ["[" * 100_000, "[1]", '{"max_seq_length": 1e999}', '{"max_seq_length": "x"}'])
def test_sentence_settings_that_are_none_are_refused(text, folder):
    (folder / "sentence_bert_config.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"sentence_bert_config\.json is damaged"):
        embed(["a film"], encoder=str(folder))

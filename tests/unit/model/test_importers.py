"""Classifiers of other programs: a small model of the published ELECTRA format, computed anew from its formula."""

from __future__ import annotations

import importlib.util
import json
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers as tf
from safetensors.torch import load_file, save_file

from augtune.cli.main import main
from augtune.core.errors import InputError
from augtune.core.files import write_jsonl
from augtune.model.fitted import Fitted
from augtune.model.importers import import_classifier
from augtune.model.mlp_head import find_head

TEXTS = [
    "the film was good",
    "an awful boring movie , never again please",
    "day",
    "the plot of the story was quite fun and the acting great , thing of the year for all people",
]
NAMES = ("negative", "neutral", "positive")
WIDTH = 24


def electra_config(vocabulary):
    return tf.ElectraConfig(
        vocab_size=vocabulary, embedding_size=16, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=64,
    )  # fmt: skip


@pytest.fixture(scope="module")
def parts(tiny_encoder):
    """The encoder, tokenizer and head weights of one model, as plain torch values."""
    tokenizer = tf.AutoTokenizer.from_pretrained(tiny_encoder)
    with torch.random.fork_rng():
        torch.manual_seed(7)
        encoder = tf.ElectraModel(electra_config(len(tokenizer))).eval()
        linears = [torch.nn.Linear(a, b) for a, b in ((16, WIDTH), (WIDTH, WIDTH), (WIDTH, 3))]
        glu = torch.nn.Linear(WIDTH, 2 * WIDTH)
    return encoder, tokenizer, linears, glu


def weights_of(parts, *, dropout=True, glus=(0, 1), prefix="electra", wrapper=""):
    """The weights as the published files name them; ``glus``: the hidden layers the gated one is stored under."""
    encoder, _, linears, glu = parts
    step = 3 if dropout else 2
    found = {f"{prefix}.{name}": tensor.clone() for name, tensor in encoder.state_dict().items()}
    for k, linear in enumerate(linears):
        found |= {f"classifier.layers.{k * step}.{name}": t.detach().clone() for name, t in linear.named_parameters()}
    for k in glus:
        place = f"classifier.layers.{k * step + 1}.projection"
        found |= {f"{place}.{name}": t.detach().clone() for name, t in glu.named_parameters()}
    return {f"{wrapper}{name}": tensor for name, tensor in found.items()}


def write(folder, parts, weights, *, file="model.safetensors", **changes):
    """Write a folder in the published format: config.json with the head's keys, weights, tokenizer."""
    encoder, tokenizer, _, _ = parts
    folder.mkdir(exist_ok=True)
    tokenizer.save_pretrained(folder)
    about = encoder.config.to_dict() | {
        "architectures": ["ElectraClassifier"], "pooling": "mean", "hidden_dim": WIDTH,
        "hidden_activation": "SwishGLU", "num_layers": 2, "dropout_rate": 0.3,
        "id2label": {"0": "negative", "1": "neutral", "2": "positive"},
        "label2id": {"negative": 0, "neutral": 1, "positive": 2},
    }  # fmt: skip
    about = {key: value for key, value in (about | changes).items() if value is not None}
    (folder / "config.json").write_text(json.dumps(about))
    if file == "model.safetensors":
        save_file(weights, folder / file, metadata={"format": "pt"})
    else:
        torch.save(weights, folder / file)
    return folder


def expected(parts, pooling="mean", activation=None):
    """Return the probabilities by the formula, each text alone so that nothing is padded, ``(4, 3)``."""
    encoder, tokenizer, (first, second, last), glu = parts

    def gated(x):
        value, gate = glu(x).split(WIDTH, dim=-1)
        return value * gate * torch.sigmoid(gate)

    act = activation or gated
    rows = []
    with torch.no_grad():
        for text in TEXTS:
            hidden = encoder(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
            pooled = {"mean": hidden.mean(dim=0), "cls": hidden[0], "max": hidden.amax(dim=0)}[pooling]
            rows.append(torch.softmax(last(act(second(act(first(pooled))))), dim=-1))
    return torch.stack(rows).numpy()


def close(fitted, wanted):
    np.testing.assert_allclose(fitted.predict(TEXTS).probabilities, wanted, atol=1e-6)


FORMATS = {
    "both names": {},
    "first name": {"glus": (0,)},
    "second name": {"glus": (1,)},
    "no dropout": {"dropout": False},
    "no dropout, second name": {"dropout": False, "glus": (1,)},
    "bert prefix": {"prefix": "bert"},
    "bert prefix in a wrapper": {"prefix": "bert", "wrapper": "module."},
}


@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin"])
@pytest.mark.parametrize("form", FORMATS)
def test_folder_gives_the_probabilities_of_the_formula(form, file, parts, tmp_path):
    weights = weights_of(parts, **FORMATS[form])
    rate = 0.0 if "no dropout" in form else 0.3
    made = import_classifier(write(tmp_path / "theirs", parts, weights, file=file, dropout_rate=rate))
    close(made.fitted, expected(parts))
    assert made.fitted.labels.names == NAMES


def test_imported_classifier_is_saved_as_any_other(parts, tmp_path):
    made = import_classifier(write(tmp_path / "theirs", parts, weights_of(parts))).fitted
    again = Fitted.load(made.save(tmp_path / "ours"))
    close(again, expected(parts))
    assert again.fingerprint == made.fingerprint
    assert repr(again) == "theirs · imported · 0 steps"
    assert sorted(path.name for path in (tmp_path / "ours").glob("*.safetensors")) == [
        "head.safetensors", "model.safetensors",
    ]  # fmt: skip


def test_what_was_found_is_told(parts, tmp_path):
    made = import_classifier(write(tmp_path / "theirs", parts, weights_of(parts, glus=(1,))))
    head = sum(p.numel() for linear in parts[2] for p in linear.parameters())
    head += sum(p.numel() for p in parts[3].parameters())
    assert made.found == (
        f"encoder: electra, 2 layers of 16 units, {sum(p.numel() for p in parts[0].parameters()):,} weights",
        f"head: mean pooling, 2 hidden layers of 24 units, swiglu shared by all layers, dropout 0.3, {head:,} weights",
        "gated layer: stored once, as layers.4; used in each of 2 hidden layers",
        "labels, in the order of the outputs: negative · neutral · positive",
    )


@pytest.mark.parametrize(("units", "count"), [(768, 3_939_331), (1024, 4_201_475)])
def test_shared_gate_counts_once_in_the_published_sizes(units, count):
    sizes = ((units, 1024), (1024, 1024), (1024, 3))
    weights = {}
    for number, (a, b) in zip((0, 3, 6), sizes, strict=True):
        weights[f"classifier.layers.{number}.weight"] = torch.zeros(b, a)
        weights[f"classifier.layers.{number}.bias"] = torch.zeros(b)
    for number in (1, 4):
        weights[f"classifier.layers.{number}.projection.weight"] = torch.zeros(2048, 1024)
        weights[f"classifier.layers.{number}.projection.bias"] = torch.zeros(2048)
    head = find_head(weights, source="x")
    assert head is not None
    assert head.is_shared
    assert sum(tensor.numel() for tensor in head.state.values()) == count


def test_gates_that_differ_are_each_used_in_their_layer(parts, tmp_path):
    weights = weights_of(parts)
    weights["classifier.layers.4.projection.bias"] += 1.0
    made = import_classifier(write(tmp_path / "theirs", parts, weights))
    assert made.found[2] == "gated layers: layers.1 and layers.4 differ; each is used in its own hidden layer"
    assert not made.fitted.classifier.head_settings.shared
    assert np.abs(made.fitted.predict(TEXTS).probabilities - expected(parts)).max() > 1e-3


@pytest.mark.parametrize("pooling", ["mean", "cls", "max"])
@pytest.mark.parametrize(("named", "activation"), [("Tanh", torch.tanh), ("GELU", torch.nn.functional.gelu)])
def test_other_poolings_and_activations_are_the_formulas(pooling, named, activation, parts, tmp_path):
    folder = write(
        tmp_path / "theirs", parts, weights_of(parts, glus=()), pooling=pooling, hidden_activation=named
    )  # fmt: skip
    made = import_classifier(folder)
    close(made.fitted, expected(parts, pooling, activation))
    assert any("padding counted as 0" in line for line in made.found) == (pooling == "max")


@pytest.mark.parametrize("inside", [None, "model_state_dict"])
def test_checkpoint_file_takes_configuration_and_tokenizer_of_the_named_encoder(inside, parts, tmp_path):
    encoder, tokenizer, _, _ = parts
    encoder.save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    (tmp_path / "base" / "model.safetensors").unlink()
    weights = weights_of(parts, prefix="bert", wrapper="module.")
    file = tmp_path / "checkpoint_epoch_14.pth"
    torch.save(weights if inside is None else {"epoch": 14, inside: weights, "optimizer_state_dict": {}}, file)
    made = import_classifier(file, encoder=str(tmp_path / "base"), labels=NAMES, pooling="mean")
    close(made.fitted, expected(parts))


def test_class_order_is_that_of_the_outputs_never_the_alphabets(parts, tmp_path):
    names = {"2": "anger", "0": "zeal", "1": "mirth"}
    folder = write(tmp_path / "theirs", parts, weights_of(parts), id2label=names)
    assert import_classifier(folder).fitted.labels.names == ("zeal", "mirth", "anger")


def refused(*arguments, **options):
    with pytest.raises(InputError) as caught:
        import_classifier(*arguments, **options)
    return str(caught.value)


def test_what_the_files_do_not_say_has_to_be_said(parts, tmp_path):
    file = tmp_path / "weights.pth"
    torch.save(weights_of(parts, glus=()), file)
    order = "\n  Give them in the order of the model's outputs: --labels negative,neutral,positive"
    assert refused(file) == f"import: {file}: nothing names its 3 classes.{order}"
    assert refused(file, labels=["a", "b"]) == (
        f"import: {file}: the model has 3 classes, and 2 are named: a, b.{order}"
    )
    assert refused(file, labels=["a", "b", "a"]) == f"import: {file}: labels: 'a' named more than once.{order}"
    assert refused(file, labels=NAMES) == (
        f"import: {file}: nothing says how it pools; expected one of: mean, cls, max.\n  Give --pooling."
    )
    activations = "swishglu, tanh, relu, sigmoid, identity, leakyrelu, gelu, silu, swiglu, leaky_relu, swish"
    assert refused(file, labels=NAMES, pooling="mean") == (
        f"import: {file}: activation of the hidden layers: nothing says which; expected one of: {activations}.\n"
        "  Give --activation."
    )
    assert refused(file, labels=NAMES, pooling="mean", activation="relu") == (
        f"import: {file}: a file of weights does not say which encoder they are of.\n"
        "  Name the encoder it was trained from, whose configuration and tokenizer are taken: --encoder NAME."
    )
    assert refused(file, labels=NAMES, pooling="mean", activation="swiglu").startswith(
        f"import: {file}: activation of the hidden layers: activation 'swiglu' does not fit its weights"
    )
    folder = write(tmp_path / "theirs", parts, weights_of(parts), id2label={str(k): f"LABEL_{k}" for k in range(3)})
    assert refused(folder) == f"import: {folder}: its classes have numbers instead of names.{order}"


def test_weights_of_another_encoder_are_refused(parts, tiny_encoder, tmp_path):
    file = tmp_path / "weights.pth"
    torch.save(weights_of(parts, prefix="bert"), file)
    said = refused(file, encoder=tiny_encoder, labels=NAMES, pooling="mean")
    assert said.startswith(f"import: {file}: the weights are not those of the encoder '{tiny_encoder}': ")
    assert said.endswith(
        "\n  Name the encoder the model was trained from with --encoder (the weights are named bert.…)."
    )


def test_head_with_a_part_missing_is_refused(parts, tmp_path):
    weights = weights_of(parts)
    del weights["classifier.layers.3.bias"]
    folder = write(tmp_path / "theirs", parts, weights)
    assert refused(folder) == f"import: {folder}/model.safetensors: the head lacks classifier.layers.3.bias."
    del weights["classifier.layers.3.weight"]
    write(folder, parts, weights)
    assert refused(folder) == (
        f"import: {folder}/model.safetensors: classifier.layers is numbered in a way that is not known: linear layers "
        "[0, 6], gated ones [1, 4]; a part may be missing."
    )


def test_encoder_without_a_head_is_refused(parts, tmp_path):
    weights = {name: t for name, t in weights_of(parts).items() if name.startswith("electra.")}
    folder = write(tmp_path / "theirs", parts, weights, architectures=["ElectraModel"])
    assert refused(folder).startswith(
        f"import: {folder}/model.safetensors: of its {len(weights)} weights none is of a classifier's head that is known"
    )


class Evil:
    """Makes a folder as it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin", "checkpoint.pth"])
@pytest.mark.parametrize("zipped", [False, True])
def test_pickle_is_refused_and_not_run(name, zipped, parts, tmp_path):
    folder = write(tmp_path / "theirs", parts, weights_of(parts))
    (folder / "model.safetensors").unlink()
    marker = tmp_path / "code-was-run"
    if zipped:
        torch.save({"model_state_dict": weights_of(parts), "params": Evil(marker)}, folder / name)
    else:
        (folder / name).write_bytes(pickle.dumps(Evil(marker)))
    said = refused(folder / name if name.endswith(".pth") else folder)
    assert not marker.exists()
    if name.endswith(".safetensors"):
        assert said == (
            "import: model.safetensors is a pickle by the name of a safetensors file; it could run code and was not "
            "opened.\n  Get the files again from a source that you trust."
        )
    else:
        assert said == (
            f"import: {folder / name} was not read: its weights file holds more than weights: it is a pickle that "
            "would run code, and it was not run.\n  Save the weights alone where you trust the file, as safetensors "
            "or by torch.save(model.state_dict(), FILE)."
        )


def test_wrong_sources_get_one_clear_message(parts, tmp_path):
    assert refused(tmp_path / "nowhere").startswith(f"import: {tmp_path}/nowhere: no such file or folder.\n")
    assert refused(tmp_path) == f"import: {tmp_path}: holds neither model.safetensors nor pytorch_model.bin."
    (tmp_path / "x.pkl").write_bytes(b"")
    assert refused(tmp_path / "x.pkl") == (
        f"import: {tmp_path}/x.pkl: unknown kind of file '.pkl'; known: .safetensors, .bin, .pth, .pt."
    )
    (tmp_path / "x.pth").write_bytes(b"")
    assert refused(tmp_path / "x.pth").startswith(f"import: {tmp_path}/x.pth was not read: ")
    torch.save([1, 2], tmp_path / "x.pth")
    assert refused(tmp_path / "x.pth") == f"import: {tmp_path}/x.pth: holds no weights by name."
    made = import_classifier(write(tmp_path / "theirs", parts, weights_of(parts))).fitted.save(tmp_path / "ours")
    assert refused(made) == (f"import: {made}: this is a classifier of augtune already; predict reads it as it is.")


def test_sequence_classifier_of_transformers_gives_its_own_probabilities(parts, tiny_encoder, tmp_path):
    tokenizer = tf.AutoTokenizer.from_pretrained(tiny_encoder)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = tf.BertForSequenceClassification.from_pretrained(
            tiny_encoder, num_labels=3, id2label=dict(enumerate(NAMES)), label2id={n: k for k, n in enumerate(NAMES)}
        ).eval()
    model.save_pretrained(tmp_path / "theirs")
    tokenizer.save_pretrained(tmp_path / "theirs")
    made = import_classifier(tmp_path / "theirs")
    with torch.no_grad():
        wanted = [model(**tokenizer(text, return_tensors="pt")).logits[0].softmax(dim=-1).numpy() for text in TEXTS]
    close(made.fitted, np.stack(wanted))
    close(Fitted.load(made.fitted.save(tmp_path / "ours")), np.stack(wanted))
    assert made.found[-1] == "labels, in the order of the outputs: negative · neutral · positive"
    weights = load_file(tmp_path / "theirs" / "model.safetensors")
    save_file({n: t for n, t in weights.items() if n != "classifier.bias"}, tmp_path / "theirs" / "model.safetensors")
    assert "1 weights are missing, the first is 'classifier.bias'" in refused(tmp_path / "theirs")
    shutil.rmtree(tmp_path / "ours")


# ---- the script that checks golden probabilities


def golden_script(arguments):
    spec = importlib.util.spec_from_file_location("golden", Path(__file__).parents[3] / "benchmarks" / "golden.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main([str(argument) for argument in arguments])


@pytest.fixture
def golden(parts, tmp_path):
    """A model, its texts and its probabilities as they are written down, 6 decimals each."""
    folder = write(tmp_path / "theirs", parts, weights_of(parts))
    rows = [{"index": i, "electra_probs": np.round(row, 6).tolist()} for i, row in enumerate(expected(parts))]
    write_jsonl(tmp_path / "golden.jsonl", rows)
    write_jsonl(tmp_path / "texts.jsonl", [{"index": i, "text": text} for i, text in reversed([*enumerate(TEXTS)])])
    return folder, rows, tmp_path


def test_golden_probabilities_are_confirmed(golden, capsys):
    folder, _, place = golden
    assert golden_script([folder, place / "golden.jsonl", "--texts", place / "texts.jsonl"]) == 0
    told = capsys.readouterr().out
    assert "theirs · imported · 0 steps: 4 rows, labels negative · neutral · positive" in told
    assert "same class          4 of 4" in told


def test_golden_probabilities_that_differ_are_told_and_fail(golden, capsys):
    folder, rows, place = golden
    rows[2]["electra_probs"][0] += 0.001
    write_jsonl(place / "golden.jsonl", rows)
    saved = import_classifier(folder).fitted.save(place / "ours")
    assert golden_script([saved, place / "golden.jsonl", "--texts", place / "texts.jsonl"]) == 1
    told = capsys.readouterr().out
    assert "largest difference  1.00e-03 (index 2)" in told
    assert told.endswith("FAILED: 1 rows differ by more than 0.0001\n")
    arguments = [saved, place / "golden.jsonl", "--texts", place / "texts.jsonl"]
    assert golden_script([*arguments, "--tolerance", "0.01"]) == 0
    assert golden_script([*arguments, "--limit", "2"]) == 0


def test_golden_rows_of_another_shape_are_refused(golden, capsys):
    folder, _, place = golden
    arguments = [folder, place / "golden.jsonl", "--texts", place / "texts.jsonl"]
    assert golden_script([*arguments, "--column", "probs"]) == 2
    assert "expected 'index' and 3 numbers in 'probs', got {'index': 0" in capsys.readouterr().err
    write_jsonl(place / "texts.jsonl", [{"index": 9, "text": "x"}])
    assert golden_script(arguments) == 2
    assert "texts.jsonl: has no row with index 0." in capsys.readouterr().err


# ---- the command


def test_command_imports_and_tells_what_it_found(parts, tmp_path, capsys):
    folder = write(tmp_path / "theirs", parts, weights_of(parts, glus=(0,)))
    assert main(["import", str(folder), "--out", str(tmp_path / "model")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2:] == [
        "gated layer: stored once, as layers.1; used in each of 2 hidden layers",
        "labels, in the order of the outputs: negative · neutral · positive",
        f"saved: {tmp_path / 'model'}",
    ]
    close(Fitted.load(tmp_path / "model"), expected(parts))


def test_command_refuses_a_pickle_with_one_message(tmp_path, capsys):
    (tmp_path / "x.pth").write_bytes(pickle.dumps(Evil(tmp_path / "code-was-run")))
    assert main(["import", str(tmp_path / "x.pth"), "--labels", "a, b", "--out", str(tmp_path / "model")]) == 2
    told = capsys.readouterr()
    assert told.err.startswith(f"error: import: {tmp_path}/x.pth was not read: its weights file holds more than")
    assert not (tmp_path / "code-was-run").exists()
    assert not (tmp_path / "model").exists()

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from augtune.core.dataset import HumanDataset
from augtune.core.errors import DataError, InputError, StorageError
from augtune.core.labels import Labels
from augtune.core.tables import Weights
from augtune.model.classifier import Classifier
from augtune.model.encoder import load_tokenizer
from augtune.model.fitted import Fitted
from training_rows import LABELS, human_rows, pair_rows


def make(encoder, head="own", **fields):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        classifier = Classifier.new(encoder, LABELS.names, head=head).eval()
    known = {
        "encoder": encoder,
        "recipe": "vanilla",
        "steps": 3,
        "max_length": 12,
        "history": ({"step": 1, "stage": "train", "loss": 0.7, "lr": 5e-5},),
        "settings": {"lr": 5e-5},
    }
    return Fitted(classifier=classifier, tokenizer=load_tokenizer(encoder), labels=LABELS, **{**known, **fields})


@pytest.fixture(params=["own", "mean", "cls"])
def fitted(request, tiny_encoder):
    return make(tiny_encoder, request.param, weights=Weights(("a", "b"), np.array([0.5, 2.0])))


def test_saved_and_loaded_it_predicts_the_same_to_the_last_bit(fitted, tmp_path):
    fitted.save(tmp_path / "model")
    loaded = Fitted.load(tmp_path / "model")
    rows = human_rows()
    assert np.array_equal(loaded.predict(rows).probabilities, fitted.predict(rows).probabilities)
    assert loaded.fingerprint == fitted.fingerprint
    assert loaded.history == fitted.history
    assert loaded.head == fitted.head
    assert loaded.weights.ids == fitted.weights.ids
    assert sorted(os.listdir(tmp_path)) == ["model"]
    assert not [name for name in os.listdir(tmp_path / "model") if name.endswith((".bin", ".pt", ".pth", ".pkl"))]


def test_loading_leaves_torchs_random_state_alone(fitted, tmp_path):
    fitted.save(tmp_path / "model")
    state = torch.random.get_rng_state()
    Fitted.load(tmp_path / "model")
    assert torch.equal(torch.random.get_rng_state(), state)


def test_stock_pipeline_gives_the_same_labels_and_probabilities(tiny_encoder, tmp_path):
    from transformers import pipeline

    fitted = make(tiny_encoder)
    fitted.save(tmp_path / "model")
    texts = list(human_rows().texts)
    ours = fitted.predict(texts)
    stock = pipeline("text-classification", str(tmp_path / "model"), top_k=None)(texts)
    for row, found, predicted in zip(ours.probabilities, stock, ours.predicted, strict=True):
        scores = {item["label"]: item["score"] for item in found}
        assert max(scores, key=scores.get) == predicted
        np.testing.assert_allclose([scores[name] for name in LABELS], row, atol=1e-5)


def test_predictions_keep_order_ids_and_say_what_was_cut(fitted):
    texts = ["good film", "bad " * 40, "fun"]
    found = fitted.predict(texts)
    assert found.ids == ("text-0000", "text-0001", "text-0002")
    assert found.truncated == ("text-0001",)
    assert found.made_by == fitted.name
    assert found.model == fitted.fingerprint
    assert found.probabilities.dtype == np.float64
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, atol=1e-12)
    np.testing.assert_allclose(found.probabilities[2], fitted.predict(["fun"]).probabilities[0], atol=1e-6)
    assert repr(found).endswith(" · 1 longer than the model and cut")


def test_predict_takes_no_rows(fitted):
    assert len(fitted.predict([])) == 0


def test_predict_refuses_rows_of_another_label_set(fitted):
    rows = HumanDataset.from_examples(list(human_rows(2)), Labels(("negative", "positive", "neutral")), name="other")
    with pytest.raises(DataError) as caught:
        fitted.predict(rows)
    assert str(caught.value) == (
        "other: its labels are negative · positive · neutral; the model's are negative · positive."
    )


def test_predict_refuses_pairs_where_it_was_trained_on_single_texts_and_the_reverse(tiny_encoder):
    single = make(tiny_encoder)
    with pytest.raises(DataError, match=r"^.* · vanilla · 3 steps: trained on single texts, got pairs of texts\.$"):
        single.predict(pair_rows())
    pairs = make(tiny_encoder, is_pair=True)
    assert len(pairs.predict([("good", "bad")])) == 1
    with pytest.raises(DataError, match=r"^.* · vanilla · 3 steps: trained on pairs of texts, got single texts\.\n"):
        pairs.predict(["good"])


def test_predict_refuses_one_text_where_a_list_is_wanted(fitted):
    with pytest.raises(DataError) as caught:
        fitted.predict("good film")
    assert str(caught.value) == "predict: expected a list of texts, got one text; write ['good film']."


def test_print_names_encoder_recipe_and_steps(tiny_encoder):
    fitted = make(tiny_encoder)
    assert repr(replace(fitted, encoder="bundled/minilm")) == "all-MiniLM-L6-v2 · vanilla · 3 steps"
    named = replace(fitted, encoder="sentence-transformers/all-MiniLM-L6-v2", recipe="two_stage", steps=300)
    assert repr(named) == "all-MiniLM-L6-v2 · two_stage · 300 steps"


def test_save_replaces_an_older_classifier_and_nothing_else(fitted, tmp_path):
    fitted.save(tmp_path / "model")
    fitted.save(tmp_path / "model")
    assert sorted(os.listdir(tmp_path)) == ["model"]
    other = tmp_path / "mine"
    other.mkdir()
    (other / "diary.txt").write_text("private")
    with pytest.raises(StorageError) as caught:
        fitted.save(other)
    assert caught.value.message == f"{other}: holds something that is no saved classifier; it was left alone."
    assert os.listdir(other) == ["diary.txt"]


def test_a_save_that_was_cut_off_between_two_names_gives_the_old_model_back(fitted, tmp_path, monkeypatch):
    fitted.save(tmp_path / "model [1]")
    rename = Path.rename

    def killed(path, target):
        if path.suffix == ".part":
            raise KeyboardInterrupt
        return rename(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            fitted.save(tmp_path / "model [1]")
    assert not (tmp_path / "model [1]").exists()
    assert Fitted.load(tmp_path / "model [1]").fingerprint == fitted.fingerprint
    fitted.save(tmp_path / "model [1]")
    assert os.listdir(tmp_path) == ["model [1]"]


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), Exception("No space left on device (os error 28)")], ids=repr
)
def test_a_failed_save_leaves_nothing_behind(fitted, tmp_path, monkeypatch, error):
    def full(*args, **kwargs):
        raise error

    monkeypatch.setattr(fitted.tokenizer, "save_pretrained", full)
    with pytest.raises(StorageError) as caught:
        fitted.save(tmp_path / "model")
    assert str(caught.value) == (
        f"{tmp_path / 'model'}: the classifier cannot be written: No space left on device\n"
        "  Free some space or choose another folder."
    )
    assert os.listdir(tmp_path) == []


def _saved(encoder, tmp_path, head="own"):
    return make(encoder, head).save(tmp_path / "model")


def _refused(folder, **kwargs):
    with pytest.raises(InputError) as caught:
        Fitted.load(folder, **kwargs)
    return str(caught.value).split("\n")[0].replace(str(folder), "FOLDER")


def test_load_refuses_a_folder_that_is_none_or_holds_no_classifier(tmp_path, tiny_encoder):
    assert _refused(tmp_path / "nowhere") == "FOLDER: there is no such folder."
    (tmp_path / "file").write_text("")
    assert _refused(tmp_path / "file") == "FOLDER: is a file, no folder."
    (tmp_path / "file").unlink()
    assert _refused(tmp_path) == "FOLDER: holds no augtune.json, so it is no classifier saved by augtune."


def test_load_refuses_another_label_set(tmp_path, tiny_encoder):
    folder = _saved(tiny_encoder, tmp_path)
    assert Fitted.load(folder, labels=Labels(("positive", "negative"))).labels == LABELS
    assert _refused(folder, labels=Labels(("a", "b"))) == (
        "FOLDER: the classifier's labels are negative · positive, expected a · b."
    )


def test_load_refuses_truncated_weights(tmp_path, tiny_encoder):
    folder = _saved(tiny_encoder, tmp_path)
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    assert _refused(folder) == "FOLDER: the saved classifier is damaged: model.safetensors is cut off."


def test_load_refuses_weights_with_a_changed_bit(tmp_path, tiny_encoder):
    folder = _saved(tiny_encoder, tmp_path)
    path = folder / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-7] ^= 1
    path.write_bytes(content)
    assert _refused(folder) == "FOLDER: the saved classifier is damaged: its weights are not those that were saved."


def test_load_refuses_a_missing_head(tmp_path, tiny_encoder):
    folder = _saved(tiny_encoder, tmp_path, "mean")
    (folder / "head.safetensors").unlink()
    assert _refused(folder) == "FOLDER: the saved classifier is damaged: head.safetensors is missing."


def test_load_refuses_weights_of_another_shape(tmp_path, tiny_encoder):
    folder = _saved(tiny_encoder, tmp_path)
    config = json.loads((folder / "config.json").read_text())
    config["num_hidden_layers"] = 3
    (folder / "config.json").write_text(json.dumps(config))
    assert _refused(folder).startswith("FOLDER: the saved classifier is damaged: 16 weights do not fit, the first is")

from __future__ import annotations

import copy
import json
import subprocess
import sys

import numpy as np
import pytest
import torch
import transformers as tf

from augtune.core.errors import ExtraError, SettingsError
from augtune.model.batching import encode
from augtune.model.classifier import Classifier
from augtune.model.encoder import layers_of, load_encoder, load_tokenizer
from augtune.model.fitted import Fitted
from augtune.model.heads import Mean
from augtune.model.lora import Lora, adapt, is_adapter, merge
from augtune.model.pooled import Pooled
from augtune.training.optimizing import parameter_groups
from augtune.training.settings import TrainSettings
from augtune.training.train import train
from layouts import LAYOUTS, SMALL
from training_rows import human_rows, synthetic_rows

EXPECTED = {
    "bert": {"query", "value"},
    "roberta": {"query", "value"},
    "distilbert": {"q_lin", "v_lin"},
    "electra": {"query", "value"},
    "deberta": {"query_proj", "value_proj"},
    "mpnet": {"q", "v"},
    "modernbert": {"Wqkv"},
}


def adapters(encoder):
    return [name for name, _ in encoder.named_parameters() if is_adapter(name)]


@pytest.fixture
def settings(tiny_encoder):
    return TrainSettings(
        encoder=tiny_encoder, steps=8, batch_size=4, lr=5e-3, precision="fp32", lora={"rank": 2}, head_lr=None
    )


@pytest.mark.parametrize("layout", LAYOUTS)
def test_attention_is_found_in_every_layout_and_only_updates_and_head_are_trained(layout):
    body = LAYOUTS[layout]()
    inputs = {"input_ids": torch.tensor([[2, 7, 9, 3]]), "attention_mask": torch.ones(1, 4, dtype=torch.long)}
    plain = copy.deepcopy(body).eval()(**inputs).last_hidden_state
    adapt(body, Lora(rank=2))
    found = {name.split(".lora_")[0].rpartition(".")[2] for name in adapters(body)}
    assert found == EXPECTED[layout]
    assert len(adapters(body)) == 3 * 2 * len(found)
    torch.testing.assert_close(body.eval()(**inputs).last_hidden_state, plain)
    classifier = Classifier(Pooled(body, 2, Mean()), "mean")
    classifier.train_only("all")
    trained = [name for name, p in classifier.encoder.named_parameters() if p.requires_grad]
    assert trained == adapters(body)
    assert all(p.requires_grad for p in classifier.head_parameters())
    groups = parameter_groups(classifier, lr=1.0, head_lr=None, weight_decay=0.0, layer_decay=0.5)
    assert sum(len(group["params"]) for group in groups) == len(trained) + 2
    classifier.train_only(1)
    top = {id(p) for p in layers_of(body)[2].parameters()}
    assert {id(p) for p in body.parameters() if p.requires_grad} < top


def test_merged_encoder_is_plain_and_gives_the_same_vectors(tiny_encoder):
    body = load_encoder(tiny_encoder).eval()
    names = [name for name, _ in body.named_parameters()]
    adapt(body, Lora(rank=2, targets="linear"))
    for name, parameter in body.named_parameters():
        if is_adapter(name):
            torch.nn.init.normal_(parameter, std=0.2)
    inputs = {"input_ids": torch.tensor([[2, 7, 9, 3]]), "attention_mask": torch.ones(1, 4, dtype=torch.long)}
    before = body.eval()(**inputs).last_hidden_state
    untouched = load_encoder(tiny_encoder).eval()(**inputs).last_hidden_state
    assert not torch.allclose(before, untouched, atol=1e-3)
    merge(body)
    assert [name for name, _ in body.named_parameters()] == names
    assert not hasattr(body, "peft_config")
    torch.testing.assert_close(body(**inputs).last_hidden_state, before, atol=1e-4, rtol=1e-4)


def test_training_changes_what_is_updated_and_the_saved_folder_is_plain(settings, tmp_path):
    fitted = train(human_rows(), settings=settings)
    start = load_encoder(settings.encoder).state_dict()
    changed = {
        name.rsplit(".", 2)[-2]
        for name, tensor in fitted.classifier.encoder.state_dict().items()
        if not torch.equal(tensor, start[name])
    }
    assert changed == {"query", "value"}
    losses = [row["loss"] for row in fitted.history]
    assert np.isfinite(losses).all()
    folder = fitted.save(tmp_path / "model")
    assert not [path.name for path in folder.iterdir() if "adapter" in path.name]
    assert "lora" not in json.dumps(json.loads((folder / "config.json").read_text()))
    loaded = Fitted.load(folder)
    assert loaded.fingerprint == fitted.fingerprint
    assert np.array_equal(loaded.predict(human_rows()).probabilities, fitted.predict(human_rows()).probabilities)


def test_the_same_seed_gives_the_same_updates_and_two_stages_share_them(settings):
    first, again = train(human_rows(), settings=settings), train(human_rows(), settings=settings)
    assert first.fingerprint == again.fingerprint
    both = train(human_rows() + synthetic_rows(), settings=settings, recipe="two_stage")
    assert both.steps == 8
    assert not adapters(both.classifier.encoder)


def test_best_weights_are_restored_before_they_are_merged(settings):
    rows = human_rows(12, "other")
    fitted = train(human_rows(), settings=settings, validation=rows, keep="best", keep_by="loss", evaluate_every=1)
    best = min(fitted.history, key=lambda row: row["validation_loss"])
    assert fitted.kept == f"best, step {best['step']}"
    found = fitted.predict(rows).probabilities[np.arange(12), rows.label_indices]
    assert -np.log(found).mean() == pytest.approx(best["validation_loss"], rel=1e-4)


def test_own_head_keeps_its_pooler_trained(tiny_encoder):
    classifier = Classifier.new(tiny_encoder, ["a", "b"], head="own")
    adapt(classifier.encoder, Lora())
    classifier.train_only("all")
    assert all(p.requires_grad for p in classifier.encoder.pooler.parameters())
    assert not any(p.requires_grad for p in classifier.encoder.embeddings.parameters())


def test_shared_layers_can_be_updated():
    body = tf.AlbertModel(tf.AlbertConfig(**SMALL, embedding_size=8, max_position_embeddings=20))
    adapt(body, Lora())
    assert len(adapters(body)) == 4


@pytest.mark.parametrize(
    ("targets", "problem"),
    [
        (["qery"], "lora.targets: the encoder has no linear layer called 'qery'; did you mean 'query'?"),
        (["zz"], "lora.targets: the encoder has no linear layer called 'zz'; known: query, key, value, dense"),
    ],
)
def test_wrong_target_gets_one_clear_message(tiny_encoder, targets, problem):
    with pytest.raises(SettingsError) as caught:
        adapt(load_encoder(tiny_encoder), Lora(targets=targets))
    assert str(caught.value) == problem


def test_encoder_whose_attention_is_called_otherwise_says_what_there_is():
    class Odd(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.config = tf.PretrainedConfig()
            self.mix = torch.nn.Linear(2, 2)

    with pytest.raises(SettingsError) as caught:
        adapt(Odd(), Lora())
    assert str(caught.value) == (
        "lora.targets: the attention of an encoder of type '' was not found; set linear, or some of: mix"
    )


@pytest.mark.parametrize("trainable", ["head", 0])
def test_lora_with_nothing_of_the_encoder_trained_is_refused(trainable):
    with pytest.raises(SettingsError) as caught:
        TrainSettings.parse({"lora": {}, "trainable": trainable}, where="train")
    assert caught.value.problems == (
        f"train.lora: with trainable: {trainable} no update would be trained; leave one out",
    )


def test_missing_peft_says_what_to_install(tiny_encoder, monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ExtraError) as caught:
        adapt(load_encoder(tiny_encoder), Lora())
    assert str(caught.value) == (
        "'peft' is needed to train with lora and is not installed.\n  pip install 'augtune[train]'"
    )


def test_predictions_do_not_depend_on_batch_mates_with_updates(tiny_encoder):
    classifier = Classifier.new(tiny_encoder, ["a", "b"], head="mean")
    adapt(classifier.encoder, Lora(dropout=0.3))
    encoded = encode(load_tokenizer(tiny_encoder), ["good film", "bad " * 9], max_length=16)
    np.testing.assert_allclose(
        classifier.scores(encoded, batch_size=1), classifier.scores(encoded, batch_size=2), atol=2e-6
    )


def test_settings_load_without_torch_and_peft():
    code = "import sys, augtune.model.lora as l; l.Lora(); sys.exit(bool({'torch', 'peft'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

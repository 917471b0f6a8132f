from __future__ import annotations

import pytest
import torch

from augtune.training import loop
from augtune.training.settings import TrainSettings
from augtune.training.train import train
from training_rows import human_rows, synthetic_rows


@pytest.mark.parametrize("head", ["own", "mean"])
@pytest.mark.parametrize("recipe", [{"kind": "two_stage", "top_layers": 1}, "vanilla"])
def test_training_on_the_kept_prefix_is_training_on_the_whole_encoder(tiny_encoder, monkeypatch, head, recipe):
    settings = TrainSettings(
        encoder=tiny_encoder, head=head, recipe=recipe, steps=24, batch_size=8, trainable=1, precision="fp32"
    )
    rows = human_rows(24) + synthetic_rows(40)
    kept = train(rows, settings=settings)
    monkeypatch.setattr(loop, "prefix_cache", lambda *_args, **_named: None)
    whole = train(rows, settings=settings)
    losses = [[step["loss"] for step in fitted.history] for fitted in (kept, whole)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    for name, tensor in whole.classifier.state_dict().items():
        torch.testing.assert_close(kept.classifier.state_dict()[name], tensor, rtol=1e-3, atol=2e-4)

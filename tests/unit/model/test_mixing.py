from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from augtune.core.errors import SettingsError
from augtune.core.seeds import generator
from augtune.model.classifier import Classifier
from augtune.model.encoder import layers_of
from augtune.model.losses import CrossEntropy, LossBatch, mean_loss
from augtune.model.mixed import mix_forward, mix_targets
from augtune.model.mixing import INPUT, Mix, Mixup, TMix
from layouts import LAYOUTS


def make_mix(layer: int, shares: list[float], partners: list[int]) -> Mix:
    return Mix(np.array(partners), np.array(shares, dtype=np.float32), layer)


def make_inputs(lengths: list[int], width: int) -> dict[str, torch.Tensor]:
    inside = torch.arange(width) < torch.tensor(lengths)[:, None]
    ids = torch.arange(len(lengths) * width).view(len(lengths), width) % 30 + 5
    # 1 is RoBERTa's padding, and no model here reads it through its mask.
    return {"input_ids": ids.where(inside, torch.ones_like(ids)), "attention_mask": inside.long()}


@pytest.fixture(params=LAYOUTS)
def classifier(request, tmp_path):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        LAYOUTS[request.param]().save_pretrained(tmp_path)
        return Classifier.new(str(tmp_path), ["a", "b", "c"], head="mean").eval()


@pytest.fixture(params=["mean", "cls", "own"])
def tiny(request, tiny_encoder):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Classifier.new(tiny_encoder, ["a", "b", "c"], head=request.param).eval()


@pytest.mark.parametrize("layer", [INPUT, 0, 1, 2])
def test_a_share_of_one_is_the_row_itself_bit_for_bit(classifier, layer):
    inputs = make_inputs([7, 3, 5], 7)
    with torch.inference_mode():
        found = mix_forward(classifier, classifier, inputs, make_mix(layer, [1, 1, 1], [1, 2, 0]))
        assert torch.equal(found, classifier(inputs))


@pytest.mark.parametrize("layer", [INPUT, 0, 1, 2])
def test_a_share_of_zero_is_the_partner_whichever_is_longer(classifier, layer):
    inputs = make_inputs([7, 3, 5], 7)
    with torch.inference_mode():
        found = mix_forward(classifier, classifier, inputs, make_mix(layer, [0, 0, 1], [1, 0, 0]))
        plain = classifier(inputs)
    torch.testing.assert_close(found, plain[[1, 0, 2]], atol=2e-6, rtol=1e-5)
    assert not torch.allclose(plain[0], plain[1], atol=1e-4)


@pytest.mark.parametrize("layer", [INPUT, 0, 1, 2])
def test_a_mix_and_its_mirror_image_are_the_same_and_blind_to_padding(classifier, layer):
    with torch.inference_mode():
        narrow, wide = make_inputs([6, 4], 6), make_inputs([6, 4], 12)
        wide["input_ids"][:, :6] = narrow["input_ids"]
        found = mix_forward(classifier, classifier, narrow, make_mix(layer, [0.8, 0.2], [1, 0]))
        padded = mix_forward(classifier, classifier, wide, make_mix(layer, [0.8, 0.2], [1, 0]))
    torch.testing.assert_close(found[0], found[1], atol=2e-6, rtol=1e-5)
    torch.testing.assert_close(padded, found, atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("layer", [0, 1])
def test_a_mix_equals_one_worked_out_by_hand(tiny, layer):
    inputs = {**make_inputs([5, 5, 5], 5), "token_type_ids": torch.zeros(3, 5, dtype=torch.long)}
    shares, partners = torch.tensor([0.9, 0.55, 0.7]), [2, 0, 1]
    found = mix_forward(tiny, tiny, inputs, make_mix(layer, shares.tolist(), partners))
    below = tiny.encoder(**inputs, output_hidden_states=True).hidden_states[layer + 1]
    hidden = shares.view(3, 1, 1) * below + (1 - shares).view(3, 1, 1) * below[partners]
    for above in layers_of(tiny.encoder)[layer + 1 :]:
        hidden = above(hidden)
        hidden = hidden if isinstance(hidden, torch.Tensor) else hidden[0]
    if tiny.head == "own":
        expected = tiny.net.classifier(tiny.encoder.pooler(hidden))
    else:
        expected = tiny.net.out(hidden.mean(dim=1) if tiny.head == "mean" else hidden[:, 0])
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("tiny", ["mean"], indirect=True)
def test_where_only_the_larger_text_has_a_token_it_stays_as_it_is(tiny):
    inputs = make_inputs([6, 4], 6)
    found = mix_forward(tiny, tiny, inputs, make_mix(1, [0.75, 0.75], [1, 0]))
    states = tiny.encoder(**inputs).last_hidden_state
    both = 0.75 * states[0, :4] + 0.25 * states[1, :4]
    longer = torch.cat([both, states[0, 4:]]).mean(dim=0)
    shorter = (0.75 * states[1, :4] + 0.25 * states[0, :4]).mean(dim=0)
    torch.testing.assert_close(found, tiny.net.out(torch.stack([longer, shorter])), atol=1e-6, rtol=1e-5)


def test_no_hook_is_left_and_the_next_pass_is_plain(tiny):
    inputs = make_inputs([6, 4], 6)
    before = tiny(inputs)
    mixed = mix_forward(tiny, tiny, inputs, make_mix(0, [0.6, 0.3], [1, 0]))
    assert not torch.allclose(mixed, before, atol=1e-5)
    assert torch.equal(tiny(inputs), before)
    hooks = [h for m in tiny.modules() for h in (*m._forward_hooks, *m._forward_pre_hooks)]
    assert hooks == []


def test_gradient_reaches_both_rows(tiny):
    kept: list[torch.Tensor] = []
    table = next(m for m in tiny.encoder.modules() if isinstance(m, nn.Embedding))
    handle = table.register_forward_hook(lambda _m, _i, output: (output.retain_grad(), kept.append(output))[1])
    inputs = make_inputs([5, 5, 5], 5)
    mix_forward(tiny, tiny, inputs, make_mix(0, [0.75, 1, 1], [1, 1, 2]))[0].sum().backward()
    handle.remove()
    reached = kept[0].grad.abs().sum(dim=(1, 2)) > 0
    assert reached.tolist() == [True, True, False]


def test_targets_are_mixed_by_lambda_and_its_rest_and_sum_to_one():
    known = LossBatch(torch.tensor([[1.0, 0, 0], [0, 1, 0], [0.2, 0.3, 0.5]]))
    found = mix_targets(make_mix(0, [0.75, 0.5, 1.0], [1, 2, 0]), known)
    assert found.weights is None
    expected = torch.tensor([[0.75, 0.25, 0], [0.1, 0.65, 0.25], [0.2, 0.3, 0.5]])
    torch.testing.assert_close(found.targets, expected)
    torch.testing.assert_close(found.targets.sum(dim=1), torch.ones(3))


def test_weighted_rows_mix_to_the_weighted_sum_of_their_losses():
    known = LossBatch(torch.eye(3), torch.tensor([2.0, 0.5, 0.0]))
    mix = make_mix(0, [0.75, 0.5, 0.6], [1, 2, 2])
    logits = torch.tensor([[0.3, -1.0, 2.0], [1.0, 0.0, 0.5], [0.0, 0.1, 0.2]])
    found = mix_targets(mix, known)
    costs = -logits.log_softmax(dim=1)
    by_hand = 0.75 * 2.0 * costs[0, 0] + 0.25 * 0.5 * costs[0, 1] + 0.5 * 0.5 * costs[1, 1]
    assert mean_loss(CrossEntropy(), logits, found).item() == pytest.approx(by_hand.item() / 3, rel=1e-6)
    torch.testing.assert_close(found.weights, torch.tensor([1.625, 0.25, 0.0]))
    torch.testing.assert_close(found.targets.sum(dim=1), torch.ones(3))


def test_layers_of_mixtext_are_counted_from_zero_and_scaled_to_the_encoder():
    assert TMix().places(12) == (6, 8, 11)
    assert TMix().places(24) == (13, 17, 23)
    assert TMix().places(6) == (3, 4, 5)
    assert TMix().places(1) == (0,)
    assert TMix(layers=[11, 0]).places(12) == (11, 0)
    assert Mixup().places(12) == (INPUT,)


def test_a_layer_beyond_the_last_is_refused():
    with pytest.raises(SettingsError) as caught:
        TMix(layers=[7, 9, 12]).places(12)
    assert str(caught.value) == "mix.layers: the encoder has 12 layers, counted from 0: expected 0 to 11, got 12"


def test_shares_follow_the_beta_distribution():
    shares = TMix(keep_larger=False).draw(20_000, 12, generator(0, "mix")).shares
    assert shares.mean() == pytest.approx(0.5, abs=0.01)
    assert shares.var() == pytest.approx(0.75**2 / (1.5**2 * 2.5), abs=0.005)
    larger = TMix().draw(20_000, 12, generator(0, "mix")).shares
    np.testing.assert_allclose(larger, np.maximum(shares, 1 - shares), atol=1e-7)


def test_one_share_for_the_batch_and_rows_left_alone():
    assert len(set(TMix(draws="batch").draw(50, 12, generator(0, "mix")).shares.tolist())) == 1
    shares = TMix(share=0.25).draw(10_000, 12, generator(0, "mix")).shares
    assert (shares == 1).mean() == pytest.approx(0.75, abs=0.02)


def test_the_same_stream_gives_the_same_mix_and_every_layer_is_drawn():
    first, again = (TMix().draw(8, 12, generator(0, "mix", "train", 3)) for _ in range(2))
    assert (first.layer, first.partners.tolist(), first.shares.tolist()) == (
        again.layer, again.partners.tolist(), again.shares.tolist(),
    )  # fmt: skip
    assert sorted(first.partners) == list(range(8))
    assert {TMix().draw(2, 12, generator(0, "mix", step)).layer for step in range(50)} == {6, 8, 11}

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from augtune.core.dataset import Dataset, HumanDataset
from augtune.core.errors import DataError, InputError, SettingsError, TrainingError
from augtune.core.labels import Labels
from augtune.model.fitted import Fitted
from augtune.model.losses import LossSum
from augtune.training import loop
from augtune.training.settings import TrainSettings
from augtune.training.train import train
from training_rows import LABELS, human_rows, pair_rows, synthetic_rows


@pytest.fixture
def settings(tiny_encoder):
    return TrainSettings(encoder=tiny_encoder, head="own", head_lr=None, steps=6, batch_size=4, precision="fp32")


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_same_seed_gives_the_same_weights_bit_for_bit(settings, precision):
    chosen = settings.changed(precision=precision)
    first, again = (train(human_rows(), settings=chosen, seed=0) for _ in range(2))
    assert first.fingerprint == again.fingerprint
    assert first.history == again.history
    assert train(human_rows(), settings=chosen, seed=1).fingerprint != first.fingerprint


def test_nobody_elses_random_state_is_touched(settings):
    states = random.getstate(), np.random.get_state()[1].copy(), torch.random.get_rng_state()  # noqa: NPY002
    train(human_rows(), settings=settings)
    assert random.getstate() == states[0]
    assert np.array_equal(np.random.get_state()[1], states[1])  # noqa: NPY002
    assert torch.equal(torch.random.get_rng_state(), states[2])


def test_training_learns(settings):
    fitted = train(human_rows(), settings=settings, steps=120, lr=3e-3)
    assert (fitted.predict(human_rows()).indices == human_rows().label_indices).mean() > 0.9
    assert fitted.history[-1]["loss"] < 0.3 * fitted.history[0]["loss"]


def test_history_has_a_row_per_step_and_the_last_rate_is_one_step_from_zero(settings):
    fitted = train(human_rows() + synthetic_rows(), settings=settings, recipe="two_stage", warmup_share=0)
    assert [row["step"] for row in fitted.history] == [1, 2, 3, 4, 5, 6]
    assert [row["stage"] for row in fitted.history] == ["stage 1"] * 3 + ["stage 2"] * 3
    np.testing.assert_allclose(
        [row["lr"] for row in fitted.history], [1e-4, 2e-4 / 3, 1e-4 / 3, 5e-5, 1e-4 / 3, 5e-5 / 3]
    )
    assert fitted.steps == 6
    assert fitted.seconds > 0
    assert fitted.precision == "fp32 (as asked)"


def test_on_step_hears_of_every_step(settings):
    heard = []
    fitted = train(human_rows(), settings=settings, on_step=lambda *row: heard.append(row))
    assert heard == [(row["step"], 6, row["loss"]) for row in fitted.history]


def test_parts_that_are_not_trained_stay_as_they_were(settings, tiny_encoder):
    fitted = train(human_rows(), settings=settings, trainable=1, lr=1e-2)
    before = train(human_rows(), settings=settings, trainable="head", steps=1, lr=1e-9).classifier.state_dict()
    for name, tensor in fitted.classifier.state_dict().items():
        moved = not torch.equal(tensor, before[name])
        assert moved == any(part in name for part in ("layer.1.", "pooler", "classifier")), name


def test_two_stage_trains_the_top_first(settings):
    heard = []
    mix = human_rows() + synthetic_rows()

    def watch(run, stage, data, positions, **rest):
        real(run, stage, data, positions, **rest)
        heard.append(
            (stage.name, sum(p.requires_grad for p in run.classifier.parameters()), {mix.origins[p] for p in positions})
        )

    real = loop.run_stage
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("augtune.training.fitting.run_stage", watch)
        fitted = train(mix, settings=settings, recipe="two_stage")
    parts = len(list(fitted.classifier.parameters()))
    assert heard == [("stage 1", 16 + 2 + 2, {"generated"}), ("stage 2", parts, {"human"})]


def test_best_weights_are_kept_and_evaluated_when_asked(settings):
    fitted = train(
        human_rows(), settings=settings, validation=human_rows(12, "other"), keep="best", evaluate_every=2, lr=3e-3
    )
    scores = {row["step"]: row["macro_f1"] for row in fitted.history if "macro_f1" in row}
    assert list(scores) == [2, 4, 6]
    best = max(scores, key=scores.get)
    assert fitted.kept == f"best, step {best}"
    again = train(human_rows(), settings=settings, lr=3e-3)
    assert again.kept == "last"
    assert (fitted.fingerprint == again.fingerprint) == (best == 6)


def test_evaluation_does_not_change_training(settings):
    rows = human_rows(12, "other")
    often = train(human_rows(), settings=settings, validation=rows, keep="best", evaluate_every=1)
    seldom = train(human_rows(), settings=settings, validation=rows)
    assert [row["loss"] for row in often.history] == [row["loss"] for row in seldom.history]


def test_weighted_recipes_report_the_weights_rows_had(settings):
    mix = human_rows() + synthetic_rows(16)
    for recipe in ("imp", "dimp"):
        fitted = train(mix, settings=settings, recipe=recipe, steps=12)
        assert set(fitted.weights.ids) <= set(synthetic_rows(16).ids)
        assert len(fitted.weights) > 8
        assert 0 < fitted.weights.effective_share <= 1
    assert train(mix, settings=settings).weights is None


def test_trained_classifier_saves_and_loads(settings, tmp_path):
    fitted = train(human_rows() + synthetic_rows(16), settings=settings, recipe="dimp")
    fitted.save(tmp_path / "model")
    loaded = Fitted.load(tmp_path / "model")
    assert loaded.fingerprint == fitted.fingerprint
    assert loaded.settings == fitted.settings
    assert TrainSettings.parse(loaded.settings, where="train").recipe.kind == "dimp"


def test_pairs_are_trained_on(settings):
    fitted = train(pair_rows(), settings=settings)
    assert fitted.is_pair
    assert len(fitted.predict(pair_rows())) == 16


def test_rows_cut_in_training_are_counted(settings):
    fitted = train(human_rows(), settings=settings, max_length=8)
    assert fitted.truncated == 12
    assert fitted.notes == ("12 of 24 training rows are longer than 8 tokens and lose their end.",)
    assert train(human_rows(), settings=settings).notes == ()


def test_fewer_rows_than_a_batch_train_all_the_same(settings):
    assert len(train(human_rows(2), settings=settings, batch_size=16).history) == 6


def test_a_loss_that_is_not_finite_stops_with_step_and_rows(settings, monkeypatch):
    def broken(loss, logits, batch):
        return LossSum(logits.sum() * float("nan"), torch.tensor(1.0))

    monkeypatch.setattr(loop, "loss_sum", broken)
    with pytest.raises(TrainingError) as caught:
        train(human_rows(4), settings=settings)
    first, hint = str(caught.value).split("\n")
    assert first.startswith("training stopped at step 1 (stage 'train'): the loss is nan; rows of the batch: human-00")
    assert hint == "  Lower train.lr, or train with precision: fp32; where weights are clamped, lower the clamp."


def test_a_gradient_that_is_not_finite_stops_too(settings, monkeypatch):
    def broken(loss, logits, batch):
        return LossSum((logits.sum() * 0).clamp_min(0).sqrt(), torch.tensor(1.0))

    monkeypatch.setattr(loop, "loss_sum", broken)
    with pytest.raises(
        TrainingError, match=r"^training stopped at step 1 \(stage 'train'\): the gradient is nan; rows"
    ):
        train(human_rows(4), settings=settings)


def _refused(rows, settings, **fields):
    with pytest.raises((DataError, SettingsError)) as caught:
        train(rows, settings=settings, **fields)
    return str(caught.value)


def test_best_without_validation_rows_is_refused(settings):
    assert _refused(human_rows(), settings, keep="best") == ("keep: best needs validation rows; none were given")


def test_datasets_that_cannot_be_learned_from_are_refused(settings):
    rows = human_rows()
    assert _refused(rows[[0, 2, 4]], settings) == ("human: every row is 'negative'; there is nothing to tell apart.")
    assert _refused(rows[:1], settings) == "human: every row is 'negative'; there is nothing to tell apart."
    assert _refused(rows[:0], settings) == "human: there are no rows to train on."
    wide = HumanDataset(rows.table, Labels((*LABELS.names, "neutral")), name="human")
    assert _refused(wide, settings) == (
        "human: no row is 'neutral', so it could never be predicted.\n"
        "  Add rows, sample by class (10/class), or set train.allow_missing: true to train without."
    )
    assert train(wide, settings=settings, allow_missing=True).labels == wide.labels


def test_rows_a_recipe_cannot_do_without_are_asked_for(settings):
    assert _refused(human_rows(), settings, recipe="two_stage").startswith(
        "human: recipe two_stage trains its first stage on synthetic rows, and there are none.\n  Generate some"
    )
    assert _refused(human_rows(), settings, recipe="dimp") == (
        "human: recipe dimp weighs synthetic rows, and there are none.\n  Generate some, or use recipe: vanilla."
    )
    assert _refused(synthetic_rows(), settings, recipe="imp").startswith(
        "made: recipe imp trains its quality checker on human rows, and there are none."
    )
    assert train(human_rows(), settings=settings, recipe={"kind": "two_stage", "variant": "reweighted"}).steps == 6


def test_validation_rows_of_another_task_are_refused(settings):
    other = HumanDataset(human_rows().table, Labels(("positive", "negative")), name="other")
    assert _refused(human_rows(), settings, validation=other) == (
        "other: expected the labels negative · positive in this order, got positive · negative."
    )
    assert _refused(human_rows(), settings, validation=pair_rows()) == (
        "pairs: pairs of texts in one of training and validation rows, single in the other."
    )


def test_validation_rows_that_a_model_wrote_are_refused(settings):
    rows = human_rows() + synthetic_rows()
    assert _refused(human_rows(), settings, validation=rows).startswith(
        f"{rows.name}: row {len(human_rows())} ({synthetic_rows().ids[0]}) is generated: synthetic rows can be trained"
    )


def test_rows_that_are_no_dataset_are_refused(settings):
    said = "train: expected rows as a Dataset, got a list.\n  augtune.load reads files; Dataset.from_pandas and "
    assert _refused([("a film", "good")], settings).startswith(said)
    assert _refused(human_rows(), settings, validation=[]).startswith(said)


def test_an_encoder_that_is_nowhere_is_refused(settings):
    with pytest.raises(InputError, match=r"^encoder './nowhere': there is no such folder\.$"):
        train(human_rows(), settings=settings, encoder="./nowhere")


def test_input_rows_are_left_as_they_were(settings):
    rows = human_rows() + synthetic_rows()
    before = rows.fingerprint
    train(rows, settings=settings, recipe="dimp")
    assert Dataset(rows.table, rows.labels).fingerprint == before


def test_soft_labels_reach_the_loss(settings):
    rows = [replace(row, probabilities=(0.5, 0.5)) for row in human_rows()]
    soft = HumanDataset.from_examples(rows, LABELS, name="soft")
    fitted = train(soft, settings=settings, steps=40, lr=3e-3)
    assert fitted.predict(soft).confidence.mean() < 0.65

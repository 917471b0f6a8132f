from __future__ import annotations

import numpy as np
import pytest
import torch

from augtune.core.errors import TrainingError
from augtune.core.tables import Predictions
from augtune.model.fitted import Fitted
from augtune.training import loop
from augtune.training.micro import is_out_of_memory
from augtune.training.running import Running
from augtune.training.settings import TrainSettings
from augtune.training.tables import Checkers
from augtune.training.train import train
from training_rows import human_rows, synthetic_rows

MIX = human_rows() + synthetic_rows()
OPINION = Predictions(MIX.ids, np.where(MIX.targets() == 1, 0.8, 0.2), MIX.labels)
CHECKERS = Checkers(OPINION, OPINION)


@pytest.fixture
def settings(tiny_encoder):
    return TrainSettings(encoder=tiny_encoder, steps=5, batch_size=10, dropout=0.0, lr=1e-3, precision="fp32")


def losses(fitted):
    return [row["loss"] for row in fitted.history]


WAYS = {
    "cross-entropy": {},
    "class weights": {"loss": {"kind": "cross_entropy", "class_weights": "inverse"}},
    "ldam": {"loss": "ldam"},
    "dimp": {"recipe": "dimp"},
    "two-stage, both": {"recipe": {"kind": "two_stage", "variant": "both"}},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("size", [3, 1])
def test_parts_add_up_to_the_whole_batch(settings, way, size):
    # Classes of unlike size, so that the parts' class weights differ.
    rows = MIX.take([i for i in range(len(MIX)) if i % 6 != 1])
    checkers = Checkers(*(Predictions(rows.ids, np.where(rows.targets() == 1, 0.8, 0.2), rows.labels),) * 2)
    whole, parts = (
        train(rows, settings=settings, checkers=checkers, micro_batch_size=n, **WAYS[way]) for n in (None, size)
    )
    np.testing.assert_allclose(losses(parts), losses(whole), rtol=2e-5)
    for name, tensor in whole.classifier.state_dict().items():
        torch.testing.assert_close(parts.classifier.state_dict()[name], tensor, rtol=1e-3, atol=5e-5)
    if way == "dimp":
        assert parts.weights.ids == whole.weights.ids
        np.testing.assert_allclose(parts.weights.values, whole.weights.values, rtol=1e-4)


def test_a_micro_batch_as_large_as_the_batch_changes_no_bit(settings):
    chosen = settings.changed(dropout=0.1)
    assert (
        train(MIX, settings=chosen).fingerprint
        == train(MIX, settings=chosen, micro_batch_size=10).fingerprint
        != train(MIX, settings=chosen, micro_batch_size=9).fingerprint
    )


class Memory:
    """Lets rows through only so many at a time, and only from the given forward pass on."""

    def __init__(self, monkeypatch, rows, error, free=0):
        self.rows, self.error, self.passes, self.free = rows, error, 0, free
        self.real = loop._forward
        monkeypatch.setattr(loop, "_forward", self)

    def __call__(self, run, model, batch, known, **named):
        self.passes += 1
        # After the work, so that dropout masks have been drawn when it fails.
        part = self.real(run, model, batch, known, **named)
        if self.passes > self.free and len(batch.rows) > self.rows:
            raise self.error
        return part


ERRORS = {
    "gpu": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    "processor": RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9"),
    "windows": RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried to allocate 9"),
    "python": MemoryError(),
}


@pytest.mark.parametrize("error", ERRORS)
def test_out_of_memory_halves_the_rows_computed_at_once_and_says_so_once(settings, monkeypatch, error, tmp_path):
    heard = []
    chosen = settings.changed(dropout=0.1)
    as_set = train(MIX, settings=chosen, micro_batch_size=2)
    Memory(monkeypatch, 3, ERRORS[error])
    fitted = train(MIX, settings=chosen, running=Running(on_note=heard.append))
    assert heard == [
        f"out of memory at step 1 (stage 'train') with {before} rows at once; from there on they are computed {after} "
        f"at a time, with the same steps (train.micro_batch_size: {after})."
        for before, after in ((10, 5), (5, 2))
    ]
    assert fitted.notes == tuple(heard)
    # The step was repeated with the dropout it had: nothing is left of the passes that failed.
    assert fitted.fingerprint == as_set.fingerprint
    fitted.save(tmp_path / "model")
    assert Fitted.load(tmp_path / "model").notes == fitted.notes


def test_out_of_memory_in_a_later_step_keeps_the_steps_before(settings, monkeypatch):
    whole = train(MIX, settings=settings)
    Memory(monkeypatch, 5, ERRORS["gpu"], free=3)
    heard = []
    fitted = train(MIX, settings=settings, running=Running(on_note=heard.append))
    assert [note.split(" with ")[0] for note in heard] == ["out of memory at step 4 (stage 'train')"]
    assert losses(fitted)[:3] == losses(whole)[:3]
    np.testing.assert_allclose(losses(fitted), losses(whole), rtol=2e-5)


def test_out_of_memory_with_one_row_ends_with_one_error(settings, monkeypatch):
    Memory(monkeypatch, 0, ERRORS["gpu"])
    with pytest.raises(TrainingError) as caught:
        train(MIX, settings=settings)
    assert str(caught.value) == (
        "training stopped at step 1 (stage 'train'): out of memory with a single row at once "
        "(CUDA out of memory. Tried to allocate 2.00 GiB.).\n"
        "  Set a smaller train.max_length, train fewer layers (train.trainable), or take a smaller encoder."
    )


def test_out_of_memory_outside_a_gradient_is_one_error_too(settings, monkeypatch):
    def full(*rest, **named):
        raise ERRORS["processor"]

    monkeypatch.setattr("augtune.training.fitting.run_stage", full)
    with pytest.raises(TrainingError) as caught:
        train(MIX, settings=settings)
    assert str(caught.value).startswith("out of memory outside the gradient of a step: [enforce fail] DefaultCPU")


def test_another_runtime_error_is_no_lack_of_memory(settings, monkeypatch):
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not is_out_of_memory(ValueError("not enough memory"))
    Memory(monkeypatch, 0, RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="mat1"):
        train(MIX, settings=settings)

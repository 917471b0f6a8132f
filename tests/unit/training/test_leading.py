from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from augtune.core import launched
from augtune.core.errors import SettingsError, TrainingError
from augtune.core.labels import Labels
from augtune.core.tables import Predictions
from augtune.model.losses import LossSum
from augtune.training import leading
from augtune.training.checkpoints import Checkpoint
from augtune.training.fitting import Job, Known
from augtune.training.micro import MicroBatches, Part, Work
from augtune.training.running import Running
from augtune.training.settings import TrainSettings
from augtune.training.tables import Checkers
from augtune.training.team import Team, pack, unpack
from training_rows import human_rows, pair_rows, synthetic_rows


class Launched:
    """Stands for accelerate's accelerator in the second of two processes."""

    process_index, num_processes, device = 1, 2, torch.device("cpu")


@pytest.fixture
def started(monkeypatch):
    for name, value in zip(launched.LAUNCHED, ("1", "2", "1", "localhost", "29500"), strict=True):
        monkeypatch.setenv(name, value)


def test_a_process_alone_is_no_helper(monkeypatch):
    for name in launched.LAUNCHED:
        monkeypatch.delenv(name, raising=False)
    assert not launched.is_one_of_several()
    monkeypatch.setenv("WORLD_SIZE", "8")  # a cluster's own, without a launcher
    monkeypatch.setenv("RANK", "3")
    assert not launched.is_helper()


def test_a_launched_process_that_is_not_the_first_is_a_helper(started, monkeypatch):
    assert launched.is_helper()
    monkeypatch.setenv("RANK", "0")
    assert launched.is_one_of_several()
    assert not launched.is_helper()


def test_a_step_with_fewer_rows_than_processes_is_refused(started):
    with pytest.raises(SettingsError) as caught:
        leading.hand_out(Job(human_rows(), TrainSettings(batch_size=1), 0))
    assert str(caught.value) == (
        "batch_size: 1 rows of a step cannot be shared by 2 processes\n"
        "  Raise train.batch_size, or use fewer processes."
    )


def test_a_job_arrives_as_it_was_sent():
    rows = human_rows() + synthetic_rows()
    settings = TrainSettings(epochs=2, recipe={"kind": "dimp", "gamma": 0.5}, loss="cross_entropy", optimizer="sgd")
    chances = np.linspace(0.1, 0.9, len(rows))
    checkers = Checkers(Predictions(rows.ids, np.stack([chances, 1 - chances], axis=1), rows.labels))
    job = Job(
        rows, settings, 7, validation=human_rows(6, "other"), running=Running(when_stopped="keep"),
        checkers=checkers, known=Known(chances),
    )  # fmt: skip
    found = leading._from_bytes(leading._to_bytes(job))
    assert found.dataset.fingerprint == rows.fingerprint
    assert found.dataset.ids == rows.ids
    assert found.validation.fingerprint == job.validation.fingerprint
    assert (found.settings, found.seed, found.running) == (settings, 7, job.running)
    assert found.known.weights.tolist() == chances.tolist()
    assert found.checkers.quality.probabilities.tolist() == checkers.quality.probabilities.tolist()
    bare = leading._from_bytes(leading._to_bytes(replace(job, dataset=pair_rows(), validation=None)))
    assert (bare.validation, bare.dataset.is_pair) == (None, True)
    assert bare.dataset.labels == Labels(("negative", "positive"))


def test_a_checkpoint_arrives_as_it_was_sent():
    checkpoint = Checkpoint(5, {"weights": {"w": torch.arange(3.0)}, "selection": {"score": float("-inf")}})
    found = Checkpoint.from_bytes(checkpoint.to_bytes())
    assert found.step == 5
    assert torch.equal(found.parts["weights"]["w"], torch.arange(3.0))
    assert found.parts["selection"] == {"score": float("-inf")}


def test_values_and_tensors_are_unpacked_as_they_were_packed():
    tensors, values = unpack(pack({"a": torch.ones(2)}, {"b": [1, None, "ü"]}))
    assert values == {"b": [1, None, "ü"]}
    assert torch.equal(tensors["a"], torch.ones(2))


def test_rows_of_a_step_are_shared_out_whole():
    rows = np.arange(9)
    teams = [Team(Launched()) for _ in range(2)]
    teams[0].rank = 0
    assert sorted(np.concatenate([team.part(rows) for team in teams])) == rows.tolist()
    assert teams[0].own_stream == ()
    assert teams[1].own_stream == ("process", 1)


def test_out_of_memory_in_one_of_several_processes_says_what_to_set():
    weight = torch.nn.Parameter(torch.ones(1))

    class Streams:
        def state_dict(self):
            return {}

    def full(rows):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    work = Work(full, lambda loss: None, [weight], "step 3 (stage 'train')", team=Team(Launched()))
    with pytest.raises(TrainingError) as caught:
        MicroBatches(None, Streams(), print).gradients(np.arange(9), work)
    assert str(caught.value) == (
        "training stopped at step 3 (stage 'train'): out of memory in process 1 with 4 rows at once (CUDA out of "
        "memory.).\n  Set train.micro_batch_size to less than 4; the steps stay the same."
    )


def test_a_process_adds_its_part_of_the_whole_batch(monkeypatch):
    """The other process is played by a sum that adds what it would have told."""
    weight = torch.nn.Parameter(torch.ones(1))

    def compute(rows):
        total = (weight * torch.from_numpy(rows).float()).sum()
        return Part(LossSum(total, torch.tensor(float(2 * len(rows)))), torch.full((len(rows),), 0.5))

    team = Team(Launched())
    others = torch.tensor([0 + 2 + 4.0, 6.0, 1.0, 0.0, 0.25, 0.0, 0.25, 0.0, 0.25], dtype=torch.float64)
    monkeypatch.setattr(team, "add_up", lambda told: told + others)
    work = Work(compute, lambda loss: loss.backward(), [weight], "step 1", team=team, wishes=(False, True))

    class Streams:
        def state_dict(self):
            return {}

    found = MicroBatches(1, Streams(), print).gradients(np.arange(5), work)
    assert float(found.mean) == pytest.approx((0 + 1 + 2 + 3 + 4) / 10)
    assert found.weights.tolist() == [0.25, 0.5, 0.25, 0.5, 0.25]
    assert found.wishes.tolist() == [1, 1]
    # Averaged over both processes, of which the other's is not here: twice this one's rows over the whole divisor.
    assert float(weight.grad) == pytest.approx(2 * (1 + 3) / 10)

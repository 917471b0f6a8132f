from __future__ import annotations

import numpy as np
import pytest
import torch

from augtune.core.errors import SettingsError
from augtune.model.losses import LossSum
from augtune.training.leading import AloneError
from augtune.training.micro import MicroBatches, Part, Work
from augtune.training.parted import as_parts, put_together_all
from augtune.training.settings import TrainSettings
from augtune.training.team import Team

REFUSED = {
    "recipe": ({"recipe": "hu2019"}, "sharding: recipe hu2019 looks into the optimizer's whole state; leave it out"),
    "compile": (
        {"compile": True},
        "sharding: parameters are put together by hooks of the layers, which compiled ones do not take; leave compile "
        "out",
    ),
    "optimizer": (
        {"optimizer": "adafactor"},
        "sharding: optimizer adafactor moves a number by all of its row and column, and with parameters no process has "
        "them; take another optimizer, or sharding: optimizer",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_does_not_go_with_parts_of_a_model_is_refused(what):
    asked, message = REFUSED[what]
    with pytest.raises(SettingsError) as caught:
        TrainSettings(**asked, sharding="parameters")
    assert message in str(caught.value)


def test_the_optimizer_alone_is_shared_out_with_adafactor_and_compiled_layers_but_not_with_hu2019():
    TrainSettings(optimizer="adafactor", compile=True, sharding="optimizer")
    with pytest.raises(SettingsError, match="sharding: recipe hu2019 looks into the optimizer's whole state"):
        TrainSettings(recipe="hu2019", sharding="optimizer")


class Launched:
    """Stands for accelerate's accelerator in the second of two processes."""

    process_index, num_processes, device = 1, 2, torch.device("cpu")


class Streams:
    def state_dict(self):
        return {}


@pytest.mark.parametrize(("size", "passes"), [(None, [[1, 3]]), (2, [[1, 3], [1]]), (1, [[1], [3], [1]])])
def test_a_process_with_a_row_less_computes_as_often_as_the_others_and_counts_each_row_once(monkeypatch, size, passes):
    weight = torch.nn.Parameter(torch.ones(1))
    computed = []

    def compute(rows):
        computed.append(rows.tolist())
        return Part(LossSum((weight * torch.from_numpy(rows).float()).sum(), torch.tensor(float(len(rows)))), None)

    team = Team(Launched())
    monkeypatch.setattr(team, "add_up", lambda told: told + torch.tensor([6.0, 3.0] + [0.0] * 7).double())
    work = Work(compute, lambda loss: loss.backward(), [weight], "step 1", team=team, in_step=True)
    found = MicroBatches(size, Streams(), print).gradients(np.arange(5), work)
    assert computed == passes
    assert float(found.mean) == pytest.approx((0 + 1 + 2 + 3 + 4) / 5)
    assert float(weight.grad) == pytest.approx(2 * (1 + 3) / 5)


def test_no_memory_is_known_to_one_process_alone():
    def full(rows):
        raise MemoryError

    work = Work(full, lambda loss: None, [], "step 1 (stage 'train')", team=Team(Launched()))
    with pytest.raises(AloneError, match="out of memory in process 1 with 2 rows at once \\(MemoryError\\)"):
        MicroBatches(None, Streams(), print).gradients(np.arange(5), work)


def test_what_is_not_in_parts_stays_as_it_is():
    values = {"weight": torch.ones(2), "name": "best", "step": 3}
    assert put_together_all(values, keep=True) == values
    assert put_together_all(values, keep=False) == {}
    assert as_parts({"weight": values["weight"]}, {})["weight"] is values["weight"]

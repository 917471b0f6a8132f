"""What every row of the schedule catalog has to hold."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import warnings

import pytest
import torch
from torch.optim import lr_scheduler as stock
from transformers import get_inverse_sqrt_schedule

from augtune.core.errors import SettingsError
from augtune.training import SCHEDULES
from augtune.training.schedules import lr_factor

# Each with the share of the highest learning rate that it says it ends at, after n steps of which w warm up.
SCHEDULES_TO_TEST = [
    ({"kind": "linear"}, lambda n, w: 0.0),
    ({"kind": "cosine"}, lambda n, w: 0.0),
    ({"kind": "cosine", "end": 0.1}, lambda n, w: 0.1),
    ({"kind": "constant"}, lambda n, w: 1.0),
    ({"kind": "step"}, lambda n, w: 0.1 ** (n // max(1, round(n / 3)))),
    ({"kind": "step", "every_share": 0.25, "multiply": 0.5}, lambda n, w: 0.5 ** (n // max(1, round(n / 4)))),
    ({"kind": "multi_step"}, lambda n, w: 0.01),
    ({"kind": "multi_step", "at_shares": [0.9], "multiply": 0.3}, lambda n, w: 0.3),
    ({"kind": "exponential"}, lambda n, w: 0.01),
    ({"kind": "cosine_restarts"}, lambda n, w: 0.0),
    ({"kind": "cosine_restarts", "cycles": 3, "growth": 2.0, "end": 0.05}, lambda n, w: 0.05),
    ({"kind": "polynomial"}, lambda n, w: 0.0),
    ({"kind": "polynomial", "power": 0.5, "end": 0.2}, lambda n, w: 0.2),
    ({"kind": "inverse_sqrt"}, lambda n, w: 1 / math.sqrt(1 + n / max(1, w))),
    ({"kind": "inverse_sqrt", "timescale": 8}, lambda n, w: 1 / math.sqrt(1 + n / 8)),
    ({"kind": "reduce_on_plateau"}, lambda n, w: 1.0),
    ({"kind": "cyclic"}, lambda n, w: 0.1),
    ({"kind": "cyclic", "cycles": 2, "low": 0.3, "halving": True}, lambda n, w: 0.3),
]


@pytest.fixture(params=SCHEDULES_TO_TEST, ids=lambda row: "-".join(map(str, row[0].values())))
def schedule(request):
    return SCHEDULES.parse(request.param[0], where="schedule")


def test_every_schedule_is_tested_and_carries_the_name_it_has_in_the_catalog():
    assert {fields["kind"] for fields, _ in SCHEDULES_TO_TEST} == set(SCHEDULES)
    for kind in SCHEDULES:
        assert SCHEDULES.load(kind).kind == kind
        assert SCHEDULES.load(kind).__doc__


def test_schedule_survives_json(schedule):
    assert SCHEDULES.parse(json.loads(json.dumps(schedule.to_json())), where="schedule") == schedule


@pytest.mark.parametrize("warmup_share", [0.0, 0.06, 0.5, 0.99])
@pytest.mark.parametrize("steps", [1, 2, 7, 100, 301])
def test_rate_is_above_zero_in_every_step_and_never_above_the_highest(schedule, steps, warmup_share):
    factors = [lr_factor(step, steps, warmup_share, schedule) for step in range(steps)]
    assert min(factors) > 0
    assert max(factors) <= 1.0


@pytest.mark.parametrize("steps", [1, 7, 100, 301])
@pytest.mark.parametrize("warmup_share", [0.0, 0.2])
@pytest.mark.parametrize(("fields", "end"), SCHEDULES_TO_TEST, ids=lambda row: str(row)[:50])
def test_schedule_ends_where_it_says(fields, end, steps, warmup_share):
    warmup = int(steps * warmup_share)
    found = lr_factor(steps, steps, warmup_share, SCHEDULES.parse(fields, where="schedule"))
    assert found == pytest.approx(end(steps - warmup, warmup), abs=0 if end(9, 0) == 0 else 1e-12)


def test_warm_up_rises_in_equal_steps_to_the_first_rate_of_the_schedule(schedule):
    first = lr_factor(0, 100, 0.0, schedule)
    found = [lr_factor(step, 120, 20 / 120 + 1e-9, schedule) for step in range(21)]
    assert found == pytest.approx([first * (step + 1) / 21 for step in range(21)])


def _torch(make, steps, **options):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scheduler = make(optimizer, **options)
        found = []
        for _ in range(steps):
            found.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
    return found


@pytest.mark.parametrize(
    ("fields", "make", "options"),
    [
        ({"kind": "linear"}, stock.LinearLR, {"start_factor": 1.0, "end_factor": 0.0, "total_iters": 60}),
        ({"kind": "cosine", "end": 0.1}, stock.CosineAnnealingLR, {"T_max": 60, "eta_min": 0.1}),
        ({"kind": "step", "every_share": 0.25, "multiply": 0.5}, stock.StepLR, {"step_size": 15, "gamma": 0.5}),
        ({"kind": "multi_step"}, stock.MultiStepLR, {"milestones": [30, 45], "gamma": 0.1}),
        ({"kind": "exponential"}, stock.ExponentialLR, {"gamma": 0.01 ** (1 / 60)}),
        ({"kind": "cosine_restarts", "end": 0.1}, stock.CosineAnnealingWarmRestarts, {"T_0": 15, "eta_min": 0.1}),
        (
            {"kind": "cosine_restarts", "cycles": 4, "growth": 2},
            stock.CosineAnnealingWarmRestarts,
            {"T_0": 4, "T_mult": 2},
        ),
        ({"kind": "polynomial", "power": 3.0}, stock.PolynomialLR, {"total_iters": 60, "power": 3.0}),
        ({"kind": "cyclic"}, stock.CyclicLR, {"base_lr": 0.1, "max_lr": 1.0, "step_size_up": 6}),
        (
            {"kind": "cyclic", "halving": True},
            stock.CyclicLR,
            {"base_lr": 0.1, "max_lr": 1.0, "step_size_up": 6, "mode": "triangular2"},
        ),
    ],
    ids=lambda value: value.get("kind") if isinstance(value, dict) else "",
)
def test_schedule_is_that_of_torch(fields, make, options):
    schedule = SCHEDULES.parse(fields, where="schedule")
    if make is stock.CyclicLR:
        options = {**options, "cycle_momentum": False}
    found = [lr_factor(step, 60, 0.0, schedule) for step in range(60)]
    assert found == pytest.approx(_torch(make, 60, **options), abs=1e-9)


def test_inverse_sqrt_is_that_of_transformers():
    schedule = SCHEDULES.parse("inverse_sqrt", where="schedule")
    found = [lr_factor(step, 60, 0.25, schedule) for step in range(15, 60)]
    assert found == pytest.approx(_torch(get_inverse_sqrt_schedule, 60, num_warmup_steps=15)[15:])


def test_wrong_places_of_multi_step_are_refused():
    with pytest.raises(SettingsError) as caught:
        SCHEDULES.parse({"kind": "multi_step", "at_shares": [0.7, 0.3]}, where="train.schedule")
    assert caught.value.problems == (
        "train.schedule.at_shares: expected shares between 0 and 1 in ascending order, got [0.7, 0.3]",
    )


def test_schedules_load_without_torch():
    code = (
        "import sys; from augtune.training import SCHEDULES; [SCHEDULES.parse(k, where='x') for k in SCHEDULES]; "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

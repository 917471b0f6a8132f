"""A model of which two processes keep a part each: the losses, weights and files of one that is whole."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from augtune.model.fitted import Fitted
from flows.parted_trainings import SHARED_OUT_ALIKE, WAYS, fitted, losses

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def by_two(tiny_encoder, tmp_path_factory):
    out = tmp_path_factory.mktemp("parted")
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    paths = os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TORCH_CPP_LOG_LEVEL": "ERROR", "PYTHONPATH": paths}
    done = subprocess.run(
        [sys.executable, *torchrun, HERE / "parted_trainings.py", tiny_encoder, out],
        env=environment, text=True, capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def found(by_two):
    return json.loads((by_two / "losses.json").read_text())


@pytest.mark.parametrize("way", WAYS)
def test_a_model_in_parts_has_the_losses_and_the_weights_of_a_whole_one(way, by_two, found, tiny_encoder):
    whole, parts = fitted(way, tiny_encoder), Fitted.load(by_two / way)
    np.testing.assert_allclose(found[way], losses(whole), rtol=1e-5)
    assert parts.kept == whole.kept
    weights = parts.classifier.state_dict()
    assert list(weights) == list(whole.classifier.state_dict())
    for name, expected in whole.classifier.state_dict().items():
        # Lion's steps are of one size, so that a gradient of nearly 0 moves a weight either way.
        np.testing.assert_allclose(weights[name], expected, rtol=1e-3, atol=1e-2 if way == "best" else 1e-5)


def test_each_process_keeps_half_of_the_weights(found):
    assert len(found["shares"]) == len(WAYS) + len(SHARED_OUT_ALIKE) + 2
    assert max(found["shares"]) < 0.52


@pytest.mark.parametrize("way", SHARED_OUT_ALIKE)
def test_a_model_in_parts_has_the_losses_of_two_whole_ones(way, found):
    np.testing.assert_allclose(found[way], found[f"{way}, whole"], rtol=1e-5)


def test_a_saved_model_that_was_trained_in_parts_has_the_files_of_any_other(by_two, tiny_encoder, tmp_path):
    for way in ("single rows", "updates"):
        folder = fitted(way, tiny_encoder).save(tmp_path / way)
        assert sorted(path.name for path in (by_two / way).iterdir()) == sorted(path.name for path in folder.iterdir())
        with (
            safe_open(by_two / way / "model.safetensors", "pt") as parts,
            safe_open(folder / "model.safetensors", "pt") as whole,
        ):
            assert {name: parts.get_slice(name).get_shape() for name in parts.keys()} == {
                name: whole.get_slice(name).get_shape() for name in whole.keys()
            }


def test_a_training_in_parts_that_was_cut_off_carries_on_bit_for_bit(by_two, found):
    assert found["notes"] == ["carries on after step 4 of 6, from its checkpoint"]
    again, never_cut = Fitted.load(by_two / "carried on"), Fitted.load(by_two / "dropout")
    assert losses(again) == found["dropout"]
    assert again.fingerprint == never_cut.fingerprint
    assert again.kept == never_cut.kept

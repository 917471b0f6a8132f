"""What a run on Ray says where there is no Ray, or none that can be reached; nothing is written by then."""

from __future__ import annotations

import sys

import pytest

from augtune.core.errors import ExtraError, InputError
from augtune.experiment.ray_crew import Share
from augtune.experiment.ray_settings import RaySettings
from augtune.experiment.run import run
from flows.small import experiment, write_task


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    return write_task(tmp_path_factory.mktemp("task"))


def test_an_address_of_another_form_is_refused(task, tiny_encoder, tmp_path):
    with pytest.raises(InputError) as caught:
        run(experiment(task, tiny_encoder), out=tmp_path, ray="ray://head:10001")
    assert caught.value.message == "--ray: expected local, or HOST:PORT of a cluster's head, got 'ray://head:10001'."
    assert not list(tmp_path.iterdir())


def test_an_address_where_nothing_answers_is_told_at_once(task, tiny_encoder, tmp_path):
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'augtune[ray]'")
    with pytest.raises(InputError) as caught:
        run(experiment(task, tiny_encoder), out=tmp_path, ray="127.0.0.1:1")
    assert caught.value.message == ("--ray 127.0.0.1:1: nothing answers there (Connection refused; 10 s allowed).")
    assert not list(tmp_path.iterdir())


def test_a_share_is_that_of_this_process_and_passes_on_no_more_than_its_libraries_need(monkeypatch):
    import torch

    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    own, asked = Share.of(RaySettings()), Share.of(RaySettings(cpus=2, gpus=0))
    assert own == Share(torch.get_num_threads(), 1.0)
    assert set(own.environment()) == {"HF_HUB_OFFLINE", "TOKENIZERS_PARALLELISM", "OMP_NUM_THREADS"}
    assert asked.environment()["OMP_NUM_THREADS"] == "2"
    assert asked.environment()["CUDA_VISIBLE_DEVICES"] == ""
    assert (str(own), str(asked)) == (f"{own.cpus} CPU{'s' * (own.cpus > 1)} and 1 GPU", "2 CPUs")


def test_ray_that_is_not_installed_names_its_extra(task, tiny_encoder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ExtraError) as caught:
        run(experiment(task, tiny_encoder), out=tmp_path, ray="local")
    assert str(caught.value) == (
        "'ray' is needed to train on a Ray cluster and is not installed.\n  pip install 'augtune[ray]'"
    )

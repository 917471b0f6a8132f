from __future__ import annotations

import sys

import pytest
from accelerate.tracking import GeneralTracker

from augtune.core.errors import ExtraError, SettingsError
from augtune.training.running import Running
from augtune.training.settings import TrainSettings
from augtune.training.train import train
from training_rows import human_rows


class Heard(GeneralTracker):
    """Keeps what it is told."""

    name = "heard"
    requires_logging_directory = False

    def __init__(self):
        super().__init__()
        self.rows, self.settings, self.ended = [], None, 0

    @property
    def tracker(self):
        return self.rows

    def store_init_configuration(self, values):
        self.settings = values

    def log(self, values, step=None, **more):
        self.rows.append((step, values))

    def finish(self):
        self.ended += 1


@pytest.fixture
def settings(tiny_encoder):
    return TrainSettings(encoder=tiny_encoder, steps=4, batch_size=4, keep="best", evaluate_every=2)


def test_a_tracker_hears_of_every_step_and_evaluation_and_changes_nothing(settings):
    heard = Heard()
    rows = human_rows(12, "other")
    fitted = train(human_rows(), settings=settings, validation=rows, running=Running(tracker=heard))
    steps = [(row["step"], {"loss": row["loss"], "lr": row["lr"]}) for row in fitted.history]
    assert [(step, values) for step, values in heard.rows if "loss" in values] == steps
    evaluated = {step: values["macro_f1"] for step, values in heard.rows if "macro_f1" in values}
    assert evaluated == {row["step"]: row["macro_f1"] for row in fitted.history if "macro_f1" in row}
    assert heard.settings["steps"] == 4
    assert heard.settings["encoder"] == settings.encoder
    assert heard.ended == 1
    assert fitted.fingerprint == train(human_rows(), settings=settings, validation=rows).fingerprint


def test_a_tracker_is_ended_where_training_fails(settings):
    heard = Heard()

    def fail(step, of, loss):
        raise KeyError(step)

    with pytest.raises(KeyError):
        train(human_rows(), settings=settings.changed(keep="last"), running=Running(on_step=fail, tracker=heard))
    assert heard.ended == 1


@pytest.mark.parametrize("name", ["tensorboard", "wandb", "mlflow", "trackio"])
def test_a_tracker_that_is_not_installed_says_what_to_install(settings, monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ExtraError) as caught:
        train(human_rows(), settings=settings.changed(keep="last", tracker=name))
    assert str(caught.value) == (
        f"'{name}' is needed to track training with {name} and is not installed.\n  pip install 'augtune[track]'"
    )


def test_tensorboard_writes_into_the_folder_of_logs(settings, tmp_path):
    pytest.importorskip("tensorboard")
    train(
        human_rows(), settings=settings.changed(keep="last", tracker="tensorboard"),
        running=Running(about="arm/1 · seed 0", logs=tmp_path),
    )  # fmt: skip
    assert list(tmp_path.rglob("events.out.tfevents.*"))


def test_a_tracker_that_is_none_is_refused():
    with pytest.raises(SettingsError, match=r"TrainSettings\.tracker: should be 'tensorboard', 'wandb', 'mlflow' or"):
        TrainSettings(tracker="paper")

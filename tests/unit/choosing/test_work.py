"""Trainings of a choice do not depend on what was trained before them."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from augtune.choosing.candidates.own import Own
from augtune.choosing.candidates.recipes import Dimp
from augtune.choosing.work import Rows, Within, Workshop
from augtune.experiment.store import RunFolder
from augtune.training.probe import features
from augtune.training.settings import TrainSettings
from training_rows import human_rows, synthetic_rows


@pytest.fixture
def workshop(tiny_encoder, tmp_path):
    """Yield a function that opens a workshop in a folder of its own."""
    human, made = human_rows(24), synthetic_rows(30)
    rows = Rows(human, made, features(human + made, tiny_encoder))
    settings = TrainSettings(encoder=tiny_encoder, steps=4, batch_size=4)

    with ExitStack() as until:

        def opened(name: str) -> Workshop:
            store = RunFolder(tmp_path / name, "work")
            until.enter_context(store.claimed())
            return Workshop(rows, settings, 0, Within(store, "tiny"))

        yield opened


def test_ways_with_checkers_of_their_own_do_not_get_those_of_others(workshop):
    plain = {"recipe": "dimp", "checkers": {"balanced": False, "calibrated": False}}
    own = Own(called="dimp2", train=plain)
    alone, after = workshop("alone"), workshop("after")
    first, _, _ = after.on_all(Dimp())
    second, _, _ = after.on_all(own)
    assert second.fingerprint == alone.on_all(own)[0].fingerprint
    assert second.fingerprint != first.fingerprint


def test_a_second_final_training_is_the_same_whether_or_not_the_first_was_made_before(workshop):
    alone, after = workshop("alone"), workshop("after")
    after.on_all(Dimp())
    assert after.on_all(Dimp(), 1)[0].fingerprint == alone.on_all(Dimp(), 1)[0].fingerprint

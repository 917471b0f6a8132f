from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from augtune.core.dataset import Example, HumanDataset
from augtune.core.errors import DataError
from augtune.core.labels import Labels
from augtune.model.fitted import Fitted
from augtune.training.calibrating import calibrate
from augtune.training.train import train
from training_rows import human_rows, pair_rows


@pytest.fixture(scope="module")
def fitted(tiny_encoder):
    return train(human_rows(16), encoder=tiny_encoder, steps=20, lr=1e-3, precision="fp32")


@pytest.fixture(scope="module")
def noisy():
    """Rows of which a quarter is labelled the other way, so that being sure is being wrong."""
    rows = [
        replace(row, label="positive" if (row.label == "negative") != (i % 4 == 1) else "negative")
        if i % 4 == 1
        else row
        for i, row in enumerate(human_rows(40, name="noisy"))
    ]
    rows = [replace(row, text=f"{row.text} today") for row in rows]  # no text it was trained on
    return HumanDataset.from_examples(rows, human_rows(2).labels, name="noisy")


def test_temperature_is_kept_and_divides_the_logits(fitted, noisy, tmp_path):
    made = calibrate(fitted, noisy)
    assert made.temperature.value != 1.0
    assert made.temperature.nll_after < made.temperature.nll_before
    before, after = fitted.predict(noisy), made.fitted.predict(noisy)
    assert before.predicted == after.predicted
    odds = np.log(before.probabilities[:, 1] / before.probabilities[:, 0])
    np.testing.assert_allclose(
        np.log(after.probabilities[:, 1] / after.probabilities[:, 0]), odds / made.temperature.value, rtol=1e-4
    )
    again = Fitted.load(made.fitted.save(tmp_path / "model"))
    assert again.temperature == made.fitted.temperature
    np.testing.assert_array_equal(again.predict(noisy).probabilities, after.probabilities)


def test_calibrated_classifier_has_another_fingerprint(fitted, noisy):
    made = calibrate(fitted, noisy).fitted
    assert made.fingerprint != fitted.fingerprint
    assert replace(made, temperature=1.0).fingerprint == fitted.fingerprint


def test_calibrating_again_replaces_the_temperature(fitted, noisy):
    once = calibrate(fitted, noisy)
    assert calibrate(once.fitted, noisy).temperature == once.temperature


def test_labels_in_another_order_give_the_same_temperature(fitted, noisy):
    turned = HumanDataset.from_examples(list(noisy), Labels(("positive", "negative")), name="turned")
    assert calibrate(fitted, turned).temperature.value == pytest.approx(calibrate(fitted, noisy).temperature.value)


def test_what_was_done_is_told(fitted, noisy):
    made = calibrate(fitted, noisy)
    told = repr(made)
    assert told.startswith(f"temperature {made.temperature.value:.2f} · NLL {made.temperature.nll_before:.3f} → ")
    assert told.endswith(f" · ECE {made.ece_before:.3f} → {made.ece_after:.3f}")


def test_rows_it_was_trained_on_are_refused_and_a_tenth_is_let_through(fitted, noisy):
    own = human_rows(16)
    with pytest.raises(DataError) as refused:
        calibrate(fitted, own)
    assert str(refused.value) == (
        "human: calibrate: tiny-encoder0 · vanilla · 20 steps was trained on 16 of these 16 rows, the first is human-000 "
        "'the film was  bad film'; it is surer of them than of new rows, and its confidence would come out too high.\n"
        "  Give human rows it was not trained on; up to 10% of them may be."
    )
    mixed = [HumanDataset.from_examples([*noisy, *list(own)[:n]], own.labels, name="mixed") for n in (4, 5)]
    assert calibrate(fitted, mixed[0]).known == 4
    with pytest.raises(DataError, match=r"was trained on 5 of these 45 rows"):
        calibrate(fitted, mixed[1])
    assert calibrate(replace(fitted, seen=()), own).known == 0  # it does not say what it was trained on


def test_rows_that_do_not_fit_are_refused(fitted, noisy):
    with pytest.raises(DataError, match=r"^noisy: there are no rows to calibrate on\.$"):
        calibrate(fitted, noisy.take([]))
    others = HumanDataset.from_examples([Example("a", "x", "up")], Labels(("down", "up")), name="others")
    with pytest.raises(DataError, match=r"^others: its labels are down · up; the model's are negative · positive\.$"):
        calibrate(fitted, others)
    with pytest.raises(DataError, match="trained on single texts, got pairs of texts"):
        calibrate(fitted, pair_rows(4))

"""Weights and margins from class counts, against the published check values and the losses' own formulas."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augtune.core.dataset import Dataset, Example
from augtune.core.errors import DataError, SettingsError
from augtune.core.labels import Labels
from augtune.weighting.frequency import class_margins, effective_number, frequency_weights, inverse_count

COUNTS = st.lists(st.integers(0, 100_000), min_size=1, max_size=6).filter(any)


@pytest.mark.parametrize(
    ("counts", "weights", "margins"),
    [
        ([7513, 37569], [1.297946, 0.702054], [0.5, 0.334361]),
        ([100, 1000, 10000], [2.677851, 0.279996, 0.042153], [0.5, 0.281171, 0.158114]),
    ],
)
def test_effective_number_and_margins_are_those_of_two_stage(counts, weights, margins):
    assert effective_number(counts) == pytest.approx(weights, abs=1e-5)
    assert class_margins(counts) == pytest.approx(margins, abs=1e-5)


@pytest.mark.parametrize(
    ("kept", "weights", "margin"),
    [
        (360, [1.7909, 0.2091], 0.2810),
        (721, [1.6265, 0.3735], 0.3343),
        (1443, [1.3854, 0.6146], 0.3976),
        (3247, [1.0442, 0.9558], 0.4870),
    ],
)
def test_effective_number_at_the_imbalances_of_the_data_pack(kept, weights, margin):
    assert effective_number([kept, 3608]) == pytest.approx(weights, abs=1e-4)
    assert class_margins([kept, 3608]) == pytest.approx([0.5, margin], abs=1e-4)


@given(counts=COUNTS, power=st.floats(0, 2), beta=st.floats(0, 0.99999))
def test_weights_of_classes_that_have_rows_sum_to_their_number(counts, power, beta):
    present = np.array(counts) > 0
    for weights in (inverse_count(counts, power), effective_number(counts, beta)):
        assert weights[present].sum() == pytest.approx(present.sum())
        assert (weights > 0).all()
        rarest = weights[np.argmin(np.where(present, counts, np.inf))]
        assert weights[~present] == pytest.approx(rarest)


def test_inverse_count_with_power():
    assert inverse_count([1, 3]) == pytest.approx([1.5, 0.5])
    assert inverse_count([1, 4], 0.5) == pytest.approx([4 / 3, 2 / 3])
    assert inverse_count([1, 4], 0) == pytest.approx([1, 1])


@settings(deadline=None)  # the first example imports torch
@given(counts=COUNTS)
def test_formulas_are_those_of_the_losses(counts):
    import torch

    from augtune.model import losses

    tensor = torch.tensor(counts)
    assert losses.class_weights(tensor, "inverse", power=0.5).numpy() == pytest.approx(
        inverse_count(counts, 0.5), rel=1e-5
    )
    assert losses.class_weights(tensor, "effective").numpy() == pytest.approx(effective_number(counts), rel=1e-5)
    assert losses.class_margins(tensor).numpy() == pytest.approx(class_margins(counts), rel=1e-5)


def test_frequency_weights_of_a_soft_row_are_the_mean_under_its_label():
    rows = Dataset.from_examples(
        [
            Example("a", "one", "no"),
            Example("b", "two", "no"),
            Example("c", "three", "no", probabilities=(0.75, 0.25)),
            Example("d", "four", "yes"),
        ],
        Labels(("no", "yes")),
    )
    assert frequency_weights(rows).values == pytest.approx([0.5, 0.5, 0.75, 1.5])
    assert frequency_weights(rows, "effective").values[3] == pytest.approx(effective_number([3, 1])[1])


@pytest.mark.parametrize("counts", [[0, 0], [-1, 2]])
def test_impossible_counts_are_refused(counts):
    message = f"class counts: expected none negative and one positive at least, got {[float(n) for n in counts]}."
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        inverse_count(counts)


def test_impossible_settings_are_refused():
    with pytest.raises(SettingsError, match=r"^power: expected 0 or more, got -1$"):
        inverse_count([1], -1)
    with pytest.raises(SettingsError, match=r"^beta: expected a number in \[0, 1\), got 1$"):
        effective_number([1], 1)

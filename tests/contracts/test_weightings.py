"""What every row of the catalog of weightings has to hold."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from augtune.core.errors import DataError
from augtune.core.tables import Predictions
from augtune.training import WEIGHTINGS
from augtune.training.tables import Checkers
from training_rows import human_rows, synthetic_rows

ROWS = human_rows(4) + synthetic_rows(6)


def opinion(seed: int) -> Predictions:
    first = np.random.default_rng(seed).uniform(size=(len(ROWS), 1))
    return Predictions(ROWS.ids, np.hstack([first, 1 - first]), ROWS.labels)


CHECKERS = Checkers(opinion(0), opinion(1))


def judged(weighting, checkers=CHECKERS) -> np.ndarray:
    """Return the weights, or the quality with 1 for the rows that count 1."""
    weights, quality = weighting.weights(ROWS, checkers), weighting.quality(ROWS, checkers)
    assert (weights is None) != (quality is None)
    assert (weighting.own_loss is None) == (quality is None)
    if weights is None:
        return np.where(np.isnan(quality), 1.0, quality)
    assert weights.ids == ROWS.ids
    return weights.values


@pytest.fixture(params=WEIGHTINGS)
def kind(request) -> str:
    return request.param


def test_weighting_is_called_in_the_catalog_what_it_calls_itself(kind):
    found = WEIGHTINGS.parse(kind, where="weights")
    assert found.kind == kind
    assert WEIGHTINGS.parse(found.to_json(), where="weights") == found


def test_weighting_trusts_human_rows_unless_told_otherwise(kind):
    trusted = judged(WEIGHTINGS.parse(kind, where="weights"))
    weighed = judged(WEIGHTINGS.parse({"kind": kind, "human": "weighed"}, where="weights"))
    assert trusted[:4].tolist() == [1.0] * 4
    assert (weighed[:4] != 1).all()
    assert weighed[4:].tolist() == trusted[4:].tolist()
    assert np.isfinite(weighed).all()
    assert (weighed >= 0).all()


def test_weighting_without_the_checkers_it_needs_is_refused(kind):
    weighting = WEIGHTINGS.parse(kind, where="weights")
    for checkers in (None, Checkers()):
        with pytest.raises(DataError, match=f"^weights {kind}: expected a quality (and a diversity )?checker's"):
            judged(weighting, checkers)


def test_weightings_load_without_torch():
    code = (
        "import sys; from augtune.training import WEIGHTINGS; [WEIGHTINGS.parse(k, where='w') for k in WEIGHTINGS]; "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

"""The rule that decides, by hand-made gains and by simulations where the truth is known."""

import numpy as np
import pytest

from augtune.choosing.decide import DecideSettings, Rung, decide, posteriors
from augtune.choosing.simulate import SCENES, error_rates, table_line
from augtune.core.errors import SettingsError
from doc_blocks import ROOT


def rung(gains: dict[str, list[float]], folds: int = 5, noise: float = 0.0, level: int = 0) -> Rung:
    return Rung(tuple(gains), np.array(list(gains.values())), folds, noise, level)


def scattered(mean: float, deviation: float = 0.03, seed: int = 0, count: int = 10) -> list[float]:
    values = np.random.default_rng(seed).normal(size=count)
    values = (values - values.mean()) / values.std(ddof=1)
    return (mean + deviation * values).tolist()


def test_a_clear_gain_is_taken_alone():
    verdict = decide([rung({"mix": scattered(0.06, 0.02)})])
    assert (verdict.take, verdict.name) == ("alone", "mix")
    assert 0 < verdict.best.mean < 0.06
    assert verdict.best.probability > 0.9


def test_a_doubtful_gain_is_averaged_with_human_rows_alone():
    verdict = decide([rung({"mix": scattered(0.04, 0.05)})])
    assert (verdict.take, verdict.name) == ("averaged", "mix")
    assert 0.75 <= verdict.best.probability < 0.9


@pytest.mark.parametrize("gain", [-0.03, 0.0, 0.005])
def test_no_gain_worth_the_name_leaves_human_rows_alone(gain):
    assert decide([rung({"mix": scattered(gain, 0.05)})]).take == "human only"


def test_nothing_to_compare_leaves_human_rows_alone():
    verdict = decide([])
    assert (verdict.take, verdict.name, verdict.posteriors, verdict.best) == ("human only", None, (), None)


def test_variance_is_that_of_nadeau_and_bengio():
    gains = scattered(0.02, 0.03)
    one = rung({"mix": gains})
    # one way: what its variance is drawn towards is itself
    assert one.covariance()[0, 0] == pytest.approx(0.03**2 * (1 / 10 + 1 / 4))
    assert rung({"mix": gains}, noise=0.01).covariance()[0, 0] == pytest.approx(0.03**2 * 0.35 + 0.01**2)


def test_posterior_of_one_way_is_the_product_of_two_normals():
    variance = 0.03**2 * 0.35
    _, (found,) = posteriors([rung({"mix": scattered(0.04, 0.03)})], DecideSettings(prior=0.02))
    keep = 0.02**2 / (0.02**2 + variance)
    assert found.mean == pytest.approx(keep * 0.04)
    assert found.deviation == pytest.approx(np.sqrt(keep * variance))
    assert found.measured == pytest.approx(0.04)
    assert found.error == pytest.approx(np.sqrt(variance))
    low, high = found.interval
    assert (low + high) / 2 == pytest.approx(found.mean)


def test_the_luckiest_of_many_poor_ways_shrinks_towards_the_others():
    poor = {f"way {i}": scattered(-0.04, 0.03, seed=i) for i in range(7)}
    alone = decide([rung({"lucky": scattered(0.02, 0.03, seed=9)})])
    among = decide([rung({"lucky": scattered(0.02, 0.03, seed=9), **poor})])
    assert among.best.name == "lucky"
    assert among.best.mean < alone.best.mean


def test_a_later_rung_corrects_the_one_before():
    first = rung({"mix": scattered(0.05), "imp": scattered(0.04, seed=1)}, noise=0.02)
    second = rung({"mix": scattered(-0.05, seed=2, count=5)}, level=1)
    found = {one.name: one for one in decide([first, second]).posteriors}
    assert found["mix"].mean < 0 < found["imp"].mean
    assert (found["mix"].rung, found["imp"].rung) == (1, 0)
    assert found["mix"].measured == pytest.approx(-0.05)
    # what is learned of one way is learned a little of the other
    before = {one.name: one for one in decide([first]).posteriors}
    assert found["imp"].mean < before["imp"].mean


def test_prior_is_learned_from_many_ways_within_a_factor_of_two():
    rule = DecideSettings(prior=0.02)
    calm = {f"way {i}": scattered(0.0, 0.005, seed=i) for i in range(6)}
    wild = {f"way {i}": scattered((-1) ** i * 0.2, 0.005, seed=i) for i in range(6)}
    assert posteriors([rung(calm)], rule)[0] == pytest.approx(0.01)
    assert posteriors([rung(wild)], rule)[0] == pytest.approx(0.04)
    few = dict(list(wild.items())[:4])
    assert posteriors([rung(few)], rule)[0] == 0.02


def test_gains_without_scatter_are_believed():
    verdict = decide([rung({"mix": [0.01] * 4})])
    assert verdict.take == "alone"
    assert verdict.best.mean == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize(("names", "shape", "folds"), [(1, (1, 1), 5), (1, (1, 4), 1), (2, (1, 4), 5)])
def test_too_few_gains_are_refused(names, shape, folds):
    with pytest.raises(ValueError, match=r"^a rung needs two gains of two folds at least for each way, got \("):
        Rung(tuple("ab"[:names]), np.zeros(shape), folds)


def test_likely_above_sure_is_refused():
    with pytest.raises(SettingsError, match=r"likely: expected at most sure, 0\.9, got 0\.95"):
        DecideSettings(likely=0.95)


@pytest.mark.parametrize("place", range(0, len(SCENES), 2))
def test_simulated_errors_stay_below_those_of_the_best_score(place):
    found = error_rates(SCENES[place], times=60)
    assert found.harmful <= found.naive
    assert found == error_rates(SCENES[place], times=60)


def test_simulated_harm_is_rare_where_gains_are_as_expected():
    scene = next(one for one in SCENES if one.name == "gains of 0 ± 2 points, about 200 human rows")
    found = error_rates(scene, times=200)
    assert found.harmful <= 0.06
    assert found.gain > 0.004
    assert found.regret == pytest.approx(found.best - found.gain)


@pytest.mark.parametrize("place", [2, 6, 12])
def test_the_page_tells_the_error_rates_that_the_simulation_gives(place):
    page = (ROOT / "docs" / "how-to" / "choose.md").read_text(encoding="utf-8")
    assert table_line(error_rates(SCENES[place], times=1000)) in page.splitlines()


def rung_of(means: list[float], scatter: float = 0.02) -> Rung:
    """Return gains of as many ways with these means, scattering alike over ten folds."""
    chance = np.random.default_rng(0).normal(0, scatter, (1, 10))
    own = np.random.default_rng(1).normal(0, scatter, (len(means), 10))
    off = chance + own
    return Rung(
        tuple(f"way {i}" for i in range(len(means))),
        np.array(means)[:, None] + off - off.mean(axis=1, keepdims=True),
        5,
        0.02,
    )


def test_what_a_rung_flatters_by_is_taken_off_what_is_believed_and_not_off_what_was_measured():
    rung = rung_of([0.05, 0.05])
    flattered = Rung(rung.names, rung.gains, rung.folds, rung.noise, bias=np.array([0.0, 0.03]))
    first, second = decide([flattered]).posteriors
    assert (first.name, second.name) == ("way 0", "way 1")
    assert first.measured == pytest.approx(second.measured) == pytest.approx(0.05)
    less = Rung(rung.names, rung.gains - np.array([[0.0], [0.03]]), rung.folds, rung.noise)
    assert [one.mean for one in decide([less]).posteriors] == pytest.approx([first.mean, second.mean])


def test_what_is_expected_counts_like_a_measurement():
    rung = rung_of([0.0])
    without, hoped = decide([rung]), decide([rung], expected={"way 0": 1.0})
    assert without.take == "human only"
    assert hoped.take == "averaged"
    # the belief of one way: both normals by their precision
    error = rung.covariance()[0, 0]
    assert hoped.posteriors[0].mean == pytest.approx(0.02 * error / (error + 0.02**2))
    assert hoped.posteriors[0].deviation == without.posteriors[0].deviation


def test_what_is_expected_shrinks_where_all_ways_show_little_and_does_not_grow_where_they_show_much():
    hopes = {f"way {i}": 1.0 for i in range(6)}
    little = decide([rung_of([0.0] * 6)], expected=hopes)
    assert little.prior < 0.02
    assert little.posteriors[0].mean < little.prior
    harm = decide([rung_of([-0.3, -0.2, -0.15, -0.1, -0.05, -0.01])], expected=hopes)
    assert harm.prior == pytest.approx(0.04)
    assert harm.take == "human only"

"""``augtune compare`` on the predictions of a published study: the table of tests recomputed from its files."""

from __future__ import annotations

import json
import math

import pytest
from statsmodels.stats.contingency_tables import mcnemar as oracle

from augtune.cli.main import main
from augtune.core.files import read_jsonl

# baseline, other, difference in macro-F1 (points), its interval, bootstrap p (None: at most
# 0.003), exact McNemar p, rows only one gets right
TABLE = [
    ("B3-G4OM", "E3-G4OM-EBFT", 3.22, (2.28, 4.15), 0.0, "7.8e-11", (359, 556)),
    ("B3-G4OM", "E13-G4OM-ELFT", 3.97, (3.06, 4.89), 0.0, "3.6e-18", (300, 553)),
    ("B4-G4O", "E7-G4O-ELFT", 3.04, (2.15, 3.93), 0.0, "1.4353e-10", (351, 543)),
    ("E7-G4O-ELFT", "E20-G4O-ELFT-EX", -0.09, None, 0.78, "1", None),
    ("E7-G4O-ELFT", "E21-G4O-ELFT-BEX", -0.19, None, 0.54, "0.73", None),
    ("E7-G4O-ELFT", "E22-G4O-ELFT-PR", -0.53, None, 0.13, "0.23", None),
    ("E7-G4O-ELFT", "E23-G4O-ELFT-PR2", -0.10, None, 0.78, "0.96", None),
    ("E7-G4O-ELFT", "E24-G4O-ELFT-EX-PR2", -0.44, None, 0.21, "0.37", None),
    ("E13-G4OM-ELFT", "E15-G4OM-ELFT-EX", -0.29, None, 0.20, "0.069", None),
    ("E13-G4OM-ELFT", "E19-G4OM-ELFT-BEX", -0.81, None, 0.0002, "4e-5", None),
    ("E13-G4OM-ELFT", "E16-G4OM-ELFT-PR", -0.47, None, 0.06, "0.020", None),
    ("E13-G4OM-ELFT", "E17-G4OM-ELFT-PR2", -0.06, None, 0.76, "0.69", None),
    ("E13-G4OM-ELFT", "E18-G4OM-ELFT-EX-PR2", -0.58, None, 0.012, "0.004", None),
    ("E1-EBFT", "E3-G4OM-EBFT", 3.45, (2.85, 4.07), 0.0, "1.4e-30", (106, 345)),
    ("E2-ELFT", "E13-G4OM-ELFT", 1.13, (0.63, 1.63), 0.0, "1.6e-6", (103, 185)),
    ("E2-ELFT", "E7-G4O-ELFT", 0.82, (0.12, 1.52), 0.019, "0.044", (238, 285)),
    ("E2-ELFT", "E22-G4O-ELFT-PR", 0.29, None, None, None, (0, 19)),
    ("E2-ELFT", "E23-G4O-ELFT-PR2", 0.72, None, None, None, (6, 55)),
    ("E4-G4OMFT", "E5-G4OMFT-EBFT-P", -5.35, (-6.19, -4.54), 0.0, "5.7e-38", (556, 206)),
    ("E4-G4OMFT", "E8-G4OFT", 0.06, None, 0.85, "0.60", None),
    ("E4-G4OMFT", "E12-G4OFT-M", 0.22, None, 0.47, "0.32", None),
    ("E4-G4OMFT", "E11-G4OMFT-M", -0.22, None, 0.32, "0.25", None),
    ("alone", "E7-G4O-ELFT", 0.02, None, 0.94, "0.95", (126, 124)),
]
BASELINES = list(dict.fromkeys(row[0] for row in TABLE))


@pytest.fixture(scope="module")
def compared(data_pack, tmp_path_factory):
    """What the command says of every pair, by baseline and other: macro-F1 and McNemar's of accuracy."""
    results, folder = data_pack / "electra_gpt_results", tmp_path_factory.mktemp("compared")
    alone = folder / "alone.jsonl"  # the classifier's own answers, which stand beside those of the LLM that read them
    inside = read_jsonl(results / "E7-G4O-ELFT.jsonl")
    alone.write_text("".join(json.dumps({"index": r["index"], "pred": r["electra_pred"]}) + "\n" for r in inside))
    found = {}
    for baseline in BASELINES:
        names = [baseline, *(row[1] for row in TABLE if row[0] == baseline)]
        files = [f"{name}={alone if name == 'alone' else results / f'{name}.jsonl'}" for name in names]
        out = folder / "compared.json"
        assert main(["compare", str(results / "B3-G4OM.jsonl"), *files, "--json", str(out)]) == 0
        for one in json.loads(out.read_text())["comparisons"]:
            found[one["baseline"], one["arm"], one["metric"], one["test"]] = one
    return found


def told(value: float, figure: str) -> str:
    """Return a p with as many significant digits as the table has for it."""
    digits = len(figure.split("e")[0].replace(".", "").lstrip("0"))
    return f"{value:.{digits - 1}e}"


@pytest.mark.data
@pytest.mark.parametrize(("base", "other", "difference", "interval", "p", "exact", "counts"), TABLE)
def test_pair_is_that_of_the_table(compared, base, other, difference, interval, p, exact, counts):
    f1 = compared[base, other, "macro_f1", "paired_bootstrap"]
    assert 100 * f1["difference"] == pytest.approx(difference, abs=0.0051)
    if interval is not None:
        assert [100 * end for end in f1["interval"]] == pytest.approx(interval, abs=0.05)
    if p is None:
        assert f1["p"] <= 0.003
    else:
        chance = math.sqrt(2 * max(p, 2e-4) / 10_000)  # of the 10,000 resamples here and of those behind the table
        rounding = 0.0 if p < 0.001 else 0.0005 if p < 0.1 else 0.005
        assert f1["p"] == pytest.approx(p, abs=4 * math.sqrt(2) * chance + 2 / 10_001 + rounding)
    accuracy = compared[base, other, "accuracy", "mcnemar"]
    won, lost = accuracy["effects"]["only_arm_right"], accuracy["effects"]["only_baseline_right"]
    if counts is not None:
        assert (lost, won) == counts
    assert accuracy["p"] == pytest.approx(min(1.0, oracle([[0, lost], [won, 0]], exact=True).pvalue), rel=1e-6)
    if exact is not None:
        assert told(accuracy["p"], exact) == told(float(exact), exact)


@pytest.mark.data
def test_a_claim_that_was_refuted_stays_refuted(compared):
    """Examples and probabilities in the prompt of GPT-4o add nothing to the label: no pair holds after correction."""
    pairs = [one for (base, *_), one in compared.items() if base == "E7-G4O-ELFT"]
    assert len(pairs) == 15
    assert min(one["p_adjusted"] for one in pairs) > 0.05

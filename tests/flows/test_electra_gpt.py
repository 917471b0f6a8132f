"""The published ELECTRA and GPT-4o study, rebuilt from its prediction files by the example."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "electra_gpt" / "rebuild.py"


@pytest.fixture(scope="module")
def rebuilt(data_pack, tmp_path_factory):
    out = tmp_path_factory.mktemp("electra_gpt") / "rebuilt.json"
    env = {**os.environ, "AUGTUNE_DATA": str(data_pack)}
    done = subprocess.run([sys.executable, EXAMPLE, "--json", out], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "368 of 6,530 labels differ" in done.stdout
    return json.loads(out.read_text(encoding="utf-8"))


@pytest.mark.data
def test_scores_of_all_experiments_are_the_published_ones(rebuilt):
    scores = rebuilt["scores"]
    assert len(scores["rows"]) == 28
    assert (scores["values"], scores["largest_difference"]) == (24 * 4 * 14, 0.0)
    assert (scores["cells"], scores["cells_that_differ"]) == (27 * 8, [])


@pytest.mark.data
def test_mcnemar_tests_are_the_published_ones(rebuilt):
    found = {(t["first"], t["second"]): t for t in rebuilt["tests"]}
    expected = {
        ("B4-G4O", "E7-G4O-ELFT"): (351, 543, 1.4353056917675992e-10),
        ("B3-G4OM", "E3-G4OM-EBFT"): (359, 556, 7.8131e-11),
        ("B3-G4OM", "E13-G4OM-ELFT"): (300, 553, 3.5529e-18),
        ("E2-ELFT", "E13-G4OM-ELFT"): (103, 185, 1.5557e-6),
        ("E1-EBFT", "E3-G4OM-EBFT"): (106, 345, 1.3932e-30),
        ("E4-G4OMFT", "E5-G4OMFT-EBFT-P"): (556, 206, 5.7468e-38),
        ("E4-G4OMFT", "E12-G4OFT-M"): (175, 195, 0.32327),
    }
    for pair, (only_first, only_second, p) in expected.items():
        assert (found[pair]["only_first"], found[pair]["only_second"]) == (only_first, only_second)
        assert found[pair]["p"] == pytest.approx(p, rel=1e-4)
    assert found["B4-G4O", "E7-G4O-ELFT"]["p"] == pytest.approx(1.4353056917675992e-10, rel=1e-9)
    assert found["B4-G4O", "E7-G4O-ELFT"]["interval"] == pytest.approx([0.0215, 0.0393], abs=5e-4)


@pytest.mark.data
def test_guard_finds_the_one_wrong_classifier(rebuilt):
    wrong = {one["id"]: one["labels_differ"] for one in rebuilt["guard"] if not one["same"]}
    assert wrong == {"E7-G4O-ELFT": 368}
    assert len(rebuilt["guard"]) == 15
    assert rebuilt["refusal"].startswith(
        "evidence: the predictions of encoder inside E7-G4O-ELFT are not those of E2-ELFT"
    )


@pytest.mark.data
def test_calls_gained_nothing_over_the_classifier_that_was_inside(rebuilt):
    inside = rebuilt["inside"]
    assert (round(100 * inside["alone"], 2), round(100 * inside["with_calls"], 2)) == (83.16, 83.18)
    assert (inside["only_alone"], inside["only_with_calls"]) == (126, 124)


@pytest.mark.data
def test_routing_gives_more_with_a_seventh_of_the_calls(rebuilt):
    routing = rebuilt["routing"]
    shown = [(row["threshold"], round(100 * row["share"], 1), round(100 * row["f1"], 2)) for row in routing["table"]]
    assert shown == [
        (0.55, 6.1, 83.56),
        (0.6, 8.9, 83.99),
        (0.65, 11.6, 84.12),
        (0.7, 14.5, 84.29),
        (0.75, 17.6, 84.30),
        (0.8, 20.9, 84.26),
        (0.85, 24.9, 84.03),
        (0.9, 30.5, 83.69),
    ]
    assert round(100 * routing["label_in_prompt_f1"], 2) == 83.49
    assert round(100 * routing["told_the_label_f1"], 2) == 83.35
    assert routing["p"] == pytest.approx(0.022, abs=5e-4)
    assert (routing["only_label"], routing["only_routed"]) == (196, 245)
    assert routing["interval"] == pytest.approx([0.0015, 0.0145], abs=5e-4)
    assert [round(100 * f1, 2) for f1 in routing["pools"].values()] == [84.24, 84.31]
    assert (round(100 * routing["round_2"]["share"], 1), round(100 * routing["round_2"]["f1"], 2)) == (12.2, 84.21)
    assert all(one["f1"] > routing["label_in_prompt_f1"] for one in routing["cross_validated"].values())
    assert len(routing["curve"]["share"]) > 100


@pytest.mark.data
def test_published_costs_recompute_to_the_cent(rebuilt):
    costs = {one["id"]: one for one in rebuilt["costs"]}
    for one in costs.values():
        if one.get("published"):
            assert f"${one['once_usd']:.2f}" == one["published"], one["id"]
    per_point = {name: round(costs[name]["usd_per_point"], 2) for name in ("E4-G4OMFT", "E8-G4OFT", "E12-G4OFT-M")}
    assert per_point == {"E4-G4OMFT": 0.38, "E8-G4OFT": 3.18, "E12-G4OFT-M": 1.59}
    assert all(one["whole_usd_per_point"] > one["usd_per_point"] for one in costs.values())
    assert costs["routed"]["usd_per_1000"] < costs["E13-G4OM-ELFT"]["usd_per_1000"]

from __future__ import annotations

import json

import pytest

from augtune.core.errors import DataError
from augtune.reporting import markdown_table, results_table


@pytest.fixture
def small(own_run):
    """Two arms with round numbers."""
    path = own_run / "results.json"
    value = json.loads(path.read_text())
    value["arms"] = {"human only": value["arms"]["human only"], "二 | \x1b[31mred": value["arms"]["dimp"]}
    for place, arm in enumerate(value["arms"].values()):
        arm["mean"] = {"macro_f1": 0.8 + 0.1 * place, "accuracy": 0.85}
        arm["interval"] = {"macro_f1": [0.75, 0.95], "accuracy": None}
        arm["rows"]["synthetic"] = 1200 * place
    row = {"arm": "二 | \x1b[31mred", "baseline": "human only", "metric": "macro_f1", "difference": 0.1}
    row |= {"interval": [0.02, 0.18], "p": 0.0001, "p_adjusted": 0.0002, "test": "paired_bootstrap"}
    value["comparisons"] = [row]
    path.write_text(json.dumps(value))
    details = json.loads((own_run / "details.json").read_text())
    details["arms"]["二 | \x1b[31mred"] = details["arms"]["dimp"]
    (own_run / "details.json").write_text(json.dumps(details))
    return own_run


def test_results_are_aligned_lines(small):
    assert results_table(small) == (
        "helpdesk · 2 arms, 3 seeds, 240 test rows; means with 95 % intervals\n"
        "\n"
        "arm           macro-F1              accuracy  human  synthetic  cost    training\n"
        "human only    0.800 [0.750, 0.950]  0.850     122    0          $0      21 s\n"
        "二 | [31mred  0.900 [0.750, 0.950]  0.850     122    1,200      $0.031  1 min 15 s\n"
        "majority      0.083                 0.333\n"
        "\n"
        "Differences from human only\n"
        "\n"
        "arm           metric    difference               p        adjusted p  test\n"
        "二 | [31mred  macro-F1  +0.100 [+0.020, +0.180]  < 0.001  < 0.001     paired bootstrap"
    )


def test_markdown_table_escapes_names(small):
    assert markdown_table(small) == (
        "| arm | macro-F1 | accuracy | human | synthetic | cost | training |\n"
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n"
        "| human only | 0.800 [0.750, 0.950] | 0.850 | 122 | 0 | $0 | 21 s |\n"
        "| 二 \\| [31mred | 0.900 [0.750, 0.950] | 0.850 | 122 | 1,200 | $0.031 | 1 min 15 s |\n"
        "| majority | 0.083 | 0.333 |  |  |  |  |"
    )


def test_table_of_no_run_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"holds no results\.json"):
        results_table(tmp_path)

import csv
import json

import pytest

from augtune.cli.main import main

ROWS = 120


@pytest.fixture
def files(tmp_path):
    """A truth with two columns of subsets, and two sets of predictions, one better in one of the subsets."""
    true = ["ab"[i % 2] for i in range(ROWS)]

    def guess(wrong):
        return [("ba"[i % 2] if wrong(i) else label) for i, label in enumerate(true)]

    columns = {
        "truth": {"index": range(ROWS), "true": true, "source": ["web" if i < 60 else "mail" for i in range(ROWS)]},
        "old": {"index": range(ROWS), "pred": guess(lambda i: i % 3 == 0)},
        "new": {"index": range(ROWS), "pred": guess(lambda i: i % 3 == 0 and i >= 60)},
    }
    for name, found in columns.items():
        with (tmp_path / f"{name}.csv").open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(found)
            writer.writerows(zip(*found.values(), strict=True))
    paths = {name: str(tmp_path / f"{name}.csv") for name in columns}
    return [paths["truth"], f"old={paths['old']}", f"new={paths['new']}"]


def test_subsets_and_labels_are_compared_too(files, tmp_path, capsys):
    target = tmp_path / "c.json"
    assert main(["compare", *files, "--subset", "source", "--by-label", "--json", str(target)]) == 0
    out = capsys.readouterr().out
    assert "\nby source, a family of its own\nsource  rows  compared " in out
    assert "new - old: 20 rows won, 0 lost · odds ratio inf [" in out
    assert "These 120 rows cannot be trusted to show a difference under " in out
    found = json.loads(target.read_text())
    web, mail = found["subsets"]
    assert (web["column"], web["value"], web["rows"], mail["value"], mail["rows"]) == ("source", "web", 60, "mail", 60)
    assert {c["difference"] for c in mail["comparisons"]} == {0}
    assert next(c for c in web["comparisons"] if c["test"] == "mcnemar")["difference"] == pytest.approx(1 / 3)
    assert [c["metric"] for c in found["classes"]] == ["F1 of a", "F1 of b"]


@pytest.mark.parametrize("test", ["mcnemar_midp", "permutation", "paired_bootstrap"])
def test_p_comes_from_the_test_asked_for(test, files, tmp_path):
    target = tmp_path / "c.json"
    assert main(["compare", *files, "--metric", "accuracy", "--test", test, "--json", str(target)]) == 0
    (found,) = json.loads(target.read_text())["comparisons"]
    assert found["test"] == test
    if test != "paired_bootstrap":
        # 20 rows won, none lost: 2 * 0.5 ** 20, of which the mid-p counts half
        assert found["p"] == pytest.approx(2.0**-19 if test == "permutation" else 2.0**-20)


def test_several_tests_are_several_families(files, tmp_path):
    target = tmp_path / "c.json"
    asked = ["--test", "mcnemar", "--test", "permutation", "--metric", "accuracy", "--metric", "macro_f1"]
    assert main(["compare", *files, *asked, "--correction", "bh", "--json", str(target)]) == 0
    tests = [(c["metric"], c["test"]) for c in json.loads(target.read_text())["comparisons"]]
    assert tests == [
        ("accuracy", "mcnemar"), ("macro_f1", "paired_bootstrap"), ("accuracy", "permutation"), ("macro_f1", "permutation"),
    ]  # fmt: skip


def test_a_test_that_cannot_find_anything_says_so(files, capsys):
    truth, old, new = files
    three = [name for name in (old, new) for _ in range(3)]
    assert main(["compare", truth, *three, "--test", "wilcoxon", "--metric", "accuracy", "--metric", "macro_f1"]) == 0
    assert "\nwilcoxon could not give a p under 0.25 here, however large the difference.\n" in capsys.readouterr().out


def test_tables_are_written_for_papers(files, tmp_path):
    files = [files[0], *(one.replace("new=", "new_50%=") for one in files[1:])]
    markdown, latex = tmp_path / "t.md", tmp_path / "t.tex"
    arguments = ["--markdown", str(markdown), "--latex", str(latex), "--metric", "accuracy"]
    assert main(["compare", *files, *arguments]) == 0
    lines = markdown.read_text().split("\n")
    assert lines[:2] == ["| predictions | accuracy | seeds |", "| --- | --- | --- |"]
    assert any(line.startswith(r"| new\_50% - old | accuracy | +0.1667 | [0.100, 0.2") for line in lines)
    source = latex.read_text()
    assert source.startswith("\\begin{tabular}{lll}\n\\toprule\npredictions & accuracy & seeds \\\\\n\\midrule\n")
    assert r"new\_50\% - old & accuracy & +0.1667 & " in source
    assert source.count(r"\bottomrule") == 2


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--subset", "origin"], "{t}: no column 'origin' (given as --subset); there are: index, true, source."),
        (["--subset", "index"], "--subset index: has 120 different values; a column of up to 50 names subsets."),
        (["--test", "mcnemer"], "compare.test.kind: no test is called 'mcnemer'; did you mean 'mcnemar'?"),
        (["--correction", "bonferroni"], "compare.correction: should be 'holm', 'benjamini_hochberg', 'bh' or 'none', got 'bonferroni'"),
        (["--baseline", "odl"], "compare: the baseline 'odl' is none of the arms: 'old', 'new'."),
        (["--test", "corrected_t"], "test corrected_t: needs to know how many human rows each run was trained on.\n  Give them: --train-rows N on the command line, test: {{kind: corrected_t, train_rows: N}} in YAML."),
        (["--test", "corrected_t", "--train-rows", "60"], "test corrected_t: expected 2 seeds or more, the same for both, got 1 of 'new' and 1 of 'old'.\n  Give more seeds, or use a test of rows such as paired_bootstrap or permutation."),
        (["--metric", "auroc"], "--metric auroc: needs a column 'probabilities' in every file of predictions."),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_refused(arguments, told, files, capsys):
    assert main(["compare", *files, *arguments]) == 2
    assert capsys.readouterr().err == f"error: {told.format(t=files[0])}\n"


def test_ls_tests_names_every_test(capsys):
    assert main(["ls", "tests"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [
        "paired_bootstrap", "mcnemar", "mcnemar_midp", "permutation", "corrected_t", "wilcoxon",
    ]  # fmt: skip
    assert main(["ls", "test", "corrected_t"]) == 0
    assert "train_rows: int | null, default null" in capsys.readouterr().out

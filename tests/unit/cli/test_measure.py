import csv
import json
import math

import pytest

from augtune.cli.main import main

TRUTH = ["a", "b", "a", "c", "b", "a"]
GOOD = ["a", "b", "a", "c", "b", "b"]
POOR = ["b", "b", "a", "a", "b", "b"]


def write_csv(path, **columns):
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return str(path)


def write_jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


@pytest.fixture
def truth(tmp_path):
    return write_csv(tmp_path / "test.csv", index=range(6), true=TRUTH)


def test_evaluate_matches_by_index_whatever_the_order(truth, tmp_path, capsys):
    rows = [{"index": i, "pred": GOOD[i]} for i in (5, 3, 1, 0, 2, 4)]
    assert main(["evaluate", write_jsonl(tmp_path / "p.jsonl", rows), truth, "--json", str(tmp_path / "s.json")]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"6 rows, 3 labels · {tmp_path / 'p.jsonl'}: rows matched by 'index'\n")
    scores = json.loads((tmp_path / "s.json").read_text())
    assert scores["accuracy"] == pytest.approx(5 / 6)
    assert scores["per_class"]["c"] == {"precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 1}


def test_evaluate_takes_labels_from_the_predictions(tmp_path, capsys):
    path = write_csv(tmp_path / "p.csv", id=range(6), label=TRUTH, predicted=GOOD)
    assert main(["evaluate", path]) == 0
    assert "accuracy  0.833" in capsys.readouterr().out.lower()


def test_rows_without_ids_are_matched_by_order_and_it_is_said(truth, tmp_path, capsys):
    path = write_csv(tmp_path / "p.csv", predicted=GOOD)
    assert main(["evaluate", path, truth]) == 0
    assert f"{path}: rows matched by their order (no id or index in both files)" in capsys.readouterr().out


@pytest.fixture
def with_own_ids(tmp_path):
    """A truth whose ids are customers' numbers, which repeat, and predictions whose ids count rows, as a run's do."""
    truth = write_csv(tmp_path / "own.csv", id=[71, 72, 73, 71, 75, 76], ticket=list("uvwxyz"), true=TRUTH)
    rows = [{"id": f"test-{i:04d}", "ticket": "uvwxyz"[i], "predicted": GOOD[i]} for i in range(6)]
    return truth, rows


def test_files_with_different_ids_are_matched_by_order_if_asked(with_own_ids, tmp_path, capsys):
    truth, rows = with_own_ids
    path = write_jsonl(tmp_path / "p.jsonl", rows)
    for command in (["evaluate", path, truth], ["compare", truth, f"run={path}"]):
        assert main(command) == 2
        assert "--match order" in capsys.readouterr().err
        assert main([*command, "--match", "order"]) == 0
        out = capsys.readouterr().out
        assert f"{path}: rows matched by their order\n" in out
        assert "0.833" in out


def test_files_are_matched_by_a_named_column_whatever_their_order(with_own_ids, tmp_path, capsys):
    truth, rows = with_own_ids
    path = write_jsonl(tmp_path / "p.jsonl", rows[::-1])
    assert main(["compare", truth, f"run={path}", "--match", "ticket"]) == 0
    out = capsys.readouterr().out
    assert f"{path}: rows matched by 'ticket'\n" in out
    assert "0.833" in out


def test_a_column_to_match_by_has_to_be_in_both_files(truth, tmp_path, capsys):
    path = write_csv(tmp_path / "p.csv", ticket=range(6), predicted=GOOD)
    assert main(["evaluate", path, truth, "--match", "ticket"]) == 2
    assert capsys.readouterr().err == (
        f"error: {truth}: no column 'ticket' (given as --match); there are: index, true.\n"
        "  Name a column that both files have, or match rows by their order: --match order.\n"
    )


def test_ids_of_one_file_with_labels_and_predictions_may_repeat(tmp_path, capsys):
    path = write_csv(tmp_path / "p.csv", id=[7] * 6, label=TRUTH, predicted=GOOD)
    assert main(["evaluate", path]) == 0
    assert "accuracy  0.833" in capsys.readouterr().out.lower()


def test_compare_equals_the_evaluation_functions(truth, tmp_path, capsys):
    good = write_csv(tmp_path / "good.csv", index=range(6), pred=GOOD)
    poor = write_csv(tmp_path / "poor.csv", index=range(6), pred=POOR)
    target = tmp_path / "c.json"
    assert main(["compare", truth, f"poor={poor}", f"good={good}", "--json", str(target)]) == 0
    assert "good - poor" in capsys.readouterr().out
    found = json.loads(target.read_text())
    assert found["labels"] == ["a", "b", "c"]
    assert found["rows"] == 6
    assert {(c["metric"], c["test"]) for c in found["comparisons"]} == {
        ("macro_f1", "paired_bootstrap"),
        ("accuracy", "paired_bootstrap"),
        ("accuracy", "mcnemar"),
    }
    accuracy = next(c for c in found["comparisons"] if c["test"] == "mcnemar")
    assert accuracy["difference"] == pytest.approx(5 / 6 - 3 / 6)
    assert accuracy["p"] == pytest.approx(0.5)  # 2 rows won, none lost: 2 * 0.5 ** 2


def test_a_name_given_twice_is_two_seeds(truth, tmp_path):
    good = write_csv(tmp_path / "good.csv", index=range(6), pred=GOOD)
    poor = write_csv(tmp_path / "poor.csv", index=range(6), pred=POOR)
    target = tmp_path / "c.json"
    assert main(["compare", truth, f"x={good}", f"x={poor}", "--json", str(target)]) == 0
    found = json.loads(target.read_text())
    assert len(found["arms"]["x"]["per_seed"]) == 2
    assert found["comparisons"] == []


def test_probabilities_are_read_from_objects_lists_and_text(truth, tmp_path):
    soft = [[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.8, 0.1, 0.1], [0.1, 0.1, 0.8], [0.1, 0.8, 0.1], [0.2, 0.7, 0.1]]
    named = [dict(zip("abc", row, strict=True)) for row in soft]
    rows = [{"index": i, "pred": GOOD[i]} for i in range(6)]
    files = {
        "list": write_jsonl(tmp_path / "l.jsonl", [{**r, "probs": p} for r, p in zip(rows, soft, strict=True)]),
        "object": write_jsonl(
            tmp_path / "o.jsonl", [{**r, "probabilities": p} for r, p in zip(rows, named, strict=True)]
        ),
        "text": write_csv(tmp_path / "t.csv", index=range(6), pred=GOOD, probabilities=map(json.dumps, named)),
    }
    target = tmp_path / "c.json"
    arguments = [f"{name}={path}" for name, path in files.items()]
    assert main(["compare", truth, *arguments, "--metric", "nll", "--json", str(target)]) == 0
    means = {arm["mean"]["nll"] for arm in json.loads(target.read_text())["arms"].values()}
    assert len(means) == 1


OTHERWISE = "\n  Match rows by another column (--match COLUMN), or by their order (--match order)."


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"index": range(6), "answer": GOOD}, "{p}: no column is called predicted or pred or prediction; there are: index, answer.\n  Name it with --predicted."),
        ({"pred": GOOD[:5]}, "{p}: has 5 rows and {t} 6, and without an id or index column in both they can only be matched by their order.\n  Name a column that both have: --match COLUMN."),
        ({"index": range(1, 7), "pred": GOOD}, "{p}: has no row with index '0'; 1 of 6 are missing." + OTHERWISE),
        ({"index": [0] * 6, "pred": GOOD}, "{p}: the values of column 'index' have to be unique." + OTHERWISE),
        ({"pred": GOOD, "true": TRUTH[::-1]}, "{p}: line 3: the true label is 'b' here and 'a' in {t}"),
    ],
)  # fmt: skip
def test_predictions_that_do_not_fit_are_refused(columns, told, truth, tmp_path, capsys):
    path = write_csv(tmp_path / "p.csv", **columns)
    code = main(["evaluate", path, truth])
    err = capsys.readouterr().err
    if "line 3" in told:
        assert code == 2
        assert "rows differ): another order.\n  Add a column id to both." in err
    else:
        assert (code, err) == (2, f"error: {told.format(p=path, t=truth)}\n")


def test_a_label_that_the_truth_never_has_counts_in_the_file_that_predicts_it(tmp_path, capsys):
    true = ["yes", "no"] * 20
    truth = write_csv(tmp_path / "test.csv", id=range(40), label=true)
    new = write_csv(tmp_path / "new.csv", id=range(40), predicted=true)
    old = write_csv(tmp_path / "old.csv", id=range(40), predicted=["unsure", *true[1:]])
    target = tmp_path / "c.json"
    assert main(["compare", truth, f"old={old}", f"new={new}", "--json", str(target)]) == 0
    assert capsys.readouterr().err == (
        f"warning: {old}: predicts 'unsure' (1 row), which no row of {truth} has: such a row is wrong, and such a label "
        "counts 0 in this file's macro averages\n"
    )
    arms = json.loads(target.read_text())["arms"]
    assert arms["new"]["mean"]["macro_f1"] == 1
    assert arms["new"]["interval"]["macro_f1"] == [1, 1]
    assert arms["old"]["mean"]["macro_f1"] == pytest.approx((38 / 39 + 1 + 0) / 3)  # as scikit-learn has it
    low, high = arms["old"]["interval"]["macro_f1"]
    assert low < arms["old"]["mean"]["macro_f1"] < high


def test_a_subset_counts_the_labels_it_has(tmp_path, capsys):
    columns = {"id": range(30), "label": ["a", "b", "c"] * 10, "part": ["x", "x", "y"] * 10}
    truth = write_csv(tmp_path / "test.csv", **columns)
    files = [f"{name}={write_csv(tmp_path / f'{name}.csv', id=range(30), predicted=columns['label'])}" for name in "mn"]
    wrong = ["b", "b", "c", *columns["label"][3:]]
    files.append(f"poor={write_csv(tmp_path / 'poor.csv', id=range(30), predicted=wrong)}")
    target = tmp_path / "c.json"
    arguments = ["--subset", "part", "--metric", "macro_f1", "--json", str(target)]
    assert main(["compare", truth, *files, *arguments]) == 0
    subset = next(one for one in json.loads(target.read_text())["subsets"] if one["value"] == "x")
    difference = next(one["difference"] for one in subset["comparisons"] if one["arm"] == "poor")
    assert difference == pytest.approx((18 / 19 + 20 / 21) / 2 - 1)


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("0", "0 and 0.0 are the same number and other labels; write both files alike."),
        ("high", "Name the columns with --label and --predicted, or all labels there are with --labels A,B,..."),
    ],
)
def test_predictions_without_any_label_of_the_truth_are_refused(said, hint, tmp_path, capsys):
    truth = write_csv(tmp_path / "test.csv", id=range(4), label=["0.0", "1.0"] * 2)
    path = write_csv(tmp_path / "p.csv", id=range(4), predicted=[said] * 4)
    assert main(["evaluate", path, truth]) == 2
    assert capsys.readouterr().err == (
        f"error: {path}: predicts '{said}' and never a label of {truth}, which has '0.0', '1.0': no row can be right.\n"
        f"  {hint}\n"
    )
    assert main(["evaluate", path, truth, "--labels", f"{said},0.0,1.0"]) == 0


@pytest.fixture
def thresholded(tmp_path):
    """Predictions of a threshold of 0.3: always right, though ``no`` is the more probable label of every row."""
    rows = [{"id": i, "label": "yes" if i % 2 else "no"} for i in range(40)]
    for row in rows:
        yes = 0.4 if row["label"] == "yes" else 0.2
        row |= {"predicted": row["label"], "probs": {"yes": yes, "no": 1 - yes}}
    return write_jsonl(tmp_path / "p.jsonl", rows)


DIFFER = "line 2: 'predicted' is 'yes' and the most probable label of 'probs' is 'no' (20 of 40 rows differ)"


def test_metrics_of_labels_are_those_of_the_predicted_column(thresholded, tmp_path, capsys):
    target = tmp_path / "s.json"
    assert main(["evaluate", thresholded, "--predicted", "predicted", "--json", str(target)]) == 0
    assert capsys.readouterr().err == f"warning: {thresholded}: {DIFFER}; measured is 'predicted'\n"
    scores = json.loads(target.read_text())
    assert (scores["accuracy"], scores["macro_f1"], scores["per_class"]["yes"]["recall"]) == (1, 1, 1)
    assert main(["compare", thresholded, f"a={thresholded}", "--json", str(target)]) == 0
    assert json.loads(target.read_text())["arms"]["a"]["mean"]["accuracy"] == 1
    capsys.readouterr()
    assert main(["evaluate", thresholded, "--metric", "nll", "--json", str(target)]) == 0
    assert capsys.readouterr().err == f"warning: {thresholded}: {DIFFER}; measured is 'probs'\n"
    assert json.loads(target.read_text())["nll"] == pytest.approx(-(math.log(0.4) + math.log(0.8)) / 2)


@pytest.mark.parametrize("option", ["--metric nll", "--coverage"])
def test_labels_and_probabilities_that_contradict_each_other_are_not_measured_together(option, thresholded, capsys):
    assert main(["evaluate", thresholded, "--metric", "accuracy", *option.split()]) == 2
    assert capsys.readouterr().err == (
        f"error: {thresholded}: {DIFFER}: --metric accuracy, {option} would not be about the same predictions.\n"
        f"  Ask apart for what 'predicted' is worth (--metric accuracy) and what 'probs' is ({option}).\n"
    )


def test_a_list_of_probabilities_in_another_order_is_refused(tmp_path, capsys):
    rows = [
        {"id": i, "label": "pos" if i % 2 else "neg", "probs": [0.9, 0.1] if i % 2 else [0.2, 0.8]} for i in range(9)
    ]
    path = write_jsonl(tmp_path / "p.jsonl", [{**row, "predicted": row["label"]} for row in rows])
    assert main(["evaluate", path]) == 2
    assert capsys.readouterr().err == (
        f"error: {path}: 'probs' is a list of probabilities, expected in the order neg, pos; but the most probable label "
        "is then the predicted one in 0 of 9 rows, and in 9 in the order pos, neg.\n"
        "  Write the probabilities as objects, {label: probability}, or name the order with --labels A,B,...\n"
    )
    assert main(["evaluate", path, "--labels", "pos,neg", "--metric", "nll", "--metric", "accuracy"]) == 0


def test_metric_of_probabilities_needs_them(truth, tmp_path, capsys):
    path = write_csv(tmp_path / "p.csv", index=range(6), pred=GOOD)
    assert main(["evaluate", path, truth, "--metric", "ece"]) == 2
    assert capsys.readouterr().err == (
        "error: --metric ece: needs a column 'probabilities' in every file of predictions.\n"
    )


def test_compare_wants_names(truth, capsys):
    assert main(["compare", truth, "p.csv"]) == 2
    assert capsys.readouterr().err == "error: 'p.csv': expected NAME=PREDICTIONS, e.g. new=new.jsonl.\n"

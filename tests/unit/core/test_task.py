"""Rows of several labels and of ordered ones, as labels, rows and predictions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, softmax

from augtune.core.dataset import Dataset, Example, HumanDataset
from augtune.core.errors import DataError
from augtune.core.labels import Labels
from augtune.core.seeds import generator
from augtune.core.tables import Predictions
from augtune.core.task import TASKS, unfit

TAGS = Labels(("joy", "anger", "fear"), task="multi_label")


def rows() -> HumanDataset:
    examples = [
        Example("a", "so glad and so afraid", "", labels=("fear", "joy")),
        Example("b", "a table", "", labels=()),
        Example("c", "grr", "", labels=("anger",), probabilities=(0.1, 0.9, 0.6)),
    ]
    return HumanDataset.from_examples(examples, TAGS, name="tags")


def test_rows_of_several_labels_have_marks_targets_and_counts():
    data = rows()
    assert data.marks.tolist() == [[True, False, True], [False, False, False], [False, True, False]]
    assert data.targets().tolist() == [[1, 0, 1], [0, 0, 0], [0.1, 0.9, 0.6]]
    assert data.counts() == {"joy": 1, "anger": 1, "fear": 1}
    assert data.label_names == ("fear + joy", "(none)", "anger")
    assert data.label_values == (["joy", "fear"], [], ["anger"])


def test_rows_of_several_labels_come_back_from_json_and_other_libraries():
    data = rows()
    again = HumanDataset.from_examples((Example.from_json(row.to_json(TAGS), TAGS) for row in data), TAGS)
    assert again.fingerprint == data.fingerprint
    assert data[0].to_json(TAGS)["label"] == ["fear", "joy"]
    frame = data.to_pandas().rename(columns={"labels": "tags"})
    assert Dataset.from_pandas(frame, label="tags", labels=TAGS).marks.tolist() == data.marks.tolist()
    assert Dataset.from_hf(data.to_hf(), label="labels", labels=TAGS).marks.tolist() == data.marks.tolist()


def test_same_rows_under_another_task_have_another_fingerprint():
    one = Labels(("joy", "anger", "fear"))
    single = Dataset.from_examples([Example("a", "x", "joy")], one)
    many = Dataset.from_examples([Example("a", "x", "", labels=("joy",))], TAGS)
    assert single.fingerprint != many.fingerprint
    with pytest.raises(DataError, match="other labels"):
        _ = single + many


@pytest.mark.parametrize(
    ("example", "told"),
    [
        (Example("a", "x", "joy"), "data: row 0 (a): expected a list of labels (task multi_label)."),
        (Example("a", "x", "", labels=("joy", "joy")), "data: row 0 (a): a label is given twice: joy, joy."),
        (
            Example("a", "x", "", labels=("rage",)),
            "data: row 0 (a): label 'rage' is not one of 'joy', 'anger', 'fear'.",
        ),
        (
            Example("a", "x", "", labels=(), probabilities=(0.5, 1.5, 0)),
            "data: row 0 (a): expected 3 probabilities from 0 to 1, got [0.5, 1.5, 0.0].",
        ),
    ],
)
def test_row_that_does_not_fit_several_labels_is_refused(example, told):
    with pytest.raises(DataError) as error:
        Dataset.from_examples([example], TAGS)
    assert str(error.value) == told


def test_list_of_labels_where_rows_have_one_is_refused():
    with pytest.raises(DataError) as error:
        Dataset.from_examples([Example("a", "x", "", labels=("joy",))], Labels(("joy", "anger")))
    assert str(error.value) == "data: row 0 (a): expected one label (task single_label)."


def test_what_needs_one_label_a_row_says_so():
    with pytest.raises(DataError) as error:
        _ = rows().label_indices
    assert str(error.value) == ("tags: this needs rows of one label each; these may have several (task multi_label).")


def test_probabilities_of_scores_are_scipys():
    scores = generator(0, "task").normal(size=(5, 3)) * 300
    assert TASKS["multi_label"].probabilities(scores) == pytest.approx(expit(scores))
    assert TASKS["single_label"].probabilities(scores) == pytest.approx(softmax(scores, axis=1))


def test_labels_are_predicted_by_probability_not_by_raw_score():
    # Raw scores of 0.2 and -0.2 cut at 0.5 would both be no; as probabilities they are 0.55 and 0.45.
    table = TASKS["multi_label"].probabilities(np.array([[0.2, -0.2, 3.0]]))
    assert Predictions(("a",), table, TAGS).predicted == ("joy + fear",)


def test_predictions_of_several_labels_come_back_from_rows_with_their_own_thresholds():
    table = np.array([[0.4, 0.3, 0.9], [0.1, 0.1, 0.1]])
    made = Predictions(("a", "b"), table, TAGS, decided=TAGS.rule.marks(table, (0.35, 0.5, 0.95)))
    written = list(made.to_rows({"a": ["joy", "fear"], "b": []}))
    assert written[0] == {
        "id": "a",
        "label": ["joy", "fear"],
        "predicted": ["joy"],
        "probabilities": {"joy": 0.4, "anger": 0.3, "fear": 0.9},
    }
    assert written[1]["predicted"] == []
    again = Predictions.from_rows(written, TAGS)
    assert again.marks.tolist() == made.marks.tolist()
    assert again.aligned(["b", "a"]).marks.tolist() == made.marks[::-1].tolist()
    assert Predictions.from_rows([{"id": "a", "predicted": ["anger"]}], TAGS).probabilities.tolist() == [[0, 1, 0]]


def test_number_that_is_no_probability_is_refused():
    with pytest.raises(DataError) as error:
        Predictions(("a",), np.array([[0.5, 1.2, 0.0]]), TAGS)
    assert str(error.value) == "predictions: row 0 (a): 1.2 is no probability, expected 0 to 1."


def test_ordered_labels_are_sorted_as_numbers():
    labels = Labels.found_in(["1.5", "10", "-2", "1.0"], "ordinal")
    assert labels.names == ("-2", "1.0", "1.5", "10")
    assert labels.positions == (-2.0, 1.0, 1.5, 10.0)


def test_names_do_not_tell_their_order():
    with pytest.raises(DataError) as error:
        Labels.found_in(["good", "bad", "fair"], "ordinal")
    assert str(error.value) == (
        "labels: 'bad', 'fair', 'good': names do not tell their order.\n  "
        "Give them from one end to the other, e.g. labels: [bad, fair, good]."
    )


def test_predictions_on_a_scale_say_where_they_expect_the_row():
    stars = Labels(("1", "2", "5"), task="ordinal")
    made = Predictions(("a",), np.array([[0.5, 0.0, 0.5]]), stars)
    assert next(iter(made.to_rows()))["expected"] == 3.0
    assert Predictions.from_rows(made.to_rows(), stars).expected.tolist() == [3.0]
    with pytest.raises(DataError, match="no order that was declared"):
        _ = Predictions(("a",), np.array([[0.5, 0.5]]), Labels(("1", "2"))).expected


def test_misfit_names_the_tasks_there_are():
    assert (
        unfit("loss bce", ("multi_label",), "ordinal") == "loss bce: made for data.task multi_label; here it is ordinal"
    )

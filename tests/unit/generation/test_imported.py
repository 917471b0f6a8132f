from __future__ import annotations

import json

import pytest

from augtune.core.dataset import Example, HumanDataset
from augtune.core.errors import DataError, SettingsError
from augtune.core.labels import Labels
from augtune.core.view import view_labels, view_rows
from augtune.data.load import load
from augtune.generation.base import generate
from augtune.generation.imported import Imported


@pytest.fixture
def written(tmp_path):
    def write(rows, name="synthetic_model.jsonl"):
        path = tmp_path / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path

    return write


def test_rows_keep_the_files_order_and_find_their_parents(train, written):
    path = written(
        [
            {"text": "so slow", "label": "negative", "source_text": " it  drags "},
            {"text": "funny", "label": "positive", "source_text": "elsewhere"},
            {"text": "new", "label": "positive", "source_text": ""},
            {"text": "free", "label": " positive "},
        ]
    )
    made = generate(train, Imported(path=path))
    assert [row.to_json() for row in made.dataset] == [
        {"id": "model-0000", "text": "so slow", "label": "negative", "origin": "rewritten", "parents": ["train-0002"],
         "generator": "imported:model"},
        {"id": "model-0001", "text": "funny", "label": "positive", "origin": "rewritten", "source_text": "elsewhere",
         "generator": "imported:model"},
        {"id": "model-0002", "text": "new", "label": "positive", "origin": "generated", "generator": "imported:model"},
        {"id": "model-0003", "text": "free", "label": "positive", "origin": "generated", "generator": "imported:model"},
    ]  # fmt: skip
    assert made.dataset.name == "model"
    assert (made.dropped, made.cost.calls, made.shortfall) == ((), 0, {})


def test_rows_without_text_or_label_are_dropped_on_record(train, written):
    rows = [
        {"text": "  ", "label": "positive"},
        {"text": "a", "label": "positive"},
        {"text": "b", "label": None},
        {"label": "positive"},
    ]
    made = generate(train, Imported(path=written(rows), name="m"))
    assert made.dataset.ids == ("m-0001",)
    assert [(row.example.id, row.reason, row.because.split(": ", 1)[1]) for row in made.dropped] == [
        ("m-0000", "empty", "line 1: it has no text"),
        ("m-0002", "empty", "line 3: it has no label"),
        ("m-0003", "empty", "line 4: it has no text"),
    ]


def test_only_rows_made_from_the_human_rows_trained_on_if_asked(train, written):
    rows = [
        {"text": "so slow", "label": "negative", "source_text": " it  drags "},
        {"text": "funny", "label": "positive", "source_text": "elsewhere"},
        {"text": "free", "label": "positive"},
    ]
    made = generate(train, Imported(path=written(rows), name="m", sources="train", per_class=1))
    assert made.dataset.ids == ("m-0000",)
    because = "what it was made from is none of the human rows trained on"
    assert [(row.example.id, row.by, row.reason, row.because) for row in made.dropped] == [
        ("m-0001", "imported", "other source", because),
        ("m-0002", "imported", "other source", because),
    ]
    assert made.shortfall == {"positive": 1}


def test_sources_are_asked_for_where_no_column_has_them(train, written):
    path = written([{"text": "a", "label": "positive"}])
    with pytest.raises(DataError) as caught:
        Imported(path=path, sources="train").require(train)
    assert str(caught.value) == (
        f"{path}: sources: train asks which human row each row was made from, and no column says so.\n"
        "  Name the column of the human text: columns: {source_text: COLUMN}; or leave sources out."
    )


def test_an_unknown_label_is_refused_with_its_line(train, written):
    path = written([{"text": "a", "label": "positive"}, {"text": "b", "label": "mixed"}])
    with pytest.raises(DataError) as caught:
        generate(train, Imported(path=path))
    assert str(caught.value) == (
        f"{path}: line 2: label 'mixed' is none of the human rows' labels: 'negative', 'positive'."
    )


@pytest.mark.parametrize(
    "value",
    [{"positive": 0.75, "negative": 0.25}, [0.25, 0.75], "[0.25, 0.75]", '{"positive": 0.75, "negative": 0.25}'],
)
def test_probabilities_are_kept(train, written, value):
    made = generate(train, Imported(path=written([{"text": "a", "label": "positive", "probabilities": value}])))
    assert made.dataset[0].probabilities == (0.25, 0.75)
    assert made.dataset[0].soft_source == "stated"


@pytest.mark.parametrize("value", [{"positive": 0.75}, [0.25, 0.5, 0.25], "often", {"mixed": 1.0}, [-0.5, 1.5], 1.0])
def test_probabilities_that_are_none_are_refused(train, written, value):
    path = written([{"text": "a", "label": "positive", "probabilities": value}])
    with pytest.raises(DataError) as caught:
        generate(train, Imported(path=path))
    assert str(caught.value) == (
        f"{path}: line 1: expected probabilities of 'negative', 'positive' that sum to 1, got {value!r}."
    )


def test_a_label_that_its_probabilities_contradict_is_refused(train, written):
    path = written([{"text": "a", "label": "negative", "probabilities": [0.25, 0.75]}])
    with pytest.raises(DataError) as caught:
        generate(train, Imported(path=path))
    assert str(caught.value) == (
        f"{path}: line 1: label 'negative' is not the most probable one of {{'negative': 0.25, 'positive': 0.75}}."
    )


def test_columns_are_found_or_named(train, tmp_path):
    path = tmp_path / "made.csv"
    path.write_text("sentence,intent,from\na,positive,it drags\n", encoding="utf-8")
    made = generate(train, {"kind": "imported", "path": str(path), "columns": {"source_text": "from"}})
    assert made.dataset[0].parents == ("train-0002",)
    assert made.dataset.ids == ("made-0000",)
    with pytest.raises(DataError) as caught:
        generate(train, {"kind": "imported", "path": str(path), "columns": {"probabilities": "intnt"}})
    assert str(caught.value) == f"{path}: no column 'intnt' (given as probabilities); did you mean 'intent'?"


def test_pairs_go_with_pairs(train, written):
    path = written([{"text": "a", "text_pair": "b", "label": "positive"}])
    pairs = HumanDataset.from_examples([Example("p", "x", "positive", text_pair="y")], Labels(("positive",)))
    assert generate(pairs, Imported(path=path)).dataset[0].text_pair == "b"
    with pytest.raises(DataError) as caught:
        generate(train, Imported(path=path))
    assert str(caught.value) == f"{path}: the human rows are single texts, these are pairs."


def test_a_smaller_draw_is_part_of_a_larger_one_and_keeps_the_files_order(train, written):
    path = written([{"text": f"row {i}", "label": ("negative", "positive")[i % 3 == 0]} for i in range(30)])
    ids = {n: generate(train, Imported(path=path, count=n), seed=4).dataset.ids for n in (5, 12, 30)}
    assert [len(found) for found in ids.values()] == [5, 12, 30]
    assert set(ids[5]) < set(ids[12]) < set(ids[30])
    assert all(list(found) == sorted(found) for found in ids.values())
    assert generate(train, Imported(path=path, count=5), seed=4).dataset.ids == ids[5]
    assert generate(train, Imported(path=path, count=5), seed=5).dataset.ids != ids[5]


def test_a_draw_per_class_reports_what_it_left_and_what_lacks(train, written):
    path = written([{"text": f"row {i}", "label": ("negative", "positive")[i < 2]} for i in range(8)])
    made = generate(train, Imported(path=path, per_class=3))
    assert made.dataset.counts() == {"negative": 3, "positive": 2}
    assert made.shortfall == {"positive": 1}
    assert [(row.reason, row.because) for row in made.dropped] == [("not drawn", "not among the 3 rows drawn")] * 3


def test_count_and_per_class_contradict(train):
    with pytest.raises(SettingsError) as caught:
        generate(train, {"kind": "imported", "path": "x.jsonl", "count": 1, "per_class": 1})
    assert caught.value.problems == (
        "generate: per_class and count are both given; the number of rows is set by one of them",
    )


def test_no_prompt_and_no_call(train, tmp_path):
    maker = Imported(path=tmp_path / "x.jsonl")
    assert (maker.preview(train), maker.estimate(train).calls, maker.files()) == ([], 0, (tmp_path / "x.jsonl",))


@pytest.mark.data
@pytest.mark.parametrize(("model", "rows"), [("gpt4", 2610), ("llama2_70b", 2530)])
def test_the_rows_of_a_published_study(data_pack, model, rows):
    base = load(data_pack / "hypo_l").others["base"]
    made = generate(base, Imported(path=data_pack / "hypo_l" / f"synthetic_{model}.jsonl"))
    assert len(made.dataset) == rows
    assert made.dropped == ()
    assert made.dataset.ids[-1] == f"{model}-{rows - 1:04d}"
    assert made.dataset.labels == base.labels
    assert all(len(row.parents) == 1 and row.parents[0] in base.ids for row in made.dataset)
    few = generate(base, Imported(path=data_pack / "hypo_l" / f"synthetic_{model}.jsonl", per_class=50))
    assert few.dataset.counts() == {"hyperbole": 50, "not hyperbole": 50}


# ---- rows of labels that the task's are a view of

SENTIMENT = Labels(("negative", "neutral", "positive"))


def viewed(view):
    rows = [Example(f"t-{i}", f"text {i}", label) for i, label in enumerate(SENTIMENT)]
    return view_rows(HumanDataset.from_examples(rows, SENTIMENT, name="train"), view_labels(SENTIMENT, view))[0]


def test_rows_that_bear_the_labels_from_before_a_view_follow_it(tmp_path):
    file = tmp_path / "synthetic.jsonl"
    file.write_text(
        '{"text": "a", "label": "positive", "probabilities": {"negative": 0.2, "neutral": 0.3, "positive": 0.5}}\n'
        '{"text": "b", "label": "neutral"}\n{"text": "c", "label": "negative"}\n'
    )
    made = Imported(path=file).generate(viewed("one-vs-rest neutral"), llm=None, seed=0)
    assert made.dataset.label_names == ("non-neutral", "neutral", "non-neutral")
    assert made.dataset.targets()[0] == pytest.approx([0.7, 0.3])
    made = Imported(path=file).generate(
        viewed({"n": "negative", "p": "positive", "drop": ["neutral"]}), llm=None, seed=0
    )
    assert made.dataset.label_names == ("p", "n")
    assert [(row.by, row.reason, row.example.text) for row in made.dropped] == [("view", "left out", "b")]


def test_rows_that_bear_the_labels_of_a_view_are_taken_as_they_are(tmp_path):
    file = tmp_path / "synthetic.jsonl"
    file.write_text('{"text": "a", "label": "non-neutral"}\n{"text": "b", "label": "neutral"}\n')
    made = Imported(path=file).generate(viewed("one-vs-rest neutral"), llm=None, seed=0)
    assert made.dataset.label_names == ("non-neutral", "neutral")


def test_rows_that_mix_labels_before_and_after_a_view_are_refused(tmp_path):
    file = tmp_path / "synthetic.jsonl"
    file.write_text('{"text": "a", "label": "non-neutral"}\n{"text": "b", "label": "positive"}\n')
    with pytest.raises(DataError) as caught:
        Imported(path=file).generate(viewed("one-vs-rest neutral"), llm=None, seed=0)
    assert caught.value.message == (
        f"{file}: line 2: label 'positive' is none of the human rows' labels: 'non-neutral', 'neutral', nor are all "
        "labels of the file among those before the view: negative, neutral, positive."
    )

"""Loading files and folders to Splits."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from augtune.core.dataset import HumanDataset
from augtune.core.errors import DataError
from augtune.core.labels import Labels
from augtune.data import load
from augtune.data.classes import MANY, MEASURED


def csv(path, *rows, header="text,label"):
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def jsonl(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def refusal(source, **given):
    with pytest.raises(DataError) as caught:
        load(source, **given)
    return str(caught.value)


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "mails"
    path.mkdir()
    csv(path / "train.csv", "good,pos", "bad,neg", "fine,pos")
    return path


def test_a_file_is_all_train(tmp_path):
    splits = load(csv(tmp_path / "mails.csv", '"  two,\nlines ", pos ', "bad,neg"))
    assert list(splits.all()) == ["train"]
    assert splits.train.texts == ("  two,\nlines ", "bad")
    assert splits.train.label_names == ("pos", "neg")
    assert splits.train.ids == ("train-0000", "train-0001")
    assert splits.labels.names == ("neg", "pos")
    assert splits.train.name == "mails/train"
    assert type(splits.train) is HumanDataset


def test_ids_are_as_wide_as_the_rows_need(tmp_path):
    splits = load(csv(tmp_path / "a.csv", *(f"text,{'ab'[i % 2]}" for i in range(10_001))))
    assert (splits.train.ids[0], splits.train.ids[-1]) == ("train-00000", "train-10000")


@pytest.mark.parametrize("alias", ["dev.csv", "valid.csv", "val.csv", "eval.csv", "Validation.CSV"])
def test_a_folder_holds_splits_under_their_usual_names(folder, alias):
    csv(folder / alias, "so so,neg")
    jsonl(folder / "test.jsonl", {"text": "great", "label": "pos"})
    splits = load(folder)
    assert list(splits.all()) == ["train", "validation", "test"]
    assert splits.validation.ids == ("validation-0000",)
    assert splits.test.name == "mails/test"


def test_other_tables_are_kept_and_synthetic_and_unlabelled_ones_left_out(folder):
    jsonl(folder / "crowd_human.jsonl", {"text": "ok", "label": "pos", "worker": 3})
    jsonl(folder / "unlabelled.jsonl", {"text": "ok"})
    jsonl(folder / "synthetic_gpt4.jsonl", {"text": "ok", "label": "pos"})
    jsonl(folder / "Synthetic.jsonl", {"text": "ok", "label": "pos"})
    (folder / "card.json").write_text('{"name": "mails", "labels": ["pos"]}')
    (folder / "README.md").write_text("about")
    (folder / ".hidden.csv").write_text("broken")
    splits = load(folder)
    assert list(splits.all()) == ["train", "crowd_human"]
    assert splits.others["crowd_human"].ids == ("crowd_human-0000",)


def test_a_folder_without_train_teaches_labels_by_its_other_tables(folder):
    (folder / "train.csv").rename(folder / "validation.csv")
    csv(folder / "test.csv", "hm,neg")
    splits = load(folder)
    assert len(splits.train) == 0
    assert splits.labels.names == ("neg", "pos")
    assert len(splits.validation) == 3


def test_a_folder_with_test_alone_needs_labels(folder):
    (folder / "train.csv").rename(folder / "test.csv")
    assert refusal(folder) == (
        f"{folder}: has neither a train table nor another one to learn the classes from.\n"
        "  Add train.csv (or .tsv, .json, .jsonl, .parquet), name the file itself, or give labels=[...]."
    )
    assert load(folder, labels=["pos", "neg"]).test.counts() == {"pos": 2, "neg": 1}


def test_pairs_are_loaded(tmp_path):
    rows = [{"sentence1": "a", "sentence2": "b", "label": 0}, {"sentence1": "c", "sentence2": "d", "label": 1}]
    train = load(jsonl(tmp_path / "x.jsonl", *rows)).train
    assert (train.texts, train.text_pairs, train.label_names) == (("a", "c"), ("b", "d"), ("0", "1"))


def test_an_empty_column_text_pair_makes_no_pairs(tmp_path):
    path = jsonl(tmp_path / "x.jsonl", {"text": "a", "label": "y", "text_pair": None}, {"text": "b", "label": "n"})
    assert not load(path).train.is_pair


# ---- labels


def test_numbers_become_names_in_order_of_size(tmp_path):
    assert load(csv(tmp_path / "x.csv", "a,10", "b,9", "c,-1")).labels.names == ("-1", "9", "10")


@pytest.mark.parametrize("label", [1.0, 1, "1", " 1 "])
def test_a_whole_number_is_the_same_label_however_it_is_stored(tmp_path, label):
    assert load(jsonl(tmp_path / "x.jsonl", {"text": "a", "label": label})).train.label_names == ("1",)


def test_a_mapping_renames_and_orders_and_may_merge(tmp_path):
    path = csv(tmp_path / "x.csv", "a,0", "b,1", "c,2")
    splits = load(path, labels={2: "positive", 1: "positive", 0: "negative"})
    assert splits.labels.names == ("positive", "negative")
    assert splits.train.label_names == ("negative", "positive", "positive")


@pytest.mark.parametrize("given", [["pos", "neutral", "neg"], Labels(("pos", "neutral", "neg"))])
def test_a_list_orders_and_may_name_classes_without_rows(folder, given):
    csv(folder / "test.csv", "hm,neutral")
    assert load(folder, labels=given).train.counts() == {"pos": 2, "neutral": 0, "neg": 1}


def test_a_category_column_brings_its_order(tmp_path):
    labels = pa.DictionaryArray.from_arrays(pa.array([1, 0]), pa.array(["low", "high", "extreme"]))
    pq.write_table(pa.table({"text": ["a", "b"], "label": labels}), tmp_path / "x.parquet")
    assert load(tmp_path / "x.parquet").labels.names[:2] == ("low", "high")


def test_a_hub_class_label_brings_names_that_a_mapping_can_replace(tmp_path):
    meta = {"info": {"features": {"label": {"names": ["neg", "pos"], "_type": "ClassLabel"}}}}
    table = pa.table({"text": ["a", "b"], "label": [1, 0]}).replace_schema_metadata({"huggingface": json.dumps(meta)})
    pq.write_table(table, tmp_path / "x.parquet")
    assert load(tmp_path / "x.parquet").train.label_names == ("pos", "neg")
    for given in ({0: "bad", 1: "good"}, {"neg": "bad", "pos": "good"}):
        assert load(tmp_path / "x.parquet", labels=given).train.label_names == ("good", "bad")


@pytest.mark.parametrize("split", ["test", "validation", "base"])
def test_a_label_that_train_never_saw_is_refused_with_its_line(folder, split):
    csv(folder / f"{split}.csv", "hm,neg", "hm,poss")
    assert refusal(folder) == (
        f"{folder / split}.csv: line 3: label 'poss' is none of those in {folder / 'train.csv'}: "
        "'neg', 'pos'; did you mean 'pos'?\n"
        "  Correct or remove the row, add training rows of this class, or give all classes in order as labels=[...]."
    )


def test_a_label_that_is_not_given_is_refused_with_its_line(folder):
    assert refusal(folder, labels=["pos", "other"]).startswith(
        f"{folder / 'train.csv'}: line 3: label 'neg' is none of the given labels: 'pos', 'other'.\n"
    )
    assert refusal(folder, labels={"pos": "good"}).startswith(
        f"{folder / 'train.csv'}: line 3: label 'neg' is none of the given labels: 'pos'.\n"
    )


def test_given_names_for_numbers_need_a_mapping(tmp_path):
    path = csv(tmp_path / "x.csv", "a,0", "b,1")
    assert refusal(path, labels=["negative", "positive"]) == (
        f"labels: none of 'negative', 'positive' occurs in {path}, which has '0', '1'.\n"
        "  To rename them give a mapping, e.g. labels={'0': 'negative', '1': 'positive'}."
    )


def test_labels_given_as_one_string_are_refused(folder):
    assert refusal(folder, labels="pos") == "labels: expected a list of class names or a mapping, got 'pos'."


# ---- rows that are wrong


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"text": " \n", "label": "a"}, "the text is empty (column 'text').\n  Fill or remove the row."),
        ({"text": None, "label": "a"}, "the text is empty (column 'text').\n  Fill or remove the row."),
        ({"label": "a"}, "the text is empty (column 'text').\n  Fill or remove the row."),
        ({"text": 5, "label": "a"}, "expected text in column 'text', got 5."),
        ({"text": "x", "label": None}, "the label is missing (column 'label').\n  Label or remove the row."),
        ({"text": "x", "label": " "}, "the label is missing (column 'label').\n  Label or remove the row."),
        ({"text": "x", "label": float("nan")}, "the label is missing (column 'label').\n  Label or remove the row."),
        ({"text": "x"}, "the label is missing (column 'label').\n  Label or remove the row."),
        ({"text": "x", "label": 0.5}, "expected a class name or a whole number as label (column 'label'), got 0.5.\n  " + MEASURED),
        ({"text": "x", "label": ["a"]}, "expected a class name or a whole number as label (column 'label'), got ['a'].\n  " + MANY),
        (
            {"text": "x\ud83d", "label": "a"},
            "half of a surrogate pair is no character (column 12).\n"
            "  The file was cut or escaped wrongly; write it again as UTF-8.",
        ),
        (
            {"text": "x", "label": "a", "origin": "generated"},
            "its origin is 'generated': a model wrote this row, and only human rows are loaded as data.\n"
            "  To train on it use generate: {kind: imported, path: ...}.",
        ),
    ],
)  # fmt: skip
def test_a_wrong_row_is_refused_with_file_and_line(tmp_path, row, message):
    path = jsonl(tmp_path / "x.jsonl", {"text": "good", "label": "a"}, row)
    assert refusal(path) == f"{path}: line 2: {message}"


def test_a_pair_with_one_text_is_refused(tmp_path):
    path = csv(tmp_path / "x.csv", "a,b,y", "c,,n", header="premise,hypothesis,label")
    assert refusal(path) == f"{path}: line 3: the text is empty (column 'hypothesis').\n  Fill or remove the row."


# ---- sources that are wrong


def test_a_source_that_is_nowhere_is_refused(folder):
    assert refusal(folder.parent / "mail") == (
        f"{folder.parent / 'mail'}: no such file or folder; did you mean '{folder}'?\n"
        "  A dataset of the hub is named hf:owner/name."
    )
    assert refusal("/nowhere/at/all.csv") == (
        "/nowhere/at/all.csv: no such file or folder.\n  A dataset of the hub is named hf:owner/name."
    )


def test_a_synthetic_file_is_refused(tmp_path):
    path = csv(tmp_path / "synthetic_gpt4.csv", "a,b")
    assert refusal(path) == (
        f"{path}: a file of this name holds rows that a model wrote, and only human rows are loaded as data.\n"
        "  To train on it use generate: {kind: imported, path: ...}; if people wrote it, rename it."
    )


def test_two_files_for_one_split_are_refused(folder):
    csv(folder / "dev.csv", "a,pos")
    csv(folder / "val.csv", "a,pos")
    assert refusal(folder) == (
        f"{folder}: two files are the split 'validation': dev.csv and val.csv.\n  Remove or rename one of them."
    )


def test_a_folder_without_tables_is_refused(tmp_path):
    (tmp_path / "synthetic_a.csv").write_text("text,label\na,b\n")
    assert refusal(tmp_path) == (
        f"{tmp_path}: holds no table; expected train, validation or test as one of: .csv, .tsv, .json, .jsonl, "
        ".parquet.\n  Name a file, or a folder with for example train.csv and test.csv; "
        "hf:FOLDER reads one as the hub lays it out."
    )


def test_a_split_with_other_columns_is_refused(folder):
    csv(folder / "test.csv", "a,pos", header="sentence,label")
    assert refusal(folder) == (f"{folder / 'test.csv'}: no column 'text' (given as text); there are: sentence, label")


def test_a_main_split_that_is_no_table_is_refused(folder):
    (folder / "test.json").write_text('{"a": 1}')
    assert refusal(folder) == (
        f"{folder / 'test.json'}: expected an array of objects, an object with 'data', or one array per column."
    )


@pytest.mark.data
def test_the_data_pack_loads_whole(data_pack):
    cards = sorted(data_pack.glob("*/card.json"))
    tables = [card for card in cards if "n_labels" in (read := json.loads(card.read_text())) and read.get("files")]
    assert len(tables) >= 14
    for card in tables:
        known = json.loads(card.read_text())
        splits = load(card.parent)
        assert set(splits.labels) == set(known["labels"])
        for split, rows in splits.all().items():
            if len(rows):
                assert len(rows) == known["files"][f"{split}.jsonl"]["rows"]
                per_label = known["files"][f"{split}.jsonl"]["per_label"]
                assert {name: n for name, n in rows.counts().items() if n} == {k: n for k, n in per_label.items() if n}

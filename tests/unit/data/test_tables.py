"""Reading csv, tsv, json, jsonl and parquet files to rows."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from augtune.core.errors import DataError
from augtune.data import tables

ROWS = [{"text": "good , really", "label": "pos"}, {"text": 'she said "no"\nand left', "label": "neg"}]


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


CONTENTS = {
    "a.csv": 'text,label\r\n"good , really",pos\r\n"she said ""no""\nand left",neg\r\n',
    "b.csv": '\ufefftext;label\ngood , really;pos\n"she said ""no""\nand left";neg\n',
    "a.tsv": 'text\tlabel\ngood , really\tpos\n"she said ""no""\nand left"\tneg\n',
    "a.jsonl": "\n".join(map(json.dumps, ROWS)) + "\n\n",
    "a.json": json.dumps(ROWS),
    "b.json": json.dumps({"data": ROWS, "version": 1}),
    "c.json": json.dumps({name: [row[name] for row in ROWS] for name in ("text", "label")}),
    "d.json": json.dumps({name: {str(i): row[name] for i, row in enumerate(ROWS)} for name in ("text", "label")}),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_every_text_format_gives_the_same_rows(tmp_path, name):
    assert tables.read_table(write(tmp_path / name, CONTENTS[name])) == ROWS


def test_parquet_gives_the_same_rows(tmp_path):
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "a.parquet")
    assert tables.read_table(str(tmp_path / "a.parquet")) == ROWS


def test_a_row_after_an_embedded_newline_has_its_true_line(tmp_path):
    table = tables.read(write(tmp_path / "a.csv", 'text,label\n"two\nlines",a\n\nthird,b\n'))
    assert list(table.lines) == [2, 5]
    assert table.place(1) == f"{tmp_path / 'a.csv'}: line 5"


def test_a_field_longer_than_the_csv_modules_limit_is_read_and_the_limit_restored(tmp_path):
    import csv

    before = csv.field_size_limit()
    long = "x" * 200_000
    assert tables.read_table(write(tmp_path / "a.csv", f"text,label\n{long},a\n"))[0]["text"] == long
    assert csv.field_size_limit() == before


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ('text\tlabel\n"one\nline more"\tx\n', "one\nline more"),
        ('text\tlabel\n"one\ttab\nand more lines\n"\tx\n', "one\ttab\nand more lines\n"),
        ('"text"\t"label"\n"one\ttab\nmore"\t"x"\n', "one\ttab\nmore"),
    ],
)
def test_a_tsv_that_only_quotes_can_explain_is_read_with_them(tmp_path, text, first):
    assert [row["text"] for row in tables.read_table(write(tmp_path / "a.tsv", text))] == [first]


def test_a_tsv_with_bare_quotes_is_read_as_it_is(tmp_path):
    path = write(tmp_path / "a.tsv", 'text\tlabel\n"so called" progress\t0\na 5" nail\t1\n')
    assert [row["text"] for row in tables.read_table(path)] == ['"so called" progress', 'a 5" nail']


def test_class_names_come_with_a_string_category_and_a_hub_class_label(tmp_path):
    coded = pa.table({"text": ["a", "b"], "label": pa.array(["low", "high"]).dictionary_encode()})
    pq.write_table(coded, tmp_path / "a.parquet")
    assert tables.read(tmp_path / "a.parquet").class_names == {"label": ("low", "high")}
    numbers = pa.table({"text": ["a", "b"], "label": [1, 0]})
    meta = {"info": {"features": {"label": {"names": ["no", "yes"], "_type": "ClassLabel"}}}}
    pq.write_table(numbers.replace_schema_metadata({"huggingface": json.dumps(meta)}), tmp_path / "b.parquet")
    assert tables.read(tmp_path / "b.parquet").class_names == {"label": ("no", "yes")}


@pytest.mark.parametrize("note", ["{", "[]", '{"info": null}', '{"info": {"features": []}}'])
def test_an_unreadable_note_of_the_hub_is_no_obstacle(tmp_path, note):
    pq.write_table(pa.table({"label": [1]}).replace_schema_metadata({"huggingface": note}), tmp_path / "a.parquet")
    assert tables.read(tmp_path / "a.parquet").class_names == {}


def test_categories_that_are_numbers_are_no_class_names(tmp_path):
    pq.write_table(pa.table({"label": pa.array([5, 7]).dictionary_encode()}), tmp_path / "a.parquet")
    table = tables.read(tmp_path / "a.parquet")
    assert table.class_names == {}
    assert [row["label"] for row in table.rows] == [5, 7]


QUOTING = '\n  A field that holds quotes is itself quoted, and its quotes are doubled: "she said ""no""".'
PER_LINE = "\n  A .jsonl file has one JSON object per line; an array over several lines belongs in a .json file."
EITHER = (
    "line 3: a quoted field holds a tab and line ends, so lines 3 to 5 can be one row, or 3 rows that have quotes in their "
    "texts.\n  If they are rows of their own, put each field that holds a quote in quotes and double its own: "
    '"she said ""no""". If they are one row, take the tab out of its field. As jsonl there is no such question.'
)
BROKEN = {
    "short.csv": ("text,label\na,b\nc\n", 'line 3: expected 2 fields (text, label), got 1.\n  Put text that holds a comma in quotes: "...".'),
    "long.csv": ("text,label\na,b,c\n", 'line 2: expected 2 fields (text, label), got 3.\n  Put text that holds a comma in quotes: "...".'),
    "long.tsv": ("text\tlabel\na\tb\tc\n", 'line 2: expected 2 fields (text, label), got 3.\n  Put text that holds a tab in quotes: "...".'),
    "either.tsv": ('text\tlabel\nFine.\ty\n"I went there.\tx\nIt was a mess.\ty\nNobody came."\tx\nAll fine\ty\n', EITHER),
    "twice.csv": ("text,text\na,b\n", "line 1: two columns are called 'text'."),
    "open.csv": ('text,label\na,b\n"c,d\n', "line 3: not readable as comma-separated values: unexpected end of data." + QUOTING),
    "header.csv": ("text,label\n", "the file holds no rows."),
    "empty.csv": ("", "the file is empty."),
    "blank.jsonl": ("\n \n", "the file is empty."),
    "empty.json": ("", "the file is empty."),
    "none.json": ("[]", "the file holds no rows."),
    "latin.csv": (b"text,label\nna\xefve,a\n", "line 2: not UTF-8 (byte 0xef at offset 13).\n  Convert it, e.g. iconv -f LATIN1 -t UTF-8 latin.csv > latin.utf8.csv"),
    "bad.jsonl": ('{"text": "a"}\n{"text": \n', "line 2: not JSON: Expecting value (column 10)." + PER_LINE),
    "list.jsonl": ('["a"]\n', "line 1: expected a JSON object, got an array."),
    "bad.json": ('[{"text": "a"},\n]', "line 2: not JSON: Expecting value.\n  One JSON object per line belongs in a .jsonl file."),
    "lines.json": ('{"text": "a"}\n{"text": "b"}\n', "line 2: not JSON: Extra data.\n  One JSON object per line belongs in a .jsonl file."),
    "number.json": ("3", "expected an array of objects, got a number."),
    "words.json": ('["a"]', "row 1: expected a JSON object, got a string."),
    "card.json": ('{"name": "x", "labels": ["a"]}', "expected an array of objects, an object with 'data', or one array per column."),
    "uneven.json": ('{"text": ["a", "b"], "label": ["c"]}', "its columns differ in length: text 2, label 1."),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_damaged_file_is_refused_with_file_and_line(tmp_path, name):
    content, message = BROKEN[name]
    path = write(tmp_path / name, content)
    with pytest.raises(DataError) as caught:
        tables.read_table(path)
    assert str(caught.value) == f"{path}: {message}"


def test_a_damaged_parquet_file_is_refused(tmp_path):
    path = write(tmp_path / "a.parquet", "no parquet")
    with pytest.raises(DataError, match=r"a\.parquet: not a readable parquet file: "):
        tables.read_table(path)


@pytest.mark.parametrize("name", ["gone.csv", "gone.parquet"])
def test_a_missing_file_is_refused(tmp_path, name):
    with pytest.raises(DataError) as caught:
        tables.read_table(tmp_path / name)
    assert str(caught.value) == f"{tmp_path / name}: no such file."


def test_an_unknown_kind_of_file_is_refused_with_the_known_ones(tmp_path):
    with pytest.raises(DataError) as caught:
        tables.read_table(tmp_path / "a.xlsx")
    assert str(caught.value) == (
        f"{tmp_path / 'a.xlsx'}: unknown kind of file '.xlsx'; known: .csv, .tsv, .json, .jsonl, .parquet.\n"
        "  Save it as one of these, e.g. as CSV (UTF-8)."
    )


def test_a_folder_is_no_file(tmp_path):
    (tmp_path / "x.csv").mkdir()
    with pytest.raises(DataError, match=r"x\.csv: is a folder, expected a file\."):
        tables.read_table(tmp_path / "x.csv")

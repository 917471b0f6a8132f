"""Every parser takes what it is made for, refuses the rest with a message, and does neither wrongly nor for ever."""

from __future__ import annotations

import itertools
import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augtune.core.cells import csv_text, guarded, unguarded
from augtune.core.errors import DataError
from augtune.data import delimited, tables
from fuzzing import files, replies
from fuzzing.inputs import mutated
from fuzzing.judge import Outcome, Parser, WrongError, give

PARSERS = {parser.name: parser for parser in (*replies.PARSERS, *files.PARSERS)}
COUNT = 60  # inputs per parser here; benchmarks/fuzz.py gives them a million


@pytest.mark.parametrize("name", PARSERS)
def test_parser_keeps_its_promises_when_its_texts_are_changed(name):
    parser = PARSERS[name]
    for seed in parser.seeds:
        assert give(parser, seed, seconds=10) == Outcome("fine"), seed
    for text in itertools.islice(mutated(parser.seeds, random.Random(f"suite {name}")), COUNT):
        assert give(parser, text, seconds=10) == Outcome("fine"), repr(text[:200])


def _crash(text):
    raise KeyError(text)


def _hang(text):
    while True:
        time.perf_counter()


def _wrong(text):
    raise WrongError("taken")


def _speechless(text):
    raise DataError(" ")


@pytest.mark.parametrize(
    ("read", "kind"), [(_crash, "crash"), (_hang, "hang"), (_wrong, "wrong"), (_speechless, "wrong"), (len, "fine")]
)
def test_what_a_parser_does_wrong_is_found(read, kind):
    assert give(Parser("x", read, ("a",), 1), "a", seconds=0.05).kind == kind


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
CELLS = st.one_of(TEXTS, st.builds("{}{}".format, st.sampled_from([*"'=+-@\t\r\n\"", "''=", "＝", "-1"]), TEXTS))


@given(CELLS)
def test_guarded_cell_gives_its_text_back(text):
    cell = guarded(text)
    assert unguarded(cell) == text
    assert cell == text or cell == f"'{text}"


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=4))
def test_rows_come_back_from_csv_as_they_were(rows):
    given_rows = [{"id": one, "predicted": other} for one, other in rows]
    found = delimited.parse(csv_text(given_rows, ["id", "predicted"]), source="x.csv", tabs=False)
    assert [{name: unguarded(cell) for name, cell in row.items()} for row in found.rows] == given_rows


@given(st.lists(st.dictionaries(TEXTS, st.one_of(TEXTS, st.integers(), st.none()), min_size=1), min_size=1, max_size=3))
@settings(max_examples=50)
def test_rows_come_back_from_jsonl_as_they_were(rows):
    import json

    for ascii_only in (False, True):
        text = "".join(json.dumps(row, ensure_ascii=ascii_only) + "\n" for row in rows)
        assert list(tables.parse_jsonl(text, "x").rows) == rows

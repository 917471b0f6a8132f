from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from augtune.core.errors import DataError, InputError, SettingsError
from augtune.generation.base import generate
from augtune.generation.eda import Eda, _deleted, _swapped, read_synonyms

ROWS = [
    ("the parcel came two days late and wet", "delivery"),
    ("where is my parcel, please?", "delivery"),
    ("the lamp hums all night long", "fault"),
    ("Broken lamp; the switch is dead.", "fault"),
    ("it does not turn on", "fault"),
]


@pytest.fixture
def tickets(make_human):
    return make_human(ROWS)


def by_operation(generation):
    found = {}
    for row in generation.dataset:
        found.setdefault(row.generator.removeprefix("eda:"), []).append(row)
    return found


def source_of(row, train):
    return train.texts[train.ids.index(row.parents[0])]


def test_nine_rows_per_human_row_unless_told_otherwise(tickets):
    made = generate(tickets, "eda")
    assert made.dataset.counts() == {"delivery": 18, "fault": 27}
    assert {row.origin for row in made.dataset} == {"rewritten"}
    assert all(row.call_key is None and len(row.parents) == 1 for row in made.dataset)
    assert generate(tickets, Eda(n_aug=2)).dataset.counts() == {"delivery": 4, "fault": 6}
    assert generate(tickets, Eda(balance="minority")).dataset.counts() == {"delivery": 1, "fault": 0}


def test_each_operation_does_what_it_is_called(tickets):
    made = by_operation(generate(tickets, Eda(n_aug=12)))
    assert set(made) == {"insert", "swap", "delete"}
    words = {
        label: {w.strip(".,;?").lower() for t, y in ROWS if y == label for w in t.split()}
        for label in ("delivery", "fault")
    }
    for row in made["insert"]:
        source = source_of(row, tickets).split()
        assert len(row.text.split()) == len(source) + 1
        [new] = [word for word in row.text.split() if word not in source]
        assert new in words[row.label]
    for row in made["swap"]:
        assert sorted(row.text.split()) == sorted(source_of(row, tickets).split())
    for row in made["delete"]:
        rest = iter(source_of(row, tickets).split())
        assert all(word in rest for word in row.text.split())


def test_alphas_are_shares_of_the_words(tickets):
    made = generate(tickets, Eda(n_aug=3, alpha_ri=0.5, operations=["insert"]))
    for row in made.dataset:
        words = len(source_of(row, tickets).split())
        assert len(row.text.split()) == words + words // 2
    wide = generate(tickets, Eda(n_aug=3, p_rd=1.0, operations=["delete"], attempts=1))
    assert {len(row.text.split()) for row in wide.dataset} == {1}


def test_the_seed_alone_decides(tickets):
    texts = [generate(tickets, "eda", seed=seed).dataset.texts for seed in (0, 0, 1)]
    assert texts[0] == texts[1] != texts[2]


def test_a_smaller_quota_makes_the_first_rows_of_a_larger_one(tickets):
    few, many = (generate(tickets, Eda(per_class=n)) for n in (4, 9))
    assert set(zip(few.dataset.ids, few.dataset.texts, strict=True)) <= set(
        zip(many.dataset.ids, many.dataset.texts, strict=True)
    )


def test_what_changes_nothing_or_repeats_is_on_record_and_the_rest_reported(make_human):
    train = make_human([("help", "x"), ("no no", "y")])
    made = generate(train, Eda(per_class=3, operations=["swap"], attempts=2))
    assert len(made.dataset) == 0
    assert made.shortfall == {"x": 3, "y": 3}
    assert {row.reason for row in made.dropped} == {"unchanged"}
    assert {row.because for row in made.dropped} == {"swap found nothing to change"}
    assert len(made.dropped) == 12


@pytest.fixture(params=["txt", "json"])
def synonyms(request, tmp_path):
    path = tmp_path / f"synonyms.{request.param}"
    path.write_text(
        "Parcel: package, parcel, box\nlate: overdue\n\nlamp: light"
        if request.param == "txt"
        else '{"Parcel": ["package", "parcel", "box"], "late": ["overdue"], "lamp": ["light"]}',
        encoding="utf-8",
    )
    return path


def test_synonyms_replace_words_where_they_stand(tickets, synonyms):
    assert read_synonyms(synonyms) == {"parcel": ["package", "box"], "late": ["overdue"], "lamp": ["light"]}
    made = generate(tickets, Eda(synonyms=synonyms, operations=["replace"], per_class=2, alpha_sr=1.0))
    texts = set(made.dataset.texts)
    assert texts & {"where is my package, please?", "where is my box, please?"}
    assert "Broken light; the switch is dead." in texts
    assert all("late" not in row.text for row in made.dataset if "two days" in row.text)


def test_with_synonyms_all_four_take_turns_and_insert_uses_them(tickets, synonyms):
    maker = Eda(synonyms=synonyms, n_aug=16)
    made = by_operation(generate(tickets, maker))
    assert set(made) == {"replace", "insert", "swap", "delete"}
    for row in made["insert"]:
        [new] = [word for word in row.text.split() if word not in source_of(row, tickets).split()]
        assert new in {"package", "box", "overdue", "light"}
    assert maker.files() == (synonyms,)
    assert Eda().files() == ()


def test_a_capital_letter_and_punctuation_stay(make_human, tmp_path):
    path = tmp_path / "s.txt"
    path.write_text("lamp: light", encoding="utf-8")
    made = generate(
        make_human([("“Lamp!” said (lamp).", "x")]), Eda(synonyms=path, operations=["replace"], per_class=1)
    )
    assert made.dataset.texts == ("“Light!” said (light).",)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("s.txt", "late: overdue\nlate overdue", "line 2: expected 'word: synonym, synonym', got 'late overdue'."),
        ("s.txt", "late: late", "has no synonyms; expected lines like 'late: delayed, overdue'."),
        ("s.txt", "", "has no synonyms; expected lines like 'late: delayed, overdue'."),
        ("s.json", '{"late": ["ov', "line 1: not JSON: Unterminated string starting at"),
        ("s.json", '{"late": "overdue"}', 'expected an object from word to a list of words, e.g. {"late": ["overdue"]}.'),
        ("s.json", "[]", 'expected an object from word to a list of words, e.g. {"late": ["overdue"]}.'),
    ],
)  # fmt: skip
def test_a_file_of_synonyms_that_is_none(tickets, tmp_path, name, text, message):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        generate(tickets, Eda(synonyms=path))
    assert caught.value.message == f"{path}: {message}"


def test_no_file_of_synonyms(tickets, tmp_path):
    with pytest.raises(DataError, match=r"no\.txt: no such file\.$"):
        generate(tickets, Eda(synonyms=tmp_path / "no.txt"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"operations": ["replace"]}, "generate: operations: replace takes synonyms from a file; give synonyms: FILE, none are built in"),
        ({"operations": []}, "generate.operations: expected a list of operations, each once, got []"),
        ({"operations": ["swap", "swap"]}, "generate.operations: expected a list of operations, each once, got ['swap', 'swap']"),
        ({"n_aug": 3, "per_class": 3}, "generate: n_aug is given beside per_class or balance; the number of rows is set by one of them"),
        ({"p_rd": 1.5}, "generate.p_rd: should be less than or equal to 1, got 1.5"),
    ],
)  # fmt: skip
def test_settings_that_are_wrong(tickets, settings, message):
    with pytest.raises(SettingsError) as caught:
        generate(tickets, {"kind": "eda", **settings})
    assert caught.value.problems == (message,)


def test_pairs_are_refused(make_human):
    from augtune.core.dataset import Example, HumanDataset
    from augtune.core.labels import Labels

    pairs = HumanDataset.from_examples([Example("p", "x", "a", text_pair="y")], Labels(("a",)), name="mrpc")
    with pytest.raises(InputError, match=r"^eda: works on single texts, and the rows of 'mrpc' are pairs"):
        generate(pairs, "eda")


words = st.lists(st.text("ab", min_size=1, max_size=2), min_size=1, max_size=8)


@given(words, st.integers(0, 5), st.floats(0, 1), st.integers(0, 100))
def test_swaps_keep_all_words_and_deletion_keeps_at_least_one(found, count, probability, seed):
    rng = np.random.default_rng(seed)
    assert sorted(_swapped(found, count, rng)) == sorted(found)
    kept = _deleted(found, probability, rng)
    rest = iter(found)
    assert kept
    assert all(word in rest for word in kept)


def test_no_model_and_nothing_heavy_is_needed():
    assert not Eda.needs_llm
    code = "import sys, augtune.generation.eda; sys.exit('torch' in sys.modules or 'openai' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)

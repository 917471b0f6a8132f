"""Texts that once broke a reader, and what it says of them now."""

from __future__ import annotations

import json
import time

import pytest

import augtune
from augtune.collaboration.forms import Shown, find_form
from augtune.core.dataset import Example, HumanDataset
from augtune.core.errors import AugtuneError, DataError, InputError, SettingsError
from augtune.core.labels import Labels
from augtune.core.replies import ReplyError, distribution, label_named, object_in
from augtune.core.view import view_labels
from augtune.data import grammar, load
from augtune.data.tables import parse_jsonl, read
from augtune.experiment import document
from augtune.experiment.plan import read_plan
from augtune.llm.prices import Budget
from augtune.llm.providers.trouble import retry_after_s

DEEP = "[" * 100_000
DIGITS = "9" * 5_000


def refused(kind: type[AugtuneError], call, *arguments):
    with pytest.raises(kind) as caught:
        call(*arguments)
    return str(caught.value)


# ---- JSON


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (DEEP, "x: line 1: not JSON: nested too deeply (column 1)."),
        (f'{{"text": {DIGITS}}}', "x: line 1: not JSON: a number has too many digits (column 1)."),
        ('{"label": "\\ud83d"}', "x: line 1: half of a surrogate pair is no character (column 12)."),
    ],
)
def test_jsonl_that_breaks_the_library_is_refused_with_its_line(line, message):
    assert refused(DataError, parse_jsonl, line, "x").split("\n")[0] == message


@pytest.mark.parametrize("text", [DEEP, '{"a": ' * 50_000, f'[{{"text": {DIGITS}}}]', '[{"text": "\\udc00"}]'])
def test_json_that_breaks_the_library_is_refused(tmp_path, text):
    (tmp_path / "x.json").write_text(text, encoding="utf-8")
    assert refused(DataError, read, tmp_path / "x.json").startswith(f"{tmp_path / 'x.json'}: line 1: ")


def test_reply_with_half_an_emoji_is_no_row():
    with pytest.raises(ReplyError, match="half of a surrogate pair is no character"):
        object_in('{"text": "so \\ud83d funny"}', ["text"])


def test_reply_with_endless_digits_is_no_object():
    with pytest.raises(ReplyError, match="a number has too many digits"):
        object_in(f'{{"text": {DIGITS}}}', ["text"])


def test_reply_with_a_probability_beyond_floats_is_no_distribution():
    with pytest.raises(ReplyError, match="expected numbers of 0 or more as probabilities"):
        distribution({"a": 10**400, "b": 0}, ["a", "b"])


def test_rows_with_half_a_character_are_refused_with_their_place():
    rows = [Example("r0", "fine", "a"), Example("r1", "cut \ud83d off", "a")]
    assert refused(DataError, HumanDataset.from_examples, rows, Labels(("a", "b"))).split("\n")[0] == (
        "data: row 1 ('r1'): its text holds \\ud83d, half of a surrogate pair, which is no character."
    )


# ---- labels


@pytest.mark.parametrize("names", [("²", "3"), ("--5", "4"), (DIGITS, "1")])
def test_labels_that_only_look_like_numbers_are_names(names):
    assert Labels.found_in(names).names == tuple(sorted(names))


def test_labels_of_one_number_have_one_order():
    assert {Labels.found_in(order).names for order in (["5", "05", "4"], ["05", "4", "5"])} == {("4", "05", "5")}


def test_texts_taken_for_labels_do_not_hang():
    names = tuple(f"text number {i}" for i in range(100_000))
    before = time.process_time()
    assert len(Labels(names)) == 100_000
    assert time.process_time() - before < 2


def test_view_of_nothing_is_refused():
    message = "view: class 'loud': expected a label or a list of labels, got None"
    assert refused(SettingsError, view_labels, Labels(("a", "b")), {"loud": None, "b": "b"}) == message


# ---- grammar, budget


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (DIGITS, "a number of 5,000 digits"),
        (f"{{a: {DIGITS}}}", "a number of 5,000 digits"),
        (f"[1, {DIGITS}]", "a number of 5,000 digits"),
        ("a of " * 100_000, "it has 499,999 characters"),
    ],
)
def test_sample_size_beyond_reason_is_refused_at_once(text, why):
    before = time.process_time()
    assert why in refused(SettingsError, grammar.parse, text)
    assert time.process_time() - before < 2


@pytest.mark.parametrize("text", [f"{DIGITS} USD", "9" * 40 + " USD", f"0.{DIGITS} USD"])
def test_budget_beyond_reason_is_refused(text):
    with pytest.raises(SettingsError, match="expected an amount and a unit"):
        Budget.parse(text)


# ---- YAML


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"a: {DIGITS}", "not YAML: ValueError"),
        ("a: " + "[" * 1_000, "nested too deeply"),
        ("a: 2024-13-45", "not YAML: ValueError: month must be in 1..12"),
        ("a: !!int x", "not YAML: ValueError"),
        ("a: &a [*a]", "nested too deeply, or within itself"),
        ('a: "\\ud83d"', "not YAML: UnicodeEncodeError"),
        ("a: !!python/object/apply:os.system [x]", "not YAML: could not determine a constructor"),
        ("x" * 1_000_001, "1,000,001 characters are no settings"),
    ],
)
def test_yaml_that_breaks_the_library_is_refused(text, message):
    assert message in refused(SettingsError, document.value_of, text)


def test_yaml_that_repeats_itself_a_billion_times_is_refused_at_once():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    before = time.process_time()
    message = refused(SettingsError, document.value_of, "\n".join(lines))
    assert "more than 200,000 values; aliases repeat what they stand for" in message
    assert time.process_time() - before < 5


# ---- names that are folders


def plan_of(names):
    base = {"name": "x", "data": {"source": "t.csv"}, "train": {"steps": 2}}
    return read_plan({**base, "arms": {name: {} for name in names}})


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([".."], "arms: '..' can be no folder's name; give it letters or digits"),
        (["."], "arms: '.' can be no folder's name; give it letters or digits"),
        ([" "], "arms: ' ' can be no folder's name; give it letters or digits"),
        (["x" * 300], "arms: a name of 300 characters is too long for a folder; give it a shorter one"),
        (["a\0b"], "arms: 'a\\x00b' has characters that cannot be seen; leave them out"),
        (["a\u202eb"], "arms: 'a\\u202eb' has characters that cannot be seen; leave them out"),
        (["A", "a"], "arms.A: another arm has the same folder name 'A'; rename one"),
        (["é", "e\u0301"], "arms.é: another arm has the same folder name 'é'; rename one"),
        (["a/b", "a\\b"], "arms.a/b: another arm has the same folder name 'a_b'; rename one"),
    ],
)
def test_arm_that_can_have_no_folder_of_its_own_is_refused(names, message):
    assert refused(SettingsError, plan_of, names).split("\n")[0] == message


@pytest.mark.parametrize(
    ("name", "folder"),
    [("../../etc", ".._.._etc"), ("CON", "CON"), ("C:\\x", "C__x"), ("$(id); rm -rf ~", "__id__ rm -rf _")],
)
def test_arm_named_like_a_path_has_a_plain_folder(name, folder):
    assert [arm.folder for arm in plan_of([name]).arms] == [folder]


@pytest.mark.parametrize("name", ["..", ".", "x" * 300])
def test_experiment_that_can_have_no_folder_is_refused(name):
    with pytest.raises(SettingsError, match=r"^name: "):
        read_plan({"name": name, "data": {"source": "t.csv"}, "arms": {"a": {}}})


@pytest.mark.parametrize("path", ["a" * 5_000, "a\0b", "a\0b.parquet"])
def test_paths_that_are_none_are_refused(path):
    for call in (augtune.load, lambda name: augtune.LLM(replay=name), lambda name: augtune.train(ROWS, encoder=name)):
        with pytest.raises(AugtuneError):
            call(path)


ROWS = HumanDataset.from_examples([Example(f"r{i}", f"text {i}", "ab"[i % 2]) for i in range(4)], Labels(("a", "b")))


# ---- large files, files that grow


def test_line_of_ten_million_characters_is_taken(tmp_path):
    long = "w" * 10_000_000
    for name, text in {
        "x.csv": f'text,label\n"{long}",a\nb,c\n',
        "x.jsonl": json.dumps({"text": long, "label": "a"}) + '\n{"text": "b", "label": "c"}\n',
    }.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
        assert [len(text) for text in load(tmp_path / name).train.texts] == [10_000_000, 1]


def test_message_about_a_long_text_is_short():
    error = InputError("start " + "x" * 10_000_000 + " end")
    assert len(error.message) < 21_000
    assert error.message.startswith("start x")
    assert error.message.endswith("x end")


def test_columns_of_a_hundred_thousand_names_do_not_hang(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text(",".join(f"c{i}" for i in range(100_000)) + "\n" + "," * 99_999 + "\n", encoding="utf-8")
    before = time.process_time()
    assert len(refused(DataError, load, path)) < 21_000
    assert time.process_time() - before < 5


def test_parquet_that_grows_beyond_measure_is_refused_unopened(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    text = pa.DictionaryArray.from_arrays(pa.array([0] * 200_000, pa.int32()), pa.array(["x" * 20_000]))
    pq.write_table(pa.table({"text": text, "label": ["a"] * 200_000}), tmp_path / "x.parquet", compression="zstd")
    size = (tmp_path / "x.parquet").stat().st_size
    assert size < 100_000
    assert refused(DataError, read, tmp_path / "x.parquet").split("\n")[0] == (
        f"{tmp_path / 'x.parquet'}: would grow from {size:,} to more than 1,073,741,824 bytes as it is read."
    )


def test_files_that_are_packed_are_refused_by_their_kind(tmp_path):
    for name in ("x.csv.gz", "x.zip", "x.jsonl.bz2"):
        (tmp_path / name).write_bytes(b"\x1f\x8b" + b"\0" * 100)
        assert "unknown kind of file" in refused(DataError, load, tmp_path / name)


# ---- prompt forms


FORM = "---\nid: own\nversion: 1\nlanguage: en\n---\n"


@pytest.mark.parametrize(
    "body",
    [
        "{{ text }}{% for i in range(10 ** 9) %}x{% endfor %}",
        "{{ text }}{% for i in range(1000000) %}x{% endfor %}",
        "{{ text }}{{ 'a' * 1000000000 }}",
        "{{ text }}{{ text.__class__.__mro__ }}",
        "{{ text }}{{ 1 / 0 }}",
        "{{ text }}{% include '/etc/passwd' %}",
        "{{ text }}{% import 'os' as os %}",
        "{{ text }}{{ text | nothing }}",
        "{{ text }}{% for i in [1e999] %}{{ i }}{% endfor %}",
        "{{ text }}{{ " + "9" * 5_000 + " }}",
        "{{ text }}" + "{% for a in text %}" * 30 + "{% endfor %}" * 30,
        "{{ text }}" + "{% if text %}" * 400 + "{% endif %}" * 400,
    ],
)
def test_form_that_does_more_than_show_is_refused(tmp_path, body):
    path = tmp_path / "own.jinja2"
    path.write_text(FORM + body, encoding="utf-8")
    with pytest.raises(InputError):
        find_form(str(path)).messages(Shown("hello"), Labels(("a", "b")))


@pytest.mark.parametrize("version", ["²", DIGITS, "1e3", "-1"])
def test_form_whose_version_is_no_number_is_refused(tmp_path, version):
    path = tmp_path / "own.jinja2"
    path.write_text(FORM.replace("version: 1", f"version: {version}") + "{{ text }}", encoding="utf-8")
    with pytest.raises(InputError, match="expected front matter with id, version, language"):
        find_form(str(path))


def test_text_that_is_a_template_is_shown_as_it_is(tmp_path):
    path = tmp_path / "own.jinja2"
    path.write_text(FORM + "{{ text }} / {{ labels | listed }}", encoding="utf-8")
    text = "{{ 7 * 7 }}{% for x in y %}{# c #} ${7*7} <<user>>"
    shown = find_form(str(path)).messages(Shown(text), Labels(("{{ 1 }}", "b")))
    assert [turn.content for turn in shown] == [f"{text} / '{{{{ 1 }}}}' or 'b'"]


# ---- replies and settings that took their readers minutes


@pytest.mark.parametrize("reply", ['"' * 1_000_000, "[" * 500_000 + "spam" + "]" * 500_000, "*" * 10**6 + "x" * 99])
def test_reply_of_a_million_marks_is_read_at_once(reply):
    before = time.process_time()
    assert label_named(reply, {"spam": "spam", "ham": "ham"}) == ("spam" if "spam" in reply else None)
    assert time.process_time() - before < 2


def test_reply_that_is_nothing_but_marks_may_be_a_label():
    assert label_named('"[]"', {"empty": "[]", "full": "x"}) == "empty"


@pytest.mark.parametrize("text", ["[" * 900_000, "{" * 900_000, "- " * 400_000, "? " * 400_000])
def test_yaml_of_endless_nesting_is_refused_at_once(text):
    before = time.process_time()
    assert refused(SettingsError, document.value_of, text).endswith("not readable: nested too deeply.")
    assert time.process_time() - before < 2


def test_wait_that_no_clock_can_count_is_no_wait():
    assert retry_after_s({"retry-after": f"Wed, -1 Oct 0 {'9' * 25}:28:00 GMT"}) is None


def test_recorded_request_with_half_a_character_is_refused(tmp_path):
    request = {
        "provider": "openai",
        "base_url": None,
        "model": "m",
        "messages": [{"role": "user", "content": "\ud83d"}],
    }
    path = tmp_path / "replies.jsonl"
    path.write_text(json.dumps({"request": request, "reply": {"text": "good"}}) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"replies.jsonl: reply 1: expected {'key', 'request', 'reply'}"):
        augtune.LLM(replay=path)


def test_anchor_that_is_used_twice_is_read_without_a_warning():
    assert document.value_of("[&x 1, &x 2, *x]") == [1, 2, 2]

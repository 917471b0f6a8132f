from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augtune.core.errors import SettingsError
from augtune.core.labels import Labels
from augtune.generation.lines import key, read_line, words_for
from augtune.generation.tasks import TASKS


def read(reply):
    line = read_line(reply, "Text", "Label")
    return None if line is None else (line.text, line.word)


@pytest.mark.parametrize("text", ["texts can begin so", "welt", "egg", "Text", "t", "xt: Text", "label me", "(((", ")"])
def test_a_text_keeps_its_first_letters(text):
    assert read(f" {text} (Label: Good)") == (text, "Good")


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        ("a (Label: Bad) b (Label: Good)", ("a (Label: Bad) b", "Good")),
        ("Text: a (Label: Good)", ("a", "Good")),
        (" text :  a (label:good)", ("a", "good")),
        ("\n\n a (Label: Good)\nText: b (Label: Bad)", ("a", "Good")),
        ("a (Label: other (rare))", ("a", "other (rare)")),
        ("« a » „b“ 「c」 (Label: Good)", ("« a » „b“ 「c」", "Good")),
        ("(Label: Good)", ("", "Good")),
        ("a (Label: )", ("a", "")),
        ("a (Label: Good", None),
        ("a (Label: Good).", None),
        ("a (Label: Good) indeed", None),
        ("a Label: Good)", None),
        ("a (Good)", None),
        ("a", None),
        ("", None),
        (" \n ", None),
        ("a\n(Label: Good)", None),
        ("a (Label: Good) Text: b (Label: Bad)", None),
    ],
)
def test_read_line(reply, found):
    assert read(reply) == found


def test_read_line_when_the_type_words_are_special_to_patterns():
    line = read_line("Q+A? [x]: a (Kind*: B)", "Q+A? [x]", "Kind*")
    assert (line.text, line.word) == ("a", "B")


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="():\u2028\u2029"), min_size=1))
def test_a_written_line_is_read_back(text):
    line = read_line(f" {text} (Label: Good)\n", "Text", "Label")
    assert (line.text, line.word, line.is_ended) == (text.strip(), "Good", True)


@given(st.text())
def test_the_label_is_where_the_line_says(reply):
    line = read_line(reply + "(Label:  Good)", "Text", "Label")
    assert line is None or (reply + "(Label:  Good)")[line.start :].startswith(line.word)


LABELS = Labels(("ham", "spam"))


def test_words_are_the_labels_by_default():
    assert words_for(LABELS, {}, None, where="x") == {"ham": "ham", "spam": "spam"}


def test_words_when_one_is_given():
    assert words_for(LABELS, {"ham": "wanted"}, None, where="x") == {"ham": "wanted", "spam": "spam"}


def test_words_when_two_labels_share_one_or_a_label_is_unknown():
    with pytest.raises(SettingsError) as caught:
        words_for(LABELS, {"ham": "mail", "spam": " Mail ", "spma": "x"}, None, where="generate.verbalizers")
    assert caught.value.problems == (
        "generate.verbalizers: no label is called 'spma'; did you mean 'spam'?",
        "generate.verbalizers: 'ham' and 'spam' both read ' Mail '; each label needs a word of its own",
    )


def test_words_of_a_task_when_the_labels_match_in_any_case():
    labels = Labels(("abbr", "loc"))
    assert words_for(labels, {}, TASKS["trec6"], where="x") == {"abbr": "abbreviation", "loc": "location"}


def test_words_of_a_task_when_the_labels_are_others():
    labels = Labels(("LOC", "somewhere"))
    assert words_for(labels, {}, TASKS["trec6"], where="x") == {"LOC": "LOC", "somewhere": "somewhere"}


def test_there_are_seventeen_tasks_and_their_words_can_be_read_back():
    assert len(TASKS) == 17
    for task in TASKS.values():
        assert task.text_type
        assert task.label_type
        assert len({key(word) for word in task.words.values()}) == len(task.words)

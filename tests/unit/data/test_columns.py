"""Finding the text and label columns."""

import pytest

from augtune.core.errors import DataError
from augtune.data.columns import PAIRS, Columns, find


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["text", "label"], Columns("text", "label")),
        (["idx", "sentence", "label"], Columns("sentence", "label")),
        (["Tweet", "Sentiment"], Columns("Tweet", "Sentiment")),
        (["title", "text", "label", "label_name"], Columns("text", "label")),
        (["text", "text_pair", "label"], Columns("text", "label", "text_pair")),
        (["question1", "question2", "label"], Columns("question1", "label", "question2")),
        *[([a, b, "label"], Columns(a, "label", b)) for a, b in PAIRS],
    ],
)
def test_usual_names_are_found(names, expected):
    assert find(names, where="x.csv") == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"text": "premise"}, Columns("premise", "label")),
        ({"text": "hypothesis", "label": "genre"}, Columns("hypothesis", "genre")),
        ({"text_pair": "hypothesis"}, Columns("premise", "label", "hypothesis")),
        ({"text": "genre", "text_pair": "premise"}, Columns("genre", "label", "premise")),
    ],
)
def test_named_columns_are_taken_and_only_they(given, expected):
    assert find(["premise", "hypothesis", "label", "genre"], where="x.csv", **given) == expected


def test_text_pair_is_the_second_text_whatever_text_is_named():
    assert find(["text", "text_pair", "label"], text="text", where="x.csv").text_pair == "text_pair"
    assert find(["text", "text_pair", "label"], text="text_pair", where="x.csv").text_pair is None


@pytest.mark.parametrize(
    ("names", "given", "message"),
    [
        (["txt", "label"], {"text": "tex"}, "no column 'tex' (given as text); there are: txt, label; did you mean 'txt'?"),
        (["text", "y"], {"label": "gold"}, "no column 'gold' (given as label); there are: text, y"),
        (
            ["tweet", "review", "label"], {},
            "several columns could be the text: tweet, review.\n"
            "  Name it: --text tweet on the command line, text='tweet' in Python, columns: {text: tweet} in YAML.",
        ),
        (
            ["a", "b"], {},
            "no column is called like the text; there are: a, b.\n"
            "  Name it: --text a on the command line, text='a' in Python, columns: {text: a} in YAML.",
        ),
        (
            ["text", "a", "b"], {},
            "no column is called like the label; there are: text, a, b.\n"
            "  Name it: --label a on the command line, label='a' in Python, columns: {label: a} in YAML.",
        ),
        (
            ["premise", "hypothesis", "text1", "text2", "label"], {},
            "several pairs of columns could be the text: premise and hypothesis, text1 and text2.\n"
            "  Name them, e.g. text='premise', text_pair='hypothesis'.",
        ),
        (
            ["a", "label"], {"text": "a", "label": "a"},
            "text, text_pair and label have to be different columns, got 'a' twice.",
        ),
        (
            ["a", "label"], {"text": "a", "text_pair": "a"},
            "text, text_pair and label have to be different columns, got 'a' twice.",
        ),
    ],
)  # fmt: skip
def test_unclear_columns_are_refused_with_what_there_is(names, given, message):
    with pytest.raises(DataError) as caught:
        find(names, where="x.csv", **given)
    assert str(caught.value) == f"x.csv: {message}"

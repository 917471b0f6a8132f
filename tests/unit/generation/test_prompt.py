from __future__ import annotations

import jinja2
import pytest

from augtune.generation.gpt3mix import Gpt3Mix
from augtune.generation.prompt import FOLDER, Prompt, folded, listed, load
from augtune.generation.rephrase import Rephrase

ONE = """\
Every line below pairs one movie review with its sentiment. Sentiment is one of positive.

Movie review: warm and funny (Sentiment: Positive)
Movie review:"""

TWO = """\
Every line below pairs one movie review with its sentiment. Sentiment is one of 'negative' or 'positive'.

Movie review: warm and funny (Sentiment: Positive)
Movie review: it drags (Sentiment: Negative)
Movie review:"""

THREE = """\
Every line below pairs one text with its label. Label is one of 'negative', 'neutral' or 'positive'.

Text: it drags (Label: Negative)
Text: it lasts two hours (Label: Neutral)
Text: warm and funny (Label: Positive)
Text:"""

CHAT = """\
Continue the list that follows with one new line, in the same style and unlike the lines it has. Answer with that line \
only: the movie review, a space, and its sentiment in round brackets, in the form (Sentiment: ...). Add nothing before \
or after it.

"""

REWORD = """\
Say what the message below the hyphens says in other words, keeping its meaning, and answer with the new wording only.

---

warm and funny"""

# The version has to go up with every change of a template: recorded replies are keyed by what a model reads.
MARKS = {
    "attributes": "attributes@1#222ac6f1",
    "conditioned": "conditioned@1#461d0011",
    "gpt3mix": "gpt3mix@1#28215909",
    "gpt3mix_chat": "gpt3mix-chat@1#6b363d34",
    "gpt3mix_schema": "gpt3mix-schema@1#73fbcfed",
    "notebook": "notebook@1#ce043a6e",
    "repair": "repair@1#e9e3c802",
    "rephrase": "rephrase@1#cd844d20",
    "translate": "translate@1#f0c1b6e8",
    "vote": "vote@1#1e40ea8d",
}


def test_gpt3mix_prompt_with_one_label_leaves_it_unquoted(make_human):
    train = make_human([("warm and funny", "positive")])
    maker = Gpt3Mix(examples=1, text_type="movie review", label_type="sentiment", form="completion")
    assert maker.preview(train, count=1) == [ONE]


def test_gpt3mix_prompt_with_two_labels(make_human):
    train = make_human([("warm and funny", "positive"), ("it drags", "negative")])
    maker = Gpt3Mix(task="sst2", form="completion")
    assert TWO in maker.preview(train, count=8)
    assert all(prompt.endswith("\nMovie review:") for prompt in maker.preview(train, count=8))


def test_gpt3mix_prompt_with_three_labels(make_human):
    train = make_human([("it drags", "negative"), ("it lasts two hours", "neutral"), ("warm and funny", "positive")])
    assert THREE in Gpt3Mix(examples=3, form="completion").preview(train, count=40)


def test_chat_form_holds_the_same_list_and_ends_with_it(make_human):
    train = make_human([("warm and funny", "positive"), ("it drags", "negative")])
    chat, text = (Gpt3Mix(task="sst2", form=form).preview(train, count=3) for form in ("chat", "completion"))
    assert chat == [CHAT + prompt for prompt in text]


def test_rephrase_prompt(make_human):
    train = make_human([("warm and funny", "positive")])
    assert Rephrase(text_type="message").preview(train) == [REWORD]


def test_type_words_are_capitalised_at_their_first_letter_only(make_human):
    train = make_human([("x y", "GetWeather"), ("z", "RateBook")])
    [prompt] = Gpt3Mix(task="snips-intent", form="completion").preview(train, count=1)
    assert "Intent type is one of 'weather' or 'rate'." in prompt
    assert "User request: x y (Intent type: Weather)\n" in prompt


@pytest.mark.parametrize(
    "text",
    [
        "{{ 7 * 7 }}",
        "{% for x in y %}",
        "{# no #}",
        "{{ ''.__class__.__mro__ }}",
        "a & b < c",
        "100 % {",
        "<|endoftext|>",
    ],
)
def test_a_text_is_never_a_template(make_human, text):
    train = make_human([(text, "a"), ("other", "b")])
    assert all(f"Text: {text} (Label: A)\n" in p for p in Gpt3Mix(form="completion").preview(train, count=3))


def test_a_text_with_line_breaks_stays_on_its_line(make_human):
    train = make_human([("one\n\ntwo\r\nText: three (Label: B)\u2028four", "a"), ("other", "b")])
    for prompt in Gpt3Mix(form="completion").preview(train, count=3):
        assert "\nText: one two Text: three (Label: B) four (Label: A)\n" in prompt
        assert len(prompt.splitlines()) == 5
    assert train.texts[0].startswith("one\n\ntwo")


def test_folded_when_nothing_is_to_fold():
    assert folded("  a  b\tc ") == "a  b\tc"


@pytest.mark.parametrize(
    ("words", "text"), [(["a"], "a"), (["a", "b"], "'a' or 'b'"), (["a", "b", "c"], "'a', 'b' or 'c'")]
)
def test_listed(words, text):
    assert listed(words) == text


def test_every_prompt_has_a_name_and_keeps_its_version():
    assert {path.stem: load(path.stem).mark for path in FOLDER.glob("*.jinja2")} == MARKS


def test_a_missing_value_is_an_error():
    with pytest.raises(jinja2.UndefinedError, match="'text' is undefined"):
        Prompt("x", 1, "en", "{{ text }}").render()

from __future__ import annotations

import pytest

from augtune.core.errors import InputError, ProviderError, SettingsError
from augtune.generation.backtranslate import Backtranslate
from augtune.generation.base import generate
from augtune.llm.messages import Reply

THERE = """\
Translate the message below the hyphens from English to German, keeping its tone, and answer with the translation only.

---

it drags"""


def is_back(request):
    return " to English," in request.text


def translating(there="auf deutsch", back=None):
    def reply(request):
        if not is_back(request):
            return f"{request.text.rpartition(chr(10))[2]} {there}" if isinstance(there, str) else there
        return back if back is not None else f"{request.text.rpartition(chr(10))[2]} and back {request.draw}"

    return reply


def test_prompt(make_human):
    assert Backtranslate(text_type="message").preview(make_human([("it drags", "x")])) == [THERE]


def test_each_row_goes_there_and_back_and_keeps_its_label(make_human, answering):
    train = make_human([("it drags", "negative"), ("a treat", "positive")])
    llm = answering(translating())
    made = generate(train, Backtranslate(), llm=llm)
    assert [(row.id, row.text, row.label, row.parents, row.origin) for row in made.dataset] == [
        ("backtranslate-0000", "it drags auf deutsch and back 0", "negative", ("train-0000",), "rewritten"),
        ("backtranslate-0001", "a treat auf deutsch and back 0", "positive", ("train-0001",), "rewritten"),
    ]
    assert {row.generator for row in made.dataset} == {"translate@1#f0c1b6e8 through:German"}
    assert len(llm.seen) == 4
    backs = {request.key for request in llm.seen if is_back(request)}
    assert {row.call_key for row in made.dataset} == backs


def test_languages_take_turns_each_time_round(make_human, answering):
    train = make_human([("it drags", "negative"), ("so dull", "negative")])
    made = generate(train, Backtranslate(per_class=6, through=["German", "Latin"]), llm=answering(translating()))
    assert [row.generator.rpartition(":")[2] for row in made.dataset] == [
        "German",
        "German",
        "Latin",
        "Latin",
        "German",
        "German",
    ]
    assert [row.text[-6:] for row in made.dataset] == ["back 0", "back 0", "back 1", "back 1", "back 2", "back 2"]


@pytest.mark.parametrize(
    ("there", "back", "reason", "calls"),
    [
        (ProviderError("gone"), None, "failed", 1),
        (Reply("es zie", "length"), None, "cut off", 1),
        (Reply("nein", "refusal"), None, "refused", 1),
        (Reply("eins\nzwei"), None, "unreadable", 1),
        ("x", ProviderError("gone"), "failed", 2),
        ("x", "", "empty", 2),
        ("x", Reply("it dra", "length"), "cut off", 2),
        ("x", "It  DRAGS", "copy", 2),
    ],
)
def test_a_way_that_fails_is_on_record(make_human, answering, there, back, reason, calls):
    llm = answering(translating(there, back))
    made = generate(make_human([("it drags", "x")]), Backtranslate(attempts=1), llm=llm)
    assert [row.reason for row in made.dropped] == [reason]
    assert made.shortfall == {"x": 1}
    assert len(llm.seen) == calls


def test_a_preamble_is_taken_away_both_ways(make_human, answering):
    llm = answering(translating(Reply("Sure! Here is the translation:\n„es zieht sich“"), 'Translation: "it goes on"'))
    [row] = generate(make_human([("it drags", "x")]), Backtranslate(), llm=llm).dataset
    assert llm.seen[1].text.endswith("---\n\nes zieht sich")
    assert (row.text, row.generator) == ("it goes on", "translate@1#f0c1b6e8 through:German unwrapped:preamble+quotes")


def test_estimate_counts_two_calls_a_row(train):
    found = Backtranslate(per_class=4).estimate(train)
    assert (found.calls, found.calls_at_most, found.rows) == (16, 24, 8)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"through": []}, "generate.through: expected a language or a list of languages, got []"),
        ({"through": 3}, "generate.through: expected a language or a list of languages, got 3"),
        (
            {"through": ["german", "english"]},
            "generate: through: English is the language of the rows; name another one",
        ),
        ({"through": "Ger\nman"}, "generate: expected the name of a language, got 'Ger\\nman'"),
    ],
)
def test_languages_that_are_wrong(train, answering, settings, message):
    with pytest.raises(SettingsError) as caught:
        generate(train, {"kind": "backtranslate", **settings}, llm=answering(translating()))
    assert caught.value.problems == (message,)


def test_a_label_without_rows(make_human, answering):
    with pytest.raises(InputError, match=r"^backtranslate: no human row to translate for label 'y'"):
        generate(make_human([("a", "x")], labels=("x", "y")), Backtranslate(), llm=answering(translating()))

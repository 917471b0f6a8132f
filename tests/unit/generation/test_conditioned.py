from __future__ import annotations

import pytest

from augtune.core.dataset import HumanDataset
from augtune.core.errors import InputError, ProviderError, SettingsError
from augtune.core.labels import Labels
from augtune.generation.base import generate
from augtune.generation.conditioned import Fewshot, Zeroshot
from augtune.generation.hygiene import unwrap_new
from augtune.llm.messages import Reply

FEWSHOT = """\
Write one new movie review whose sentiment is 'positive' (the writer liked it).

Movie reviews of that sentiment that are there already; write one in their style that says something else:
- i laughed twice
- a real treat

Answer with the movie review only, on one line, and do not name its sentiment."""

ZEROSHOT = """\
Write one new text whose label is 'negative'.

Answer with the text only, on one line, and do not name its label."""


def numbered(request):
    return f"text {request.draw}"


def one(train, llm, **settings):
    return generate(train, Zeroshot(per_class={"positive": 1}, attempts=1, **settings), llm=llm)


def test_fewshot_prompt(train):
    described = HumanDataset(train.table, Labels(train.labels.names, {"positive": "the writer liked it"}))
    maker = Fewshot(task="sst2", examples=2, per_class={"positive": 9})
    assert FEWSHOT in maker.preview(described, count=9)


def test_zeroshot_prompt(train):
    assert Zeroshot().preview(train, count=1) == [ZEROSHOT]


def test_descriptions_given_come_before_the_datas_own(train):
    described = HumanDataset(train.table, Labels(train.labels.names, {"positive": "the writer liked it"}))
    prompts = Zeroshot(descriptions={"positive": "praise"}).preview(described, count=2)
    assert "whose label is 'positive' (praise)." in prompts[1]
    assert "the writer liked it" not in prompts[1]


def test_labels_take_turns_and_every_row_has_the_label_asked_for(train, answering):
    llm = answering(numbered)
    made = generate(train, Zeroshot(per_class={"negative": 2, "positive": 3}), llm=llm)
    assert [(row.id, row.label, row.parents) for row in made.dataset] == [
        ("zeroshot-0000", "negative", ()),
        ("zeroshot-0001", "positive", ()),
        ("zeroshot-0002", "negative", ()),
        ("zeroshot-0003", "positive", ()),
        ("zeroshot-0005", "positive", ()),
    ]
    assert {row.generator for row in made.dataset} == {"conditioned@1#461d0011"}
    assert all(
        f"'{made.dataset[i].label}'" in next(r for r in llm.seen if r.key == made.dataset[i].call_key).text
        for i in range(5)
    )


def test_fewshot_shows_rows_of_the_label_alone_and_names_them_as_parents(train, answering):
    made = generate(train, Fewshot(per_class=4, examples=2), llm=answering(numbered))
    for row in made.dataset:
        assert len(row.parents) == 2
        assert {train.label_names[train.ids.index(name)] for name in row.parents} == {row.label}


def test_a_label_with_fewer_rows_shows_all_it_has(make_human, answering):
    train = make_human([("x", "a"), ("y", "b"), ("z", "b")])
    made = generate(train, Fewshot(per_class=2, examples=5), llm=answering(numbered))
    assert {row.label: len(row.parents) for row in made.dataset} == {"a": 1, "b": 2}


def test_fewshot_needs_a_row_of_each_label_wanted(make_human, answering):
    train = make_human([("x", "a")], labels=("a", "b"))
    with pytest.raises(InputError) as caught:
        generate(train, Fewshot(), llm=answering(numbered))
    assert caught.value.message == "fewshot: no human row to show for label 'b'."
    assert len(generate(train, Zeroshot(), llm=answering(numbered)).dataset) == 2


@pytest.mark.parametrize(
    ("reply", "text", "removed"),
    [
        ("warm and wise", "warm and wise", ""),
        ('  "warm and wise"\n', "warm and wise", "quotes"),
        ("「warm and wise」", "warm and wise", "quotes"),
        ("Text: warm and wise", "warm and wise", "name"),
        ("Sure! Here is one:\n\nText: «warm and wise»", "warm and wise", "preamble+name+quotes"),
        ("Here is my problem: it hums", "Here is my problem: it hums", ""),
        ("texts: they are many", "texts: they are many", ""),
        ("say (Label: Positive) --- aloud", "say (Label: Positive) --- aloud", ""),
    ],
)
def test_what_stands_around_a_text_is_taken_away_on_record(train, answering, reply, text, removed):
    [row] = one(train, answering(lambda _: reply)).dataset
    assert row.text == text
    assert row.generator == "conditioned@1#461d0011" + (f" unwrapped:{removed}" if removed else "")


@pytest.mark.parametrize(
    ("reply", "reason", "because"),
    [
        ("", "empty", "the reply is empty"),
        ('""', "empty", "the reply is empty"),
        ("<!DOCTYPE html><p>502", "unreadable", "the reply is markup or code and no plain text"),
        ('```json\n{"text": "x"}\n```', "unreadable", "the reply is markup or code and no plain text"),
        ("- one\n- two", "unreadable", "the reply has several lines where the human rows have one"),
        ("Warm and  FUNNY", "copy", "says the same as human row train-0001"),
        ("I'm sorry, but I can't write this text.", "refused", "the model refused to answer"),
        (Reply("no", "refusal"), "refused", "the model refused to answer"),
        (Reply("warm and", "length"), "cut off", "the reply reached max_tokens"),
        (
            Reply("", "length"),
            "cut off",
            "the reply reached max_tokens before it said anything; a model that thinks first needs more",
        ),
        (ProviderError("gone"), "failed", "the provider gave no reply: gone"),
    ],
)
def test_a_bad_reply_is_dropped_with_its_reason(train, answering, reply, reason, because):
    made = one(train, answering(lambda _: reply))
    assert [(row.reason, row.because) for row in made.dropped] == [(reason, because)]
    assert made.shortfall == {"positive": 1}


def test_several_lines_are_fine_where_human_rows_have_them(make_human, answering):
    train = make_human([("one\ntwo", "positive")])
    maker = Zeroshot(per_class=1)
    assert "on one line" not in maker.preview(train)[0]
    [row] = generate(train, maker, llm=answering(lambda _: "three\nfour")).dataset
    assert row.text == "three\nfour"


@pytest.mark.parametrize("first", ['{"text": "a', "<html>", '{"text": ""}', '{"text": 1}', "plain"])
def test_json_replies_are_read_or_sent_back_once(train, answering, first):
    llm = answering(lambda r: '{"text": " warm "}' if len(r.messages) == 3 else first)
    [row] = one(train, llm, form="schema", repair=1).dataset
    assert (row.text, row.generator) == ("warm", "conditioned@1#461d0011+repair@1#e9e3c802")
    assert llm.seen[1].schema == llm.seen[0].schema == {
        "type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"], "additionalProperties": False,
    }  # fmt: skip


def test_votes_decide_the_label_and_the_quota_goes_by_it(train, answering):
    def reply(request):
        if request.text.startswith("Which"):
            return "negative" if "text 1" in request.text else "positive"
        return numbered(request)

    llm = answering(reply)
    made = generate(train, Zeroshot(per_class={"positive": 2}, labels="votes", votes=3), llm=llm)
    assert [(row.text, row.label, row.probabilities) for row in made.dataset] == [
        ("text 0", "positive", (0.0, 1.0)),
        ("text 2", "positive", (0.0, 1.0)),
    ]
    assert [(row.reason, row.example.text) for row in made.dropped] == [("over quota", "text 1")]
    assert made.dropped[0].because == "0 rows of 'negative' are wanted, and they are there"


def test_another_seed_asks_for_other_samples(train, answering):
    keys = []
    for seed in (0, 1):
        llm = answering(numbered)
        generate(train, Zeroshot(per_class=3), llm=llm, seed=seed)
        keys.append({request.key for request in llm.seen})
    assert not keys[0] & keys[1]


def test_a_description_of_an_unknown_label(train):
    with pytest.raises(SettingsError) as caught:
        Zeroshot(descriptions={"postive": "x"}).preview(train)
    assert caught.value.problems == ("generate.descriptions: no label is called 'postive'; did you mean 'positive'?",)


def test_a_name_that_is_part_of_the_text_stays():
    assert unwrap_new("Review: fine", "review").text == "fine"
    assert unwrap_new("Reviewed: fine", "review").text == "Reviewed: fine"
    assert unwrap_new("Review:", "review").text == "Review:"

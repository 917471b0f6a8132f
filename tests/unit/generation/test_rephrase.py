from __future__ import annotations

import pytest

from augtune.core.errors import InputError, ProviderError, SettingsError
from augtune.generation.base import generate
from augtune.generation.hygiene import is_refusal, unwrap
from augtune.generation.rephrase import Rephrase
from augtune.llm.messages import Reply

ROWS = [
    ("late again", "delivery"),
    ("it broke", "fault"),
    ("no light", "fault"),
    ("it hums", "fault"),
    ("where is it", "delivery"),
]


@pytest.fixture
def tickets(make_human):
    return make_human(ROWS)


def reworded(request):
    return f"{request.text.rpartition(chr(10))[2]}, said anew {request.draw}"


def test_max_brings_every_label_to_the_largest_and_words_rows_in_turn(tickets, answering):
    made = generate(tickets, Rephrase(), llm=answering(reworded))
    assert made.dataset.counts() == {"delivery": 3, "fault": 3}
    assert [(row.id, row.text, row.label, row.parents) for row in made.dataset] == [
        ("rephrase-0000", "late again, said anew 0", "delivery", ("train-0000",)),
        ("rephrase-0001", "it broke, said anew 0", "fault", ("train-0001",)),
        ("rephrase-0002", "where is it, said anew 0", "delivery", ("train-0004",)),
        ("rephrase-0003", "no light, said anew 0", "fault", ("train-0002",)),
        ("rephrase-0004", "late again, said anew 1", "delivery", ("train-0000",)),
        ("rephrase-0005", "it hums, said anew 0", "fault", ("train-0003",)),
    ]
    assert {row.origin for row in made.dataset} == {"rewritten"}
    assert {row.generator for row in made.dataset} == {"rephrase@1#cd844d20"}
    assert all(row.call_key and row.probabilities is None for row in made.dataset)


def test_minority_brings_what_lacks_of_the_largest(tickets, answering):
    assert generate(tickets, Rephrase(per_class="minority"), llm=answering(reworded)).dataset.counts() == {
        "delivery": 1,
        "fault": 0,
    }


def test_minority_when_labels_are_even(make_human, answering):
    made = generate(make_human(ROWS[:2]), Rephrase(per_class="minority"), llm=answering(reworded))
    assert (len(made.dataset), made.shortfall) == (0, {})


def test_a_number_is_spread_evenly_over_the_rows(tickets, answering):
    made = generate(tickets, Rephrase(per_class=7), llm=answering(reworded))
    parents = [row.parents[0] for row in made.dataset]
    assert {name: parents.count(name) for name in tickets.ids} == {
        "train-0000": 4, "train-0001": 3, "train-0002": 2, "train-0003": 2, "train-0004": 3,
    }  # fmt: skip


def test_numbers_per_label(tickets, answering):
    made = generate(tickets, Rephrase(per_class={"delivery": 5}), llm=answering(reworded))
    assert made.dataset.counts() == {"delivery": 5, "fault": 0}


def test_another_seed_draws_other_samples(tickets, answering):
    draws = []
    for seed in (0, 3):
        llm = answering(reworded)
        generate(tickets, Rephrase(), llm=llm, seed=seed)
        draws.append({request.draw for request in llm.seen})
    assert draws == [{0, 1}, {3_000_000, 3_000_001}]


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("", "empty"),
        ('""', "empty"),
        ("Late AGAIN", "copy"),
        ("where is  it", "copy"),
        ("I'm sorry, but I can't help with that.", "refused"),
        (Reply("no", "refusal"), "refused"),
        (Reply("", "length"), "cut off"),
        (Reply("it has been la", "length"), "cut off"),
        ("- it is late\n- it came late", "unreadable"),
        (ProviderError("gone"), "failed"),
    ],
)
def test_a_bad_reply_is_dropped_with_its_reason(make_human, answering, reply, reason):
    train = make_human([*ROWS[:1], *ROWS[4:]])
    made = generate(train, Rephrase(per_class=1, attempts=1), llm=answering(lambda _: reply))
    assert [row.reason for row in made.dropped] == [reason]
    assert made.shortfall == {"delivery": 1}
    assert made.dropped[0].example.text == (getattr(reply, "text", reply) if reason != "failed" else "")


def test_a_repeat_is_replaced_by_another_draw(make_human, answering):
    replies = {0: "it is late", 1: "It is late", 2: "it comes late"}
    llm = answering(lambda r: replies[r.draw])
    made = generate(make_human(ROWS[:1]), Rephrase(per_class=2), llm=llm)
    assert [row.text for row in made.dataset] == ["it is late", "it comes late"]
    assert [row.reason for row in made.dropped] == ["repeat"]


def test_what_is_unwrapped_is_on_record(make_human, answering):
    made = generate(
        make_human(ROWS[:1]), Rephrase(), llm=answering(lambda _: 'Sure! Here is another version:\n\n"It is late."')
    )
    [row] = made.dataset
    assert (row.text, row.generator) == ("It is late.", "rephrase@1#cd844d20 unwrapped:preamble+quotes")


@pytest.mark.parametrize(
    ("reply", "text", "removed"),
    [
        ("plain", "plain", ()),
        ('"quoted"', "quoted", ("quotes",)),
        ("„zitiert“", "zitiert", ("quotes",)),
        ("«cité»", "cité", ("quotes",)),
        ("「引用」", "引用", ("quotes",)),
        ("“a” and “b”", "“a” and “b”", ()),
        ('"open', '"open', ()),
        ("it's", "it's", ()),
        ("Here is a rewritten version: it came late", "it came late", ("preamble",)),
        ("Rephrased: it came late", "it came late", ("preamble",)),
        ("Certainly! Here's the sentence in other words:\nit came late", "it came late", ("preamble",)),
        ("Here is the problem: it came late", "Here is the problem: it came late", ()),
        ("Sure: it came late", "Sure: it came late", ()),
        ("Here is a rewritten version:", "Here is a rewritten version:", ()),
    ],
)
def test_unwrap(reply, text, removed):
    found = unwrap(reply, "it was late")
    assert (found.text, found.removed) == (text, removed)


def test_unwrap_leaves_what_the_source_has_too():
    assert unwrap("“Late!”", '"late"').removed == ()
    assert unwrap("Rewritten version: x", "Rewritten version: y").removed == ()


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't assist with that.",
        "I’m sorry, I cannot help with this request.",
        "As an AI language model, I do not have opinions.",
        "I cannot rewrite this text.",
        "Sorry, but I am unable to provide that content",
        "I won't generate such content.",
    ],
)
def test_a_refusal_is_known(text):
    assert is_refusal(text)


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't sign in.",
        "I cannot create an account.",
        "Sorry, my parcel is late.",
        "I can't help but wonder where my parcel is.",
        "Unfortunately I cannot continue with the plan.",
        "I am unable to log in.",
        "As an aide, I order lamps.",
    ],
)
def test_a_customer_in_trouble_is_no_refusal(text):
    assert not is_refusal(text)


def test_a_refusal_in_the_source_may_be_reworded(make_human, answering):
    train = make_human([("As an AI, I refuse.", "x")])
    made = generate(train, Rephrase(), llm=answering(lambda _: "As an AI I won't."))
    assert len(made.dataset) == 1


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            "min",
            "generate.per_class: expected 'max', 'minority', 'prior', 'even', a number of rows, or one per label as in "
            "{billing: 30, login: 20}, got 'min'",
        ),
        ({"delivry": 2}, "generate.per_class: no label is called 'delivry'; did you mean 'delivery'?"),
        ({"delivery": 0}, "generate.per_class: expected at least one row of some label, got {'delivery': 0}"),
    ],
)
def test_a_quota_that_is_wrong(tickets, answering, value, message):
    with pytest.raises(SettingsError) as caught:
        generate(tickets, {"kind": "rephrase", "per_class": value}, llm=answering(reworded))
    assert caught.value.problems == (message,)


def test_a_label_without_rows_cannot_be_reworded(make_human, answering):
    train = make_human(ROWS, labels=("delivery", "fault", "praise"))
    with pytest.raises(InputError) as caught:
        generate(train, Rephrase(), llm=answering(reworded))
    assert caught.value.message == "rephrase: no human row to reword for label 'praise'."


def test_estimate(tickets):
    found = Rephrase(per_class=10).estimate(tickets)
    assert (found.calls, found.calls_at_most) == (20, 30)
    assert found.tokens_in > found.tokens_out > 0

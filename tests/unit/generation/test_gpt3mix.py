from __future__ import annotations

import math

import pytest

from augtune.core.errors import InputError, ProviderError, SettingsError
from augtune.generation.base import generate
from augtune.generation.gpt3mix import Gpt3Mix
from augtune.llm.messages import Reply, TokenLogprobs


def numbered(request):
    """A new row for every draw; odd draws are positive."""
    return f" text {request.draw} (Label: {'Positive' if request.draw % 2 else 'Negative'})"


def rows(generation):
    return [(row.id, row.text, row.label) for row in generation.dataset]


def reasons(generation):
    return [(row.reason, row.example.id, row.example.text) for row in generation.dropped]


def one_reply(train, answering, reply, **settings):
    return generate(train, Gpt3Mix(count=1, attempts=1, **settings), llm=answering(lambda _: reply))


def test_rows_when_all_replies_are_good(train, answering):
    llm = answering(numbered)
    made = generate(train, Gpt3Mix(count=3, form="completion"), llm=llm)
    assert rows(made) == [
        ("gpt3mix-0000", "text 0", "negative"),
        ("gpt3mix-0001", "text 1", "positive"),
        ("gpt3mix-0002", "text 2", "negative"),
    ]
    assert not made.dropped
    assert not made.shortfall
    by_draw = {request.draw: request for request in llm.seen}
    for i, row in enumerate(made.dataset):
        assert row.origin == "generated"
        assert row.call_key == by_draw[i].key
        assert row.generator == "gpt3mix@1#28215909"
        assert len(row.parents) == 2
        shown = [train.texts[train.ids.index(name)] for name in row.parents]
        assert [line.split(": ")[1].split(" (")[0] for line in by_draw[i].text.splitlines()[2:4]] == shown


def test_the_request_holds_the_settings(train, answering):
    llm = answering(numbered)
    settings = {"temperature": 0.7, "top_p": 0.9, "max_tokens": 50, "frequency_penalty": 0.01, "top_logprobs": 5}
    generate(train, Gpt3Mix(count=1, form="completion", **settings), llm=llm)
    [request] = llm.seen
    assert request.messages == ()
    assert (request.temperature, request.top_p, request.max_tokens) == (0.7, 0.9, 50)
    assert (request.frequency_penalty, request.logprobs, request.stop) == (0.01, 5, ("\n",))


def test_the_chat_form_sends_one_user_message(train, answering):
    llm = answering(numbered)
    made = generate(train, Gpt3Mix(count=1, labels="hard"), llm=llm)
    [request] = llm.seen
    assert request.prompt is None
    assert [message.role for message in request.messages] == ["user"]
    assert (request.logprobs, request.stop, request.frequency_penalty) == (None, (), None)
    assert made.dataset[0].generator == "gpt3mix-chat@1#6b363d34+gpt3mix@1#28215909"


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("(Label: Positive)", "empty"),
        ("a joyless film", "unreadable"),
        ("a joyless film (Label: Positive) and so on", "unreadable"),
        ("a joyless film (Label: Mixed)", "unknown label"),
        ("a joyless film (Label: )", "unknown label"),
        ("A  JOYLESS retread (Label: Negative)", "copy"),
        ("I'm sorry, but I can't continue this list.", "refused"),
        (Reply("I would rather not", "refusal"), "refused"),
        (Reply("a film (Label: Positive)", "refusal"), "refused"),
        (Reply("", "length"), "cut off"),
        (Reply("a film that", "length"), "cut off"),
        (Reply("a film (Label: Positive)", "length"), "cut off"),
        (ProviderError("no such thing"), "failed"),
    ],
)
def test_a_bad_reply_is_dropped_with_its_reason(train, answering, reply, reason):
    made = one_reply(train, answering, reply)
    assert len(made.dataset) == 0
    assert [row.reason for row in made.dropped] == [reason]
    assert made.shortfall == {"(any label)": 1}
    text = {Reply: lambda: reply.text, str: lambda: reply, ProviderError: lambda: ""}[type(reply)]()
    assert made.dropped[0].example.text == (text if reason != "copy" else "A  JOYLESS retread")


def test_a_line_is_whole_when_more_was_cut_off_after_it(train, answering):
    made = one_reply(train, answering, Reply("a film (Label: Positive)\nText: another", "length"))
    assert rows(made) == [("gpt3mix-0000", "a film", "positive")]


@pytest.mark.parametrize(
    "reply", ["", "no label", "(Label: Positive)", "Text:", "it drags", "\n\n", "(Label: Positive"]
)
def test_an_unreadable_reply_never_becomes_an_example_shown(train, answering, reply):
    made = generate(train, Gpt3Mix(count=6, examples=6), llm=answering(lambda _: reply))
    assert len(made.dataset) == 0
    assert len(made.dropped) == 12


def test_a_repeat_is_dropped_and_made_up_for(train, answering):
    replies = ["one (Label: Positive)", "“One” (Label: Negative)", "two (Label: Positive)", "ONE  (Label: Positive)"]
    made = generate(train, Gpt3Mix(count=4), llm=answering(lambda r: replies[min(r.draw, 3)]))
    assert [row[1] for row in rows(made)] == ["one", "“One”", "two"]
    assert {row.because for row in made.dropped} == {"says the same as gpt3mix-0000"}
    assert len(made.dropped) == 5
    assert made.shortfall == {"(any label)": 1}
    assert repr(made).startswith("3 kept, 5 dropped (5 repeat) · 1 fewer than asked")


def test_calls_stop_at_attempts_per_row(train, answering):
    llm = answering(lambda _: "nothing")
    generate(train, Gpt3Mix(count=100, attempts=1.1), llm=llm)
    assert len(llm.seen) == 110


def test_no_call_more_than_is_missing(train, answering):
    llm = answering(lambda r: "" if r.draw in (2, 5, 10) else numbered(r))
    made = generate(train, Gpt3Mix(count=10), llm=llm)
    assert (len(made.dataset), len(llm.seen)) == (10, 13)


def test_quota_by_default_and_by_multiplier(train, answering):
    assert len(generate(train, "gpt3mix", llm=answering(numbered)).dataset) == 6
    assert len(generate(train, {"kind": "gpt3mix", "multiplier": 2.5}, llm=answering(numbered)).dataset) == 15


def test_per_class_shows_the_class_that_is_wanted_last(train):
    prompts = Gpt3Mix(per_class=5, form="completion", examples=3).preview(train, count=10)
    last = [prompt.splitlines()[-2].rpartition("(Label: ")[2].rstrip(")") for prompt in prompts]
    assert last == ["Negative", "Positive"] * 5


def test_per_class_drops_rows_of_a_full_class_and_asks_on_for_the_other(train, answering):
    def reply(request):  # draws 0, 2, 4, ... are for negative; the model writes it only at every third
        kind = "Negative" if request.draw % 6 == 0 else "Positive"
        return f"text {request.draw} (Label: {kind})"

    llm = answering(reply)
    made = generate(train, Gpt3Mix(per_class=4, attempts=3), llm=llm)
    assert made.dataset.counts() == {"negative": 4, "positive": 4}
    assert {row.reason for row in made.dropped} == {"over quota"}
    assert made.dropped[-1].because == "4 rows of 'positive' are wanted, and they are there"
    assert sorted(r.draw for r in llm.seen if r.draw % 2) == [1, 3, 5, 7]
    assert not made.shortfall


def test_per_class_reports_what_lacks(train, answering):
    made = generate(
        train, Gpt3Mix(per_class={"negative": 2, "positive": 1}), llm=answering(lambda r: f"{r.draw} (Label: Positive)")
    )
    assert made.shortfall == {"negative": 2}
    assert [row[2] for row in rows(made)] == ["positive"]
    assert {row.reason for row in made.dropped} == {"over quota"}


def test_verbalizers_stand_for_the_labels_in_prompt_and_reply(train, answering):
    llm = answering(lambda r: f"text {r.draw} (Label: GREAT)")
    made = generate(train, Gpt3Mix(count=1, verbalizers={"positive": "great", "negative": "awful"}), llm=llm)
    assert "Label is one of 'awful' or 'great'." in llm.seen[0].text
    assert made.dataset[0].label == "positive"


def test_labels_that_begin_alike(make_human, answering):
    train = make_human([("a", "sad"), ("b", "sadness"), ("c", "not sad")])
    replies = ["x (Label: Sadness)", "y (Label: Sad)", "z (Label: Not  sad)"]
    made = generate(train, Gpt3Mix(count=3), llm=answering(lambda r: replies[r.draw]))
    assert [row[2] for row in rows(made)] == ["sadness", "sad", "not sad"]


def with_logprobs(text, place):
    head, label = text.rsplit(" ", 1)
    top = tuple((token, math.log(p)) for token, p in place.items())
    entries = (TokenLogprobs(head, -1.0), TokenLogprobs(" " + label.rstrip(")"), -1.0, top), TokenLogprobs(")", 0.0))
    return Reply(text, logprobs=entries)


def test_soft_labels_come_from_the_tokens_and_the_label_is_the_most_probable(train, answering):
    reply = with_logprobs("so so (Label: Negative)", {" Positive": 0.5, " positive": 0.1, " Negative": 0.2})
    made = one_reply(train, answering, reply)
    row = made.dataset[0]
    assert row.probabilities == pytest.approx((0.25, 0.75))
    assert (row.label, row.soft_source) == ("positive", "logprobs")
    assert made.dataset.targets().sum() == pytest.approx(1)


def test_a_row_without_probabilities_is_hard_and_says_so(train, answering):
    replies = ["x (Label: Negative)", with_logprobs("y (Label: Negative)", {" Negative": 0.5})]
    made = generate(train, Gpt3Mix(count=2), llm=answering(lambda r: replies[r.draw]))
    assert [(row.probabilities, row.soft_source) for row in made.dataset] == [(None, None), ((1.0, 0.0), "logprobs")]


def test_hard_labels_when_asked_for(train, answering):
    reply = with_logprobs("so so (Label: Negative)", {" Positive": 0.5, " Negative": 0.2})
    row = one_reply(train, answering, reply, labels="hard").dataset[0]
    assert (row.label, row.probabilities, row.soft_source) == ("negative", None, None)


def test_the_same_seed_gives_the_same_rows_and_another_seed_others(train, answering):
    texts = []
    for seed in (0, 0, 1):
        llm = answering(numbered)
        generate(train, Gpt3Mix(count=20), llm=llm, seed=seed)
        texts.append([r.key for r in sorted(llm.seen, key=lambda r: r.draw)])
    assert texts[0] == texts[1]
    assert not set(texts[0]) & set(texts[2])


def test_a_smaller_count_asks_the_first_of_a_larger_ones_requests(train, answering):
    few, many = answering(numbered), answering(numbered)
    generate(train, Gpt3Mix(count=5), llm=few)
    generate(train, Gpt3Mix(count=9), llm=many)
    assert {r.key for r in few.seen} < {r.key for r in many.seen}


def test_a_run_that_was_interrupted_makes_the_same_rows(train, answering):
    def reply(request):
        return "" if request.draw % 4 == 0 else numbered(request)

    maker = Gpt3Mix(per_class=6)
    whole = generate(train, maker, llm=answering(reply))
    answered = {}

    def breaking(request):
        if len(answered) == 7:
            raise KeyboardInterrupt
        answered[request.key] = reply(request)
        return answered[request.key]

    with pytest.raises(KeyboardInterrupt):
        generate(train, maker, llm=Immediate(breaking))
    again = generate(train, maker, llm=Immediate(lambda r: answered.get(r.key) or reply(r)))
    assert again.dataset.fingerprint == whole.dataset.fingerprint
    assert [row.to_json() for row in again.dropped] == [row.to_json() for row in whole.dropped]


class Immediate:
    """A stand-in for an LLM that answers in the calling thread, in reverse order."""

    is_batch = False

    def __init__(self, reply):
        from augtune.llm.client import LLM
        from augtune.llm.providers.scripted import Scripted

        self.reply, self.inner = reply, LLM(Scripted([]))
        self.request, self.cost = self.inner.request, self.inner.cost

    def send_all(self, requests, *, on_answer=None):
        answers = [Reply(self.reply(request)) for request in reversed(requests)]
        return answers[::-1]


def test_progress_counts_calls(train, answering):
    told = []
    llm = answering(lambda r: "" if r.draw == 1 else numbered(r))
    generate(train, Gpt3Mix(count=3), llm=llm, on_progress=lambda *numbers: told.append(numbers))
    # What became of a wave's rows is known once all of it is in: the fourth call replaces the one that came to nothing.
    assert told == [(1, 3, 0, {}), (2, 3, 0, {}), (3, 3, 0, {}), (4, 4, 2, {"empty": 1})]


def test_balanced_examples_hold_each_label_alike(train):
    for prompt in Gpt3Mix(choose="balanced", examples=4, form="completion").preview(train, count=20):
        assert prompt.count("(Label: Positive)") == prompt.count("(Label: Negative)") == 2
    for i, prompt in enumerate(
        Gpt3Mix(choose="balanced", examples=4, form="completion", per_class=9).preview(train, count=9)
    ):
        assert prompt.splitlines()[-2].endswith(("(Label: Negative)", "(Label: Positive)")[i % 2])
        assert len(set(prompt.splitlines()[2:-1])) == 4


def test_every_example_shown_is_shown_once(train):
    for prompt in Gpt3Mix(per_class=9, examples=5, form="completion").preview(train, count=30):
        assert len(set(prompt.splitlines()[2:-1])) == 5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"examples": 7}, "generate.examples: expected at most the 6 human rows there are, got 7"),
        (
            {"choose": "balanced", "examples": 3},
            "generate.examples: with choose: balanced, expected a multiple of the 2 labels and enough rows of each, "
            "got 3: it is not",
        ),
        ({"per_class": {"postive": 3}}, "generate.per_class: no label is called 'postive'; did you mean 'positive'?"),
    ],
)
def test_settings_that_do_not_fit_the_rows(train, settings, message):
    with pytest.raises(SettingsError) as caught:
        Gpt3Mix(**settings).preview(train)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"per_class": 3, "count": 4},
            "generate: per_class and count are both given; the number of rows is set by one of them",
        ),
        ({"per_clas": 3}, "generate.per_clas: unknown key; did you mean 'per_class'?"),
        (
            {"per_class": "ten"},
            "generate.per_class: expected 'max', 'minority', 'prior', 'even', a number of rows, or one per label as in "
            "{billing: 30, login: 20}, got 'ten'",
        ),
        ({"task": "sst3"}, "generate.task: no task is called 'sst3'; did you mean 'sst5'?"),
        (
            {"text_type": "a: b"},
            "generate.text_type: expected a word or two without brackets, colons or line breaks, got 'a: b'",
        ),
        ({"verbalizers": {"a": " "}}, "generate.verbalizers: expected a short word for 'a', got ' '"),
        ({"attempts": 0.5}, "generate.attempts: should be greater than or equal to 1, got 0.5"),
    ],
)
def test_settings_that_are_wrong(train, answering, settings, message):
    with pytest.raises(SettingsError) as caught:
        generate(train, {"kind": "gpt3mix", **settings}, llm=answering(numbered))
    assert caught.value.problems == (message,)


def test_a_task_may_be_written_with_an_underscore(train):
    assert Gpt3Mix(task="snips_intent").task == "snips-intent"


def test_a_label_without_human_rows_cannot_be_a_target(make_human, answering):
    train = make_human([("a", "x"), ("b", "x")], labels=("x", "y"))
    with pytest.raises(InputError) as caught:
        generate(train, Gpt3Mix(per_class=2), llm=answering(numbered))
    assert str(caught.value) == (
        "gpt3mix: no human row to show for label 'y'.\n"
        "  Sample rows of every label, or leave them out: per_class: {label: rows}."
    )


def test_estimate(train):
    found = Gpt3Mix(per_class=10, attempts=1.5).estimate(train)
    assert (found.calls, found.calls_at_most) == (20, 30)
    assert 20 * 50 < found.tokens_in < 20 * 200
    assert 20 * 5 < found.tokens_out < 20 * 20

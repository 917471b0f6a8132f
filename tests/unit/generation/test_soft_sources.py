"""Where gpt3mix's labels come from, JSON replies, and the repair turn."""

from __future__ import annotations

import json
import math

import pytest

from augtune.core.errors import InputError, ProviderError, SettingsError
from augtune.generation.base import generate
from augtune.generation.gpt3mix import Gpt3Mix
from augtune.llm.client import LLM
from augtune.llm.messages import Reply, Score, TokenLogprobs

WRITTEN = "so so film (Label: Negative)"


def is_vote(request):
    return request.text.startswith("Which label does") or request.text.endswith("(Label:")


def voting(*votes, text=WRITTEN):
    """Write one text, then answer vote ``n`` with entry ``n``."""
    return lambda request: votes[request.draw] if is_vote(request) else text


def one(train, llm, **settings):
    return generate(train, Gpt3Mix(count=1, attempts=1, **settings), llm=llm)


def stating(label="positive", **shares):
    return json.dumps({"text": "a film", "label": label, "probabilities": shares})


# ---- votes


def test_votes_are_shares_of_further_answers_and_the_label_is_the_winner(train, answering):
    llm = answering(voting("positive", "Positive.", "“negative”", "positive"))
    [row] = one(train, llm, labels="votes", votes=4).dataset
    assert (row.text, row.label, row.probabilities, row.soft_source) == (
        "so so film",
        "positive",
        (0.25, 0.75),
        "votes",
    )
    assert row.generator == "gpt3mix-chat@1#6b363d34+gpt3mix@1#28215909+vote@1#1e40ea8d:4/4"
    votes = [request for request in llm.seen if is_vote(request)]
    assert sorted(request.draw for request in votes) == [0, 1, 2, 3]
    assert len({request.text for request in votes}) == 1
    assert votes[0].text.endswith("---\n\nso so film")


def test_smoothing_leaves_no_label_without_probability(train, answering):
    llm = answering(voting("positive", "positive"))
    [row] = one(train, llm, labels="votes", votes=2, smoothing=0.5).dataset
    assert row.probabilities == pytest.approx((0.5 / 3, 2.5 / 3))


@pytest.mark.parametrize("written", ["Negative", "Positive"])
def test_of_labels_with_equal_votes_the_one_written_counts(train, answering, written):
    llm = answering(voting("positive", "negative", text=f"a film (Label: {written})"))
    [row] = one(train, llm, labels="votes", votes=2).dataset
    assert (row.label, row.probabilities) == (written.lower(), (0.5, 0.5))


def test_votes_that_name_no_label_do_not_count(train, answering):
    llm = answering(voting("positive", "both", ProviderError("gone"), "positive", Reply("no", "refusal"), "positive"))
    made = one(train, llm, labels="votes", votes=6)
    assert [row.reason for row in made.dropped] == ["no soft label"]
    assert made.dropped[0].because == "its label's probabilities came from none of votes"
    assert made.dropped[0].example.text == "so so film"
    llm = answering(voting("positive", "both", "positive", "positive"))
    [row] = one(train, llm, labels="votes", votes=4).dataset
    assert (row.probabilities, row.generator.rpartition(":")[2]) == ((0.0, 1.0), "3/4")


def test_votes_that_were_cut_off_say_so_and_are_given_the_tokens_they_need(train, answering):
    llm = answering(voting(Reply("", "length"), Reply("", "length"), "positive"))
    made = one(train, llm, labels="votes", votes=3)
    assert made.dropped[0].because == (
        "its label's probabilities came from none of votes; 2 of 3 votes were cut off, a model that thinks first needs "
        "more vote_tokens"
    )
    assert {request.max_tokens for request in llm.seen if is_vote(request)} == {16}
    thinking = answering(voting("<think>It says so so.</think>\nnegative"))
    [row] = one(train, thinking, labels="votes", votes=1, vote_tokens=4000).dataset
    assert row.probabilities == (1.0, 0.0)
    assert {request.max_tokens for request in thinking.seen if is_vote(request)} == {4000}


def test_in_the_completion_form_votes_go_on_with_the_list_itself(train, answering):
    llm = answering(voting(" Positive) and so", "Negative", " positive"))
    [row] = one(train, llm, labels="votes", votes=3, form="completion").dataset
    assert row.probabilities == pytest.approx((1 / 3, 2 / 3))
    first, *votes = llm.seen
    assert {vote.prompt for vote in votes} == {f"{first.prompt} so so film (Label:"}
    assert {vote.stop for vote in votes} == {(")", "\n")}


def test_votes_are_not_asked_for_what_is_no_row(train, answering):
    llm = answering(lambda _: "no line")
    generate(train, Gpt3Mix(count=2, attempts=1, labels="votes"), llm=llm)
    assert len(llm.seen) == 2


def test_labels_that_begin_alike_are_told_apart_in_votes(make_human, answering):
    rows = make_human([("a", "sad"), ("b", "sadness"), ("c", "not sad")])
    llm = answering(voting("Sadness", "sad", "sadness", text="x (Label: Sad)"))
    [row] = one(rows, llm, labels="votes", votes=3).dataset
    assert (row.label, row.probabilities) == ("sadness", pytest.approx((0, 1 / 3, 2 / 3)))


# ---- the chain


def with_logprobs(shares):
    top = tuple((f" {name}", math.log(p)) for name, p in shares.items())
    entries = (
        TokenLogprobs("so so film (Label:", -1.0),
        TokenLogprobs(" Negative", -1.0, top),
        TokenLogprobs(")", 0.0),
    )
    return Reply(WRITTEN, logprobs=entries)


def test_auto_asks_for_votes_only_where_there_are_no_logprobs(train, answering):
    llm = answering(voting("positive", "positive", "negative", text=with_logprobs({"Negative": 0.6, "Positive": 0.2})))
    [row] = one(train, llm, labels="auto", votes=3).dataset
    assert (row.probabilities, row.soft_source, len(llm.seen)) == (pytest.approx((0.75, 0.25)), "logprobs", 1)
    llm = answering(voting("positive", "positive", "negative"))
    [row] = one(train, llm, labels="auto", votes=3).dataset
    assert (row.label, row.soft_source, len(llm.seen)) == ("positive", "votes", 4)
    llm = answering(voting("?", "?", "?"))
    [row] = one(train, llm, labels="auto", votes=3).dataset
    assert (row.label, row.probabilities, row.soft_source) == ("negative", None, None)


def test_logprobs_alone_drops_a_row_without(train, answering):
    made = one(train, answering(lambda _: WRITTEN), labels="logprobs")
    assert [(row.reason, row.because) for row in made.dropped] == [
        ("no soft label", "its label's probabilities came from none of logprobs")
    ]


def test_a_list_says_the_order(train, answering):
    maker = Gpt3Mix(labels=["logprobs", "votes"], count=1, votes=1)
    assert maker.sources == ("logprobs", "votes")
    made = generate(train, maker, llm=answering(voting("what?")))
    assert made.dropped[0].because == "its label's probabilities came from none of logprobs, votes"
    assert Gpt3Mix(**{k: v for k, v in maker.to_json().items() if k != "kind"}) == maker


def test_only_what_may_need_them_asks_for_logprobs(train, answering):
    for labels, asked in (("soft", 20), ("auto", 20), ("hard", None), ("votes", None), ("stated", None)):
        llm = answering(lambda _: "")
        one(train, llm, labels=labels)
        assert llm.seen[0].logprobs == asked


# ---- scores of a model in this process


class Scoring:
    """A provider that writes one line and scores continuations by a table from prompt and text to share."""

    can_score = True

    def __init__(self, shares, tokens=1, text=WRITTEN):
        self.shares, self.tokens, self.text, self.seen = shares, tokens, text, []

    async def send(self, request):
        self.seen.append(request)
        if not request.continuations:
            return Reply(self.text)
        free = any(request.text.endswith(f"{sign} (Label:") for sign in ("N/A", "[MASK]", "Text: "))
        table = self.shares["free" if free else "row"]
        scores = tuple(Score(text, math.log(table[text]), self.tokens) for text in request.continuations)
        return Reply(max(table, key=table.get), scores=scores)


def test_scores_are_the_probabilities_of_whole_label_words(train):
    provider = Scoring({"row": {" Negative)": 0.06, " Positive)": 0.18}})
    [row] = one(train, LLM(provider), labels="local", form="completion").dataset
    assert (row.label, row.probabilities, row.soft_source) == ("positive", pytest.approx((0.25, 0.75)), "local")
    assert row.generator == "gpt3mix@1#28215909+gpt3mix@1#28215909:scored"
    first, second = provider.seen
    assert second.prompt == f"{first.prompt} so so film (Label:"
    assert (second.continuations, second.max_tokens, second.draw) == ((" Negative)", " Positive)"), None, 0)


def test_scores_by_length_and_calibrated(train):
    shares = {"row": {" Negative)": 0.04, " Positive)": 0.16}, "free": {" Negative)": 0.1, " Positive)": 0.4}}
    [row] = one(train, LLM(Scoring(shares, tokens=2)), labels="local", form="completion", by_length=True).dataset
    assert row.probabilities == pytest.approx((1 / 3, 2 / 3))
    provider = Scoring(shares)
    [row] = one(train, LLM(provider), labels="local", form="completion", calibrate=True).dataset
    assert row.probabilities == pytest.approx((0.5, 0.5))
    assert len(provider.seen) == 1 + 1 + 3


def test_scores_in_a_chat_are_those_of_the_words_themselves(train):
    provider = Scoring({"row": {"negative": 0.3, "positive": 0.1}})
    [row] = one(train, LLM(provider), labels="auto").dataset
    assert (row.probabilities, row.soft_source) == (pytest.approx((0.75, 0.25)), "local")
    assert len(provider.seen) == 2
    assert provider.seen[1].messages[0].content.startswith("Which label does the text below")


def test_labels_from_scores_alone_need_a_model_that_gives_them(train, answering):
    with pytest.raises(InputError) as caught:
        one(train, answering(lambda _: WRITTEN), labels="local")
    assert str(caught.value) == (
        "gpt3mix: labels: local has a model score the labels, and replies gives no scores.\n"
        "  A model in this process does, llm: {model: local/NAME}; or set labels: auto."
    )


def test_no_further_call_is_made_for_a_text_that_is_known(train, answering):
    texts = ["it  DRAGS (Label: Negative)", "new (Label: Positive)", "New (Label: Positive)"]
    llm = answering(lambda r: "positive" if is_vote(r) else texts[min(r.draw, 2)])
    made = generate(train, Gpt3Mix(count=3, attempts=1.5, labels="votes", votes=2), llm=llm)
    assert [row.reason for row in made.dropped] == ["copy", "repeat", "repeat", "repeat"]
    assert len(made.dataset) == 1
    voted = {request.text.rpartition("\n")[2] for request in llm.seen if is_vote(request)}
    assert voted == {"new", "New"}


# ---- JSON replies


def test_stated_probabilities_are_kept_in_the_order_of_the_labels(train, answering):
    llm = answering(lambda _: stating(positive=70, negative=30))
    [row] = one(train, llm, labels="stated").dataset
    assert (row.text, row.label, row.probabilities, row.soft_source) == ("a film", "positive", (0.3, 0.7), "stated")
    schema = llm.seen[0].schema
    assert schema["required"] == ["label", "probabilities", "text"] or schema["required"] == [
        "text",
        "label",
        "probabilities",
    ]
    assert schema["properties"]["label"]["enum"] == ["negative", "positive"]
    assert set(schema["properties"]["probabilities"]["properties"]) == {"negative", "positive"}
    assert row.generator.startswith("gpt3mix-schema@1#")


def test_a_schema_without_probabilities_gives_hard_labels(train, answering):
    reply = '```json\n{"text": "say \\"no\\" (Label: Positive)", "label": "NEGATIVE"}\n```'
    [row] = one(train, answering(lambda _: reply), form="schema", labels="hard").dataset
    assert (row.text, row.label, row.probabilities) == ('say "no" (Label: Positive)', "negative", None)


def test_logprobs_are_found_in_json_too(train, answering):
    place = (("positive", math.log(0.2)), ("negative", math.log(0.6)))
    pieces = ['{"text": "a \\"label\\": \\"b",', ' "label": "', ("negative", place), '"}']
    entries = tuple(TokenLogprobs(p, 0.0) if isinstance(p, str) else TokenLogprobs(p[0], -0.5, p[1]) for p in pieces)
    reply = Reply("".join(entry.token for entry in entries), logprobs=entries)
    [row] = one(train, answering(lambda _: reply), form="schema").dataset
    assert (row.probabilities, row.soft_source) == (pytest.approx((0.75, 0.25)), "logprobs")


@pytest.mark.parametrize(
    ("reply", "reason", "because"),
    [
        ('{"text": "a film", "lab', "unreadable", "the JSON is cut off"),
        ("<html><body>502 Bad Gateway", "unreadable", "expected JSON, got what looks like HTML: '<html><body>502 Bad Gateway'"),
        ("", "empty", "the reply is empty"),
        (stating(label="mixed", positive=1, negative=0), "unknown label", "'mixed' is not the word of any label"),
        (stating(positive=0.2, negative=0.8), "unreadable", "the label is 'positive', and another one has the highest probability"),
        (stating(positive=1), "unreadable", "expected the probability of each of 'negative', 'positive', got those of 'positive'"),
        (stating(positive=1, negative=1), "unreadable", "expected probabilities that sum to 1, got a sum of 2"),
        ('{"text": “a film”}', "unreadable", "not JSON: Expecting value at character 9"),
        ('{"text": 3, "label": "positive", "probabilities": {}}', "unreadable", "expected 'text' and 'label' to be texts"),
        ('{"text": " ", "label": "positive", "probabilities": {}}', "empty", "the object has a label and no text"),
        (Reply('{"text": "a', "length"), "cut off", "the reply reached max_tokens before its line was complete"),
        ("I'm sorry, but I can't create this text.", "refused", "the model refused to answer"),
    ],
)  # fmt: skip
def test_a_bad_object_is_dropped_with_its_reason_and_the_raw_reply(train, answering, reply, reason, because):
    made = one(train, answering(lambda _: reply), labels="stated")
    [record] = made.dropped
    assert (record.reason, record.because) == (reason, because)
    assert record.example.text == (reply.text if isinstance(reply, Reply) else reply)


# ---- repair


def test_a_reply_that_cannot_be_read_is_sent_back_once_with_the_reason(train, answering):
    llm = answering(lambda r: "a new film (Label: Positive)" if len(r.messages) == 3 else "a new film, positive")
    [row] = one(train, llm, repair=1, labels="hard").dataset
    first, second = llm.seen
    assert (row.text, row.label, row.call_key) == ("a new film", "positive", second.key)
    assert row.generator == "gpt3mix-chat@1#6b363d34+gpt3mix@1#28215909+repair@1#e9e3c802"
    assert [(turn.role, turn.content) for turn in second.messages[1:]] == [
        ("assistant", "a new film, positive"),
        (
            "user",
            "That answer cannot be used: the reply is not a line of the form 'text (label type: label)'. Answer once "
            "more, in exactly the form asked for at first and with nothing before or after it.",
        ),
    ]
    assert second.messages[0] == first.messages[0]
    assert (second.draw, second.max_tokens, second.temperature) == (first.draw, first.max_tokens, first.temperature)


@pytest.mark.parametrize(
    "first", ["a film (Label: “Positive”)", "a film (Label: Pos)", "a film (Label: Positively)", "(Label: Positive)"]
)
def test_a_label_that_is_not_one_is_sent_back_too(train, answering, first):
    llm = answering(lambda r: "a film (Label: Positive)" if len(r.messages) == 3 else first)
    assert [row.label for row in one(train, llm, repair=1).dataset] == ["positive"]
    assert [row.reason for row in one(train, answering(lambda _: first)).dropped] == [
        "empty" if first.startswith("(") else "unknown label"
    ]


def test_a_reply_that_stays_unreadable_is_dropped_with_both_reasons(train, answering):
    llm = answering(lambda r: "{" if len(r.messages) == 3 else "<p>no</p>")
    made = one(train, llm, repair=1, form="schema", labels="hard")
    [record] = made.dropped
    assert record.example.text == "{"
    assert record.example.call_key == llm.seen[1].key
    assert record.because == (
        "the JSON is cut off (asked again, after: expected JSON, got what looks like HTML: '<p>no</p>')"
    )


@pytest.mark.parametrize(
    "reply",
    [
        "",
        Reply("no", "refusal"),
        Reply("a film", "length"),
        ProviderError("gone"),
        "A joyless retread (Label: Negative)",
    ],
)
def test_what_asking_again_cannot_help_is_not_asked_again(train, answering, reply):
    llm = answering(lambda _: reply)
    one(train, llm, repair=1)
    assert len(llm.seen) == 1


def test_repaired_rows_are_voted_on_like_all(train, answering):
    def reply(request):
        return "positive" if is_vote(request) else WRITTEN if len(request.messages) == 3 else "what?"

    [row] = one(train, answering(reply), repair=1, labels="votes", votes=2).dataset
    assert (row.label, row.probabilities) == ("positive", (0.0, 1.0))
    assert row.generator.endswith("+repair@1#e9e3c802+vote@1#1e40ea8d:2/2")


def test_progress_counts_the_further_calls(train, answering):
    told = []
    llm = answering(voting("positive", "positive"))
    maker = Gpt3Mix(count=1, labels="votes", votes=2)
    generate(train, maker, llm=llm, on_progress=lambda done, total, kept, dropped: told.append((done, total)))
    assert told == [(1, 1), (2, 3), (3, 3)]


# ---- settings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"labels": "loud"}, "generate.labels: expected soft, hard, logprobs, local, stated, votes, auto, or a list of logprobs, local, stated, votes, hard, got 'loud'"),
        ({"labels": ["soft"]}, "generate.labels: expected soft, hard, logprobs, local, stated, votes, auto, or a list of logprobs, local, stated, votes, hard, got ['soft']"),
        ({"labels": ["hard", "votes"]}, "generate.labels: what comes after 'hard' is never used, got ['hard', 'votes']"),
        ({"labels": "stated", "form": "chat"}, "generate: stated probabilities need form: schema, got form: chat"),
        ({"repair": 1, "form": "completion"}, "generate: repair sends a reply back in a chat; with form: completion there is none"),
        ({"labels": "votes", "temperature": 0}, "generate: votes drawn at temperature 0 are all alike; raise temperature or set labels: hard"),
        ({"repair": 2}, "generate.repair: should be 0 or 1, got 2"),
        ({"balance": "max", "count": 3}, "generate: balance and count are both given; the number of rows is set by one of them"),
    ],
)  # fmt: skip
def test_settings_that_contradict_each_other(train, settings, message):
    with pytest.raises(SettingsError) as caught:
        generate(train, {"kind": "gpt3mix", **settings})
    assert caught.value.problems == (message,)


def test_estimate_counts_votes_and_repairs(train):
    plain = Gpt3Mix(count=10, labels="hard").estimate(train)
    voted = Gpt3Mix(count=10, labels="votes", votes=3, repair=1).estimate(train)
    assert (plain.calls, plain.calls_at_most, plain.rows) == (10, 20, 10)
    assert (voted.calls, voted.calls_at_most, voted.rows) == (40, 100, 10)
    assert voted.tokens_in > 3 * plain.tokens_in / 2
    chain = Gpt3Mix(count=10, labels="auto", votes=3).estimate(train)
    assert (chain.calls, chain.calls_at_most) == (10, 100)
    scored = Gpt3Mix(count=10, labels="local", calibrate=True).estimate(train)
    assert (scored.calls, scored.calls_at_most, scored.rows) == (50, 100, 10)

import math

import pytest

from augtune.collaboration.ask import ask, prompts
from augtune.collaboration.evidence import Evidence
from augtune.collaboration.forms import FORMS
from augtune.core.errors import DataError, InputError, ProviderError, SettingsError
from augtune.core.labels import Labels
from augtune.evaluation.scores import evaluate
from augtune.llm.client import LLM
from augtune.llm.failures import CallError
from augtune.llm.messages import Reply, TokenLogprobs
from augtune.llm.providers.scripted import Scripted


def by_word(request):
    return "positive" if "great" in request.messages[-1].content else "negative"


def test_answers_are_predictions_like_any_other(test, answering):
    model = answering(by_word)
    found = ask(test, llm=model.llm)
    assert found.predicted == test.label_names
    assert repr(found) == "3 of 3 rows answered · $0.000"
    assert evaluate(found, test, resamples=0)["macro_f1"] == 1.0
    assert [record.status for record in found.records] == ["answered"] * 3
    assert {record.soft_source for record in found.records} == {"one-hot"}
    assert found.records[0].call_key == model.seen[0].key


def test_rows_that_may_have_several_labels_are_not_asked_about():
    with pytest.raises(DataError) as error:
        prompts(["a text"], labels=Labels(("joy", "fear"), task="multi_label"))
    assert str(error.value) == (
        "ask: a prompt needs rows of one label each; these may have several (task multi_label)."
    )


@pytest.mark.parametrize("form", FORMS)
def test_every_form_asks_with_the_evidence(form, train, test, guesses, answering):
    model = answering(by_word)
    evidence = Evidence(predictions=guesses, model="abc123", similar=2, pool=train, choose="random")
    found = ask(test, llm=model.llm, evidence=evidence, form=form)
    assert len(found) == 3
    assert found.form.startswith("ask-")
    assert [turn.content for turn in model.seen[0].messages] == [
        turn.content for turn in prompts(test, evidence=evidence, form=form)[0]
    ]


def test_form_is_the_one_that_tells_all_evidence_unless_given(train, test, guesses, answering):
    model = answering(by_word)
    assert ask(test, llm=model.llm).made_by == "replies · classify"
    assert ask(test, llm=model.llm, evidence=Evidence(predictions=guesses)).made_by == "replies · label_probabilities"
    few = Evidence(similar=1, pool=train, choose="random")
    assert ask(test, llm=model.llm, evidence=few).made_by == "replies · examples"


def test_labels_of_the_rows_are_never_sent(make_human, answering):
    rows = make_human([("some text", "hidden-a"), ("other text", "hidden-b")], "test", Labels(("hidden-a", "hidden-b")))
    other = make_human([("some text", "hidden-b"), ("other text", "hidden-a")], "test", rows.labels)
    sent = []
    for data in (rows, other):
        model = answering(lambda request: "hidden-a")
        ask(data, llm=model.llm)
        sent.append([request.key for request in model.seen])
    assert sent[0] == sent[1]


def test_reply_that_is_no_label_is_reminded_once_and_the_text_is_never_changed(test, answering):
    def reply(request):
        if len(request.messages) == 1:
            return "Well, great movie: positive!" if "great" in request.text else "negative"
        return "positive"

    model = answering(reply)
    found = ask(test, llm=model.llm)
    assert repr(found) == "3 of 3 rows answered · 1 of them after a reminder · $0.000"
    record = found.records[1]
    assert record.status == "answered again"
    assert record.replies == ("Well, great movie: positive!", "positive")
    assert record.problems == ("more than a label",)
    first, said, note = model.seen[-1].messages
    assert first == model.seen[1].messages[0]
    assert said.content == "Well, great movie: positive!"
    assert note.content == "That is not one of the labels. Answer with 'negative' or 'positive', with nothing else."


def test_row_without_an_answer_is_left_out_and_counted(test, answering):
    answers = {"boring": "", "great": "mixed", "awful": "I cannot help with that."}
    model = answering(lambda request: next(text for word, text in answers.items() if word in request.text))
    found = ask(test[:2].human(), llm=model.llm)
    assert len(found) == 0
    assert found.unanswered == ("test-0", "test-1")
    assert found.problems == {"empty": 1, "not a label": 1}
    assert repr(found) == "0 of 2 rows answered · no answer: 1 empty, 1 not a label · $0.000"
    assert len(model.seen) == 4
    with pytest.raises(DataError, match=r"no row 'test-0' \(3 rows are missing\)"):
        evaluate(found, test)
    assert len(found.answered(test)) == 0


def test_row_without_an_answer_has_the_classifiers_prediction_where_there_is_one(test, guesses, answering):
    model = answering(lambda request: "awful? no idea" if "awful" in request.text else by_word(request))
    found = ask(test, llm=model.llm, evidence=Evidence(predictions=guesses), form="label", reask=0)
    assert found.probabilities[2].tolist() == guesses.probabilities[2].tolist()
    assert [record.status for record in found.records] == ["answered", "answered", "classifier"]
    assert found.unanswered == ("test-2",)
    assert list(found.to_rows())[2]["replies"] == ["awful? no idea"]
    left = ask(test, llm=model.llm, evidence=Evidence(predictions=guesses), unanswered="exclude", form="label", reask=0)
    assert left.ids == test.ids[:2]
    with pytest.raises(InputError, match=r"^ask.unanswered: 'classifier' needs the classifier's predictions"):
        ask(test, llm=model.llm, unanswered="classifier")


def test_call_that_fails_alone_is_counted_and_not_reminded(test, answering):
    broken = CallError("too long", "request")
    model = answering(lambda request: broken if "awful" in request.text else by_word(request))
    found = ask(test, llm=model.llm)
    assert found.problems == {"no reply": 1}
    assert found.records[2].replies == ("too long",)
    assert found.ids == test.ids[:2]


def test_provider_that_refuses_a_schema_is_asked_for_the_bare_label(test, answering):
    def reply(request):
        plain = request.schema is None and request.logprobs is None
        return by_word(request) if plain else CallError("response_format is not supported", "request")

    model = answering(reply)
    found = ask(test, llm=model.llm)
    assert found.constrained is False
    assert found.predicted == test.label_names
    assert len(model.seen) == 3 + 3
    assert ask(test, llm=answering(by_word).llm).constrained is True
    open_ended = answering(by_word)
    ask(test, llm=open_ended.llm, constrain=False, logprobs=None)
    assert {(r.schema, r.logprobs) for r in open_ended.seen} == {(None, None)}


@pytest.mark.parametrize("refusal", ["request", "forbidden"])
@pytest.mark.parametrize("has_schemas", [True, False])
def test_a_first_row_that_is_refused_by_itself_says_nothing_of_the_others(answering, refusal, has_schemas):
    def reply(request):
        if "flagged" in request.text or (request.schema is not None and not has_schemas):
            return CallError("No.", refusal if "flagged" in request.text else "request")
        return by_word(request)

    model = answering(reply)
    texts = ["flagged", "flagged too", *(f"great {i}" for i in range(18))]
    found = ask(texts, llm=model.llm, labels=Labels(("negative", "positive")))
    assert found.constrained is has_schemas
    assert found.predicted == ("positive",) * 18
    assert [record.replies for record in found.records[:2]] == [("No.",)] * 2
    assert {request.logprobs is not None for request in model.seen[-10:]} == {True}


def test_rows_that_are_all_refused_are_asked_and_counted(test, answering):
    found = ask(test, llm=answering(lambda request: CallError("No.", "request")).llm)
    assert found.problems == {"no reply": 3}


def test_probabilities_come_from_the_tokens_where_there_are_any(test, answering):
    top = (("positive", math.log(0.7)), ("negative", math.log(0.2)), ("So", math.log(0.1)))
    model = answering(lambda request: Reply("positive", logprobs=(TokenLogprobs("positive", math.log(0.7), top),)))
    found = ask(test, llm=model.llm)
    assert found.probabilities[0] == pytest.approx([2 / 9, 7 / 9])
    assert found.records[0].soft_source == "logprobs"


def test_answers_replay_from_a_recording(test, tmp_path, answering):
    model = answering(
        lambda request: by_word(request) if request.schema is None else CallError("no schemas here", "request")
    )
    live = ask(test, llm=model.llm)
    model.llm.save_replies(tmp_path / "replies.jsonl")
    again = ask(test, llm=LLM(replay=tmp_path / "replies.jsonl"))
    assert again.predicted == live.predicted
    assert again.model == live.model


def test_fingerprint_names_the_model_the_form_and_the_evidence(test, guesses, answering):
    llm = answering(by_word).llm
    base = ask(test, llm=llm).model
    assert ask(test, llm=llm).model == base
    others = {
        ask(test, llm=llm, form="minimal").model,
        ask(test, llm=llm, temperature=1.0).model,
        ask(test, llm=llm, text_type="review").model,
        ask(test, llm=llm, evidence=Evidence(predictions=guesses), form="label").model,
    }
    assert len(others | {base}) == 5


def test_bare_texts_and_pairs_are_asked_with_given_labels(answering):
    model = answering(lambda request: "yes" if "second" in request.text else "no")
    labels = Labels(("no", "yes"))
    assert ask(["one"], llm=model.llm, labels=labels).predicted == ("no",)
    assert ask([("one", "the second")], llm=model.llm, labels=labels).predicted == ("yes",)
    with pytest.raises(DataError, match=r"^ask: bare texts do not say which labels there are\."):
        ask(["one"], llm=model.llm)
    with pytest.raises(DataError, match=r"^ask: expected a list of texts, got one text"):
        ask("one", llm=model.llm, labels=labels)
    assert len(ask([], llm=model.llm, labels=labels)) == 0


def test_wrong_settings_are_told(test, answering):
    with pytest.raises(SettingsError, match=r"^ask.form: no prompt form is called 'lable'; did you mean 'label'\?$"):
        ask(test, llm=answering(by_word).llm, form="lable")
    with pytest.raises(SettingsError, match=r"^ask.reasks: unknown key; did you mean 'reask'\?$"):
        ask(test, llm=answering(by_word).llm, reasks=2)


def test_provider_that_fails_every_call_stops_the_work(test):
    with pytest.raises(ProviderError, match="wrong key"):
        ask(test, llm=LLM(Scripted(lambda request: CallError("wrong key", "setup"))))


def test_progress_counts_calls(test, answering):
    seen = []
    ask(test, llm=answering(by_word).llm, on_progress=lambda done, of: seen.append((done, of)))
    assert seen == [(1, 3), (2, 3), (3, 3)]

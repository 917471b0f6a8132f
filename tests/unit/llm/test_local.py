"""A model in this process: seeded per request, blind to batch mates, and its scores those of a direct computation."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import pytest

import tiny_causal
from augtune.core.errors import InputError, SettingsError
from augtune.llm.client import LLM
from augtune.llm.failures import CallError
from augtune.llm.messages import Message, Reply, Request, Score
from augtune.llm.scoring import calibrated, logprobs_of, probabilities
from augtune.llm.settings import LLMSettings, target_of

LINES = [
    f"Movie review: a {word} film (Sentiment: {label})\nMovie review: {word} acting (Sentiment: {label})\n"
    for word, label in [("dull", "negative"), ("warm", "positive"), ("sharp", "very positive"), ("flat", "negative")]
]
PROMPT = "Movie review: a warm film (Sentiment:"
LABELS = (" negative", " positive", " very positive", " no")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return tiny_causal.build(tmp_path_factory.mktemp("local") / "tiny", LINES, steps=15)


@pytest.fixture
def llm(folder: str) -> LLM:
    return LLM(f"local/{folder}", local={"device": "cpu", "batch_size": 4})


def prompts(llm: LLM, **fields) -> list[Request]:
    starts = ["Movie", "Movie review: a", "A much longer beginning than the others have: dull (", "flat"]
    return [llm.request(prompt=start, draw=i, **{"max_tokens": 12, **fields}) for i, start in enumerate(starts)]


def direct(folder: str, prompt: str, continuation: str) -> tuple[float, int]:
    """Log-probability of a continuation, token by token, one sequence at a time, nothing padded."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
    ids = tokenizer(prompt)["input_ids"]
    total, following = 0.0, tokenizer(continuation)["input_ids"]
    with torch.no_grad():
        for token in following:
            logits = model(torch.tensor([ids])).logits[0, -1]
            total += float(torch.log_softmax(logits.double(), 0)[token])
            ids = [*ids, token]
    return total, len(following)


def test_scores_are_those_of_a_direct_computation_also_of_labels_of_several_tokens(folder: str, llm: LLM):
    expected = [direct(folder, PROMPT, label) for label in LABELS]
    assert len({tokens for _, tokens in expected}) > 1
    assert llm.score(LABELS, prompt=PROMPT) == pytest.approx([value for value, _ in expected], abs=1e-4)
    by_length = llm.score(LABELS, prompt=PROMPT, by_length=True)
    assert by_length == pytest.approx([value / tokens for value, tokens in expected], abs=1e-4)


def test_scores_do_not_depend_on_what_else_is_scored(folder: str, llm: LLM):
    texts = ["Movie review: flat (Sentiment:", PROMPT, "x", f"{LINES[0]}{LINES[1]}Movie review: dull (Sentiment:"]
    answers = llm.send_all([llm.request(prompt=text, continuations=LABELS) for text in texts])
    for text, answer in zip(texts, answers, strict=True):
        assert isinstance(answer, Reply)
        alone = [direct(folder, text, label)[0] for label in LABELS]
        assert logprobs_of(answer) == pytest.approx(alone, abs=1e-4)


def test_tokens_that_join_over_the_end_of_the_prompt_are_scored_from_where_the_candidates_part(folder: str, llm: LLM):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    prompt, texts = "Movie rev", ("iew: a", "olt")
    assert (
        tokenizer(prompt + texts[0])["input_ids"][: len(tokenizer(prompt)["input_ids"])]
        != tokenizer(prompt)["input_ids"]
    )
    assert tokenizer(" ")["input_ids"] + tokenizer("film")["input_ids"] != tokenizer(" film")["input_ids"]
    scores = llm.score(texts, prompt=prompt)
    wholes = [direct(folder, "Movie", " rev" + text)[0] for text in texts]
    assert scores[0] - scores[1] == pytest.approx(wholes[0] - wholes[1], abs=1e-4)


def test_calibration_divides_by_what_a_prompt_without_content_gets(llm: LLM):
    empty = ["Movie review: N/A (Sentiment:", "Movie review:  (Sentiment:"]
    raw = [probabilities(llm.score(LABELS, prompt=text)) for text in [PROMPT, *empty]]
    means = [(a + b) / 2 for a, b in zip(raw[1], raw[2], strict=True)]
    ratios = [p / mean for p, mean in zip(raw[0], means, strict=True)]
    got = llm.score(LABELS, prompt=PROMPT, content_free=empty)
    assert [math.exp(value) for value in got] == pytest.approx([r / sum(ratios) for r in ratios])
    assert llm.score(LABELS, prompt=empty[0], content_free=empty[:1]) == pytest.approx([math.log(1 / 4)] * 4)


def test_calibration_alone_normalises():
    assert calibrated([math.log(0.1), math.log(0.3)], []) == pytest.approx([math.log(0.25), math.log(0.75)])


def test_the_same_request_gives_the_same_reply_alone_or_among_others_and_another_draw_another(folder: str, llm: LLM):
    asked = prompts(llm, temperature=1.0, top_p=0.95)
    together = llm.send_all(asked)
    with LLM(f"local/{folder}", local={"batch_size": 1}) as other:
        assert [other.send(request) for request in reversed(asked)][::-1] == together
    draws = {llm.send(llm.request(prompt="Movie", max_tokens=12, temperature=1.0, draw=i)).text for i in range(8)}
    assert len(draws) > 4


def test_temperature_0_takes_the_likeliest_token_as_transformers_does(folder: str, llm: LLM):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
    for request, reply in zip(prompts(llm, temperature=0), llm.send_all(prompts(llm, temperature=0)), strict=True):
        ids = tokenizer(request.prompt, return_tensors="pt")
        whole = model.generate(**ids, do_sample=False, max_new_tokens=12)[0, ids["input_ids"].shape[1] :]
        assert isinstance(reply, Reply)
        assert reply.text == tokenizer.decode(whole, skip_special_tokens=True)


def test_draws_follow_the_models_probabilities_within_top_p(folder: str):
    import torch

    from augtune.llm.providers.decoding import Sampler

    shares = torch.tensor([[0.1, 0.45, 0.0, 0.25, 0.2]])
    requests = [
        Request("local", None, "m", prompt="x", temperature=1.0, top_p=p, draw=i)
        for p in (1.0, 0.6)
        for i in range(3000)
    ]
    drawn = Sampler(requests, 1)(torch.zeros(6000, 1, dtype=torch.long), shares.log().repeat(6000, 1)).argmax(dim=1)
    counts = torch.bincount(drawn[:3000], minlength=5) / 3000
    assert counts.tolist() == pytest.approx(shares[0].tolist(), abs=0.03)
    nucleus = torch.bincount(drawn[3000:], minlength=5) / 3000
    assert nucleus.tolist() == pytest.approx([0, 0.45 / 0.7, 0, 0.25 / 0.7, 0], abs=0.03)


def test_a_frequency_penalty_counts_what_was_written(folder: str, llm: LLM):
    plain = llm.send(llm.request(prompt="Movie", max_tokens=40, temperature=0))
    varied = llm.send(llm.request(prompt="Movie", max_tokens=40, temperature=0, frequency_penalty=50.0))
    assert varied.text != plain.text
    tokens = llm.send(llm.request(prompt="Movie", max_tokens=20, temperature=0, frequency_penalty=50.0, logprobs=0))
    assert tokens.logprobs is not None
    assert len({entry.token for entry in tokens.logprobs}) == len(tokens.logprobs)


def test_a_reply_ends_at_a_stop_text_which_is_not_part_of_it(llm: LLM):
    whole = llm.send(llm.request(prompt="Movie review:", max_tokens=30, temperature=0))
    stop = whole.text[6:9]
    cut = llm.send(llm.request(prompt="Movie review:", max_tokens=30, temperature=0, stop=(stop, "never")))
    assert cut.text == whole.text[: whole.text.index(stop)]
    assert cut.finish_reason == "stop"
    assert cut.tokens_out < whole.tokens_out


def test_a_reply_cut_off_by_its_length_says_so(llm: LLM):
    reply = llm.send(llm.request(prompt="Movie", max_tokens=3, temperature=0))
    assert (reply.finish_reason, reply.tokens_out, reply.tokens_in) == ("length", 3, len("Movie") and reply.tokens_in)
    assert reply.problem == "the reply was cut off at max_tokens"


def test_log_probabilities_are_the_models_own_whatever_the_temperature(folder: str, llm: LLM):
    reply = llm.send(llm.request(prompt=PROMPT, max_tokens=4, temperature=0.5, logprobs=3))
    assert reply.logprobs is not None
    assert len(reply.logprobs) == 4
    first = reply.logprobs[0]
    assert first.logprob == pytest.approx(direct(folder, PROMPT, first.token)[0], abs=1e-4)
    assert len(first.top) == 3
    assert first.top[0][1] == max(value for _, value in first.top)
    assert "".join(entry.token for entry in reply.logprobs) == reply.text


def test_a_chat_goes_through_the_models_own_template(folder: str, llm: LLM):
    chat = llm.send(llm.request(messages=[Message("user", "Movie review:")], max_tokens=8, temperature=0))
    text = llm.send(llm.request(prompt="Movie review:\n", max_tokens=8, temperature=0))
    assert (chat.text, chat.tokens_in) == (text.text, text.tokens_in)


def test_a_chat_with_a_model_that_has_no_template_is_refused(folder: str, tmp_path: Path):
    plain = Path(shutil.copytree(folder, tmp_path / "plain"))
    (plain / "chat_template.jinja").unlink()
    with pytest.raises(CallError) as error, LLM(f"local/{plain}") as llm:
        llm.send(llm.request(messages=[Message("user", "Hello.")], max_tokens=8))
    assert error.value.message == f"local/{plain}: its tokenizer has no chat template, so it takes no chat."
    assert error.value.hint == (
        "Give it a prompt to continue (gpt3mix: form: completion), or take a model trained for chats."
    )


def test_a_prompt_that_is_too_long_fails_alone(folder: str, llm: LLM):
    answers = llm.send_all([llm.request(prompt=text, max_tokens=2) for text in ["Movie", "dull " * 300]])
    assert isinstance(answers[0], Reply)
    assert isinstance(answers[1], CallError)
    assert answers[1].kind == "request"
    assert answers[1].message.endswith("and the model takes 256 with its reply.")


def test_a_schema_is_refused_rather_than_left_out(llm: LLM):
    (answer,) = llm.send_all([llm.request(messages=[Message("user", "x")], schema={"type": "object"})])
    assert isinstance(answer, CallError)
    assert answer.message == "local/tiny: a local model is not held to a schema."


def test_calls_cost_no_money_but_a_budget_in_calls_holds(folder: str):
    with (
        LLM(f"local/{folder}", budget="3 calls") as llm,
        pytest.raises(Exception, match="budget of 3 calls is reached"),
    ):
        llm.send_all(prompts(llm))
    assert (llm.cost.calls, llm.cost.usd) == (3, 0.0)


def test_scores_are_kept_and_can_be_replayed_without_the_model(folder: str, tmp_path: Path):
    with LLM(f"local/{folder}", cache=tmp_path / "c.sqlite", budget="10000 tokens") as llm:
        assert llm.can_score
        scores = llm.score(LABELS, prompt=PROMPT)
        assert llm.save_replies(tmp_path / "r.jsonl") == 1
    with LLM(f"local/{folder}", cache=tmp_path / "c.sqlite") as llm:
        assert llm.score(LABELS, prompt=PROMPT) == scores
        assert (llm.cost.calls, llm.cost.cached) == (0, 1)
    for model in (None, "local/no/longer/here/tiny"):
        with LLM(model, replay=tmp_path / "r.jsonl") as llm:
            assert llm.can_score
            assert llm.score(LABELS, prompt=PROMPT) == scores


def test_the_key_follows_the_weights_and_not_the_folder(folder: str, tmp_path: Path):
    import torch
    from transformers import AutoModelForCausalLM

    moved = Path(shutil.copytree(folder, tmp_path / "tiny"))
    keys = [LLM(f"local/{place}").request(prompt="x").key for place in (folder, moved)]
    assert keys[0] == keys[1]
    model = AutoModelForCausalLM.from_pretrained(moved)
    with torch.no_grad():
        model.lm_head.weight[7] += 1
    model.save_pretrained(moved)
    assert LLM(f"local/{moved}").request(prompt="x").key != keys[0]
    assert LLM(f"local/{folder}", local={"dtype": "bfloat16"}).request(prompt="x").key != keys[0]


def test_a_hub_name_is_itself_and_its_revision():
    assert target_of(LLMSettings(model="local/org/name")).base_url is None
    pinned = target_of(LLMSettings(model="local/org/name", local={"revision": "abc"}))
    assert (pinned.model, pinned.base_url, pinned.is_free) == ("org/name", "revision:abc", True)


def test_a_wrong_place_is_named(tmp_path: Path):
    with pytest.raises(InputError) as error:
        LLM(f"local/{tmp_path}/none")
    assert str(error.value) == f"llm.model: local/{tmp_path}/none: there is no such folder."
    with pytest.raises(InputError) as error:
        LLM(f"local/{tmp_path}")
    assert str(error.value) == f"llm.model: local/{tmp_path}: the folder holds no config.json, so it is no saved model."
    with pytest.raises(SettingsError) as error:
        LLM("local/m", base_url="http://127.0.0.1:1/v1")
    assert str(error.value) == "llm.base_url: a local model has no address; leave it out, or name a provider"


def test_a_folder_that_is_no_causal_model_says_so(tiny_encoder: str, tmp_path: Path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError) as error, LLM(f"local/{tmp_path}") as llm:
        llm.send(llm.request(prompt="x", max_tokens=2))
    assert error.value.message.startswith(f"llm.model: local/{tmp_path}: no causal language model could be loaded (")


def test_a_provider_that_writes_only_cannot_score():
    with LLM("openai/m", base_url="http://127.0.0.1:1/v1") as llm, pytest.raises(CallError) as error:
        llm.score(["a"], prompt="x")
    assert error.value.message == "openai/m: the API writes replies and cannot score given texts."
    assert not llm.can_score


def test_scores_survive_json():
    reply = Reply("a", scores=(Score("a", -0.5, 1), Score("b c", -2.0, 3)))
    assert Reply.from_json(reply.to_json()) == reply
    request = Request("local", None, "m", prompt="x", continuations=("a", "b c"))
    assert Request.from_json(request.to_json()) == request
    assert request.key != Request("local", None, "m", prompt="x").key

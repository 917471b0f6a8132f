"""Parsers of what a language model or its provider sends, with replies they are made for."""

from __future__ import annotations

import json
from dataclasses import replace

from augtune.collaboration.reading import read_reply
from augtune.core.dataset import Example, HumanDataset
from augtune.core.labels import Labels
from augtune.core.replies import ReplyError, distribution, label_named, object_in, word_key
from augtune.generation import GENERATORS
from augtune.generation.hygiene import unwrap
from augtune.generation.plan import Rejected, Written
from augtune.generation.proposals import read_dimensions
from augtune.generation.rewriting import problem_of
from augtune.generation.soft import soft_label
from augtune.generation.waves import Ask
from augtune.llm.messages import Message, Reply, Request, TokenLogprobs
from augtune.llm.providers.batch_files import read_lines
from augtune.llm.providers.openai import _parsed
from augtune.llm.providers.trouble import Place
from fuzzing.judge import Parser, check

__all__ = ["PARSERS"]

WORDS = {"no": "no", "not sure": "not sure", "C#": "C#", "(none)": "(none)", "A": "A", "spam": "Spam!", "ß": "straße"}
ANSWERS = Labels(("spam", "not spam", "ham", "C#", "A", "a"))
TRAIN = HumanDataset.from_examples(
    [
        Example("t0", "a joyless retread", "negative"),
        Example("t1", "warm and funny", "positive"),
        Example("t2", "it drags", "negative"),
        Example("t3", "a real treat", "positive"),
    ],
    Labels(("negative", "positive")),
    name="train",
)
REQUEST = Request("openai", None, "m", messages=(Message("user", "a"),), logprobs=2)
COMPLETION = Request("openai", None, "m", prompt="a", logprobs=2)
PLACE = Place("openai/m", "http://127.0.0.1/v1", None, "")


def _plan(**settings: object):
    return GENERATORS.parse(settings, where="generate").plan(TRAIN, 0)


LINE = _plan(kind="gpt3mix", per_class=1, examples=2, text_type="movie review", label_type="sentiment")
OBJECT = _plan(kind="gpt3mix", per_class=1, examples=2, labels="stated")
FREE = _plan(kind="fewshot", per_class=1)
ASK = Ask(0, REQUEST, (), "negative")


def label_word(text: str) -> None:
    found = label_named(text, WORDS)
    check(found is None or found in WORDS, "a label that is none")
    check(found is None or word_key(WORDS[found]) in word_key(text), "a label that the reply does not name")


def reply_object(text: str) -> None:
    try:
        found = object_in(text, ["text", "label"])
    except ReplyError:
        return
    check(set(found) == {"text", "label"}, "other fields than asked for")
    json.dumps(found, ensure_ascii=False).encode()


def stated(text: str) -> None:
    try:
        shares = distribution(object_in(text, ["p"])["p"], ["no", "yes"])
    except ReplyError:
        return
    check(len(shares) == 2 and abs(sum(shares) - 1) < 1e-9 and all(0 <= share <= 1 for share in shares), "no shares")


def _tokens(text: str) -> tuple[TokenLogprobs, ...]:
    pieces = [text[i : i + 3] for i in range(0, min(len(text), 300), 3)]
    return tuple(TokenLogprobs(piece, -0.1, ((piece, -0.1), ("not", -2.5), ("spam", -3.0))) for piece in pieces)


def answer(text: str) -> None:
    for finish in ("stop", "length"):
        found = read_reply(Reply(text, finish, logprobs=_tokens(text)), ANSWERS)
        check((found.label is None) != (found.problem is None), "neither or both of label and problem")
        if found.label is not None:
            check(found.label in ANSWERS and finish == "stop", "a label that is none, or of a reply cut off")
            check(word_key(found.label) in word_key(text), "a label that the reply does not name")
        check(found.probabilities is None or abs(sum(found.probabilities) - 1) < 1e-9, "probabilities that are none")


def token_shares(text: str) -> None:
    found = soft_label(_tokens(text), text.find("(") + 1, ["no", "not sure", "Yes"])
    check(found is None or abs(sum(found) - 1) < 1e-9, "shares that do not sum to 1")


def _row(found: Written | Rejected, text: str) -> None:
    if isinstance(found, Rejected):
        check(bool(found.reason and found.because), "rejected for no reason")
        return
    check(found.label in TRAIN.labels, "a label that is none")
    check(bool(found.text.strip()), "an empty text")
    check(found.text in text, "a text that the reply does not have")
    found.text.encode()


def line(text: str) -> None:
    _row(LINE.read(Reply(text), ASK), text)


def row_object(text: str) -> None:
    found = OBJECT.read(Reply(text), ASK)
    inside = text
    if isinstance(found, Written):
        inside = str(object_in(text, ["text", "label", "probabilities"])["text"])
        check(found.stated is not None and abs(sum(found.stated) - 1) < 1e-9, "a row without its probabilities")
    _row(found, inside)


def free_text(text: str) -> None:
    _row(FREE.read(Reply(text), ASK), text)


def rewording(text: str) -> None:
    source = "a joyless retread"
    freed = unwrap(text, source)
    check(freed.text in text, "a text that the reply does not have")
    if problem_of(Reply(text), freed.text, source) is None:
        check(bool(freed.text.strip()) and "\n" not in freed.text, "an empty text, or several lines")


def dimensions(text: str) -> None:
    try:
        found = read_dimensions(text, dimensions=3, values=4)
    except ReplyError:
        return
    check(0 < len(found) <= 3, "more dimensions than asked for")
    for name, values in found.items():
        check(bool(name.strip()) and 2 <= len(set(values)) == len(values) <= 4, "values twice, too few or too many")


def response(text: str) -> None:
    for request in (REQUEST, COMPLETION):
        found = _parsed(text, request, PLACE)
        check(found.tokens_in >= 0 and found.tokens_out >= 0, "tokens that are given back")
        json.dumps(found.to_json(), ensure_ascii=False).encode()
        check(Reply.from_json(json.loads(json.dumps(found.to_json()))) == found, "kept and read, it is another")


def batch(text: str) -> None:
    known = {"k": REQUEST, "c": COMPLETION}
    for key, found in read_lines(text, known).items():
        check(key in known and found is not None, "a reply to nothing")


CHAT = (
    '{"choices": [{"message": {"content": "good"}, "finish_reason": "stop", "logprobs": {"content": [{"token": "good", '
)
CHAT += '"logprob": -0.1, "top_logprobs": [{"token": "bad", "logprob": -2}]}]}}], "usage": {"prompt_tokens": 3}}'
TEXT = '{"choices": [{"text": " good", "logprobs": {"tokens": [" good"], "token_logprobs": [-0.2], "top_logprobs": '
TEXT += '[{" bad": -3}]}}], "model": "m", "usage": {"completion_tokens": 1}}'
LINE_OK = "it drags on and on (Sentiment: Negative)\n"
NEW_ROW = '{"text": "it drags", "label": "negative", "probabilities": {"negative": 0.8, "positive": 0.2}}'
PROPOSAL = (
    '{"dimensions": [{"name": "tone", "values": ["kind", "angry"]}, {"name": "length", "values": ["short", "long"]}]}'
)
BATCH = f'{{"custom_id": "k", "response": {{"status_code": 200, "body": {CHAT}}}}}\n'

READERS: tuple[Parser, ...] = (
    Parser("label", label_word, ("no", "Not sure.", "Label: C#", '"Spam!"', "**(none)**", "straße", "answer = a"), 200),
    Parser("object", reply_object, ('{"text": "a", "label": "b"}', '```json\n{"text": "a", "label": "b"}\n```'), 120),
    Parser("probabilities", stated, ('{"p": {"no": 0.25, "yes": 0.75}}', '{"p": {"No": 40, "yes": 60}}'), 80),
    Parser("answer", answer, ("spam", "not spam", '{"label": "ham"}', "Label: C#.", "a", "I think it is spam"), 60),
    Parser("token shares", token_shares, ("it (not sure)", "(Yes)", "x (no)"), 40),
    Parser(
        "gpt3mix line", line, (LINE_OK, "Movie review: fun (Sentiment: Positive)", "a (b) (sentiment: negative)"), 100
    ),
    Parser("gpt3mix object", row_object, (NEW_ROW,), 80),
    Parser("free text", free_text, ("Text: it drags", "Here is one:\nit drags", '"it drags"', "Sure!\n\nText: a"), 60),
    Parser("rewording", rewording, ("Here is another version: it drags", "“it drags”", "Sure! Paraphrase: a"), 60),
    Parser("dimensions", dimensions, (PROPOSAL,), 40),
    Parser("response", response, (CHAT, TEXT), 40),
    Parser("batch results", batch, (BATCH, '{"custom_id": "c", "error": {"code": "x", "message": "y"}}\n' + BATCH), 30),
)


def _as_it_comes(parser: Parser) -> Parser:
    """Return the parser of what is left of a text on the wire: no halves of characters, but for those JSON names."""
    return replace(parser, read=lambda text: parser.read(text.encode("utf-8", "replace").decode()))


PARSERS = tuple(map(_as_it_comes, READERS))

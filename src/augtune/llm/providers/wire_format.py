"""Our requests as OpenAI's JSON, and OpenAI's JSON, in the dialects servers have of it, as our replies."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from augtune.llm.messages import FinishReason, Reply, Request, TokenLogprobs

__all__ = ["json_body", "reply_of"]

STOPPED = (None, "stop", "eos", "eos_token", "end_turn", "stop_sequence")  # some servers leave it out
FINISH: dict[str | None, FinishReason] = {
    **dict.fromkeys(STOPPED, "stop"),
    **dict.fromkeys(("length", "max_tokens"), "length"),
    **dict.fromkeys(("content_filter", "refusal", "safety"), "refusal"),
}
SAMPLING = ("temperature", "top_p", "frequency_penalty", "presence_penalty", "seed")
LEAST_LOGPROB = -9999.0


def json_body(request: Request, max_tokens_field: str) -> dict[str, Any]:
    """Return the JSON that is sent for a request; what the request leaves open is left out."""
    body: dict[str, Any] = {"model": request.model, **request.extra}
    body.update({name: value for name in SAMPLING if (value := getattr(request, name)) is not None})
    if request.stop:
        body["stop"] = list(request.stop)
    if request.prompt is not None:
        body["prompt"] = request.prompt
        body.update({"max_tokens": request.max_tokens} if request.max_tokens is not None else {})
        body.update({"logprobs": request.logprobs} if request.logprobs is not None else {})
        return body
    body["messages"] = [{"role": message.role, "content": message.content} for message in request.messages]
    if request.max_tokens is not None:
        body[max_tokens_field] = request.max_tokens
    if request.logprobs is not None:
        body["logprobs"] = True
        body.update({"top_logprobs": request.logprobs} if request.logprobs else {})
    if request.schema is not None:
        schema = {"name": "reply", "schema": dict(request.schema), "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return body


def reply_of(data: Mapping[str, Any], request: Request) -> Reply:
    """Return the reply in a response's JSON.

    Raises:
        ValueError, TypeError, KeyError, IndexError, AttributeError: If it is not of the form the API has.
    """
    usage = data.get("usage") or {}
    tokens_in = _count(usage.get("prompt_tokens"))
    # A prompt that was read and answered with nothing is what some providers give for one that they block.
    is_blank = tokens_in > 0 and not data.get("choices") and not data.get("error")
    text, finish, logprobs = ("", "stop", None) if is_blank else _answer(data["choices"][0], request)
    return Reply(
        _storable(text),
        finish,
        tokens_in=tokens_in,
        tokens_out=_tokens_out(usage),
        tokens_cached=_count((usage.get("prompt_tokens_details") or {}).get("cached_tokens")),
        logprobs=logprobs,
        model=_storable(str(data["model"])) if data.get("model") else None,
    )


def _answer(choice: Mapping[str, Any], request: Request) -> tuple[str, FinishReason, tuple[TokenLogprobs, ...] | None]:
    """Return the text of a choice, why it ended and its log-probabilities."""
    finish = FINISH.get(choice.get("finish_reason"), "other")
    if request.prompt is not None:
        return choice["text"] or "", finish, _of_completion(choice.get("logprobs"))
    message = choice["message"]
    text = _text(message.get("content"))
    if message.get("refusal"):
        text, finish = text or _text(message["refusal"]), "refusal"
    return text, finish, _of_chat(choice.get("logprobs"))


def _text(content: Any) -> str:
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    return "".join(part.get("text") or "" for part in content)


def _storable(text: str) -> str:
    """Return the text with what is no Unicode (halves of surrogate pairs) replaced."""
    return text.encode("utf-8", "replace").decode()


def _tokens_out(usage: Mapping[str, Any]) -> int:
    """Return the tokens of a reply with those of its thinking, which some providers count in the total alone."""
    tokens_in, tokens_out = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
    return max(tokens_out, _count(usage.get("total_tokens")) - tokens_in) if tokens_in else tokens_out


def _count(value: Any) -> int:
    return value if type(value) is int and value > 0 else 0


def _logprob(value: Any) -> float:
    number = float(value)
    if math.isnan(number):
        raise ValueError("a log-probability is no number")
    return max(number, LEAST_LOGPROB)


def _of_chat(logprobs: Any) -> tuple[TokenLogprobs, ...] | None:
    """Return a chat's log-probabilities, or None if the server gave none or none that can be read."""
    try:
        found = tuple(
            TokenLogprobs(
                _storable(entry["token"]),
                _logprob(entry["logprob"]),
                tuple((_storable(top["token"]), _logprob(top["logprob"])) for top in entry.get("top_logprobs") or ()),
            )
            for entry in logprobs["content"]
        )
        return found or None
    except (TypeError, KeyError, ValueError, AttributeError):
        return None


def _of_completion(logprobs: Any) -> tuple[TokenLogprobs, ...] | None:
    """Return a completion's log-probabilities, or None if the server gave none or none that can be read."""
    try:
        tokens, values = logprobs["tokens"], logprobs["token_logprobs"]
        tops = logprobs.get("top_logprobs") or [None] * len(tokens)
        found = tuple(
            TokenLogprobs(_storable(token), _logprob(value), _ranked(top))
            for token, value, top in zip(tokens, values, tops, strict=True)
        )
        return found or None
    except (TypeError, KeyError, ValueError, AttributeError):
        return None


def _ranked(top: Mapping[str, Any] | None) -> tuple[tuple[str, float], ...]:
    pairs = [(_storable(token), _logprob(value)) for token, value in (top or {}).items()]
    return tuple(sorted(pairs, key=lambda pair: -pair[1]))

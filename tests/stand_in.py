"""A model behind an OpenAI-compatible address on loopback: it answers what the prompts of augtune ask for."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from typing import Any

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

SUBJECTS = "parcel invoice password lamp refund courier voucher account switch battery".split()
VERBS = "arrived vanished failed stopped changed returned doubled broke".split()
ENDS = "yesterday|again|without a word|for the third time|last week|this morning|on Friday|since the update".split("|")


def _reply(data: Any, status: int = 200) -> Response:
    return Response(json.dumps(data), status, content_type="application/json")


def _text(seed: str) -> str:
    number = int(hashlib.sha256(seed.encode()).hexdigest(), 16)
    words = (SUBJECTS[number % 10], VERBS[number // 10 % 8], ENDS[number // 80 % 8])
    return f"My {words[0]} {words[1]} {words[2]}, order {number // 640 % 100_000}, what now?"


class StandIn:
    """Chats, completions, files, batches and fine-tuning jobs; the same prompt asked again gets another text."""

    def __init__(self, http: HTTPServer) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self.url = http.url_for("/v1")
        self.calls = 0
        self.files: dict[str, bytes] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        http.expect_request(re.compile("/v1/.*")).respond_with_handler(self.handle)

    def handle(self, request: Request) -> Response:
        call = f"{request.method} {request.path.removeprefix('/v1')}"
        if call in ("POST /chat/completions", "POST /completions"):
            return _reply(self.answer(request.get_json()))
        if call == "POST /files":
            name = f"file-{len(self.files) + 1}"
            self.files[name] = request.files["file"].read()
            return _reply({"id": name, "object": "file", "purpose": request.form["purpose"]})
        if call == "POST /fine_tuning/jobs":
            name = f"ftjob-{len(self.jobs) + 1}"
            self.jobs[name] = {"id": name, "object": "fine_tuning.job", "status": "queued", **request.get_json()}
            return _reply(self.jobs[name])
        if call == "GET /fine_tuning/jobs":
            return _reply({"object": "list", "data": list(self.jobs.values()), "has_more": False})
        return self.about(call)

    def about(self, call: str) -> Response:
        name, _, what = call.partition("/fine_tuning/jobs/")[2].partition("/")
        if name not in self.jobs:
            return _reply({"error": {"message": f"no such thing: {call}"}}, 404)
        if what:
            return _reply({"object": "list", "data": [], "has_more": False})
        self.jobs[name] |= {"status": "succeeded", "fine_tuned_model": "ft:tuned", "trained_tokens": 1000}
        return _reply(self.jobs[name])

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        self.calls += 1
        asked = body.get("prompt") or "\n".join(str(message["content"]) for message in body["messages"])
        said = self.said(asked, body)
        choice = {"text": said, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 60, "completion_tokens": 12}
        return {"id": "r", "model": "stand-in", "choices": [choice], "usage": usage}

    def said(self, asked: str, body: dict[str, Any]) -> str:
        """Return what a prompt asks for: an object of its schema, a listed line, a label, or a text."""
        fresh = _text(f"{self.calls} {asked}")
        schema = ((body.get("response_format") or {}).get("json_schema") or {}).get("schema") or {}
        properties = schema.get("properties") or {}
        labels = (properties.get("label") or {}).get("enum") or re.findall(r"'([\w -]+)'", asked)
        choice = labels[self.calls % len(labels)] if labels else ""
        if properties:
            return json.dumps({name: choice if name == "label" else fresh for name in properties})
        if "Continue the list" in asked or asked.rstrip().endswith(":"):
            kind = re.findall(r"\((\w[\w ]*): [^()]+\)", asked)
            return f" {fresh} ({kind[-1] if kind else 'Label'}: {choice})"
        writes = re.search(r"Write one new|in other words|Translate", asked)
        return choice if labels and writes is None else fresh

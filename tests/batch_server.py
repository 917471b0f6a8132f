"""A server with the Batch API of OpenAI, over pytest-httpserver: files, batches, results; every call is counted."""

from __future__ import annotations

import json
import logging
import re
import threading
from typing import Any

from pytest_httpserver import HTTPServer
from werkzeug import Request as HttpRequest
from werkzeug import Response


class BatchServer:
    """Answers each line of a file by its prompt in capitals, once a batch was looked at often enough.

    ``status`` is what batches end with; ``skip`` prompts are not made, ``refuse`` prompts get an error of theirs.
    """

    def __init__(self, http: HTTPServer, *, looks: int = 1) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self.looks = looks
        self.status = "completed"
        self.skip: set[str] = set()
        self.refuse: dict[str, tuple[int, str]] = {}
        self.problem: str | None = None
        self.fail: dict[str, list[Any]] = {}  # path to responses given in place of the real ones
        self.files: dict[str, str] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.made: dict[str, int] = {}
        self.lock = threading.RLock()
        self.url = http.url_for("/v1")
        http.expect_request(re.compile("/v1/.*")).respond_with_handler(self.handle)

    def handle(self, request: HttpRequest) -> Response:
        with self.lock:
            path = request.path.removeprefix("/v1")
            sort = f"{request.method} {re.sub('-[0-9]+', '', path)}"
            planned = self.fail.get(sort)
            after = planned.pop(0) if planned else None
            if isinstance(after, Response) and after.status_code != 599:
                return after
            found = self.serve(sort, path, request)
            if after is not None:  # it was done, and the reply is lost
                return Response("{", 200, content_type="application/json")
            text = found if isinstance(found, str) else json.dumps(found)
            return Response(text, content_type="application/json")

    def serve(self, sort: str, path: str, request: HttpRequest) -> Any:
        if sort == "POST /files":
            name = f"file-{len(self.files)}"
            self.files[name] = request.files["file"].read().decode()
            return {"id": name, "object": "file", "purpose": request.form["purpose"]}
        if sort == "POST /batches":
            batch = {"id": f"batch-{len(self.batches)}", "status": "validating", "looks": 0, **request.get_json()}
            self.batches[batch["id"]] = batch
            return batch
        if sort == "GET /batches":
            return {"object": "list", "data": list(self.batches.values())[::-1]}
        if sort == "GET /batches/batch":
            return self.look(self.batches[path.split("/")[-1]])
        return self.files[path.split("/")[2]]

    def look(self, batch: dict[str, Any]) -> dict[str, Any]:
        batch["looks"] += 1
        if batch["status"] in ("validating", "in_progress"):
            batch["status"] = "in_progress" if batch["looks"] < self.looks else self.status
            if batch["status"] != "in_progress":
                self.finish(batch)
        return batch

    def reply(self, prompt: str) -> str:
        return prompt.upper()

    def finish(self, batch: dict[str, Any]) -> None:
        if self.status == "failed":
            batch["errors"] = {"data": [{"message": self.problem}]}
            return
        results, errors = [], []
        for line in map(json.loads, self.files[batch["input_file_id"]].splitlines()):
            body = line["body"]
            prompt = body["messages"][0]["content"] if "messages" in body else body["prompt"]
            entry = {"id": "r", "custom_id": line["custom_id"], "response": None, "error": None}
            if prompt in self.skip:
                errors.append({**entry, "error": {"code": "batch_expired", "message": "It was too late."}})
                continue
            if prompt in self.refuse:
                status, said = self.refuse.pop(prompt)
                error = {"status_code": status, "body": {"error": {"message": said}}}
                errors.append({**entry, "response": error})
                continue
            self.made[prompt] = self.made.get(prompt, 0) + 1
            text = self.reply(prompt)
            choice = {"message": {"content": text}, "text": text, "finish_reason": "stop"}
            usage = {"prompt_tokens": 100, "completion_tokens": 10}
            reply = {"status_code": 200, "body": {"model": "m-2026", "choices": [choice], "usage": usage}}
            results.append({**entry, "response": reply})
        for field, lines in (("output_file_id", results), ("error_file_id", errors)):
            if lines:
                batch[field] = f"file-{len(self.files)}"
                self.files[batch[field]] = "".join(json.dumps(line) + "\n" for line in lines)

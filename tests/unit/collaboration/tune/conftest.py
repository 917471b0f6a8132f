"""A server with OpenAI-shaped files and fine-tuning jobs, which does what a test tells it."""

from __future__ import annotations

import json
import logging
import re
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from augtune.collaboration.tune.settings import TuneSettings
from augtune.core.dataset import Example, HumanDataset


def answer(value: Any, status: int = 200) -> Response:
    return Response(json.dumps(value), status, content_type="application/json")


class Vendor:
    """Files and jobs. ``script`` has the statuses that the next looks at a job find, the last one again and again.

    ``refuse`` maps a path's beginning to what is answered in place of the ordinary reply, once for each entry.
    """

    def __init__(self, http: HTTPServer) -> None:
        self.base_url = http.url_for("/v1")
        self.files: dict[str, bytes] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.calls: list[str] = []
        self.script = ["running", "succeeded"]
        self.error: dict[str, str] | None = None
        self.refuse: dict[str, list[Response]] = {}
        self.answers: list[dict[str, Any]] = []
        http.expect_request(re.compile("/v1/.*")).respond_with_handler(self.handle)

    def handle(self, request: Request) -> Response:
        call = f"{request.method} {request.path.removeprefix('/v1')}"
        self.calls.append(call)
        for start, left in self.refuse.items():
            if call.startswith(start) and left:
                refusal = left.pop(0)
                if refusal.status_code != 299:  # 299: it is carried out, and then the reply is lost
                    return refusal
                self.respond(request, call)
                return Response("", 500)
        return self.respond(request, call)

    def respond(self, request: Request, call: str) -> Response:
        if call == "POST /files":
            name = f"file-{len(self.files) + 1}"
            self.files[name] = request.files["file"].read()
            return answer({"id": name, "object": "file", "purpose": request.form["purpose"]})
        if call == "POST /fine_tuning/jobs":
            body = request.get_json()
            name = f"ftjob-{len(self.jobs) + 1}"
            self.jobs[name] = {"id": name, "object": "fine_tuning.job", "status": "validating_files", **body}
            return answer(self.jobs[name])
        if call == "GET /fine_tuning/jobs":
            return answer({"object": "list", "data": list(self.jobs.values()), "has_more": False})
        if call == "POST /chat/completions":
            self.answers.append(request.get_json())
            message = {"role": "assistant", "content": "positive"}
            return answer({"model": "m", "choices": [{"message": message, "finish_reason": "stop"}], "usage": {}})
        return self.about_job(call)

    def about_job(self, call: str) -> Response:
        job, _, what = call.partition("/fine_tuning/jobs/")[2].partition("/")
        if job not in self.jobs:
            return answer({"error": {"message": f"no job {job}"}}, 404)
        if what == "cancel":
            self.jobs[job]["status"] = "cancelled"
        elif what == "events":
            steps = [{"id": f"e{i}", "created_at": i, "level": "info", "message": f"step {i}"} for i in (2, 1)]
            return answer({"object": "list", "data": steps, "has_more": False})
        elif what == "checkpoints":
            saved = {"id": "c1", "step_number": 4, "fine_tuned_model_checkpoint": "ft:base:ckpt-step-4"}
            return answer({"object": "list", "data": [saved], "has_more": False})
        elif self.jobs[job]["status"] != "cancelled":
            status = self.script.pop(0) if len(self.script) > 1 else self.script[0]
            self.jobs[job] |= {"status": status, "error": self.error if status == "failed" else None}
            if status == "succeeded":
                self.jobs[job] |= {"fine_tuned_model": "ft:base:me", "trained_tokens": 1234}
        return answer(self.jobs[job])


@pytest.fixture
def vendor(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> Vendor:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return Vendor(httpserver)


@pytest.fixture
def settings(vendor: Vendor) -> TuneSettings:
    return TuneSettings(model="base-model", base_url=vendor.base_url, poll_s=0, epochs=2, usd_per_million_tokens=3.0)


@pytest.fixture
def rows(train: HumanDataset) -> HumanDataset:
    """Twelve training rows, six of each label."""
    again = [Example(f"more-{i}", f"{row.text} again", row.label) for i, row in enumerate(train)]
    return HumanDataset.from_examples([*train, *again], train.labels, name="train")

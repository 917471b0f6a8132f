"""A language model behind an OpenAI-compatible address on loopback that counts its calls; each prompt has one answer."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Model:
    """Calls by what was asked, and how long each is kept waiting.

    Args:
        url: Where it is asked.
        wait_s: Seconds a call takes on average; from none to twice as long, by what is asked.
    """

    def __init__(self, url: str, wait_s: float) -> None:
        self.url, self.wait_s = url, wait_s
        self.asked: Counter[str] = Counter()
        self._lock = threading.Lock()

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
        with self._lock:
            self.asked[digest] += 1
        time.sleep(self.wait_s * int(digest[0], 16) / 8)
        choice = {"message": {"role": "assistant", "content": _said(body, digest)}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 40 + int(digest[1], 16), "completion_tokens": 5 + int(digest[2], 16)}
        return {"id": "r", "model": "m", "choices": [choice], "usage": usage}

    def take(self) -> Counter[str]:
        """Return what was asked how often since this was called last."""
        with self._lock:
            asked, self.asked = self.asked, Counter()
        return asked


def _said(body: dict[str, Any], digest: str) -> str:
    """Return one of the labels if an object is asked for, else a text; for one in sixteen something that is no row."""
    if "response_format" in body:
        return json.dumps({"label": ("negative", "positive")[int(digest[3], 16) % 2]})
    return (
        "<p>a page</p>" if digest[4] == "0" else f"a {('good', 'bad')[int(digest[5], 16) % 2]} film like {digest[:9]}"
    )


@contextmanager
def answering(wait_s: float) -> Iterator[Model]:
    """Answer for as long as the block runs."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            content = json.dumps(model.answer(body)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        request_queue_size = 128  # connections that come together are not reset
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        model = Model(f"http://127.0.0.1:{server.server_address[1]}/v1", wait_s)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield model
        finally:
            server.shutdown()
            thread.join()

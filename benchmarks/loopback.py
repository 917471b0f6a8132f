"""The server's side of an HTTP connection, as little as a stand-in for a provider needs: whole requests, one by one."""

from __future__ import annotations

import asyncio
from typing import Any

__all__ = ["Requests"]


class Requests(asyncio.Protocol):
    """One connection; ``asked`` is called for every whole request, and answers on ``transport``."""

    transport: Any

    def __init__(self) -> None:
        self._read = b""

    def connection_made(self, transport: Any) -> None:
        """Keep the way back."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Hand on every whole request read so far."""
        self._read += data
        while (end := self._read.find(b"\r\n\r\n")) >= 0:
            head = self._read[:end].lower()
            start = head.find(b"content-length:")
            length = int(head[start + 15 :].split(b"\r\n", 1)[0]) if start >= 0 else 0
            if len(self._read) < end + 4 + length:
                return
            body = self._read[end + 4 : end + 4 + length]
            self._read = self._read[end + 4 + length :]
            self.asked(head.split(b" ", 2)[1], body)

    def asked(self, path: bytes, body: bytes) -> None:
        """Answer a request.

        Args:
            path: In lower case.
            body: Of the request.
        """
        raise NotImplementedError

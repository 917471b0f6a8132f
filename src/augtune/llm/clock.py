"""Time as the layers see it: a clock that never jumps back, which tests replace by one they turn themselves."""

from __future__ import annotations

import asyncio
import time

__all__ = ["Clock"]


class Clock:
    """Seconds since some moment, and waiting."""

    def now(self) -> float:
        """Return seconds of a clock that changes of the system's time do not touch."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

"""What a parser under fire is, and what came of a text it was given.

A parser is called with a text. It returns where the text was taken as it may be, and raises augtune's own error where
it was refused. It raises ``WrongError`` where something was taken that must not be; whatever else comes out is a crash.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from augtune.core.errors import AugtuneError

__all__ = ["Outcome", "Parser", "SlowError", "WrongError", "check", "give", "time_limit"]


class WrongError(Exception):
    """Something was taken that must not be."""


def check(holds: bool, otherwise: str) -> None:
    if not holds:
        raise WrongError(otherwise)


class SlowError(BaseException):
    """A parser took longer than it may; no ``except Exception`` on the way swallows it."""


@dataclass(frozen=True, slots=True)
class Parser:
    """A parser under fire.

    Args:
        name: What it reads.
        read: Reads a text.
        seeds: Texts it is made for.
        share: How many of a thousand inputs it gets.
        largest: Characters it is given at most.
    """

    name: str
    read: Callable[[str], None]
    seeds: tuple[str, ...]
    share: int
    largest: int = 10_100_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one input: ``fine``, ``crash``, ``hang`` or ``wrong``, and what there is to say of it."""

    kind: str
    said: str = ""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """End what the block does with ``SlowError`` once it has used so many seconds of the processor."""

    def ring(*_: object) -> None:
        raise SlowError

    before = signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def give(parser: Parser, text: str, *, seconds: float) -> Outcome:
    """Return what came of giving a text to a parser."""
    try:
        with time_limit(seconds):
            parser.read(text)
    except AugtuneError as error:
        if not error.message.strip():
            return Outcome("wrong", "an error without a message")
    except WrongError as error:
        return Outcome("wrong", str(error))
    except SlowError:
        return Outcome("hang", f"more than {seconds:g} s of the processor")
    except Exception as error:
        return Outcome("crash", f"{type(error).__name__}: {str(error)[:120]}")
    return Outcome("fine")

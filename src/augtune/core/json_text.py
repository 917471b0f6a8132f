"""JSON that somebody else wrote, decoded so that whatever is wrong with it comes out as one kind of error."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

__all__ = ["HALF_SAID", "TOO_DEEP", "decoded", "whole"]

TOO_DEEP = "nested too deeply"
HALF_SAID = "half of a surrogate pair is no character"

HALF = re.compile(r"\\u[dD][89a-fA-F]")
Pairs = Callable[[list[tuple[str, Any]]], Any]


def decoded(text: str, *, pairs: Pairs | None = None) -> Any:
    """Return the value that a JSON text stands for.

    The library raises three more kinds of error for texts that are made to break a reader: brackets nested thousands
    deep, and numbers of thousands of digits. Here they are what they are to a user: no JSON that can be read.

    Args:
        text: The text.
        pairs: Called with the pairs of each object, in place of making a dict of them.

    Raises:
        json.JSONDecodeError: If it stands for none.

    >>> decoded('{"text": "a film"}')
    {'text': 'a film'}
    """
    try:
        return json.loads(text, object_pairs_hook=pairs)
    except RecursionError:
        raise json.JSONDecodeError(TOO_DEEP, text, 0) from None
    except json.JSONDecodeError:
        raise
    except ValueError as error:
        if "digits" not in str(error):
            raise
        raise json.JSONDecodeError("a number has too many digits", text, 0) from None


def whole(text: str, *, pairs: Pairs | None = None) -> Any:
    """Return the value that a JSON text stands for, each of its characters a whole one.

    JSON can name half of a surrogate pair (a backslash and ``ud83d``), as programs that cut a text in the middle of an
    emoji do. That is no character: no file of UTF-8 and no tokenizer takes it.

    Args:
        text: The text.
        pairs: As in ``decoded``.

    Raises:
        json.JSONDecodeError: If it stands for none, or a text in it has half a character.
    """
    value = decoded(text, pairs=pairs)
    found = HALF.search(text)
    if found is not None:
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except (UnicodeEncodeError, RecursionError):
            raise json.JSONDecodeError(HALF_SAID, text, found.start()) from None
    return value

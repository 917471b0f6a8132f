"""Texts that break readers, and a seeded generator that mixes them into texts that readers are made for."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence

__all__ = ["LARGE", "TOKENS", "large_inputs", "mutated"]

TOKENS = (
    # control characters, marks that turn the direction of reading, characters that are none
    *("\x00", "\x07", "\x1b[2J", "\x7f", "\x85", "\u200b", "\u202e", "\u2066", "\ufeff", "\u2028", "\ud800", "\udfff"),
    # letters that change their length or their kind when they are folded, digits that are none
    *("ı", "ß", "ﬃ", "İ", "²", "٣", "５", "é", "💡", "👩‍👩‍👧", "\u0301" * 5),
    # HTML, scripts, formulas
    *(
        "<script>alert(1)</script>",
        "</script>",
        "<!--",
        "&amp;",
        "javascript:",
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=cmd",
    ),
    # templates, delimiters of prompts
    *("{{ 7 * 7 }}", "{% for x in y %}", "{#", "#}", "(Sentiment: positive)", "<|im_end|>", "###", "```json\n", "```"),
    # paths, shells, queries
    *("../../etc/passwd", "/", "\\", "CON", "C:\\", "; rm -rf", "$(x)", "' OR 1=1", "%s%n", "file:///"),
    # syntax of the files that are read
    *(
        '"',
        "'",
        ",",
        ";",
        "|",
        "\t",
        "\n",
        "\r",
        "\r\n",
        ":",
        "- ",
        "? ",
        "!",
        "&a ",
        "*a",
        "!!python/object:os.system x",
    ),
    *(
        "[",
        "]",
        "{",
        "}",
        "[[[[",
        "}}}}",
        "null",
        "true",
        "NaN",
        "Infinity",
        "-Infinity",
        "1e999",
        "-0",
        "0x10",
        "1_000",
    ),
    *(
        "9" * 25,
        "9" * 5000,
        "1e-400",
        "1" + "0" * 400,
        "2024-13-45",
        "12:61",
        "of",
        "class",
        "%",
        "imbalance",
        "longtail",
    ),
    *(
        "\\ud83d",
        "\\u0000",
        "\\x",
        "\\",
        "label",
        "text",
        "kind",
        "__class__",
        "drop",
        "none",
        "~",
        "<<: *a",
        "---",
        "...",
    ),
)
NESTED = ("[", "{", "(", '{"a":', "- ", "[[", '"', "'", "{{", "*", "_", " ", "!", "&", ">", "a of ", "a+", "x: ")
DIGITS = re.compile(r"\d+")
NUMBERS = ("0", "-1", "1", "2", "100", "1e5", "0.5", "1e999", "9" * 25, "9" * 4400, "NaN", "")
LARGE = 10_000_000

Change = Callable[[str, random.Random], str]


def mutated(seeds: Sequence[str], draw: random.Random) -> Iterator[str]:
    """Yield texts without end: seeds with one to five changes, each drawn."""
    while True:
        text = draw.choice(seeds)
        for _ in range(draw.choice((1, 1, 2, 2, 3, 5))):
            text = draw.choice(CHANGES)(text, draw)
        yield text if draw.random() < 0.98 else _spliced(text, draw.choice(seeds), draw)


def large_inputs() -> Iterator[str]:
    """Yield texts of ten million characters: one line, many lines, deep nesting, one number, one open quote."""
    for piece in ("a", "[", '"', " ", "9", "\n", "(", '{"a":', "a,", "a of ", "=\t", "\\", "'", "- ", "x: ", "*", "💡"):
        yield (piece * (LARGE // len(piece) + 1))[:LARGE]
    yield '{"text": "' + "a" * LARGE + '", "label": "positive"}'
    yield "text,label\n" + '"' + "b" * LARGE + '",positive\n'


def _place(text: str, draw: random.Random) -> tuple[int, int]:
    first, second = draw.randint(0, len(text)), draw.randint(0, len(text))
    return min(first, second), min(max(first, second), min(first, second) + 40)


def _put(text: str, draw: random.Random) -> str:
    at = draw.randint(0, len(text))
    return text[:at] + draw.choice(TOKENS) + text[at:]


def _around(text: str, draw: random.Random) -> str:
    return draw.choice(TOKENS) + text if draw.random() < 0.5 else text + draw.choice(TOKENS)


def _cut(text: str, draw: random.Random) -> str:
    start, end = _place(text, draw)
    return text[:start] + text[end:]


def _ended(text: str, draw: random.Random) -> str:
    return text[: draw.randint(0, len(text))]


def _twice(text: str, draw: random.Random) -> str:
    start, end = _place(text, draw)
    return text[:end] + text[start:end] * draw.choice((1, 2, 30)) + text[end:]


def _swapped(text: str, draw: random.Random) -> str:
    start, end = _place(text, draw)
    return text[end:] + text[start:end] + text[:start]


def _letter(text: str, draw: random.Random) -> str:
    if not text:
        return text
    at = draw.randrange(len(text))
    return (
        text[:at]
        + chr(draw.choice((draw.randrange(128), draw.randrange(0x3000), draw.randrange(0x110000))))
        + text[at + 1 :]
    )


def _number(text: str, draw: random.Random) -> str:
    return DIGITS.sub(lambda found: draw.choice(NUMBERS) if draw.random() < 0.5 else found[0], text)


def _deep(text: str, draw: random.Random) -> str:
    start, _ = _place(text, draw)
    piece = draw.choice(NESTED)
    return text[:start] + piece * draw.choice((3, 50, 50, 2_000 if len(piece) < 3 else 200)) + text[start:]


def _cased(text: str, draw: random.Random) -> str:
    return draw.choice((str.upper, str.lower, str.title, str.swapcase))(text)


def _spliced(text: str, other: str, draw: random.Random) -> str:
    return text[: draw.randint(0, len(text))] + other[draw.randint(0, len(other)) :]


CHANGES: tuple[Change, ...] = (
    *(_put, _put, _put, _around, _cut, _cut, _ended, _twice, _swapped, _letter, _letter, _number, _deep, _cased),
)

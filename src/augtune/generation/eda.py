"""EDA: small random changes to the words of human rows, without a language model (Wei & Zou, EMNLP-IJCNLP 2019)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, field_validator, model_validator

from augtune.core import seeds
from augtune.core.dataset import Example, HumanDataset
from augtune.core.errors import DataError
from augtune.core.files import read_text
from augtune.core.json_text import decoded
from augtune.core.outcomes import Cost, Generation
from augtune.generation.base import Estimate, Progress
from augtune.generation.keep import Keeper
from augtune.generation.quotas import Balanced
from augtune.generation.rewriting import RowsInTurn
from augtune.generation.waves import most_calls

if TYPE_CHECKING:
    from augtune.llm.client import LLM

__all__ = ["Eda", "Operation", "read_synonyms"]

Operation = Literal["replace", "insert", "swap", "delete"]
Words = list[str]
Synonyms = Mapping[str, Sequence[str]]
EDGES = ".,;:!?\"'()[]…“”‘’«»"
Share = Annotated[float, Field(ge=0, le=1)]


class Eda(Balanced):
    """Change a few words of each human row at random; the changed row keeps the label. No language model is asked.

    Words are what blanks part. Case and punctuation stay as they are, where the paper's own code lowers and strips
    them. Synonyms come from a file of yours, for none are carried along: with it, 'replace' is among the operations
    and 'insert' puts in a synonym of one of the row's words, as in the paper; without it, 'insert' puts in a word of
    another row of the same label.
    """

    kind: ClassVar[str] = "eda"
    needs_llm: ClassVar[bool] = False

    n_aug: Annotated[int, Field(ge=1)] | None = None
    """New rows per human row, if no per_class or balance is given; 9 by default, as in the paper's code. The paper
    advises 16 for 500 rows, 8 for 2,000 and 4 from 5,000 on."""

    alpha_sr: Share = 0.1
    """Share of a row's words that 'replace' changes; at least one word, as for each share below."""

    alpha_ri: Share = 0.1
    """How many words 'insert' puts in, as a share of the row's."""

    alpha_rs: Share = 0.1
    """How many swaps of two words 'swap' makes, as a share of the row's words. The paper advises 0.05 for all four
    below 2,000 rows."""

    p_rd: Share = 0.1
    """Probability that 'delete' takes a word away; one word always stays."""

    operations: tuple[Operation, ...] | None = None
    """Which changes a row's versions get in turn; by default insert, swap, delete, and replace with synonyms."""

    synonyms: Path | None = None
    """Words that may stand for one another: JSON {word: [synonym, ...]}, or lines 'word: synonym, synonym'."""

    attempts: Annotated[float, Field(ge=1)] = 2.0
    """Most tries per wanted row; a try that changes nothing, or says what another row says, is dropped."""

    @field_validator("operations", mode="before")
    @classmethod
    def _once_each(cls, value: Any) -> Any:
        if value is not None and (not isinstance(value, (list, tuple)) or not value or len(set(value)) != len(value)):
            raise ValueError(f"expected a list of operations, each once, got {value!r}")
        return value

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.operations is not None and "replace" in self.operations and self.synonyms is None:
            raise ValueError("operations: replace takes synonyms from a file; give synonyms: FILE, none are built in")
        if self.n_aug is not None and (self.per_class is not None or self.balance is not None):
            raise ValueError("n_aug is given beside per_class or balance; the number of rows is set by one of them")
        return self

    def files(self) -> tuple[Path, ...]:
        """Return the file of synonyms, if there is one."""
        return () if self.synonyms is None else (self.synonyms,)

    def preview(self, train: HumanDataset, *, seed: int = 0, count: int = 3) -> list[str]:
        """Return nothing: no prompt is sent."""
        return []

    def estimate(self, train: HumanDataset) -> Estimate:
        """Return the rows wanted; no call is made."""
        return Estimate(rows=sum(self.quota_of(train).values()))

    def quota_of(self, train: HumanDataset) -> dict[str, int]:
        """Return the rows wanted of each label."""
        if self.per_class is None and self.balance is None:
            return {label: n * (self.n_aug or 9) for label, n in train.counts().items() if n}
        return super().quota_of(train)

    def generate(
        self, train: HumanDataset, *, llm: LLM | None, seed: int, on_progress: Progress | None = None
    ) -> Generation:
        """Return changed versions of the rows; a label's rows take turns, in their order.

        Raises:
            DataError: If the file of synonyms cannot be read.
        """
        quota = self.quota_of(train)
        turns = RowsInTurn(self.kind, train, quota, does="change")
        synonyms = {} if self.synonyms is None else read_synonyms(self.synonyms)
        keeper, editor = Keeper(self.kind, quota, train), _Editor(self, train, synonyms)
        most = {label: most_calls(rows, self.attempts) for label, rows in quota.items()}
        for number in range(max(most.values(), default=0)):
            for label in quota:
                if number < most[label] and keeper.missing(label):
                    self._try(editor, turns, (label, number), seed, keeper)
        total = sum(quota.values())
        if on_progress is not None:
            on_progress(total, total, len(keeper.kept), keeper.reasons)
        return keeper.result(Cost())

    def _try(self, editor: _Editor, turns: RowsInTurn, place: tuple[str, int], seed: int, keeper: Keeper) -> None:
        label, number = place
        row, index = turns.source(label, number), turns.index(label, number)
        operation = editor.operations[turns.lap(label, number) % len(editor.operations)]
        rng = seeds.generator(seed, self.kind, label, number)
        source = editor.train.texts[row]
        example = Example(
            f"{self.kind}-{index:04d}",
            editor.changed(source, label, operation, rng),
            label,
            origin="rewritten",
            parents=(editor.train.ids[row],),
            generator=f"{self.kind}:{operation}",
        )
        if example.text.split() == source.split():
            keeper.drop(example, "unchanged", f"{operation} found nothing to change")
        else:
            keeper.offer(example)


class _Editor:
    """Changes the words of a text."""

    def __init__(self, settings: Eda, train: HumanDataset, synonyms: Synonyms) -> None:
        self.settings, self.train, self.synonyms = settings, train, synonyms
        usual: tuple[Operation, ...] = ("insert", "swap", "delete")
        self.operations = settings.operations or (("replace", *usual) if synonyms else usual)
        self.vocabulary = {label: _words_of(rows.texts) for label, rows in train.by_label().items()}

    def changed(self, text: str, label: str, operation: Operation, rng: np.random.Generator) -> str:
        """Return a text with some words changed, blanks between them made single."""
        words, settings = text.split(), self.settings
        if operation == "delete":
            return " ".join(_deleted(words, settings.p_rd, rng))
        share = {"replace": settings.alpha_sr, "insert": settings.alpha_ri, "swap": settings.alpha_rs}[operation]
        count = max(1, int(share * len(words)))
        if operation == "swap":
            return " ".join(_swapped(words, count, rng))
        if operation == "replace":
            return " ".join(self._replaced(words, count, rng))
        return " ".join(self._inserted(words, count, label, rng))

    def _replaced(self, words: Words, count: int, rng: np.random.Generator) -> Words:
        """Replace up to ``count`` different words, each wherever it stands, by a synonym."""
        found = dict.fromkeys(_Token.of(word).bare for word in words)
        known = [bare for bare in found if self.synonyms.get(bare)]
        for i in rng.permutation(len(known))[:count]:
            choices = self.synonyms[known[int(i)]]
            synonym = choices[int(rng.integers(len(choices)))]
            tokens = [_Token.of(word) for word in words]
            words = [token.as_word(synonym) if token.bare == known[int(i)] else token.word for token in tokens]
        return words

    def _inserted(self, words: Words, count: int, label: str, rng: np.random.Generator) -> Words:
        """Put in ``count`` words at random places: synonyms of the text's own words, or words of the label's rows."""
        own = {_Token.of(word).bare for word in words}
        if self.synonyms:
            choices = [synonym for bare in sorted(own) for synonym in self.synonyms.get(bare, ())]
        else:
            choices = [word for word in self.vocabulary[label] if word not in own]
        words = list(words)
        for _ in range(count if choices else 0):
            words.insert(int(rng.integers(len(words) + 1)), choices[int(rng.integers(len(choices)))])
        return words


def _swapped(words: Words, count: int, rng: np.random.Generator) -> Words:
    """Swap two words, ``count`` times."""
    words = list(words)
    for _ in range(count if len(words) > 1 else 0):
        i, j = (int(place) for place in rng.choice(len(words), 2, replace=False))
        words[i], words[j] = words[j], words[i]
    return words


def _deleted(words: Words, probability: float, rng: np.random.Generator) -> Words:
    """Take each word away with a probability; if none is left, one drawn at random stays."""
    if len(words) < 2:
        return words
    stays = rng.random(len(words)) >= probability
    return [word for word, kept in zip(words, stays, strict=True) if kept] or [words[int(rng.integers(len(words)))]]


@dataclass(frozen=True, slots=True)
class _Token:
    """A word with the punctuation around it."""

    word: str
    before: str
    bare: str
    after: str

    @classmethod
    def of(cls, word: str) -> _Token:
        start = len(word) - len(word.lstrip(EDGES))
        end = max(len(word.rstrip(EDGES)), start)
        return cls(word, word[:start], word[start:end].casefold(), word[end:])

    def as_word(self, other: str) -> str:
        """Return another word in this one's place, with its punctuation and its capital letter."""
        is_capital = self.word[len(self.before) : len(self.before) + 1].isupper()
        return self.before + (other[:1].upper() + other[1:] if is_capital else other) + self.after


def _words_of(texts: Sequence[str]) -> Words:
    return sorted({_Token.of(word).bare for text in texts for word in text.split()} - {""})


def read_synonyms(path: Path) -> dict[str, list[str]]:
    """Return the synonyms in a file, words in lower case; none is a synonym of itself.

    Raises:
        DataError: If it is neither JSON ``{word: [synonym, ...]}`` nor lines ``word: synonym, synonym``.
    """
    text = read_text(path)
    if path.suffix == ".json" or text.lstrip()[:1] == "{":
        pairs = _json_pairs(path, text)
    else:
        pairs = [_line_pair(path, i, line) for i, line in enumerate(text.splitlines(), start=1) if line.strip()]
    found: dict[str, list[str]] = {}
    for word, others in pairs:
        own = found.setdefault(word.strip().casefold(), [])
        own += [other.strip() for other in others if other.strip() and other.strip().casefold() != word.casefold()]
    kept = {word: list(dict.fromkeys(others)) for word, others in found.items() if word and others}
    if not kept:
        raise DataError(f"{path}: has no synonyms; expected lines like 'late: delayed, overdue'.")
    return kept


def _json_pairs(path: Path, text: str) -> list[tuple[str, list[str]]]:
    try:
        value = decoded(text)
    except json.JSONDecodeError as error:
        raise DataError(f"{path}: line {error.lineno}: not JSON: {error.msg}") from error
    good = isinstance(value, dict) and all(
        isinstance(others, list) and all(isinstance(other, str) for other in others) for others in value.values()
    )
    if not good:
        raise DataError(f'{path}: expected an object from word to a list of words, e.g. {{"late": ["overdue"]}}.')
    return list(value.items())


def _line_pair(path: Path, number: int, line: str) -> tuple[str, list[str]]:
    word, colon, others = line.partition(":")
    if not colon or not word.strip() or not others.strip():
        raise DataError(f"{path}: line {number}: expected 'word: synonym, synonym', got {line!r}.")
    return word, others.split(",")

"""Which human rows a prompt shows: drawn at random, alike in number per label, or by how alike their texts are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

from augtune.core.dataset import HumanDataset
from augtune.core.errors import SettingsError
from augtune.generation.keep import ANY

__all__ = ["Choice", "Chooser"]

Choice = Literal["uniform", "balanced", "closest", "furthest", "independent"]
DIGITS = 5  # of a similarity; beyond them another machine's arithmetic may differ, and the row's place decides


class Chooser:
    """Draws the rows that a prompt shows, each time exactly ``count``.

    Args:
        train: The human rows.
        choice: ``uniform`` any; ``balanced`` equally many of each label; ``closest`` and ``furthest`` a random row and
            those most (least) like it; ``independent`` each row drawn by itself, so that one may come twice.
        count: How many rows.
        encoder: Encoder that says how alike two texts are.
    """

    def __init__(self, train: HumanDataset, choice: Choice, count: int, *, encoder: str) -> None:
        self.train, self.choice, self.count, self.encoder = train, choice, count, encoder
        if choice not in get_args(Choice):
            raise SettingsError(f"generate.choose: expected one of {', '.join(get_args(Choice))}, got {choice!r}")
        self.names = train.label_names
        self.rows_of = {label: np.flatnonzero(train.label_indices == k) for k, label in enumerate(train.labels)}
        self._vectors: np.ndarray | None = None

    def check(self) -> None:
        """See that there are enough rows.

        Raises:
            SettingsError: If there are not.
        """
        count, have = self.count, len(self.train)
        if count > have and (self.choice != "independent" or not have):
            raise SettingsError(f"generate.examples: expected at most the {have} human rows there are, got {count}")
        if self.choice != "balanced":
            return
        each, rest = divmod(count, len(self.train.labels))
        short = [label for label, rows in self.rows_of.items() if len(rows) < each]
        if rest or short:
            why = f"{short[0]!r} has only {len(self.rows_of[short[0]])} rows" if short and not rest else "it is not"
            raise SettingsError(
                f"generate.examples: with choose: balanced, expected a multiple of the {len(self.train.labels)} labels "
                f"and enough rows of each, got {count}: {why}"
            )

    def rows(self, target: str, rng: np.random.Generator) -> list[int]:
        """Return the rows to show; of the target's label, if it has one, at least the last.

        Language models lean towards the label they read last (Zhao et al., ICML 2021), which here fills the quota.
        """
        if self.choice == "balanced":
            return self._balanced(target, rng)
        everything = np.arange(len(self.train))
        own = everything if target == ANY else self.rows_of[target]
        if self.choice in ("closest", "furthest"):
            anchor = int(rng.choice(own))
            others = self._by_likeness(anchor, everything)
            return [*(others if target != ANY else map(int, rng.permutation(others))), anchor]
        if self.choice == "independent":
            free = rng.choice(everything, self.count - (target != ANY))
            return [int(row) for row in free] + ([] if target == ANY else [int(rng.choice(own))])
        if target == ANY:
            return [int(row) for row in rng.choice(len(self.train), self.count, replace=False)]
        last = int(rng.choice(own))
        others = [int(row) for row in rng.choice(np.delete(everything, last), self.count - 1, replace=False)]
        return [*others, last]

    def within(self, label: str, rng: np.random.Generator) -> list[int]:
        """Return rows of one label only, as many of them as there are if there are fewer than ``count``."""
        own = self.rows_of[label]
        if self.choice in ("closest", "furthest"):
            anchor = int(rng.choice(own))
            return [*self._by_likeness(anchor, own), anchor]
        return [int(row) for row in rng.choice(own, min(self.count, len(own)), replace=False)]

    def _balanced(self, target: str, rng: np.random.Generator) -> list[int]:
        each = self.count // len(self.train.labels)
        drawn = np.concatenate([rng.choice(rows, each, replace=False) for rows in self.rows_of.values()])
        order = [int(row) for row in rng.permutation(drawn)]
        if target == ANY:
            return order
        last = next(row for row in order if self.names[row] == target)
        return [*(row for row in order if row != last), last]

    def _by_likeness(self, anchor: int, pool: Sequence[int] | np.ndarray) -> list[int]:
        """Return the ``count - 1`` other rows of a pool most (least) like a row, the most extreme one last."""
        if self.count == 1:
            return []
        others = np.array([row for row in pool if row != anchor], dtype=np.int64)
        vectors = self._embedded()
        similarity = np.round(vectors[others] @ vectors[anchor], DIGITS)
        order = np.argsort(-similarity if self.choice == "closest" else similarity, kind="stable")
        return [int(row) for row in others[order[: self.count - 1]]][::-1]

    def _embedded(self) -> np.ndarray:
        """Return the ``(N, H)`` unit vectors of the rows' texts, made on first use."""
        if self._vectors is None:
            from augtune.embedding import encode

            self._vectors = encode.embed(self.train.texts, encoder=self.encoder)
        return self._vectors

"""Folds that do not leak: what is trained on and judged by when ways of training are compared on human rows alone.

A synthetic row made from a human row says what that row says. So where a human row judges, no row made from it is
trained on, and none that nearly repeats it.

Shapes: ``N`` human rows, ``M`` synthetic rows, ``P`` ties between a synthetic and a human row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field

from augtune.core.dataset import Dataset, HumanDataset
from augtune.core.errors import DataError
from augtune.core.folds import spread, spread_sets
from augtune.core.outcomes import Dropped
from augtune.core.seeds import generator
from augtune.core.settings import Settings
from augtune.curation.alike import passages_alike
from augtune.curation.forms import passage_key
from augtune.curation.similar import passages_of, tells_repeats
from augtune.embedding.neighbours import above, nearest

__all__ = ["Fold", "FoldSettings", "Tie", "Ties", "folds_of", "ties_of"]

Why = Literal["parent", "nearest", "repeats", "near"]


class FoldSettings(Settings):
    """How human rows are parted to compare ways of training."""

    folds: int = Field(default=5, ge=2)
    """Parts of the human rows, each judged once by models of the others; fewer where there are fewer rows."""
    repeats: int = Field(default=2, ge=1)
    """How often they are parted anew."""
    near: float = Field(default=0.9, ge=0.1, le=1)
    """Cosine from which a synthetic row nearly repeats a human row; it is then left out where that row judges."""


@dataclass(frozen=True, slots=True)
class Tie:
    """Why a synthetic row is not trained on where a human row judges.

    Args:
        synthetic: Place of the synthetic row.
        human: Place of the human row.
        why: ``parent``; ``nearest`` of all, where parents are unknown; ``repeats``; ``near``.
        similarity: Cosine, for ``nearest`` and ``near``.
    """

    synthetic: int
    human: int
    why: Why
    similarity: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Ties:
    """All ties between synthetic and human rows, as columns, the strongest reason of a pair first.

    Args:
        synthetic: ``(P,)`` places of synthetic rows.
        human: ``(P,)`` places of human rows.
        why: ``P`` reasons.
        similarity: ``(P,)``.
    """

    synthetic: np.ndarray
    human: np.ndarray
    why: tuple[Why, ...]
    similarity: np.ndarray

    @classmethod
    def of(cls, ties: Sequence[Tie]) -> Ties:
        """Return the columns of the given ties."""
        return cls(
            np.array([tie.synthetic for tie in ties], dtype=np.int64),
            np.array([tie.human for tie in ties], dtype=np.int64),
            tuple(tie.why for tie in ties),
            np.array([tie.similarity for tie in ties], dtype=np.float64),
        )

    def against(self, held_out: np.ndarray) -> Iterator[Tie]:
        """Yield one tie, the first, of each synthetic row that has one with a row held out."""
        seen: set[int] = set()
        for at in np.flatnonzero(np.isin(self.human, held_out)).tolist():
            row = int(self.synthetic[at])
            if row not in seen:
                seen.add(row)
                yield Tie(row, int(self.human[at]), self.why[at], float(self.similarity[at]))


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """One comparison: what is trained on and what judges.

    Args:
        repeat: Which parting of the human rows, from 0.
        number: Which part judges, from 0.
        train: Places of the human rows trained on, in order.
        held_out: Places of the human rows that judge, in order.
        synthetic: Places of the synthetic rows that may be trained on, in order.
        left_out: Why each other synthetic row may not.
    """

    repeat: int
    number: int
    train: np.ndarray
    held_out: np.ndarray
    synthetic: np.ndarray
    left_out: tuple[Tie, ...]

    @property
    def name(self) -> str:
        """What messages call it, from 1."""
        return f"repeat {self.repeat + 1}, fold {self.number + 1}"

    def dropped(self, human: HumanDataset, synthetic: Dataset) -> list[Dropped]:
        """Return the synthetic rows left out, each with the reason."""
        rows = synthetic.take([tie.synthetic for tie in self.left_out])
        return [
            Dropped(row, "folds", _because(tie, human.ids[tie.human]), "held-out source")
            for row, tie in zip(rows, self.left_out, strict=True)
        ]


def _because(tie: Tie, name: str) -> str:
    cosine = f"(cosine {min(tie.similarity, 1.0):.3f})"
    return {
        "parent": f"was made from {name!r}, which judges here",
        "nearest": f"its sources are unknown, and of all human rows it is nearest to {name!r} {cosine}, "
        "which judges here",
        "repeats": f"repeats {name!r}, which judges here",
        "near": f"nearly repeats {name!r} {cosine}, which judges here",
    }[tie.why]


def ties_of(
    human: HumanDataset, synthetic: Dataset, vectors: tuple[np.ndarray, np.ndarray], *, near: float = 0.9
) -> Ties:
    """Return which synthetic rows must not be trained on where which human rows judge.

    A row is tied to its parents; to the human row nearest to it if no parent of it is among the human rows, or not
    all are; and to every human row that it repeats, word for word or nearly. Nearly is told by the wording (Jaccard)
    where the encoder finds rows of different classes nearly the same.

    Args:
        human: The human rows.
        synthetic: The synthetic rows.
        vectors: Unit vectors of both by one frozen encoder, ``(N, H)`` and ``(M, H)``.
        near: Cosine from which two rows are nearly the same.
    """
    place = {name: i for i, name in enumerate(human.ids)}
    parents = [row or [] for row in synthetic.table.column("parents").to_pylist()]
    ties = [Tie(m, place[one], "parent") for m, row in enumerate(parents) for one in row if one in place]
    unknown = [m for m, row in enumerate(parents) if not row or any(one not in place for one in row)]
    closest = nearest(vectors[1][unknown], vectors[0], 1)
    ties += [
        Tie(m, int(closest.indices[i, 0]), "nearest", float(closest.similarity[i, 0])) for i, m in enumerate(unknown)
    ]
    same: dict[object, list[int]] = {}
    for n, passage in enumerate(passages_of(human)):
        same.setdefault(passage_key(passage), []).append(n)
    for m, passage in enumerate(passages_of(synthetic)):
        ties += [Tie(m, n, "repeats") for n in same.get(passage_key(passage), ())]
    if tells_repeats(vectors[0], np.unique(human.marks, axis=0, return_inverse=True)[1].ravel(), near):
        ties += [Tie(m, n, "near", alike) for m, n, alike in above(vectors[1], vectors[0], near)]
    else:
        blocks = passages_alike(passages_of(synthetic), passages_of(human), near)
        ties += [Tie(m, n, "near", alike) for block in blocks for m, n, alike in block]
    return Ties.of(ties)


def folds_of(
    human: HumanDataset, synthetic: Dataset | None, ties: Ties | None, settings: FoldSettings, *, seed: int
) -> list[Fold]:
    """Return the comparisons: every part of every parting judges once.

    Classes are spread evenly, and where rows may have several labels, each label. Rows of the same text are held out
    together. A class always has a row to train on: where all its rows would judge at once, the first of them is trained
    on instead, in that parting.

    Args:
        human: Human rows; nobody else's judge.
        synthetic: Synthetic rows, or None.
        ties: Of these rows; needed where there are synthetic ones.
        settings: How many parts, how often.
        seed: Of what is drawn.

    Raises:
        DataError: If there are too few human rows to train on some and judge by others.
    """
    if synthetic is not None and ties is None:
        raise ValueError("folds_of: synthetic rows need their ties to human rows")
    found: list[Fold] = []
    for repeat in range(settings.repeats):
        fold_of = _parted(human, settings.folds, generator(seed, "choose", "folds", repeat))
        parts = [np.flatnonzero(fold_of == part) for part in range(int(fold_of.max()) + 1)]
        parts = [part for part in parts if len(part)]
        if len(parts) < 2:
            raise DataError(
                f"{human.name}: {len(human)} human rows are too few to train on some and judge by others.",
                hint="Add rows: two at least of two classes.",
            )
        for number, held_out in enumerate(parts):
            train = np.setdiff1d(np.arange(len(human)), held_out)
            out = () if ties is None else tuple(ties.against(held_out))
            rows = 0 if synthetic is None else len(synthetic)
            allowed = np.setdiff1d(np.arange(rows), [tie.synthetic for tie in out])
            found.append(Fold(repeat, number, train, held_out, allowed.astype(np.int64), out))
    return found


def _parted(human: HumanDataset, folds: int, chance: np.random.Generator) -> np.ndarray:
    """Return each row's part, ``(N,)``; -1 for a row that is always trained on."""
    first: dict[object, int] = {}
    group = np.array([first.setdefault(passage_key(p), i) for i, p in enumerate(passages_of(human))], dtype=np.int64)
    heads = np.unique(group)
    marks = human.marks
    fold_of = np.full(len(human), -1, dtype=np.int64)
    if human.labels.has_many:
        fold_of[heads] = spread_sets(marks[heads], folds, chance)
    else:
        classes = np.unique(marks, axis=0, return_inverse=True)[1].ravel()
        fold_of[heads] = spread(classes[heads], folds, chance)
    fold_of = fold_of[group]
    for k in range(marks.shape[1]):
        rows = np.flatnonzero(marks[:, k])
        if len(rows) and len(np.unique(fold_of[rows])) == 1:
            fold_of[group == group[rows[0]]] = -1
    return fold_of

"""Rewording: each human row said in other words, small labels more often (the first stage of two-stage fine-tuning)."""

from __future__ import annotations

from typing import ClassVar

from augtune.core.dataset import HumanDataset
from augtune.generation.prompt import load
from augtune.generation.rewriting import Rewriter, Rewriting

__all__ = ["Rephrase"]


class Rephrase(Rewriter):
    """Have the model reword each human row; the reworded row keeps the label.

    A label's rows are reworded in turn, in their order: every row once, then every row a second time, and so on, until
    the label has what it is to get.
    """

    kind: ClassVar[str] = "rephrase"

    def plan(self, train: HumanDataset, seed: int) -> Rewriting:
        """Return the settings resolved against the human rows."""
        return _Rewording(self, train, seed, does="reword")


class _Rewording(Rewriting):
    """Asks for each row in other words."""

    @property
    def mark(self) -> str:
        """Name and version of the prompt."""
        return load("rephrase").mark

    def prompt(self, target: str, number: int) -> str:
        """Return the prompt of request ``number`` of a label."""
        text = self.texts[self.turns.source(target, number)]
        return load("rephrase").render(text_type=self.writer.text_type, text=text)

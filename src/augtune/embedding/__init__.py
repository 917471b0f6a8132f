"""Texts as unit vectors, and which of them are near each other; exact, blockwise, the same on every run."""

from augtune.embedding.encode import embed
from augtune.embedding.neighbours import Neighbours, Pairs, above, blocks_above, nearest

__all__ = ["Neighbours", "Pairs", "above", "blocks_above", "embed", "nearest"]

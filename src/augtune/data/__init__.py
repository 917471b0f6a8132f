"""Load labelled texts from files, folders and the Hugging Face hub, and draw samples of them."""

from __future__ import annotations

from augtune.data.load import load
from augtune.data.sample import sample

__all__ = ["load", "sample"]

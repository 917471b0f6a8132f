"""The starter experiment file that ``augtune new`` writes: valid as it is, every line explained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Source", "look_at", "starter"]

PLACEHOLDER = "tickets.csv"

TEMPLATE = """\
# An augtune experiment. See what it would do with   augtune check {file}
# and do it with                                    augtune run {file}
# Any key can be changed for one run:               augtune run {file} train.lr=3e-5
name: {name}
seeds: [0, 1, 2]               # every arm is trained once with each

data:
  source: {source}             # csv, tsv, json, jsonl, parquet; a folder with train and test; or hf:owner/name
  columns: {{text: {text}, label: {label}}}
  train: {train}               # also: 10/class of train, 1% of train, "2000 of train, imbalance 0.2 minority=rare"
  validation: none             # rows to choose the best weights on, e.g. 10% of train (then train: {{keep: best}})
  test: {test}

llm: {{model: {llm}, budget: 1 USD}}   # replies are kept in the run folder; nothing is paid for twice

generate:                      # rows a language model writes from the human ones
  kind: gpt3mix                # augtune ls generators
  per_class: 20                # rows wanted of each label
  text_type: text              # what the prompt calls a text, e.g. support message
  label_type: label            # what the prompt calls a label, e.g. intent

curate:                        # which of them are fit to train on; each dropped row is kept with the reason
  - {{kind: dedup, threshold: 0.9}}
  - {{kind: contamination, against: test}}

train:
  encoder: {encoder}
  recipe: vanilla              # augtune ls recipes
  steps: 300                   # optimizer steps, the same in every arm
  batch_size: 16
  lr: 5e-5

arms:                          # each arm changes only what it names
  human only: {{generate: null, curate: null}}
  human + generated: {{}}
  dimp: {{train: {{recipe: dimp}}}}

evaluate:
  metrics: [macro_f1, accuracy]
  baseline: human only
"""


@dataclass(frozen=True, slots=True)
class Source:
    """What the starter says of the data.

    Args:
        path: The file or folder, as the starter names it.
        text: Column of the text.
        label: Column of the label.
        has_test: Whether there is a test split; otherwise a fifth of the rows is held out.
    """

    path: str = PLACEHOLDER
    text: str = "text"
    label: str = "label"
    has_test: bool = False


def look_at(path: Path, *, text: str | None, label: str | None, beside: Path) -> Source:
    """Return what a starter says of the user's own data.

    Args:
        path: A file or a folder of splits.
        text: Column of the text, if it is not to be found by its name.
        label: Column of the label, likewise.
        beside: Folder of the starter; a source in or below it is named relative to it.

    Raises:
        DataError: If it cannot be read or the columns cannot be found.
    """
    from augtune.data import load
    from augtune.data.columns import find
    from augtune.data.sources import read_source

    splits = load(path, text=text, label=label)
    table = next(iter(read_source(path).tables.values()))
    columns = find(table.columns, text=text, label=label, where=table.source)
    where, here = path.resolve(), beside.resolve()
    named = where.relative_to(here) if where.is_relative_to(here) else where
    return Source(str(named), columns.text, columns.label, splits.test is not None)


def starter(file: Path, source: Source, *, llm: str, encoder: str) -> str:
    """Return the text of a starter experiment file.

    Args:
        file: Where it will be; its name gives the experiment's.
        source: The data.
        llm: PROVIDER/MODEL.
        encoder: A folder, ``bundled/minilm`` or a hub name.
    """
    words: Mapping[str, str] = {
        "file": str(file),
        "name": file.stem,
        "source": source.path,
        "text": source.text,
        "label": source.label,
        "train": "all of train",
        "test": "all of test" if source.has_test else "20% of train",
        "llm": llm,
        "encoder": encoder,
    }
    quoted = {key: value if key == "file" else _as_yaml(value) for key, value in words.items()}
    return TEMPLATE.format(**quoted)


def _as_yaml(text: str) -> str:
    """Return a text as YAML reads it back: as it is, or in single quotes."""
    is_plain = text.replace("/", "").replace("_", "").replace("-", "").replace(".", "").replace(" ", "").isalnum()
    odd = text.lower() in ("null", "true", "false", "~") or text != text.strip()
    # what begins with a digit may be a number, 0E0 and 0x1f among them, or a date
    if is_plain and not odd and text[0].isalpha():
        return text
    return text if text.endswith("% of train") else "'" + text.replace("'", "''") + "'"

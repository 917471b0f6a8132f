"""The command that looks at rows a language model wrote before anything is trained on them: inspect."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from augtune.cli.inputs import LABEL, PAIR, SEED, SET, TEXT

if TYPE_CHECKING:
    from augtune.curation.quality import GroupQuality, Quality

__all__ = ["COMMANDS"]


def inspect(
    file: Path = typer.Argument(..., metavar="ROWS", help="Rows a language model wrote.", show_default=False),
    human: Path = typer.Option(..., "--human", metavar="FILE", help="The human training rows.", show_default=False),
    test: Path = typer.Option(None, "--test", metavar="FILE", help="The human test rows, which no row may be near."),
    encoder: str = typer.Option("bundled/minilm", "--encoder", help="Encoder that says how alike two texts are."),
    settings: list[str] = SET,
    seed: int = SEED,
    text: str = TEXT,
    label: str = LABEL,
    text_pair: str = PAIR,
    json: Path = typer.Option(None, "--json", metavar="FILE", help="Write all numbers to this file as JSON too."),
) -> None:
    """Say what rows a language model wrote are like.

    Per label, each number beside that of human rows: repeats, wording, vocabulary, leaked labels, sources, and what a
    checker trained on the human rows says of the labels. Drops nothing; augtune curate does.

    Example: augtune inspect new.jsonl --human train.csv --test test.csv --json quality.json
    """
    from augtune.cli.inputs import human_rows, human_splits, synthetic_rows
    from augtune.core.files import write_json
    from augtune.curation.quality import InspectSettings, warnings_of
    from augtune.curation.quality import inspect as look
    from augtune.experiment.document import override

    asked = InspectSettings.parse(override({}, settings or ()), where="--set")
    columns: dict[str, Any] = {"text": text, "label": label, "text_pair": text_pair}
    own = human_splits(human, **columns).train
    held_out = None if test is None else human_rows(test, "test", option="--test", **columns, labels=own.labels)
    found = look(synthetic_rows(file, own), own, test=held_out, settings=asked, encoder=encoder, seed=seed)
    print(table(found))
    told = warnings_of(found)
    print("\n".join(["", *(f"warning: {sentence}" for sentence in told)]) if told else "\nno warnings")
    if json is not None:
        write_json(json, {**found.to_json(), "warnings": told})


def table(quality: Quality) -> str:
    """Return a line per label, and one of all rows; ``own | human`` where both can be told."""
    from augtune.cli.tree import aligned

    head = (
        "label", "rows", "repeats", "near", "self-BLEU", "distinct-2", "to human", "checker agrees", "words", "drift",
        "names label", "tagged", "sources", "near test",
    )  # fmt: skip
    groups = [*quality.by_label.items(), ("all", quality.whole)]
    about = f"{quality.whole.rows} rows against {quality.whole.human_rows} human ones; rows | human rows"
    if quality.embedded < quality.whole.rows:
        about += f"; vectors of {quality.embedded} rows drawn with seed {quality.seed}"
    return "\n".join([about, "", *aligned([head, *(_line(name, one) for name, one in groups)])])


def _line(name: str, one: GroupQuality) -> tuple[str, ...]:
    def pair(field: str, form: str) -> str:
        own, human = getattr(one, field), one.human.get(field)
        told = [("-" if value is None else format(value, form)) for value in (own, human)]
        return " | ".join(told)

    near = "-" if one.near_repeats is None else f"{one.near_repeats:.0%}"
    wrong = f" ({one.tagged_wrong} wrong)" if one.tagged_wrong else ""
    sources = "-" if one.sources is None else f"{one.sources} (most {one.largest_source})"
    return (
        name, f"{one.rows}", f"{one.repeats}", near, pair("self_bleu", ".2f"), pair("distinct_2", ".2f"),
        pair("nearest_human", ".2f"), pair("agreement", ".0%"), pair("length", "g"), pair("drift", ".2f"),
        pair("names_label", ".0%"), f"{one.tagged}{wrong}", sources,
        "-" if one.near_test is None else f"{one.near_test}",
    )  # fmt: skip


COMMANDS = (inspect,)

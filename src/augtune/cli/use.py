"""Commands that use a trained classifier: predict, calibrate, and import of one that another program saved."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from augtune.cli.inputs import LABEL, PAIR, TEXT, VIEW
from augtune.cli.steps import BUDGET, REPLAY
from augtune.cli.tasks import SEPARATOR

if TYPE_CHECKING:
    from augtune.cli.texts import Texts
    from augtune.core.tables import Predictions

__all__ = ["COMMANDS"]

ABSTAIN = typer.Option(
    None, "--abstain-below", metavar="CONFIDENCE", help="Leave rows unanswered that it is less sure of, e.g. 0.7."
)
CACHE = typer.Option(
    None,
    "--cache",
    metavar="FILE",
    help="Where a routed model's replies are kept (.sqlite); by default beside OUT, and without OUT nowhere.",
)
FORMAT = typer.Option(None, "--format", help="jsonl or csv; by default as OUT is called, else jsonl.")


def predict(
    model: Path = typer.Argument(..., metavar="MODEL", help="A folder augtune train wrote.", show_default=False),
    file: Path = typer.Argument(
        ..., metavar="FILE", help="Texts: a table, a .txt file of lines, or - for standard input.", show_default=False
    ),
    text: str = TEXT,
    text_pair: str = PAIR,
    separator: str = SEPARATOR,
    abstain_below: float = ABSTAIN,
    replay: Path = REPLAY,
    budget: str = BUDGET,
    cache: Path = CACHE,
    form: str = FORMAT,
    out: Path = typer.Option(None, "--out", metavar="FILE", help="Where to (.jsonl or .csv); by default to stdout."),
) -> None:
    """Predict the label of every row of a file.

    Writes id, predicted and probabilities of each row, and label where the file has it; a label is not needed. With
    --abstain-below, predicted is empty for rows the model is not sure enough of, and abstained says so; augtune
    calibrate makes its confidence mean what it says. A model that augtune route saved asks its language model about
    the rows it is unsure of; --budget, --replay and --cache are for that. Its replies are kept beside OUT, so the same
    command pays for nothing twice; a budget is that of all replies in one cache.

    Example: augtune predict model tickets.csv --abstain-below 0.7 --out predictions.csv
    """
    from augtune.cli.abstaining import output_rows, written_as

    as_csv = _is_csv(form, out)
    if (model / "router.json").is_file():
        from augtune.cli.collaborate import predict_routed
        from augtune.cli.inputs import cache_beside

        kept = cache_beside(out) if cache is None and out is not None else cache
        changes = {"budget": budget, "replay": replay, "cache": kept}
        served = predict_routed(model, file, changes, text=text, text_pair=text_pair)
        found: Predictions = served.predictions
        texts: Texts = served.texts
    else:
        found, texts = _predicted(model, file, {"text": text, "text_pair": text_pair, "separator": separator})
    rows = list(texts.with_own_ids(output_rows(found, texts.truth, abstain_below)))
    told = str(found)
    if abstain_below is not None:
        left = sum(bool(row["abstained"]) for row in rows)
        told += f" · {left} of {len(rows)} abstained (less sure than {abstain_below:g})"
    text_out = written_as(rows, out, as_csv=as_csv)
    if out is None:
        sys.stdout.write(text_out)
        sys.stderr.write(f"{told}\n")
        return
    print(told)
    print(f"written: {out}")


def _is_csv(form: str | None, out: Path | None) -> bool:
    """Return whether to write a table, as the option or the file's name says."""
    from augtune.core.errors import InputError

    ending = "" if out is None else out.suffix.lower().lstrip(".")
    asked = form or (ending if ending in ("csv", "jsonl") else "jsonl")
    if asked not in ("csv", "jsonl"):
        raise InputError(f"--format: expected jsonl or csv, got {form!r}.")
    if out is not None and form is None and ending not in ("csv", "jsonl"):
        raise InputError(f"--out {out}: expected a file called .jsonl or .csv.", hint="Or say which: --format csv.")
    return asked == "csv"


def _predicted(model: Path, file: Path, columns: dict[str, str | None]) -> tuple[Predictions, Texts]:
    """Return a classifier's predictions of a file, and the file's rows."""
    from augtune.cli.texts import texts_of
    from augtune.model.fitted import Fitted

    fitted = Fitted.load(model)
    rows = texts_of(
        file,
        text=columns["text"],
        text_pair=columns["text_pair"],
        is_pair=fitted.is_pair,
        labels=fitted.labels,
        separator=columns["separator"],
    )
    given: Any = list(rows.texts) if rows.pairs is None else list(zip(rows.texts, rows.pairs, strict=True))
    found = fitted.predict(given)
    place = dict(zip(found.ids, rows.ids, strict=True))
    return replace(found, ids=rows.ids, truncated=tuple(place[name] for name in found.truncated)), rows


def calibrate(
    model: Path = typer.Argument(..., metavar="MODEL", help="A folder augtune train wrote.", show_default=False),
    file: Path = typer.Argument(..., metavar="FILE", help="Human rows it was not trained on.", show_default=False),
    text: str = TEXT,
    label: str = LABEL,
    text_pair: str = PAIR,
    view: str = VIEW,
    out: Path = typer.Option(None, "--out", metavar="MODEL", help="Where to save it; by default in its place."),
) -> None:
    """Make a classifier's confidence fit rows it was not trained on.

    Fits one temperature (Guo et al., 2017) and saves it with the model. The labels it predicts stay what they were; a
    confidence of 0.7 then is right about seven times in ten. On rows it was trained on it would come out too sure, so
    these are refused.

    Example: augtune calibrate model validation.csv
    """
    from augtune.cli.inputs import human_rows
    from augtune.model.fitted import Fitted
    from augtune.training.calibrating import calibrate as fit

    fitted = Fitted.load(model)
    columns: dict[str, Any] = {"text": text, "label": label, "text_pair": text_pair}
    labels = fitted.labels if view is None else None
    rows = human_rows(file, "validation", **columns, labels=labels, view=view)
    made = fit(fitted, rows)
    saved = made.fitted.save(out or model)
    print(f"{len(rows)} rows: {made}")
    print(f"saved: {saved}")
    if made.known:
        sys.stderr.write(f"warning: {file}: the model was trained on {made.known} of the {len(rows)} rows\n")


def import_(
    source: Path = typer.Argument(
        ..., metavar="SOURCE", help="A folder with config.json and weights, or a file of weights.", show_default=False
    ),
    out: Path = typer.Option(..., "--out", metavar="MODEL", help="Folder to save the model in.", show_default=False),
    encoder: str = typer.Option(None, "--encoder", metavar="NAME", help="Encoder that a file of weights is of."),
    labels: str = typer.Option(
        None, "--labels", metavar="A,B,...", help="Classes in the order of the model's outputs, if it names none."
    ),
    pooling: str = typer.Option(None, "--pooling", help="mean, cls or max, if it does not say."),
    activation: str = typer.Option(None, "--activation", help="Of the hidden layers, if it does not say."),
) -> None:
    """Read a classifier that another program saved.

    Reads the published ELECTRA sentiment classifiers, checkpoints of their kind, and transformers' sequence
    classifiers. Only weights are read; nothing in the files is run.

    Example: augtune import electra-base-classifier-sentiment --out model
    """
    from augtune.model.importers import import_classifier

    names = None if labels is None else [name.strip() for name in labels.split(",")]
    made = import_classifier(source, encoder=encoder, labels=names, pooling=pooling, activation=activation)
    saved = made.fitted.save(out)
    print("\n".join(made.found))
    print(f"saved: {saved}")


COMMANDS = (predict, calibrate, import_)

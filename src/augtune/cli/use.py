"""Commands that use a trained classifier, one's own or another program's: import, predict."""

from __future__ import annotations

from pathlib import Path

import typer

__all__ = ["COMMANDS"]


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


COMMANDS = (import_,)

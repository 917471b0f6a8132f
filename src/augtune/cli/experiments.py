"""Commands on whole experiments: new, check, run, show, report."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import typer

from augtune.cli.several import PROCESSES, start_several

__all__ = ["COMMANDS"]

FILE = typer.Argument(..., metavar="FILE", help="The experiment file (YAML).", show_default=False)
OVERRIDES = typer.Argument(
    None, metavar="[KEY=VALUE]...", help="Settings changed for this time, e.g. train.lr=3e-5.", show_default=False
)


def new(
    file: Path = typer.Argument(..., metavar="FILE", help="The experiment file to write.", show_default=False),
    source: Path = typer.Argument(
        None, metavar="[SOURCE]", help="Your rows: a file, or a folder with train and test files.", show_default=False
    ),
    text: str = typer.Option(None, "--text", metavar="COLUMN", help="Column of the text."),
    label: str = typer.Option(None, "--label", metavar="COLUMN", help="Column of the label."),
    llm: str = typer.Option(
        "openai/gpt-4.1-mini", "--llm", metavar="MODEL", help="The language model, PROVIDER/MODEL."
    ),
    encoder: str = typer.Option("bundled/minilm", "--encoder", help="The encoder to train."),
) -> None:
    """Write a starter experiment file for your rows.

    Every line is explained; it can be checked and run as it is.

    Example: augtune new hello.yaml tickets.csv
    """
    from augtune.cli.starter import PLACEHOLDER, Source, look_at, starter
    from augtune.core.errors import InputError
    from augtune.core.files import atomic_write

    if file.exists():
        raise InputError(f"{file}: is there already and is not overwritten.", hint="Choose another name or remove it.")
    found = Source(text=text or "text", label=label or "label")
    if source is not None:
        found = look_at(source, text=text, label=label, beside=file.parent)
    with atomic_write(file) as stream:
        stream.write(starter(file, found, llm=llm, encoder=encoder))
    print(f"written: {file}")
    if source is None:
        columns = f"columns {found.text}, {found.label}"
        print(f"Put your rows in {file.parent / PLACEHOLDER} ({columns}), or name your file in it.")
    print(f"next: augtune check {file}")


def check(
    file: Path = FILE,
    overrides: list[str] = OVERRIDES,
    ask_provider: bool = typer.Option(
        False, "--ask-provider", help="Ask the model's provider if it has the model, and until when; costs nothing."
    ),
) -> None:
    """Show what a run would do and cost; spend nothing.

    Resolves every file, column, label, sample and encoder, and shows the plan as a tree, three prompts of each
    generator and an estimate of requests, tokens, money and time. Nothing is written, and nothing is sent unless
    --ask-provider is given.

    Example: augtune check hello.yaml
    """
    from augtune.cli.tree import estimate_text, plan_text, prompts_text
    from augtune.experiment.check import check as look

    checked = look(file, overrides or (), ask_provider=ask_provider)
    parts = [plan_text(checked), *(prompts_text(found) for found in checked.generators if found.prompts)]
    print("\n\n".join([*parts, estimate_text(checked)]))
    if checked.warnings:
        print("\n" + "\n".join(f"warning: {warning}" for warning in checked.warnings))
    print(f"\nThe file is right. Run it: {shlex.join(['augtune', 'run', str(file), *(overrides or ())])}")


def run(
    context: typer.Context,
    file: Path = FILE,
    overrides: list[str] = OVERRIDES,
    out: Path = typer.Option("runs", "--out", metavar="DIR", help="Folder of run folders; this one's is DIR/NAME."),
    processes: int = PROCESSES,
    ray: str = typer.Option(
        None,
        "--ray",
        metavar="local|HOST:PORT",
        help="Train many models at once on Ray: of this machine, or a cluster.",
    ),
) -> None:
    """Do an experiment, or carry on with one cut off.

    Writes the run folder DIR/NAME with its report. What is done already is not done again.

    Example: augtune run hello.yaml train.lr=3e-5
    """
    _one_of(ray, processes)
    if start_several(processes, context):
        return

    from augtune.cli.screen import Screen
    from augtune.experiment.run import run as do
    from augtune.reporting.html import report as write

    with Screen() as screen:
        results = do(file, overrides or (), out=out, listen=screen, stop=screen.stop(), ray=ray)
    print(results)
    sys.stdout.flush()
    print(f"\nreport: {write(results.folder)}")


def _one_of(ray: str | None, processes: int) -> None:
    from augtune.core.errors import InputError
    from augtune.core.launched import is_one_of_several

    if ray is not None and (processes > 1 or is_one_of_several()):
        raise InputError(
            "--ray: trains many models at once, several processes one model together; choose one of them.",
            hint="Leave out --ray, or --processes and torchrun.",
        )


def show(run: Path = typer.Argument(..., metavar="RUN", help="A run folder, DIR/NAME.", show_default=False)) -> None:
    """Show a finished run: table and verdict.

    Example: augtune show runs/hello
    """
    from augtune.experiment.results import Results

    print(Results.read(find_run(run)))


def report(
    run: Path = typer.Argument(..., metavar="RUN", help="A run folder, DIR/NAME.", show_default=False),
    out: Path = typer.Option(None, "--out", metavar="FILE", help="Where to; by default report.html in the run folder."),
    charts: Path = typer.Option(None, "--charts", metavar="DIR", help="Write every chart as a file of its own too."),
    format: str = typer.Option("svg", "--format", metavar="FORMAT", help="Of the charts: svg, pdf or png."),
    markdown: Path = typer.Option(None, "--markdown", metavar="FILE", help="Write the tables as Markdown too."),
    latex: Path = typer.Option(None, "--latex", metavar="FILE", help="Write the tables as LaTeX (booktabs) too."),
) -> None:
    """Write a run's report again, and its charts and tables for a paper.

    One HTML file that opens offline. With --charts, every chart of it is drawn into a file too, without browser or
    network.

    Example: augtune report runs/hello --charts figures --format pdf --latex tables.tex
    """
    from augtune.core.errors import InputError
    from augtune.reporting.files import FORMATS, export_charts
    from augtune.reporting.html import report as write
    from augtune.reporting.papers import paper_tables

    known = next((one for one in FORMATS if one == format), None)
    if known is None:
        raise InputError(f"--format: expected one of {', '.join(FORMATS)}, got {format!r}.")
    folder = find_run(run)
    print(f"report: {write(folder, out)}")
    if charts is not None:
        done = export_charts(folder, charts, format=known)
        print(f"charts: {len(done.paths)} files in {charts}")
        if done.unreadable:
            print(
                f"note: no font here has {' '.join(done.unreadable)}; boxes stand for them. Install a font that "
                "has them, e.g. Noto Sans CJK, and run this again."
            )
    if markdown is not None:
        _write(markdown, paper_tables(folder, "markdown"))
    if latex is not None:
        _write(latex, paper_tables(folder, "latex"))


def _write(file: Path, tables: str) -> None:
    from augtune.core.files import atomic_write

    with atomic_write(file) as stream:
        stream.write(tables)
    print(f"tables: {file}")


def find_run(run: Path) -> Path:
    """Return a run's folder; a bare name is looked for in ``runs`` too, also where a folder of rows has that name."""
    named = Path("runs") / run
    return named if not (run / "results.json").is_file() and named.is_dir() else run


COMMANDS = (new, check, run, show, report)

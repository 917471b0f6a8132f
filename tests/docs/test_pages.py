"""What the pages say is run: commands and Python, in the order of the page, in one folder; outputs are compared.

- ``console``: ``$ augtune …`` and what it prints, ``…`` standing for what the page leaves out;
- ``sh``: commands of augtune; the others are named below with the reason why they are not run;
- ``python``: in one namespace for each page; a ``text`` block that follows is what was printed;
- ``yaml`` that begins with a comment ``# NAME.yaml`` is put into that file (the others: ``test_yaml.py``).

Trainings take a few steps of a tiny encoder; from the first one on, numbers need not be those of the page. With
``AUGTUNE_DOCS=real`` in the environment pages are trained as they say and every number is compared, which takes minutes
and holds on the processor they were written on.

A tutorial starts in a folder that holds nothing but ``augtune``, the project itself.
"""

from __future__ import annotations

import io
import os
import re
import shlex
import subprocess
from contextlib import redirect_stderr, redirect_stdout

import pytest

from augtune.cli.main import main
from doc_blocks import ROOT, Block, blocks, commands, pages, pattern, sessions

RUN = ("console", "sh", "python")
NOT_RUN = {
    r"^make\b": "sets up an environment of its own; continuous integration runs it",
    r"^pip install": "needs a package registry",
    r"^git clone": "needs a network",
    r"^export": "sets a variable of the reader's shell",
    r"^ollama": "a server of its own",
    r"^vllm serve": "a server of its own, which needs a GPU",
    r"^transformers serve": "runs until it is stopped; tests/flows/test_llm_serve.py starts it",
    r"^torchrun|^accelerate launch|--processes": "starts several processes; tests/flows does that on rows of its own",
    r"^ray start|--ray": "starts a Ray cluster; tests/flows/test_ray.py does that on rows of its own",
    r"^python examples/": "needs the data pack; tests/flows/test_electra_gpt.py runs it where that is",
    r"^python benchmarks/": "a measurement of its own",
    r"^augtune run examples/real/": "needs the data pack",
    r"^augtune (run|check) examples/(lm_sweep|gpt3mix)/": "needs the data pack; tests/examples checks it where that is",
    r"^augtune import": "needs a model that another program saved; tests/unit/model/test_importers.py makes some",
}
FILES = ("cp", "head", "ls", "mkdir", "wc")  # commands of the system that pages use
PAGES = [page for page in pages() if any(block.language in RUN for block in blocks(page))]

BEFORE = {  # what a page takes as given
    "new.jsonl --human": "augtune generate train.csv --kind gpt3mix --set count=280 --replay replies.jsonl "
    "--set 'text_type=support message' --set label_type=intent --out new.jsonl",
    "runs/sizes/": "augtune run helpdesk.yaml name=sizes seeds=[0] curate=null "
    "'arms={human only: {generate: null}, made: {}}' 'sweep={size: [10, 20], generate: {eda: eda, more: {kind: eda, alpha_ri: 0.2}}}'",
}


def test_there_are_blocks():
    assert len(PAGES) >= 10
    languages = {block.language for page in pages() for block in blocks(page)}
    assert languages <= {*RUN, "yaml", "text", "{toctree}"}, "name each block's language; text for what is no code"


def told(line: str) -> int:
    """Run a command line, one of augtune in this process, its output as it is, and return its exit code."""
    program, *arguments = shlex.split(line, comments=True)
    if program == "cd":
        os.chdir(arguments[0])
        return 0
    if program in FILES:
        done = subprocess.run(line, shell=True, capture_output=True, text=True, check=False)
        print(done.stdout, done.stderr, sep="", end="")
        return done.returncode
    assert program == "augtune", f"{line}: is neither of augtune nor named in NOT_RUN"
    return main(arguments)


class Reader:
    """Someone who does what a page says, block by block."""

    def __init__(self, small) -> None:
        self.small = small
        self.names: dict[str, object] = {"__name__": "page"}
        self.printed = self.last = ""

    def do(self, block: Block) -> None:
        act = getattr(self, f"_{block.language}", None)
        if act is not None:
            act(block)
        self.last = block.language

    def _yaml(self, block: Block) -> None:
        named = re.match(r"# ([\w-]+\.yaml)\n", block.text)
        if named is not None:
            with open(named[1], "w", encoding="utf-8") as stream:
                stream.write(block.text)

    def _sh(self, block: Block) -> None:
        for line in commands(block.text):
            if not any(re.search(command, line) for command in NOT_RUN):
                self._command(block, line)

    def _console(self, block: Block) -> None:
        for line, output in sessions(block.text):
            self._command(block, line)
            self._compare(block, output)

    def _command(self, block: Block, line: str) -> None:
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            code = told(line)
        assert code == 0, f"{block.place}: {line}\n{out.getvalue()}{err.getvalue()}"
        self.printed = out.getvalue()

    def _python(self, block: Block) -> None:
        code = compile("\n" * block.line + block.text, block.page, "exec")
        out = io.StringIO()
        with redirect_stdout(out):
            exec(code, self.names)
        self.printed = out.getvalue()

    def _text(self, block: Block) -> None:
        if self.last == "python" and self.printed:
            self._compare(block, block.text)

    def _compare(self, block: Block, output: str) -> None:
        if not output.strip() and not self.printed:
            return
        wanted = pattern(output, numbers=not self.small.was_trained)
        assert re.fullmatch(wanted, self.printed + "\n"), f"{block.place}: printed\n{self.printed}"


@pytest.fixture
def set_up(workplace, saved_model, predictions, monkeypatch):
    """Return a function that makes what a page takes as given, and goes to the folder it begins in."""

    def make(page: str, text: str, reader: Reader) -> None:
        if page.startswith("docs/tutorials/"):
            home = workplace.parent / "home"
            home.mkdir()
            (home / "augtune").symlink_to(ROOT)
            monkeypatch.chdir(home)
            return
        if " model " in text and "--out model" not in text.split(" model ")[0]:
            saved_model()
        if "old.csv" in text:
            predictions()
        if "OPENAI_API_KEY is not set" in text:
            monkeypatch.delenv("OPENAI_API_KEY")
        for what, command in BEFORE.items():
            if what in text:
                reader.do(Block(page, 0, "sh", command))

    return make


@pytest.mark.parametrize("page", PAGES)
def test_page_does_what_it_says(page, small, stand_in, set_up):
    reader = Reader(small)
    set_up(page, "".join(block.text for block in blocks(page)), reader)
    for block in blocks(page):
        reader.do(block)

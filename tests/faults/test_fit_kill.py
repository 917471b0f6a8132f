"""``augtune fit --llm`` that is killed while rows are written and again while a model is trained carries on."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from glob import glob
from pathlib import Path

from augtune.core.files import read_jsonl
from augtune.model.fitted import Fitted
from stand_in import StandIn

PATIENCE_S = 240.0


class Writer(StandIn):
    """Answers by what is asked alone, so that a question that a kill cut off gets the same answer again."""

    def said(self, asked, body):
        time.sleep(0.1)
        number = int(hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest(), 16)
        kind, label = re.findall(r"\((\w[\w ]*): ([^()]+)\)", asked)[-1]  # that of the last row shown
        word = ("broken", "awful", "late", "dead")[number % 4] if label == "Complaint" else "great"
        return f" order {number % 9973} was {word} {number // 7 % 9973} of {number // 11 % 9973} ({kind}: {label})"


def start(folder: Path, encoder: str, url: str) -> subprocess.Popen[str]:
    words = {"complaint": "broken late awful", "praise": "good great love"}
    lines = [
        f"the {said} thing number {i} from here,{label}"
        for label, all_said in words.items()
        for i, said in enumerate(all_said.split() * 3)
    ]
    (folder / "train.csv").write_text("text,label\n" + "\n".join(lines) + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "augtune", "fit", "train.csv", "--label", "label", "--out", "model"]
    command += ["--llm", "openai/m", "--base-url", url, "--budget", "100 calls", "--per-class", "8"]
    command += ["--encoder", encoder, "--steps", "20", "--choose", "candidates=[mix]"]
    command += ["--choose", "learning=false", "--choose", "folds={folds: 2, repeats: 1}"]
    surroundings = {**os.environ, "OPENAI_API_KEY": "sk-of-this-test", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, cwd=folder, env=surroundings, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def killed(process: subprocess.Popen[str], when: Callable[[], bool]) -> None:
    """Kill a process at a moment, which must come before its end."""
    until = time.monotonic() + PATIENCE_S
    while not when():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < until
        time.sleep(0.005)
    process.kill()
    process.communicate()


def test_what_a_kill_cuts_off_is_carried_on_by_the_same_command(httpserver, tiny_encoder, tmp_path):
    model = Writer(httpserver)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for folder in (whole, cut):
        folder.mkdir()
    out, _ = start(whole, tiny_encoder, model.url).communicate(timeout=PATIENCE_S)
    assert (whole / "model" / "augtune.json").is_file(), out
    calls, model.calls = model.calls, 0
    killed(start(cut, tiny_encoder, model.url), lambda: model.calls >= calls // 2)
    assert not (cut / "model").exists()
    killed(start(cut, tiny_encoder, model.url), lambda: bool(glob(f"{cut}/**/train-*/stamp.json", recursive=True)))
    before = model.calls
    assert calls <= before <= calls + 16  # those in flight at the first kill are asked again
    out, _ = start(cut, tiny_encoder, model.url).communicate(timeout=PATIENCE_S)
    assert (cut / "model" / "augtune.json").is_file(), out
    assert model.calls == before
    rows = [read_jsonl(folder / "model" / "synthetic.jsonl") for folder in (cut, whole)]
    assert rows[0] == rows[1] != []
    assert Fitted.load(cut / "model").fingerprint == Fitted.load(whole / "model").fingerprint
    assert not (cut / "model.work").exists()

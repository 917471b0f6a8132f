"""The recipes lm_sweep and gpt3mix: their files and commands are right, and their recorded replies are served."""

from __future__ import annotations

import csv
import re
import shlex
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import tiny_causal
from augtune.cli.main import main
from augtune.core.files import read_jsonl
from augtune.core.outcomes import Generation
from augtune.experiment.plan import read_plan
from augtune.experiment.rows import HumanSource
from augtune.generation.base import generate
from augtune.llm.client import LLM
from doc_blocks import ROOT, commands

EXAMPLES = ROOT / "examples"
PLACES = (
    "examples/lm_sweep/README.md",
    "examples/gpt3mix/README.md",
    "docs/systems/lm_sweep.md",
    "docs/systems/gpt3mix.md",
)


def lines() -> list[str]:
    """Return the commands of augtune that the recipes' READMEs and pages have."""
    found = [
        line
        for place in PLACES
        for block in re.findall(r"```sh\n(.*?)```", (ROOT / place).read_text(encoding="utf-8"), re.DOTALL)
        for line in commands(block)
    ]
    return list(dict.fromkeys(line for line in found if line.startswith("augtune ")))


@pytest.fixture
def workplace(data_pack, tmp_path, monkeypatch) -> Path:
    """A folder to work in, with the data pack beside it and what the READMEs take as given."""
    folder = tmp_path / "repository"
    folder.mkdir()
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "data").symlink_to(data_pack)
    (folder / "examples").symlink_to(EXAMPLES)
    rows = [(f"review {i} is {'fine' if i % 2 else 'dull'}", "ab"[i % 2]) for i in range(200)]
    with (folder / "reviews.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([("text", "label"), *rows])
    tiny_causal.build(folder / "runs" / "smollm2", ["Review: fine (Sentiment: a)"] * 8)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    return folder


@pytest.fixture(scope="module")
def notebook_rows(data_pack, tmp_path_factory) -> Path:
    """The notebook's rows, as the recipe's own script writes them."""
    folder = tmp_path_factory.mktemp("notebook") / "rows"
    script = [sys.executable, EXAMPLES / "lm_sweep" / "rows.py", "--data", data_pack, "--out", folder]
    done = subprocess.run(script, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


def labels(path: Path) -> dict[str, int]:
    return Counter(row["label"] for row in read_jsonl(path))


@pytest.mark.data
def test_rows_are_those_of_the_notebook(notebook_rows):
    assert labels(notebook_rows / "test.jsonl") == {"joy": 537, "anger": 210, "surprise": 50}
    assert labels(notebook_rows / "train.jsonl") == {"joy": 10, "anger": 10, "surprise": 10}


def test_rows_say_where_they_looked(tmp_path):
    script = [sys.executable, EXAMPLES / "lm_sweep" / "rows.py", "--data", tmp_path, "--out", tmp_path]
    done = subprocess.run(script, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == (
        f"error: no {tmp_path / 'emotion6' / 'train.jsonl'}; name the data pack with --data or AUGTUNE_DATA.\n"
    )


def test_sizes_times_generators_are_planned():
    plan = read_plan(EXAMPLES / "lm_sweep" / "lm_sweep.yaml")
    assert len(plan.arms) == 1 + 3 * 5
    assert {arm.axes["size"] for arm in plan.arms if arm.axes} == {10, 50, 100, 200, 500}
    assert {arm.settings.steps for arm in plan.arms} == {125}


@pytest.mark.parametrize("name", ["sst2", "trec6", "subj"])
def test_sub_samples_times_methods_are_planned(name):
    arms = read_plan(EXAMPLES / "gpt3mix" / f"{name}.yaml").arms
    assert len({arm.axes["data.train"] for arm in arms}) == 3
    assert {arm.axes["base_arm"] for arm in arms} >= {"none", "eda", "tmix"}


def test_there_are_commands():
    assert len(lines()) >= 8


@pytest.mark.data
@pytest.mark.parametrize("line", lines())
def test_command_is_right(line, workplace, notebook_rows, capsys):
    words = shlex.split(line)[1:]
    if "lm_sweep.yaml" in line and not any(word.startswith("data.source=") for word in words):
        words.append(f"data.source={notebook_rows}")
    assert words[0] in ("check", "run")
    assert main(["check", *words[1:]]) == 0, capsys.readouterr().err
    assert "The file is right." in capsys.readouterr().out


def made(path: Path, recording: str, source: Path, **chosen: object) -> dict[str, Generation]:
    """Return what the recorded replies of a file come to, by arm and draw of the rows; no other reply is there."""
    plan = read_plan(path, [f"data.source={source}"])
    rows = HumanSource(plan)
    found = {}
    with LLM(replay=path.with_name(recording)) as llm:
        for arm in plan.arms:
            if not arm.generators or not arm.generators[0].needs_llm or not chosen.items() <= arm.axes.items():
                continue
            for seed in dict.fromkeys(trial.data_seed for trial in plan.experiment.all_trials):
                human = rows.of(arm.human, seed)
                found[f"{arm.name} {seed}"] = generate(human.train, arm.generators[0], llm=llm, seed=human.seed)
    return found


@pytest.mark.data
def test_every_recorded_reply_of_the_sweep_is_served(notebook_rows):
    found = list(made(EXAMPLES / "lm_sweep" / "lm_sweep.yaml", "replies.jsonl", notebook_rows, size=500).values())
    assert [len(one.dataset) for one in found] == [540, 540]
    assert [one.cost.calls for one in found] == [0, 0]
    assert [one.dataset[0].soft_source for one in found] == [None, "local"]


@pytest.mark.data
@pytest.mark.parametrize(("name", "rows"), [("sst2", {40}), ("trec6", {40}), ("subj", {35, 36, 40})])
def test_every_recorded_reply_of_gpt3mix_is_served(name, rows, data_pack):
    found = made(EXAMPLES / "gpt3mix" / f"{name}.yaml", f"{name}.jsonl", data_pack / name)
    assert len(found) == 3 * 3
    assert {len(one.dataset) for one in found.values()} == rows

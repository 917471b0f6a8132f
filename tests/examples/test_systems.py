"""The recipes of published systems: their files are right, their commands too, and the CSV files are the original's."""

from __future__ import annotations

import csv
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from augtune.cli.main import main
from augtune.core.files import read_jsonl
from augtune.experiment import document
from augtune.experiment.plan import read_plan
from augtune.experiment.rows import checked_source
from augtune.experiment.run import run
from doc_blocks import ROOT, commands
from flows.small import experiment, write_task

EXAMPLES = ROOT / "examples"
FOLDERS = ("two_stage", "imp_dimp")
FILES = sorted(path for folder in FOLDERS for path in (EXAMPLES / folder).glob("*.yaml"))
CSVS = EXAMPLES / "two_stage" / "csvs.py"


def lines(folder):
    """Return the commands of augtune in a README."""
    text = (EXAMPLES / folder / "README.md").read_text(encoding="utf-8")
    found = [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in commands(block)]
    return [line for line in found if line.startswith("augtune ")]


@pytest.fixture
def repository(data_pack, tmp_path, monkeypatch):
    """A folder to work in, the examples in it and the data pack beside it, with rows of one's own."""
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "examples").symlink_to(EXAMPLES)
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "data").symlink_to(data_pack)
    names = ("not hyperbole", "hyperbole")
    rows = [("text", "label"), *((f"review {i} is {'fine' if i % 2 else 'dull'}", names[i % 2]) for i in range(500))]
    for name, made in (("reviews.csv", rows), ("written.csv", rows[:41])):
        with (folder / name).open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows(made)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    return folder


def test_there_are_files():
    assert [path.name for path in FILES] == [
        "generated.yaml", "large_human.yaml", "noisy.yaml", "agnews.yaml", "sst2.yaml",
    ]  # fmt: skip


@pytest.mark.data
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_file_plans_and_its_rows_are_there(path, repository):
    plan = read_plan(repository / "examples" / path.parent.name / path.name)
    source = checked_source(plan)
    assert all(len(source.of(arm.human).train) >= 200 for arm in plan.trained)


@pytest.mark.data
@pytest.mark.parametrize("line", [line for folder in FOLDERS for line in lines(folder)])
def test_command_of_a_readme_is_right(line, repository, capsys):
    words = [word.replace("written.jsonl", "written.csv") for word in shlex.split(line)[1:]]
    assert words[0] in ("check", "run")
    assert main(["check", *words[1:]]) == 0, capsys.readouterr().err
    assert "The file is right." in capsys.readouterr().out


@pytest.mark.data
def test_sst2_has_the_original_ratios_and_seeds(repository):
    plan = read_plan(repository / "examples" / "two_stage" / "sst2.yaml")
    assert plan.experiment.seeds == [7, 42, 106, 190, 191]
    source = checked_source(plan)
    kept = {
        arm.name.rpartition(" · ")[2]: source.of(arm.human).train.counts()["negative"]
        for arm in plan.trained
        if arm.axes["base_arm"] == "both"
    }
    assert kept == {"0.1": 30, "0.2": 60, "0.3": 90, "0.4": 120, "0.5": 150, "0.6": 180, "0.7": 210}
    assert len(plan.arms) == 5 * 7


@pytest.mark.data
def test_agnews_takes_rewordings_of_the_rows_trained_on_alone(repository):
    from augtune.generation.base import generate

    plan = read_plan(repository / "examples" / "two_stage" / "agnews.yaml")
    train = checked_source(plan).of().train
    made = generate(train, plan.arms[1].generators[0]).dataset
    assert set(made.counts().values()) == {100}
    assert all(set(row.parents) <= set(train.ids) and row.parents for row in made)


def read(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.reader(stream))


@pytest.fixture(scope="module")
def finished(tiny_encoder, tmp_path_factory):
    """A run of the arms on a small task, at two ratios."""
    folder = tmp_path_factory.mktemp("two_stage")
    task = write_task(folder / "task")
    arms = document.read(EXAMPLES / "two_stage" / "sst2.yaml")["arms"]
    wanted = {name: f"8/class of train, imbalance {name} minority=negative" for name in (0.5, 0.75)}
    source = experiment(
        task, tiny_encoder, name="small", seeds=[7, 42], inspect=None, generate={"kind": "eda", "balance": "max"},
        curate=[{"kind": "contamination", "measure": "jaccard", "threshold": 0.99}], sweep={"data.train": wanted}, arms=arms,
    )  # fmt: skip
    source["data"]["labels"] = ["negative", "positive"]
    source["train"] = {"encoder": tiny_encoder, "steps": 2, "batch_size": 4, "precision": "fp32"}
    source["evaluate"] = {"metrics": ["accuracy"], "baseline": "imbalanced only", "resamples": 100}
    return run(source, out=folder / "runs")


def made(arguments):
    return subprocess.run([sys.executable, CSVS, *map(str, arguments)], capture_output=True, text=True)


def test_csv_files_are_those_of_the_original(finished, tmp_path):
    done = made([finished.folder, "--out", tmp_path])
    assert (done.returncode, done.stdout) == (0, f"26 files in {tmp_path}\n"), done.stderr
    head, *train = read(tmp_path / "0.5" / "train.csv")
    assert head == ["text", "label"]
    assert [[row[1] for row in train].count(label) for label in "01"] == [4, 8]
    assert len(read(tmp_path / "0.75" / "test.csv")) == 41
    head, *made_rows = read(tmp_path / "0.5" / "aug.csv")
    assert head == ["org_ind", "text", "label"]
    assert [[row[2] for row in made_rows].count(label) for label in "01"] == [8, 8]
    assert all(train[int(source)][1] == label for source, _, label in made_rows)
    head, *scores = read(tmp_path / "both" / "0.5" / "results.csv")
    assert head == ["index", "Seed", "F1", "F1_0", "F1_1"]
    assert [row[:2] for row in scores] == [["0", "7"], ["1", "42"]]
    predicted = read_jsonl(finished.folder / "predictions" / "both _ 0.5" / "seed-42.jsonl")
    right = sum(row["predicted"] == row["label"] for row in predicted) / len(predicted)
    assert float(scores[1][2]) == pytest.approx(right)
    head, means = read(tmp_path / "both" / "0.5" / "ave_sst.csv")
    assert head == ["Seed", "F1", "F1_0", "F1_1"]
    assert float(means[0]) == 24.5
    assert float(means[1]) == pytest.approx((float(scores[0][2]) + right) / 2)


def test_csv_files_of_no_run_are_refused(tmp_path):
    done = made([tmp_path])
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {tmp_path}: holds no results.json, so no finished run is there.")


def test_csv_files_are_read_as_rows_again(finished, tmp_path, tiny_encoder):
    made([finished.folder, "--out", tmp_path])
    folder = tmp_path / "0.5"
    source = experiment(folder, tiny_encoder, generate={"kind": "imported", "path": str(Path(folder, "aug.csv"))})
    plan = read_plan({**source, "data": {"source": str(folder), "labels": ["0", "1"]}})
    assert checked_source(plan).of().train.counts() == {"0": 4, "1": 8}

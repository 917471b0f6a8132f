"""The command line from an experiment file to a report, run again, cut off and carried on."""

import json
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from augtune.cli.main import main
from augtune.core.files import read_jsonl

COMMAND = "import sys; from augtune.cli.main import main; sys.exit(main(sys.argv[1:]))"
GOOD = "a great film;i love this movie;really good acting;a fun story;very good plot;great fun;a good day;love it"
BAD = "an awful film;i hate this movie;really bad acting;a boring story;very bad plot;awful thing;a bad day;hate it"
WRITTEN = [
    ("the movie was great fun today", "good"),
    ("a great film", "good"),
    ("one very good blue story", "good"),
    ("the film was awful and boring", "bad"),
    ("a really bad awful plot", "bad"),
]
EXPERIMENT = """\
name: trial
seeds: [0, 1]
data: {{source: data}}
generate: {{kind: imported, path: written.jsonl}}
curate: [{{kind: dedup, threshold: 0.99}}, {{kind: contamination, threshold: 0.99}}]
train: {{encoder: '{encoder}', steps: 4, batch_size: 4}}
arms:
  human only: {{generate: null, curate: null}}
  human + written: {{}}
  dimp: {{train: {{recipe: dimp}}}}
evaluate: {{resamples: 200}}
"""


@pytest.fixture
def folder(tmp_path, tiny_encoder, monkeypatch):
    """A folder with an experiment on 10 training rows, 6 test rows and 5 rows a model wrote."""
    rows = [(text, "good") for text in GOOD.split(";")] + [(text, "bad") for text in BAD.split(";")]
    parts = {"train": rows[:5] + rows[8:13], "test": rows[5:8] + rows[13:]}
    (tmp_path / "data").mkdir()
    for name, part in parts.items():
        text = "text,label\n" + "".join(f"{text},{label}\n" for text, label in part)
        (tmp_path / "data" / f"{name}.csv").write_text(text, encoding="utf-8")
    lines = (json.dumps({"text": text, "label": label}) + "\n" for text, label in WRITTEN)
    (tmp_path / "written.jsonl").write_text("".join(lines), encoding="utf-8")
    (tmp_path / "trial.yaml").write_text(EXPERIMENT.format(encoder=tiny_encoder), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def in_a_process(*arguments, largest_file=None, cwd):
    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))

    return subprocess.run(
        [sys.executable, "-c", COMMAND, *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        preexec_fn=limit if largest_file else None,
    )


def scores(run):
    """Return what a run found, without the times it took."""
    values = json.loads((run / "results.json").read_text())
    for arm in values["arms"].values():
        del arm["train_seconds"]
    predictions = {str(p.relative_to(run)): p.read_text() for p in sorted((run / "predictions").rglob("*.jsonl"))}
    return values, predictions


def test_run_writes_a_report_and_runs_again_without_doing_anything_twice(folder, capsys):
    assert main(["run", "trial.yaml"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[0].split()[:2] == ["arm", "macro_f1"]
    assert "Highest macro-F1:" in out
    assert out.endswith("report: runs/trial/report.html\n")
    assert "train     dimp · seed 1: done in " in err
    run = folder / "runs" / "trial"
    first = scores(run)
    dropped = read_jsonl(run / "data" / "dimp" / "dropped.jsonl")
    assert [row["by"] for row in dropped] == ["dedup"]
    before = (run / "report.html").read_bytes()

    assert main(["run", "trial.yaml"]) == 0
    again = capsys.readouterr().err
    assert "done before" in again
    assert "done in" not in again
    assert scores(run) == first
    assert (run / "report.html").read_bytes() == before

    assert main(["run", "trial.yaml", "arms.dimp.train.steps=5"]) == 0
    redone = {line.split(":")[0] for line in capsys.readouterr().err.splitlines() if "done in" in line}
    assert {line.split(" ", 1)[1].strip() for line in redone if line.startswith("train")} == {
        "dimp · seed 0",
        "dimp · seed 1",
    }

    (folder / "trial").mkdir()  # rows of the user's own, by the name of the run
    assert main(["show", "trial"]) == 0
    assert "Highest macro-F1:" in capsys.readouterr().out
    assert main(["report", "trial", "--out", "other.html"]) == 0
    assert capsys.readouterr().out == "report: other.html\n"
    assert (folder / "other.html").stat().st_size > 10_000


def test_a_write_that_was_cut_off_is_done_again(folder, capsys):
    assert main(["run", "trial.yaml", "seeds=[0]"]) == 0
    run = folder / "runs" / "trial"
    whole = scores(run)
    stages = sorted((run / "stages").iterdir())
    for stage in stages[::2]:
        (stage / "stamp.json").unlink()
    cut = next(path for path in stages[1].rglob("*") if path.is_file() and path.name != "stamp.json")
    cut.write_bytes(cut.read_bytes()[:-1])
    (run / "results.json").write_text('{"schema": 1, "na')
    (run / ".results.json.abc.part").write_text("half")
    with (run / "events.jsonl").open("a") as stream:
        stream.write('{"time": "20')
    assert main(["show", "trial"]) == 2
    assert "not JSON" in capsys.readouterr().err
    assert main(["run", "trial.yaml", "seeds=[0]"]) == 0
    assert scores(run) == whole
    assert not list(run.rglob("*.part"))


def start_and_stop(folder, signal_number):
    """Start a run, send it a signal as its first training begins and return the process and what it said then."""
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, "run", "trial.yaml", "seeds=[0]"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        cwd=folder,
    )
    for line in process.stderr:
        if line.startswith("train"):
            process.send_signal(signal_number)
            break
    return process, process.communicate()[1]


def test_stopped_run_carries_on_to_the_same_result(folder, capsys):
    assert main(["run", "trial.yaml", "--out", "whole", "seeds=[0]"]) == 0
    run = folder / "runs" / "trial"

    process, _ = start_and_stop(folder, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not (run / "results.json").exists()

    process, said = start_and_stop(folder, signal.SIGINT)
    assert process.returncode == 130
    assert said.endswith("error: interrupted; the same command carries on from here.\n")
    assert "Traceback" not in said
    assert not (run / "results.json").exists()

    assert main(["run", "trial.yaml", "seeds=[0]"]) == 0
    assert scores(run) == scores(folder / "whole" / "trial")


@pytest.mark.parametrize("largest_file", [400, 30_000])
def test_full_disk_leaves_nothing_half_written(largest_file, folder):
    done = in_a_process("run", "trial.yaml", "seeds=[0]", largest_file=largest_file, cwd=folder)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    message = done.stderr[done.stderr.index("error: ") :].splitlines()
    assert "cannot be written: " in message[0]
    assert "File too large" in message[0]
    assert message[1].startswith("  Free some space")
    assert not list((folder / "runs").rglob("*.part"))
    assert not (folder / "runs" / "trial" / "results.json").exists()
    assert main(["run", "trial.yaml", "seeds=[0]"]) == 0


def test_run_folder_can_be_moved(folder, capsys):
    assert main(["run", "trial.yaml", "seeds=[0]"]) == 0
    shutil.move(folder / "runs" / "trial", folder / "moved")
    capsys.readouterr()
    assert main(["report", str(folder / "moved")]) == 0
    assert capsys.readouterr().out == f"report: {folder / 'moved' / 'report.html'}\n"
    assert Path("moved/report.html").is_file()

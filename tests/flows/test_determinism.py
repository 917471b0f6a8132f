"""The same results whatever the hash seed, the locale and the time zone; other tests hold the rest of that promise.

Workers on Ray: ``test_ray.py``. Where a run was cut off: ``tests/faults``. Two processes that train one model together add
up sums in another order and agree to five digits: ``test_several.py``.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from augtune.cli.main import main
from augtune.experiment.run import run
from faults.contents import contents, differences
from flows.small import experiment, write_task

TEXTS = ("İSTANBUL ılık IŞIK mı", "İstanbul ilık ışık mi", "naïve café – déjà vu", "Straße STRASSE ß", "日本語 の 映画")


@pytest.fixture(scope="module")
def file(tmp_path_factory, tiny_encoder):
    """Rows drawn, changed, compared, weighed and trained on, some of them in letters that a locale may see its own way."""
    folder = tmp_path_factory.mktemp("determinism")
    task = write_task(folder / "task")
    with (task / "train.jsonl").open("a", encoding="utf-8") as stream:
        for number, text in enumerate(TEXTS):
            label = ("positive", "negative")[number % 2]
            stream.write(json.dumps({"text": text, "label": label}, ensure_ascii=False) + "\n")
    wanted = experiment(task, tiny_encoder, seeds=[0])
    wanted["generate"] = [{"kind": "eda", "per_class": 8}, wanted["generate"]]
    wanted["curate"].append({"kind": "confidence", "keep": 0.9, "folds": 2})
    wanted["data"]["train"] = "9/class of train"
    wanted["arms"] = {"human only": {"generate": None, "curate": None}, "imp": {"train": {"recipe": "imp"}}}
    (folder / "small.yaml").write_text(json.dumps(wanted, ensure_ascii=False), encoding="utf-8")
    return folder / "small.yaml"


@pytest.fixture(scope="module")
def here(file):
    """What the run holds that this process made."""
    return contents(run(file, out=file.parent / "here").folder)


def turkish(folder):
    """Return the variables of a Turkish locale, made where the system has none; its small i has a dot, its capital not."""
    if shutil.which("localedef") is None:
        pytest.skip("there is no Turkish locale here, and no localedef to make one")
    command = ["localedef", "-i", "tr_TR", "-f", "UTF-8", str(folder / "tr_TR.UTF-8")]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode > 1:  # 1: made, with warnings
        pytest.skip(f"there is no Turkish locale here, and none can be made: {done.stderr.strip()[-200:]}")
    return {"LC_ALL": "tr_TR.UTF-8", "LOCPATH": str(folder)}


def plain(folder):
    """Return the variables of a locale that knows no letter beyond ASCII."""
    return {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.mark.parametrize(
    ("locale", "zone", "seed"), [(turkish, "Pacific/Kiritimati", "1"), (plain, "America/St_Johns", "4242")]
)
def test_hash_seed_locale_and_time_zone_change_nothing(file, here, tmp_path, locale, zone, seed):
    variables = {**os.environ, **locale(tmp_path), "TZ": zone, "PYTHONHASHSEED": seed, "OMP_NUM_THREADS": "1"}
    out = file.parent / locale.__name__
    command = [sys.executable, "-m", "augtune", "run", str(file), "--out", str(out)]
    done = subprocess.run(command, env=variables, capture_output=True, timeout=170)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    assert differences(contents(out / "small"), here) == []
    assert (out / "small" / "report.html").read_text(encoding="utf-8").rstrip().endswith("</html>")


def test_a_name_that_the_locale_cannot_write_is_told(monkeypatch, capsys):
    def read(folder):
        raise UnicodeEncodeError("ascii", "arm ı", 4, 5, "ordinal not in range(128)")

    monkeypatch.setattr("augtune.experiment.results.Results.read", read)
    assert main(["show", "runs/one"]) == 2
    assert capsys.readouterr().err == (
        "error: 'ı' cannot be written in this locale, whose encoding is ascii.\n"
        "  Set PYTHONUTF8=1, or a locale such as C.UTF-8, and run the same command again.\n"
    )

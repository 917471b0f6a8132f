"""The example's recorded replies belong to the requests that its generators make today."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path

import pytest

from augtune.data.load import load
from augtune.generation import GENERATORS
from augtune.generation.base import generate
from augtune.llm.client import LLM

HELPDESK = Path(__file__).resolve().parents[3] / "examples" / "helpdesk"


@pytest.fixture
def script(tmp_path, monkeypatch):
    for name in ("make_replies.py", "helpdesk.yaml", "train.csv", "replies.jsonl"):
        shutil.copy(HELPDESK / name, tmp_path / name)
    spec = importlib.util.spec_from_file_location("make_replies", tmp_path / "make_replies.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "make_replies", module)
    spec.loader.exec_module(module)
    return module


def test_the_recording_is_the_one_the_script_makes(script, capsys):
    before = script.REPLIES.read_bytes()
    script.main()
    assert script.REPLIES.read_bytes() == before, "run: python examples/helpdesk/make_replies.py"
    assert capsys.readouterr().out.splitlines()[0] == "replies.jsonl: 432 replies"


def test_the_recording_answers_every_request_of_the_example():
    from ruamel.yaml import YAML

    settings = YAML(typ="safe").load((HELPDESK / "helpdesk.yaml").read_text(encoding="utf-8"))
    train = load(HELPDESK / "train.csv", **settings["data"]["columns"]).train
    made = [
        generate(train, GENERATORS.parse(value, where="generate"), llm=LLM(replay=HELPDESK / "replies.jsonl"))
        for value in settings["generate"]
    ]
    assert [repr(part) for part in made] == [
        "280 kept, 18 dropped (6 unreadable, 4 unknown label, 4 copy, 2 repeat, 1 refused, 1 empty) · $0.000",
        "128 kept, 4 dropped (2 copy, 1 empty, 1 repeat) · 4 fewer than asked · $0.000",
    ]
    assert {row.soft_source for row in made[0].dataset} == {"logprobs"}
    assert sum(row.generator.endswith("unwrapped:preamble+quotes") for row in made[1].dataset) == 2

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from augtune.cli.main import main
from augtune.cli.starter import Source, starter
from augtune.experiment import document
from augtune.experiment.plan import read_plan

HELPDESK = Path(__file__).parents[3] / "examples" / "helpdesk"


def test_starter_of_own_file_passes_check(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = (HELPDESK / "train.csv").read_text(encoding="utf-8")
    Path("tickets.csv").write_text(rows, encoding="utf-8")
    assert main(["new", "hello.yaml", "tickets.csv"]) == 0
    assert capsys.readouterr().out == "written: hello.yaml\nnext: augtune check hello.yaml\n"
    plan = read_plan("hello.yaml")
    data = plan.experiment.data
    assert (data.source, data.columns.text, data.columns.label) == ("tickets.csv", "message", "intent")
    assert (data.train, data.test) == ("all of train", "20% of train")
    assert main(["check", "hello.yaml", "generate.per_class=2"]) == 0
    out = capsys.readouterr().out
    assert "hello · 3 arms × 3 seeds" in out
    assert "about 12 requests" in out
    assert "never more than the budget of 1 USD" in out


def test_starter_of_a_folder_uses_its_test_rows(tmp_path):
    assert main(["new", str(tmp_path / "x.yaml"), str(HELPDESK)]) == 0
    data = read_plan(tmp_path / "x.yaml").experiment.data
    assert (Path(data.source), data.test) == (HELPDESK, "all of test")


def test_starter_is_not_overwritten(tmp_path, capsys):
    file = tmp_path / "x.yaml"
    file.write_text("mine")
    assert main(["new", str(file)]) == 2
    assert file.read_text() == "mine"
    assert capsys.readouterr().err == (
        f"error: {file}: is there already and is not overwritten.\n  Choose another name or remove it.\n"
    )


def test_nothing_is_written_when_the_source_is_wrong(tmp_path):
    assert main(["new", str(tmp_path / "x.yaml"), str(tmp_path / "missing.csv")]) == 2
    assert list(tmp_path.iterdir()) == []


@example("0E0", "no")
@example("0x1f", "no")
@example("2020-01-01", "no")
@given(
    text=st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1).filter(str.strip),
    path=st.sampled_from(["a b.csv", "./x.csv", "-x.csv", "it's.csv", "a: b.csv", "no", "1.5", "#x.csv"]),
)
def test_starter_keeps_any_column_and_path(text, path):
    written = starter(Path("x.yaml"), Source(path, text, "label"), llm="openai/gpt-4.1-mini", encoder="bundled/minilm")
    data = document.value_of(written)["data"]
    assert (data["columns"]["text"], data["source"]) == (text, path)


@pytest.mark.parametrize("name", ["1.yaml", "null.yaml", "my run.yaml"])
def test_name_of_the_experiment_is_the_files(name, tmp_path):
    assert main(["new", str(tmp_path / name)]) == 0
    assert read_plan(tmp_path / name).experiment.name == Path(name).stem

import json

import pytest

from augtune.cli.main import main

pytest.importorskip("torch")

HUMAN = "text,label\n" + "".join(
    f"{'my parcel number' if i % 2 else 'the invoice of month'} {i} is missing,{'delivery' if i % 2 else 'billing'}\n"
    for i in range(24)
)


@pytest.fixture
def files(tmp_path):
    (tmp_path / "train.csv").write_text(HUMAN)
    (tmp_path / "test.csv").write_text("text,label\nwhere is my parcel,delivery\nwho pays this,billing\n")
    rows = [
        {"text": f"the parcel is late again {i} (billing)", "label": "delivery", "source_text": "parcel"}
        for i in range(20)
    ]
    rows += [{"text": "Where is my parcel?", "label": "delivery"}, {"text": "an invoice", "label": "billing"}]
    (tmp_path / "made.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def test_inspect_shows_a_line_per_label_and_warns(files, tiny_encoder, capsys):
    arguments = [str(files / "made.jsonl"), "--human", str(files / "train.csv"), "--test", str(files / "test.csv")]
    target = files / "quality.json"
    assert main(["inspect", *arguments, "--encoder", str(tiny_encoder), "--json", str(target)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "22 rows against 24 human ones; rows | human rows"
    assert [line.split()[0] for line in lines[2:6]] == ["label", "billing", "delivery", "all"]
    assert any(
        line.startswith("warning: 20 of 22 rows name a label in a tag such as (label), 20 of them another ")
        for line in lines
    )
    assert any(line.startswith("warning: Few sources: delivery (one text is behind 20 of 21 rows).") for line in lines)
    found = json.loads(target.read_text())
    assert found["by_label"]["delivery"]["tagged_wrong"] == 20
    assert found["whole"]["near_test"] >= 1
    assert found["warnings"] == [line.removeprefix("warning: ") for line in lines if line.startswith("warning: ")]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--set", "thresold=0.8"], "error: --set.thresold: unknown key; did you mean 'threshold'?\n"),
        (["--set", "rows=3"], "error: --set.rows: should be greater than or equal to 10, got 3\n"),
    ],
)
def test_wrong_settings_are_refused_before_anything_is_read(arguments, told, files, capsys):
    assert main(["inspect", str(files / "made.jsonl"), "--human", str(files / "train.csv"), *arguments]) == 2
    assert capsys.readouterr().err == told

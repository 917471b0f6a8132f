"""A run whose training rows hold test rows says so of every arm and draw, not of the experiment's own draw alone."""

from __future__ import annotations

import json

from augtune.experiment.run import run
from flows.small import experiment, write_task


def test_arms_with_training_rows_of_their_own_are_looked_at_in_every_draw(tiny_encoder, tmp_path):
    folder = write_task(tmp_path / "task")
    train, test = folder / "train.jsonl", folder / "test.jsonl"
    with train.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(json.loads(test.read_text(encoding="utf-8").splitlines()[0])) + "\n")
    asked = experiment(
        folder,
        tiny_encoder,
        data={"source": str(folder), "train": "1/class"},
        arms={"few": {}, "all": {"data": {"train": "all of train"}}},
        generate=None,
        curate=None,
        data_seeds=[0, 1],
        evaluate={"resamples": 100},
        train={"encoder": tiny_encoder, "steps": 1, "batch_size": 4, "precision": "fp32"},
    )
    events: list[dict[str, object]] = []
    run(asked, out=tmp_path / "runs", listen=events.append)
    told = [str(event["message"]) for event in events if event["event"] == "warning"]
    assert [one for one in told if "repeat a test row" in one] == [
        f"1 of 33 human training rows of data seed {seed} repeat a test row, so arm 'all' has seen it "
        "(first: train-0032 is test-0000); scores are too high by what that is worth."
        for seed in (0, 1)
    ]

"""The generator that is taken where nobody names one."""

from __future__ import annotations

from augtune.core.dataset import Example, HumanDataset
from augtune.experiment.fit import usual_generator
from training_rows import LABELS, human_rows


def test_rows_follow_need_only_where_classes_are_unbalanced(tiny_encoder):
    assert usual_generator(human_rows(24), tiny_encoder, 0) == {"kind": "gpt3mix", "per_class": 50}
    names = ["positive"] * 18 + ["negative"] * 4
    rows = [Example(f"h{i}", f"the film was {name} {i}", name) for i, name in enumerate(names)]
    made = usual_generator(HumanDataset.from_examples(rows, LABELS), tiny_encoder, 0)
    assert made["kind"] == "gpt3mix"
    assert list(made["per_class"]) == ["negative", "positive"]
    assert sum(made["per_class"].values()) == 100

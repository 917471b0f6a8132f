import pytest

from augtune.core.dataset import Dataset, Example, HumanDataset
from augtune.core.labels import Labels

LABELS = Labels(("negative", "positive"))


def _example(name, row, origin):
    text, label = (row, "positive") if isinstance(row, str) else row[:2]
    more = row[2] if not isinstance(row, str) and len(row) > 2 else {}
    return Example(**{"id": name, "text": text, "label": label, "origin": origin, **more})


@pytest.fixture(scope="session")
def synthetic():
    """Make a dataset of synthetic rows: texts, or (text, label), or (text, label, fields)."""

    def make(*rows):
        return Dataset.from_examples((_example(f"made-{i}", row, "generated") for i, row in enumerate(rows)), LABELS)

    return make


@pytest.fixture(scope="session")
def human():
    """Make a human dataset of the given name: texts, or (text, label), or (text, label, fields)."""

    def make(name, *rows):
        examples = (_example(f"{name}-{i}", row, "human") for i, row in enumerate(rows))
        return HumanDataset.from_examples(examples, LABELS, name=name)

    return make

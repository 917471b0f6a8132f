"""What every curation step of the catalog has to hold to."""

import subprocess
import sys

import pytest

from augtune.core.dataset import Dataset, Example, HumanDataset, Splits
from augtune.core.labels import Labels
from augtune.curation import STEPS
from augtune.curation.base import Context, Step, curate, parse_steps
from augtune.llm.client import LLM
from augtune.llm.providers.scripted import Scripted

LABELS = Labels(("negative", "positive"))
TEXTS = ["good film", "Good film!", "the login never works", "a late parcel", "a late , parcel", "🙂", "!!!", "so dull"]


def dataset(kind, name, texts, origin):
    examples = [Example(f"{name}-{i}", text, LABELS.names[i % 2], origin=origin) for i, text in enumerate(texts)]
    return kind.from_examples(examples, LABELS, name=name)


@pytest.fixture
def rows():
    return dataset(Dataset, "made", TEXTS, "generated") + dataset(HumanDataset, "own", ["so dull", "So dull."], "human")


@pytest.fixture
def context(tiny_encoder):
    train = dataset(HumanDataset, "train", ["a late parcel", "great"], "human")
    test = dataset(HumanDataset, "test", ["the login never works", "so dull"], "human")
    return Context(train, Splits(train, test, test), tiny_encoder, llm=LLM(Scripted(lambda _: "negative")))


@pytest.fixture(params=list(STEPS))
def step(request):
    return STEPS.load(request.param)()


def test_catalogued_step_is_its_settings(step):
    assert isinstance(step, Step)
    assert step.kind in STEPS
    assert STEPS.load(step.kind) is type(step)
    assert parse_steps([step.kind]) == (step,)
    assert parse_steps([step.to_json()]) == (step,)
    assert all(field.description for field in type(step).model_fields.values())
    assert STEPS.rows[step.kind].summary.endswith(".")


def test_settings_load_without_torch():
    code = (
        "import sys; from augtune.curation import STEPS; [STEPS.parse(name, where='curate') for name in STEPS]; "
        "print([name for name in ('torch', 'transformers', 'scipy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_rows_are_kept_as_they_were_or_on_record(step, rows, context):
    before = rows.fingerprint
    curation = step.apply(rows, context)
    assert rows.fingerprint == before
    kept = [rows.ids.index(name) for name in curation.dataset.ids]
    assert kept == sorted(kept)
    after = {record.before.id: record.after for record in curation.changed}
    assert list(curation.dataset) == [after.get(rows.ids[i], rows[i]) for i in kept]
    gone = [rows.ids.index(row.example.id) for row in curation.dropped]
    assert sorted(kept + gone) == list(range(len(rows)))
    assert gone or curation.changed
    for record in curation.changed:
        assert record.by == step.kind
        assert record.because
        assert record.before == rows[rows.ids.index(record.before.id)]
        assert record.after.text == record.before.text
        assert record.after.label != record.before.label
    for record in curation.dropped:
        assert record.by == step.kind
        assert record.because
        assert record.reason
        assert record.example == rows[rows.ids.index(record.example.id)]


def test_human_rows_are_kept(step, rows, context):
    assert {"own-0", "own-1"} <= set(step.apply(rows, context).dataset.ids)


def test_same_rows_give_the_same_answer(step, rows, context):
    first = step.apply(rows, context)
    second = curate(rows, [step], human=context.human, splits=context.splits, encoder=context.encoder, llm=context.llm)
    assert first.dataset.fingerprint == second.dataset.fingerprint
    assert first.dropped == second.dropped
    assert first.changed == second.changed


def test_no_rows_give_no_rows(step, rows, context):
    curation = step.apply(rows[:0], context)
    assert (len(curation.dataset), curation.dropped, curation.changed) == (0, (), ())

import re
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from augtune.core.outcomes import Curation, Dropped
from augtune.curation.base import Context, Step, curate, parse_steps
from augtune.curation.contamination import Contamination
from augtune.curation.dedup import Dedup


class Forgetful(Step):
    """A step that loses its last row."""

    kind: ClassVar[str] = "forgetful"

    def apply(self, rows, context):
        return Curation(rows[:-1])


class Turning(Step):
    """A step that turns the order round."""

    kind: ClassVar[str] = "turning"

    def apply(self, rows, context):
        return Curation(rows[::-1])


class DropFirst(Step):
    """A step of a user's own."""

    kind: ClassVar[str] = "drop_first"

    def apply(self, rows, context):
        return Curation(rows[1:], (Dropped(rows[0], self.kind, "it is the first", "first"),))


def test_steps_are_objects_names_or_mappings():
    expected = (Dedup(), Contamination(against="both"))
    assert parse_steps(["dedup", {"kind": "contamination", "against": "both"}]) == expected
    assert parse_steps([Dedup(), Contamination(against="both")]) == expected
    assert parse_steps("dedup") == parse_steps({"kind": "dedup"}) == parse_steps(Dedup()) == (Dedup(),)
    assert parse_steps([]) == ()


def test_steps_apply_in_order_and_everything_dropped_is_on_record(synthetic):
    curation = curate(synthetic("a", "b", "B"), [DropFirst(), Dedup(measure="jaccard"), DropFirst()])
    assert [(row.example.id, row.by) for row in curation.dropped] == [
        ("made-0", "drop_first"),
        ("made-2", "dedup"),
        ("made-1", "drop_first"),
    ]
    assert repr(curation) == "0 kept, 3 dropped (2 by drop_first, 1 by dedup)"


@pytest.mark.parametrize("step", [Forgetful(), Turning()])
def test_step_that_loses_or_moves_rows_is_caught(synthetic, step):
    with pytest.raises(
        RuntimeError, match=rf"^curation step '{step.kind}' was given 2 rows and returned \d kept and 0"
    ):
        curate(synthetic("a", "b"), [step])


def test_texts_are_encoded_once_for_all_steps(synthetic, human, tiny_encoder, monkeypatch):
    from augtune.embedding import encode

    asked = []
    real = encode.embed
    monkeypatch.setattr(encode, "embed", lambda texts, **more: asked.extend(texts) or real(texts, **more))
    rows = synthetic("good film", "bad film", "so dull")
    test = human("test", "so dull", "the login never works")
    steps = [Dedup(threshold=1), Contamination(against=test, threshold=1)]
    curate(rows, steps, human=human("train", "bad plot"), encoder=tiny_encoder)
    assert sorted(asked) == ["bad film", "bad plot", "good film", "so dull", "the login never works"]


def test_progress_is_told(synthetic, tiny_encoder):
    told = []
    curate(synthetic("a", "b"), ["dedup"], encoder=tiny_encoder, on_progress=lambda *args: told.append(args))
    assert told == [("encoding", 2, 2), ("curation steps", 1, 1)]


def test_context_gives_each_text_its_vector(tiny_encoder):
    context = Context(encoder=tiny_encoder)
    first = context.vectors(["good", "bad"])
    np.testing.assert_array_equal(context.vectors(["bad", "good", "bad"]), first[[1, 0, 1]])


texts = st.sampled_from(
    ["a", "A!", "b", "ab", "🙂", "!!!", "好", "a long text of some words", "a long text of some word"]
)


@given(st.lists(texts, max_size=12), st.lists(texts, max_size=4), st.sampled_from([0.3, 0.8, 1.0]))
def test_kept_and_dropped_are_all_rows_and_what_is_kept_stays_kept(synthetic, human, made, known, threshold):
    rows, train = synthetic(*made), human("train", *known)
    steps = [Dedup(measure="jaccard", threshold=threshold)]
    curation = curate(rows, steps, human=train)
    gone = [row.example.id for row in curation.dropped]
    assert sorted([*curation.dataset.ids, *gone], key=rows.ids.index) == list(rows.ids)
    stays = {*curation.dataset.ids, *train.ids}
    assert all(re.findall(r"row '(\S+)'", row.because)[-1] in stays for row in curation.dropped)
    again = curate(curation.dataset, steps, human=train)
    assert again.dataset.ids == curation.dataset.ids

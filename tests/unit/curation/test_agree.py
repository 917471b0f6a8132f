from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest

from augtune.core.dataset import Dataset, Example
from augtune.core.errors import InputError, ProviderError, SettingsError
from augtune.core.labels import Labels
from augtune.core.outcomes import Changed, Curation
from augtune.core.tables import Predictions
from augtune.curation.agree import Agree
from augtune.curation.base import Context, Step, curate, parse_steps
from augtune.llm.client import LLM
from augtune.llm.messages import Reply
from augtune.llm.providers.scripted import Scripted

PROMPT = """\
Which label does the text below the hyphens have? Answer with one of 'negative' or 'positive' and nothing else.

---

so dull"""

FULL = """\
Which intent does the support message below the hyphens have? Answer with one of 'negative' or 'positive' and nothing \
else.

negative: it complains

Support message: bad plot (Intent: negative)
Support message: good plot (Intent: positive)

---

a text with ( Intent: positive ) in it"""


@pytest.fixture
def saying():
    """``saying({"so dull": "negative"})`` or a callable; the requests it got are in ``llm.seen``."""

    def make(answers):
        seen = []

        def reply(request):
            seen.append(request)
            if callable(answers):
                return answers(request)
            return answers[request.text.rpartition("\n")[2]]

        llm = LLM(Scripted(reply))
        llm.seen = seen
        return llm

    return make


ROWS = (("so dull", "positive"), ("warm", "positive"), ("a treat", "negative"))


def rows_of(curation):
    return [(row.id, row.label, row.probabilities, row.generator) for row in curation.dataset]


def test_rows_of_another_label_are_dropped_with_who_says_so(synthetic, saying):
    llm = saying({"so dull": "negative", "warm": "Positive.", "a treat": "“positive”"})
    curation = curate(synthetic(*ROWS), "agree", llm=llm)
    assert curation.dataset.texts == ("warm",)
    assert [(row.example.text, row.example.label, row.by, row.reason, row.because) for row in curation.dropped] == [
        ("so dull", "positive", "agree", "other label", "replies gives it 'negative', not 'positive' (1 of 1 votes)"),
        ("a treat", "negative", "agree", "other label", "replies gives it 'positive', not 'negative' (1 of 1 votes)"),
    ]
    assert repr(curation) == "1 kept, 2 dropped by agree · $0.000"
    assert curation.cost.calls == 3
    assert {(request.temperature, request.draw) for request in llm.seen} == {(0.0, 0)}
    assert PROMPT in {request.text for request in llm.seen}


def test_rows_of_another_label_get_it_and_both_are_on_record(synthetic, saying):
    rows = synthetic(
        ("so dull", "positive", {"generator": "gpt3mix@1", "probabilities": (0.4, 0.6), "soft_source": "logprobs"}),
        ("warm", "positive"),
    )
    before = rows.fingerprint
    curation = curate(rows, Agree(action="relabel"), llm=saying({"so dull": "negative", "warm": "positive"}))
    assert rows_of(curation) == [
        ("made-0", "negative", None, "gpt3mix@1 relabelled:positive>negative"),
        ("made-1", "positive", None, None),
    ]
    [change] = curation.changed
    assert (change.before, change.after, change.by) == (rows[0], curation.dataset[0], "agree")
    assert change.because == "replies gives it 'negative', not 'positive' (1 of 1 votes)"
    assert Changed.from_json(change.to_json(rows.labels), rows.labels) == change
    assert repr(curation) == "2 kept (1 relabelled), 0 dropped · $0.000"
    assert rows.fingerprint == before


def test_several_votes_make_a_soft_label_and_ties_go_to_the_row(synthetic, saying):
    answers = {"so dull": ["negative", "negative", "positive", "negative"], "warm": ["negative", "positive"] * 2}
    llm = saying(lambda request: answers[request.text.rpartition("\n")[2]][request.draw])
    curation = curate(synthetic(*ROWS[:2]), Agree(action="relabel", votes=4), llm=llm)
    assert rows_of(curation) == [
        ("made-0", "negative", (0.75, 0.25), "relabelled:positive>negative"),
        ("made-1", "positive", None, None),
    ]
    assert curation.dataset[0].soft_source == "votes"
    assert {request.temperature for request in llm.seen} == {1.0}


def test_confidence_leaves_rows_alone_that_are_in_doubt(synthetic, saying):
    llm = saying(lambda request: ["negative", "negative", "positive"][request.draw])
    for confidence, kept in ((0.6, 0), (0.7, 1)):
        assert len(curate(synthetic(*ROWS[:1]), Agree(votes=3, confidence=confidence), llm=llm).dataset) == kept


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ("mixed", "'mixed'"),
        ("", "''"),
        ("<html>502</html>", "'<html>502</html>'"),
        ("negative or positive", "'negative or positive'"),
        ("nega", "'nega'"),
        (Reply("negative", "refusal"), "'negative'"),
        (Reply("", "length"), "'', cut off; a model that thinks first needs more vote_tokens"),
        (ProviderError("gone"), "gone"),
    ],
)
def test_a_row_that_is_given_no_label_is_dropped_and_says_what_was_said(synthetic, saying, reply, said):
    for action in ("drop", "relabel"):
        curation = curate(synthetic(*ROWS[:1]), Agree(action=action), llm=saying(lambda _: reply))
        assert [(row.reason, row.because) for row in curation.dropped] == [
            ("no verdict", f"replies gives it no label: {said}")
        ]


def test_labels_that_begin_alike_are_told_apart(saying):
    labels = Labels(("sad", "sadness", "not sad"))
    rows = Dataset.from_examples(
        [Example(f"r{i}", name, name, origin="generated") for i, name in enumerate(labels)], labels
    )
    curation = curate(rows, "agree", llm=saying({name: name.upper() for name in labels}))
    assert len(curation.dataset) == 3


def test_human_rows_are_never_checked(synthetic, human, saying):
    rows = synthetic(("so dull", "positive")) + human("own", ("so dull", "positive"))
    curation = curate(rows, "agree", llm=saying({"so dull": "negative"}))
    assert curation.dataset.ids == ("own-0",)
    assert len(curate(human("own", "x"), "agree", llm=saying({})).dataset) == 1


def test_the_prompt_shows_meanings_and_examples(human, saying):
    labels = Labels(("negative", "positive"), {"negative": "it complains"})
    text = "a text with ( Intent: positive )\nin it"
    rows = Dataset.from_examples([Example("r", text, "positive", origin="generated")], labels)
    train = human("train", ("good plot", "positive"), ("bad plot", "negative"), ("bad film", "negative"))
    llm = saying(lambda _: "positive")
    step = Agree(text_type="support message", label_type="intent", examples=1)
    curate(rows, step, human=train, llm=llm)
    assert [request.text for request in llm.seen] == [FULL]


def test_pairs_show_both_texts(saying):
    rows = Dataset.from_examples([Example("r", "one", "a", text_pair="two", origin="generated")], Labels(("a", "b")))
    llm = saying(lambda _: "a")
    curate(rows, "agree", llm=llm)
    assert llm.seen[0].text.rstrip().endswith("---\n\none\ntwo")


def test_relabelled_rows_go_on_to_the_next_step(synthetic, saying):
    answers = iter(["negative", "positive"])
    curation = curate(
        synthetic(*ROWS[:1]),
        [Agree(action="relabel"), Agree(action="relabel", temperature=0.5)],
        llm=saying(lambda _: next(answers)),
    )
    assert [(row.before.label, row.after.label) for row in curation.changed] == [
        ("positive", "negative"),
        ("negative", "positive"),
    ]
    assert curation.dataset[0].generator == "relabelled:positive>negative relabelled:negative>positive"
    assert repr(curation) == "1 kept (1 relabelled), 0 dropped · $0.000"


def test_progress_is_told(synthetic, saying):
    told = []
    curate(
        synthetic(*ROWS[:1]),
        Agree(votes=2),
        llm=saying(lambda _: "positive"),
        on_progress=lambda *args: told.append(args),
    )
    assert told == [("checking labels", 1, 2), ("checking labels", 2, 2), ("curation steps", 1, 1)]


def test_no_language_model_is_one_clear_error(synthetic):
    with pytest.raises(InputError) as caught:
        curate(synthetic(*ROWS), "agree")
    assert str(caught.value) == (
        "agree: by: llm asks a language model, and none was given.\n"
        "  Name one: 'llm: {model: PROVIDER/MODEL, budget: 5 USD}' in the file, curate(..., llm=...) in Python; or have "
        "a classifier check: by: FOLDER."
    )


def test_what_a_step_needs_is_known_beforehand():
    assert Agree().needs_llm
    assert Agree().files() == ()
    step = Agree(by="models/human")
    assert not step.needs_llm
    assert [str(path) for path in step.files()] == ["models/human"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"action": "remove"}, "curate[0].action: should be 'drop' or 'relabel', got 'remove'"),
        ({"votes": 3, "temperature": 0}, "curate[0]: votes drawn at temperature 0 are all alike; raise temperature or set votes: 1"),
        ({"confidence": 2}, "curate[0].confidence: should be less than or equal to 1, got 2"),
        ({"label_type": "a: b"}, "curate[0].label_type: expected a word or two without brackets, colons or line breaks, got 'a: b'"),
        ({"descriptions": {"postive": "x"}}, "agree.descriptions: no label is called 'postive'; did you mean 'positive'?"),
        ({"examples": 1}, "agree.examples: there are no human rows to show; give human=..., or examples: 0"),
    ],
)  # fmt: skip
def test_settings_that_are_wrong(synthetic, saying, settings, message):
    with pytest.raises(SettingsError) as caught:
        curate(synthetic(*ROWS), {"kind": "agree", **settings}, llm=saying(lambda _: "positive"))
    assert caught.value.problems == (message,)


class Quiet(Step):
    """A step that gives a row another label and tells nobody."""

    kind: ClassVar[str] = "quiet"
    text: str | None = None

    def apply(self, rows, context):
        from dataclasses import replace

        row = replace(rows[0], label="negative", text=self.text or rows[0].text)
        change = (Changed(rows[0], row, self.kind, "so"),) if self.text else ()
        return Curation(Dataset.from_examples([row], rows.labels), (), change)


@pytest.mark.parametrize("text", [None, "another text"])
def test_a_change_that_is_not_on_record_or_changes_more_is_caught(synthetic, text):
    with pytest.raises(RuntimeError, match=r"^curation step 'quiet' was given 1 rows"):
        curate(synthetic(*ROWS[:1]), Quiet(text=text))


# ---- a classifier


@pytest.fixture
def classifier(monkeypatch):
    """A saved classifier whose labels stand in another order than the rows'."""
    pytest.importorskip("torch")
    from augtune.model.fitted import Fitted

    class Stub:
        name = "all-MiniLM-L6-v2 · vanilla · 100 steps"

        def predict(self, rows):
            shares = {"so dull": (0.1, 0.9), "warm": (0.8, 0.2), "a treat": (0.55, 0.45)}
            table = np.array([shares[text] for text in rows.texts])
            return Predictions(rows.ids, table, Labels(("positive", "negative")), self.name)

    asked = []
    monkeypatch.setattr(Fitted, "load", lambda folder, *, labels=None: asked.append((folder, labels)) or Stub())
    return asked


def test_a_saved_classifier_checks_without_a_language_model(synthetic, classifier):
    rows = synthetic(*ROWS)
    curation = curate(rows, Agree(by="models/human", action="relabel", confidence=0.6))
    assert rows_of(curation) == [
        ("made-0", "negative", None, "relabelled:positive>negative"),
        ("made-1", "positive", None, None),
        ("made-2", "negative", None, None),
    ]
    assert curation.changed[0].because == (
        "all-MiniLM-L6-v2 · vanilla · 100 steps gives it 'negative', not 'positive' (probability 0.90)"
    )
    assert classifier == [("models/human", rows.labels)]
    assert repr(curation) == "3 kept (1 relabelled), 0 dropped"


def test_a_folder_that_holds_no_classifier(synthetic, tmp_path):
    pytest.importorskip("torch")
    with pytest.raises(InputError):
        Agree(by=str(tmp_path)).apply(synthetic(*ROWS), Context())


def test_the_guides_steps_are_valid():
    import re
    from pathlib import Path

    from ruamel.yaml import YAML

    guide = Path(__file__).resolve().parents[3] / "docs" / "how-to" / "generators.md"
    [block] = re.findall(r"```yaml\n(curate:.*?)```", guide.read_text(encoding="utf-8"), re.DOTALL)
    steps = parse_steps(YAML(typ="safe").load(block)["curate"])
    assert [step.kind for step in steps] == ["dedup", "agree", "contamination"]


def test_a_model_that_thinks_first_is_given_the_tokens_it_needs(synthetic, saying):
    for vote_tokens, most in ((None, 32), (4000, 4000)):
        llm = saying(lambda _: "positive")
        assert len(curate(synthetic(*ROWS[:1]), Agree(vote_tokens=vote_tokens), llm=llm).dataset) == 1
        assert [request.max_tokens for request in llm.seen] == [most]

"""Asking ``transformers serve`` in every prompt form, and routing to it: a real server, a model trained in seconds."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import pytest

import augtune as at
import tiny_causal
from augtune.collaboration.forms import FORMS, find_form
from augtune.collaboration.questions import Questions
from served import serving

pytestmark = pytest.mark.slow

LABELS = at.Labels(("bad", "good"))
WORDS = {"good": "warm clever moving joyful".split(), "bad": "dull tired clumsy bleak".split()}
NOUNS = "film story plot cast".split()


def rows(name: str, count: int, seed: int) -> at.HumanDataset:
    draw, made = random.Random(seed), []
    for i in range(count):
        label = LABELS[i % 2]
        first, second = draw.sample(NOUNS, 2)
        text = f"{name} {i}: the {first} is {draw.choice(WORDS[label])}, the {second} {draw.choice(WORDS[label])}"
        made.append(at.Example(f"{name}-{i}", text, label))
    return at.HumanDataset.from_examples(made, LABELS, name=name)


def guesses(data: at.HumanDataset) -> at.Predictions:
    """A classifier that is sure of every other pair of rows and right there, and unsure and wrong of the rest."""
    sure = np.arange(len(data)) // 2 % 2 == 0
    share = np.where(sure, 0.95, 0.45)
    table = np.full((len(data), 2), 0.0)
    table[np.arange(len(data)), data.label_indices] = share
    table[np.arange(len(data)), 1 - data.label_indices] = 1 - share
    return at.Predictions(data.ids, table, LABELS, "half a classifier", "half")


def evidence(data: at.HumanDataset, pool: at.HumanDataset, **fields) -> at.Evidence:
    return at.Evidence(predictions=guesses(data), model="half", similar=1, pool=pool, choose="random", **fields)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    train, texts = rows("train", 64, 1), []
    for name in FORMS:
        exhibits = evidence(train, train, leave_one_out=True).exhibits(Questions.of(train), find_form(name))
        for i, label in enumerate(train.label_names):
            turns = find_form(name).messages(exhibits.shown(i), LABELS)
            texts.append("".join(f"{turn.content}\n" for turn in turns) + f"{label}</s>")
    random.Random(0).shuffle(texts)
    folder = tmp_path_factory.mktemp("serve") / "rater"
    return tiny_causal.build(folder, texts, steps=60, context=400, vocabulary=700)


@pytest.fixture(scope="module")
def llm(model: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[at.LLM]:
    log = tmp_path_factory.mktemp("log") / "serve.txt"
    with serving(model, log) as address, at.LLM(f"transformers/{model}", base_url=address, max_in_flight=4) as llm:
        yield llm


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gets_labels_from_a_served_model(llm: at.LLM, form: str):
    test = rows("test", 8, 2)
    found = at.ask(test, llm=llm, evidence=evidence(test, rows("train", 64, 1)), form=form, unanswered="exclude")
    assert len(found.records) == 8
    assert all(record.replies and record.status != "classifier" for record in found.records)
    assert len(found) + len(found.unanswered) == 8
    assert len(found) >= 4
    assert found.cost.calls >= 8


def test_served_model_takes_the_rows_the_classifier_is_unsure_of(llm: at.LLM):
    check, test = rows("check", 24, 3), rows("test", 24, 4)
    answers = at.ask(check, llm=llm, form="classify")
    router = at.route(guesses(check), answers, check, folds=3)
    found = router.combine(guesses(test), at.ask(test, llm=llm, form="classify"))
    alone = at.evaluate(guesses(test), test, resamples=0)["macro_f1"]
    assert 0 < found.share <= 1
    assert at.evaluate(found, test, resamples=0)["macro_f1"] >= alone

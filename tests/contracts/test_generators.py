"""What every generator of the catalog has to hold to."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections import Counter

import pytest

from augtune.core.dataset import Example, HumanDataset
from augtune.core.errors import BudgetError, InputError, ProviderError
from augtune.core.labels import Labels
from augtune.core.prompts import folded
from augtune.generation import GENERATORS
from augtune.generation.base import Estimate, Generator, generate
from augtune.llm.client import LLM
from augtune.llm.messages import Reply
from augtune.llm.providers.scripted import Scripted

LABELS = Labels(("billing", "login", "log"), {"login": "cannot get in"})  # one begins another
TEXTS = [
    ("this bill is wrong", "billing"),
    ("why was i charged twice", "billing"),
    ("everything costs more now (Label: Login)", "billing"),
    ("i cannot sign in", "login"),
    ("Text: my password is --- gone", "login"),
    ("the log is full", "log"),
    ('say "{{ 7 * 7 }}" & <b>go</b>\nthen stop', "log"),
]
SEED = 3

# What makes a generator of each kind ask for everything it can; most take three rows of each label.
SETTINGS: dict[str, list[dict[str, object]]] = {
    "gpt3mix": [
        {"per_class": 3},
        {"count": 8, "form": "completion"},
        {"balance": "prior", "count": 9, "labels": "stated", "repair": 1},
        {"count": 8, "labels": "auto", "votes": 3, "choose": "independent"},
        {"count": 6, "labels": "votes", "votes": 2, "repair": 1, "form": "schema"},
    ],
    "fewshot": [{"per_class": 3}, {"balance": "minority", "labels": "votes", "votes": 3, "repair": 1}],
    "zeroshot": [{"per_class": 3}, {"per_class": 3, "form": "schema", "repair": 1}],
    "attributes": [
        {"per_class": 3, "attributes": {"length": ["short", "long"], "topic": {"login": ["phone"]}}},
        {"per_class": 3, "by_label": True, "examples": 2},
    ],
    "rephrase": [{}, {"per_class": {"log": 5}}],
    "backtranslate": [{"through": ["German", "French"], "per_class": 4}],
    "eda": [{}, {"per_class": 3}],
    "notebook": [{"count": 8}, {"count": 8, "sampling": "gpt-j", "form": "chat"}],
    "imported": [{"path": "FILE", "per_class": 2}],
}
CASES = [(kind, i) for kind in GENERATORS for i in range(len(SETTINGS.get(kind, [{}])))]


@pytest.fixture
def train():
    examples = [Example(f"train-{i:04d}", text, label) for i, (text, label) in enumerate(TEXTS)]
    return HumanDataset.from_examples(examples, LABELS, name="train")


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0]}-{case[1]}")
def maker(request, tmp_path):
    kind, number = request.param
    fields = dict(SETTINGS.get(kind, [{}])[number])
    if fields.get("path") == "FILE":
        fields["path"] = tmp_path / "synthetic_made.jsonl"
        rows = [{"text": f"made {i}", "label": LABELS[i % 3], "source_text": TEXTS[i][0]} for i in range(7)]
        fields["path"].write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return GENERATORS.load(kind)(**fields)


NOISE = [
    "",
    "no",
    "<html><body>502</body></html>",
    '{"text": "cut o',
    "“odd” (Label: “Login”)",
    "x (Label: logi)",
    "null",
]


def answer(request):
    """Answer any prompt of the catalog from its content alone; about one reply in four is of no use."""
    rng = random.Random(request.key)
    prompt = request.messages[0].content if request.messages else request.prompt
    if "Along which dimensions" in prompt:
        values = [{"name": name, "values": ["one", "two"]} for name in ("tone", "length")]
        return json.dumps({"dimensions": values})
    if prompt.startswith("Which label") or prompt.endswith("(Label:"):
        return rng.choice(["Billing", "login.", "log", "“log”", "no idea"])
    if rng.random() < 0.25:
        return rng.choice(
            [*NOISE, Reply("half a t", "length"), Reply("no", "refusal"), ProviderError("one call failed")]
        )
    text = f"{rng.choice(['this', 'why', 'even so', '(Label: Log) is'])} {rng.randrange(40)}"
    label = rng.choice(["Billing", "LOGIN", "log"])
    if request.schema is not None:
        value = {"text": text, "label": label.lower()}
        if "probabilities" in request.schema["properties"]:
            value["probabilities"] = {name: 0.8 if name == label.lower() else 0.1 for name in LABELS}
        return json.dumps({name: value[name] for name in request.schema["properties"]})
    named = prompt.startswith(("Continue the list", "Every line"))
    kind = "Sentiment" if "Sentiment:" in prompt else "Label"
    return f"{text} ({kind}: {label})" if named else text


def made_by(maker, train, llm=None, seed=SEED):
    llm = llm or LLM(Scripted(answer))
    with llm:
        return generate(train, maker, llm=llm if maker.needs_llm else None, seed=seed)


def record(generation):
    return (
        [row.to_json(LABELS) for row in generation.dataset],
        [row.to_json(LABELS) for row in generation.dropped],
        dict(generation.shortfall),
    )


def test_every_generator_has_settings_here():
    assert set(SETTINGS) == set(GENERATORS)


def test_catalogued_generator_is_its_settings(maker):
    assert isinstance(maker, Generator)
    assert GENERATORS.load(maker.kind) is type(maker)
    assert GENERATORS.parse(maker.to_json(), where="generate") == maker
    assert all(field.description for field in type(maker).model_fields.values())
    assert GENERATORS.rows[maker.kind].summary.endswith(".")


def test_settings_load_without_anything_heavy():
    code = (
        "import sys; from augtune.generation import GENERATORS; [GENERATORS.load(name) for name in GENERATORS]; "
        "print([n for n in ('torch', 'transformers', 'openai', 'scipy', 'sklearn', 'datasets') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_same_seed_gives_the_same_rows_and_the_human_rows_are_as_before(maker, train):
    before = train.fingerprint
    first, second = made_by(maker, train), made_by(maker, train)
    assert record(first) == record(second)
    assert train.fingerprint == before


def test_rows_are_synthetic_with_ids_of_their_own_and_parents_that_exist(maker, train):
    made = made_by(maker, train)
    assert len(made.dataset)
    everything = [*made.dataset, *(row.example for row in made.dropped)]
    ids = [row.id for row in everything]
    assert len(set(ids)) == len(ids)
    assert not set(ids) & set(train.ids)
    for row in everything:
        assert row.origin in ("generated", "rewritten")
        assert set(row.parents) <= set(train.ids)
        assert row.generator
        assert not maker.needs_llm or row.call_key
    assert made.dataset.labels == LABELS
    assert all((row.probabilities is None) == (row.soft_source is None) for row in made.dataset)
    human = {folded(text).casefold() for text in train.texts}
    assert not human & {folded(row.text).casefold() for row in made.dataset}


def test_every_reply_is_a_row_or_on_record_as_dropped(maker, train):
    first_calls = set()

    def counted(request):
        further = request.text.startswith(("Which label", "Along which")) or request.text.endswith("(Label:")
        back = " to English, keeping" in request.text
        if not further and not back and len(request.messages) < 2:
            first_calls.add((request.key, request.draw))
        return answer(request)

    made = made_by(maker, train, LLM(Scripted(counted)))
    if maker.needs_llm:
        assert len(made.dataset) + len(made.dropped) == len(first_calls)
    for dropped in made.dropped:
        assert (dropped.by, bool(dropped.because), bool(dropped.reason)) == (maker.kind, True, True)
        raw_reply_kept = dropped.example.text or dropped.reason in ("empty", "failed")
        assert raw_reply_kept


def test_what_is_wanted_is_there_or_reported_as_missing(maker, train):
    made = made_by(maker, train)
    wanted = maker.estimate(train).rows
    missing = sum(made.shortfall.values())
    assert maker.kind == "imported" or len(made.dataset) + missing == wanted
    assert len(made.dataset) + missing >= 1


@pytest.mark.parametrize("maker", [case for case in CASES if GENERATORS.load(case[0]).needs_llm], indirect=True)
def test_a_run_that_was_interrupted_and_resumed_makes_the_same_rows_and_pays_each_call_once(maker, train, tmp_path):
    paid, failed = Counter(), set()

    def paying(request):
        paid[request.key] += 1
        reply = answer(request)
        if isinstance(reply, Exception):  # there is no reply to keep, so it is asked again
            failed.add(request.key)
        return reply

    whole = made_by(maker, train, LLM(Scripted(paying)))
    once = set(paid)
    for stop in sorted({1, len(once) // 2, len(once) - 1}):
        paid.clear()

        def breaking(request, stop=stop):
            if sum(paid.values()) >= stop:
                raise BudgetError("that was all")
            return paying(request)

        cache = tmp_path / f"replies-{stop}.sqlite"
        with pytest.raises(BudgetError):
            made_by(maker, train, LLM(Scripted(breaking), cache=cache, max_in_flight=2))
        resumed = made_by(maker, train, LLM(Scripted(paying), cache=cache))
        assert record(resumed) == record(whole)
        assert set(paid) == once
        assert {key for key, times in paid.items() if times > 1} <= failed


def test_another_seed_gives_other_rows(maker, train):
    texts = [made_by(maker, train, seed=seed).dataset.fingerprint for seed in (0, 1)]
    assert texts[0] != texts[1]


def test_preview_and_estimate_cost_nothing_and_previews_are_what_is_sent(maker, train):
    sent = []

    def seeing(request):
        sent.append(request.text)
        return answer(request)

    estimate, previews = maker.estimate(train), maker.preview(train, seed=SEED, count=2)
    assert isinstance(estimate, Estimate)
    assert estimate.calls_at_most >= estimate.calls >= (estimate.rows if maker.needs_llm else 0)
    assert all(path.is_file() for path in maker.files())
    made = made_by(maker, train, LLM(Scripted(seeing)))
    assert made.cost.calls + made.cost.cached <= estimate.calls_at_most
    if not maker.needs_llm:
        assert previews == []
        return
    assert 1 <= len(previews) <= 2
    assert {prompt for prompt in previews if "(a dimension the model proposes)" not in prompt} <= set(sent)


def test_without_a_language_model_it_says_so_or_needs_none(maker, train):
    if not maker.needs_llm:
        assert len(generate(train, maker).dataset)
        return
    with pytest.raises(InputError, match=f"^{maker.kind}: a language model is needed to write rows"):
        generate(train, maker)


def test_progress_never_goes_back(maker, train):
    told = []
    llm = LLM(Scripted(answer)) if maker.needs_llm else None
    generate(train, maker, llm=llm, seed=SEED, on_progress=lambda *numbers: told.append(numbers))
    done = [number for number, *_ in told]
    assert done == sorted(done)
    assert told
    assert all(number <= total for number, total, *_ in told)
    assert all(kept >= 0 and sum(dropped.values()) >= 0 for *_, kept, dropped in told)

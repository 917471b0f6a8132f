"""Inspection on rows made so that every number is known, and on real rows that LLMs wrote."""

from __future__ import annotations

import hashlib
import time

import numpy as np
import pytest

from augtune.core.dataset import Dataset, Example, HumanDataset
from augtune.core.errors import DataError
from augtune.core.labels import Labels
from augtune.curation.quality import InspectSettings, Quality, inspect, warnings_of
from augtune.data import load
from augtune.generation.imported import Imported

LABELS = Labels(("cat", "dog"))
UNITS = 64


def embed(texts) -> np.ndarray:
    """A sentence as the sum of its words' random vectors: alike words, alike vectors."""

    def word(name: str) -> np.ndarray:
        seed = int.from_bytes(hashlib.sha256(name.lower().encode()).digest()[:4], "big")
        return np.random.default_rng(seed).standard_normal(UNITS)

    rows = np.stack([np.sum([word(name) for name in text.split()], axis=0) for text in texts]).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def human(count: int = 40) -> HumanDataset:
    random = np.random.default_rng(0)
    own = {"cat": "purrs whiskers meows kitten claws".split(), "dog": "barks leash wags puppy fetches".split()}
    rest = "the a small big my our old new today again here there".split()
    rows = []
    for i in range(count):
        label = LABELS[i % 2]
        rows.append(Example(f"h{i}", " ".join([*random.choice(own[label], 2), *random.choice(rest, 4)]), label))
    return HumanDataset.from_examples(rows, LABELS, name="human")


def written(texts_and_labels, **fields) -> Dataset:
    rows = [
        Example(f"s{i}", text, label, origin="generated", **fields) for i, (text, label) in enumerate(texts_and_labels)
    ]
    return Dataset.from_examples(rows, LABELS, name="made")


def test_repeats_leaks_and_sources_are_counted_by_label():
    own = human()
    made = written(
        [
            ("the kitten naps", "cat"),
            ("The kitten naps!", "cat"),
            (own.texts[0], "cat"),
            ("a dog (Dogs)", "cat"),
            ("my puppy (dog)", "dog"),
        ],
        source_text="the kitten sleeps",
    )
    found = inspect(made, own, embed=embed)
    cat, dog = found.by_label.values()
    assert (cat.rows, cat.human_rows, cat.repeats, cat.tagged, cat.tagged_wrong) == (4, 20, 2, 1, 1)
    assert (dog.rows, dog.repeats, dog.tagged, dog.tagged_wrong, dog.names_label) == (1, 0, 1, 0, 1.0)
    assert (cat.sources, cat.largest_source) == (1, 4)
    assert (found.whole.rows, found.whole.repeats, found.whole.tagged, found.whole.names_label) == (5, 2, 2, 0.2)
    assert cat.near_human == 1 / 4
    assert cat.near_test is None


def test_near_rows_are_found_by_their_vectors():
    own = human()
    made = written([("the kitten naps here", "cat"), ("here the kitten naps", "cat"), ("purrs loudly", "cat")])
    test = HumanDataset.from_examples([Example("t0", "loudly purrs", "cat")], LABELS, name="test")
    found = inspect(made, own, test=test, embed=embed).whole
    assert found.near_repeats == pytest.approx(1 / 3)
    assert found.near_test == 1
    assert found.repeats == 0


def test_a_checker_shares_right_labels_and_not_wrong_ones():
    own, others = human(60), human(90)
    right = written(list(zip(others.texts[60:], others.label_names[60:], strict=True)))
    wrong = written(
        [(text, "dog" if label == "cat" else "cat") for text, label in zip(right.texts, right.label_names, strict=True)]
    )
    good, bad = inspect(right, own, embed=embed).whole, inspect(wrong, own, embed=embed).whole
    assert good.agreement + bad.agreement == pytest.approx(1)
    assert good.agreement > 0.9
    assert good.human["agreement"] > 0.9
    told = warnings_of(inspect(written([*zip(wrong.texts, wrong.label_names, strict=True)] * 1), own, embed=embed))
    assert any(line.startswith("A checker trained on the human rows shares few labels: ") for line in told)


def test_rows_like_the_human_ones_differ_no_more_than_those():
    own, others = human(80), human(160)
    same = written(list(zip(others.texts[80:], others.label_names[80:], strict=True)))
    found = inspect(same, own, embed=embed)
    for one in found.by_label.values():
        assert one.self_bleu == pytest.approx(one.human["self_bleu"], abs=0.12)
        assert one.drift == pytest.approx(one.human["drift"], abs=0.05)
        assert one.distinct_2 == pytest.approx(one.human["distinct_2"], abs=0.1)
        assert one.nearest_human == pytest.approx(one.human["nearest_human"], abs=0.1)
    assert not [line for line in warnings_of(found) if "self-BLEU" in line or "vocabulary" in line or "longer" in line]


def test_warnings_name_label_and_numbers():
    own = human()
    made = written(
        [(f"my old cat number {i} sleeps on the warm red roof of our house", "cat") for i in range(30)], source_text="x"
    )
    told = warnings_of(inspect(made, own, embed=embed))
    assert "Texts name their own label: cat (100%, human 0%)." in told
    assert "Few sources: cat (one text is behind all 30 rows)." in told
    assert "Texts are longer or shorter than human ones (median words): cat (14, human 6)." in told
    assert any(line.startswith("Rows of a label are alike in wording (self-BLEU): cat (0.") for line in told)
    assert any(line.endswith("% of the rows nearly repeat an earlier one (cosine 0.9).") for line in told)


def test_the_same_seed_gives_the_same_numbers_and_they_survive_a_file():
    own = human()
    made = written([(f"kitten {i} {i % 3} purrs", LABELS[i % 2]) for i in range(40)])
    asked = InspectSettings(rows=20)
    one, two = (inspect(made, own, settings=asked, embed=embed, seed=3) for _ in range(2))
    assert one == two
    assert Quality.from_json(one.to_json()) == one
    assert (one.embedded, one.whole.rows) == (20, 40)
    assert inspect(made, own, settings=asked, embed=embed, seed=4) != one


def test_no_human_rows_of_a_label_leave_nothing_to_compare_with():
    own = human().take([0, 2, 4])  # cats only
    found = inspect(written([("a puppy barks", "dog"), ("my leash wags", "dog")]), own, embed=embed).by_label["dog"]
    assert found.agreement is None
    assert found.human["length"] is None
    assert found.drift is None
    assert found.self_bleu is not None


def test_what_cannot_be_inspected_is_refused():
    own = human()
    with pytest.raises(DataError, match=r"^human: there are no synthetic rows to inspect\.$"):
        inspect(own, own, embed=embed)
    other = HumanDataset.from_examples([Example("t", "text", "x")], Labels(("x",)), name="test")
    with pytest.raises(DataError, match=r"^test: expected the labels cat · dog in this order, got x\.$"):
        inspect(written([("a", "cat")]), own, test=other, embed=embed)


@pytest.mark.data
def test_rows_of_a_model_that_contradicts_its_labels_are_told(data_pack):
    folder = data_pack / "hypo_l"
    own = load(folder / "base.jsonl").train
    made = Imported(path=folder / "synthetic_llama2_70b.jsonl").generate(own, llm=None, seed=0).dataset
    found = inspect(made, own, embed=embed)
    whole = found.whole
    assert (whole.rows, whole.repeats) == (2530, 630)  # 1,900 distinct texts
    assert 2050 <= whole.tagged <= 2200  # 2,143 by eye
    assert 900 <= whole.tagged_wrong <= 1000  # 963
    assert whole.names_label == pytest.approx(0.0767, abs=0.005)
    told = warnings_of(found)
    assert (
        told[0]
        == f"{whole.tagged:,} of 2,530 rows name a label in a tag such as (label), {whole.tagged_wrong} of them another label than their own."
    )
    good = Imported(path=folder / "synthetic_gpt4.jsonl").generate(own, llm=None, seed=0).dataset
    assert inspect(good, own, embed=embed).whole.tagged == 0


@pytest.mark.data
def test_one_tweet_behind_a_whole_label_is_told(data_pack):
    folder = data_pack / "crowdflower"
    own = load(folder / "base.jsonl").train
    made = Imported(path=folder / "synthetic_gpt4.jsonl").generate(own, llm=None, seed=0).dataset
    started = time.process_time()
    found = inspect(made, own, embed=embed)
    assert time.process_time() - started < 60
    anger = found.by_label["anger"]
    assert (anger.rows, anger.sources, anger.largest_source) == (342, 1, 342)
    assert any("anger (one text is behind all 342 rows)" in line for line in warnings_of(found))

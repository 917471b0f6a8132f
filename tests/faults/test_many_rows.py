"""Many rows in small: what benchmarks/load.py and benchmarks/near_duplicates.py measure at full size."""

from __future__ import annotations

import importlib
import json
import tracemalloc
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

import augtune as at
from augtune.core.labels import Labels

ROOT = Path(__file__).resolve().parents[2]
NO_DATA = Path("no real data is needed")


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))

    def named(name: str) -> ModuleType:
        return importlib.import_module(name)

    return named


def test_every_row_of_a_large_file_is_kept_or_on_record(benchmark, tmp_path: Path):
    benchmark("load").files(tmp_path, 3000, NO_DATA)
    splits = at.load(tmp_path)
    made = at.generate(splits.train, at.Imported(path=tmp_path / "synthetic_made.jsonl")).dataset
    steps = [at.Dedup(measure="jaccard"), at.Contamination(measure="jaccard")]
    curation = at.curate(made, steps, human=splits.train, splits=splits)
    texts = [json.loads(line)["text"] for line in (tmp_path / "synthetic_made.jsonl").read_text().splitlines()]
    assert made.texts == tuple(texts)
    assert sorted([*curation.dataset.ids, *(row.example.id for row in curation.dropped)]) == sorted(made.ids)
    kept = set(curation.dataset.texts)
    assert not kept & set(splits.test.texts)
    assert not kept & set(splits.train.texts)
    assert len({text.lower() for text in kept}) == len(kept)
    assert {row.by for row in curation.dropped} == {"dedup", "contamination"}
    assert min(Counter(row.reason for row in curation.dropped).values()) > 0


def test_memory_of_curation_is_that_of_a_few_numbers_a_row(benchmark, tmp_path: Path):
    load = benchmark("load")
    writer = load.Writer(NO_DATA)
    rows = (at.Example(f"made-{i}", **writer.row(), origin="generated") for i in range(20_000))
    made = at.Dataset.from_examples(rows, Labels(load.LABELS))
    tracemalloc.start()
    curation = at.curate(made, [at.Dedup(measure="jaccard")])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(curation.dataset) + len(curation.dropped) == 20_000
    assert peak < 80 * 2**20  # 4 kB a row; sets of shingles would be more than twice as much


def test_planted_copies_are_found_and_nothing_else_is_lost(benchmark):
    near = benchmark("near_duplicates")
    given = near.planted(2000, NO_DATA)
    judged = given.judged(near.by_curate(given, 0.7)())
    case, punctuation, swapped, inserted = judged.shares
    assert case == punctuation == 1
    assert swapped > 0.8
    assert inserted > 0.7
    assert judged.wrong == judged.both == 0

"""A million rows from file to report: memory above the imports, and how time and memory grow with the rows.

    OMP_NUM_THREADS=1 python benchmarks/load.py [--sizes 10000 100000 1000000] [--data DIR]

Each size runs in a process of its own, on files it writes itself: 2,000 human training rows, 10,000 test rows, and the
synthetic rows, whose lengths are those of human rows and of which a tenth are copies of others (as they are, in other
case, or with a word swapped) and one in a thousand is a test row. What is done, and timed:

* ``load``: human rows by ``load``, the synthetic ones by ``imported``;
* ``curate``: ``dedup`` and ``contamination`` by wording (at a million rows, reading them with an encoder takes most of
  an hour on one core and comparing all vectors grows with the square);
* ``weigh``: ``imp``, with linear probes on an encoder of one small layer with random weights, because the cost of a
  real encoder is not the point; every row is read, scored by all folds and weighed;
* ``write``: rows kept, rows dropped and weights into a run folder, as a run writes them;
* ``report``: the page, made from that folder.

``human`` is the other way to have many rows: so many human rows through ``load`` alone.

Memory is the most the process has held at the end of a stage (VmHWM) less what it held once everything was imported.
Growth is the exponent between two sizes: 1 is linear. Exit status 1 if the largest size holds 2 GiB or more, or if time
grows faster than rows ** 1.15 from the second largest to the largest.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from near_duplicates import ROOT, human_texts

from augtune.core.files import write_jsonl
from augtune.core.seeds import generator

SIZES = (10_000, 100_000, 1_000_000)
HUMAN, TEST = 2_000, 10_000
LABELS = ("billing", "delivery", "fault", "praise")
MOST_MB = 2048
MOST_GROWTH = 1.15
RUN = """
name: load
data: {{source: {source}, validation: none, test: 200 of test}}
generate: {{kind: imported, path: {source}/synthetic_few.jsonl}}
curate: [{{kind: dedup, measure: jaccard}}, {{kind: contamination, against: test, measure: jaccard}}]
train: {{encoder: {encoder}, steps: 2, batch_size: 8, recipe: imp}}
seeds: [0]
arms: {{human: {{generate: null, curate: null, train: {{recipe: vanilla}}}}, made: {{}}}}
evaluate: {{baseline: human}}
"""


class Writer:
    """Writes texts of a given number of rows; the words are those of human rows, the labels have words of their own."""

    def __init__(self, folder: Path) -> None:
        self._source = human_texts(folder)
        self._rng = generator(0, "load")

    def row(self) -> dict[str, str]:
        """Return one row."""
        one, other = (self._source[i] for i in self._rng.integers(len(self._source), size=2))
        words = [*one, *other]
        label = LABELS[int(self._rng.integers(len(LABELS)))]
        return {
            "text": " ".join([*(words[i] for i in self._rng.permutation(len(words))[: len(one)]), label]),
            "label": label,
        }

    def rows(self, count: int, tests: list[dict[str, str]]) -> Iterator[dict[str, str]]:
        """Yield synthetic rows, repeats among them."""
        recent = [self.row()]
        for i in range(count):
            row = self.row()
            if i % 1000 == 999:
                row = dict(tests[int(self._rng.integers(len(tests)))])
            elif i % 10 == 9:
                row = dict(recent[int(self._rng.integers(len(recent)))])
                words = row["text"].split()
                if i % 30 == 19:
                    words = [word.upper() for word in words]
                elif i % 30 == 29:
                    words[int(self._rng.integers(len(words)))] = "another"
                row["text"] = " ".join(words)
            elif len(recent) < 10_000:
                recent.append(row)
            else:
                recent[i % 10_000] = row
            yield row


def files(folder: Path, count: int, data: Path) -> None:
    """Write the source of a run with so many synthetic rows."""
    writer = Writer(data)
    tests = [writer.row() for _ in range(TEST)]
    write_jsonl(folder / "train.jsonl", (writer.row() for _ in range(HUMAN)))
    write_jsonl(folder / "test.jsonl", tests)
    write_jsonl(folder / "synthetic_few.jsonl", (writer.row() for _ in range(40)))
    write_jsonl(folder / "synthetic_made.jsonl", writer.rows(count, tests))


def small_encoder(folder: Path, texts: list[str]) -> str:
    """Write an encoder of one layer and 32 units with random weights, and return its folder."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    words = sorted({word.lower() for text in texts for word in text.split() if word.isalpha()})
    vocabulary = {piece: i for i, piece in enumerate(["[PAD]", "[UNK]", *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]", model_max_length=64
    )
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    BertModel(BertConfig(vocab_size=len(vocabulary), max_position_embeddings=64, **shape)).save_pretrained(folder)
    return str(folder)


class Stages:
    """Seconds and memory of one stage after the other."""

    def __init__(self) -> None:
        self.base = status("VmRSS")
        self.told: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage."""
        wall, own = time.perf_counter(), time.process_time()
        yield
        self.told[f"{name} s"] = time.process_time() - own
        self.told[f"{name} wall"] = time.perf_counter() - wall
        self.told[f"{name} MB"] = status("VmHWM") - self.base


def status(field: str) -> float:
    """Return what the system says of this process's memory, in MB."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) / 1024


def part_rows(count: int, data: Path) -> dict[str, float]:
    """Return what so many synthetic rows take from file to report."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare = [sys.executable, __file__, "--prepare", str(folder), str(count), "--data", str(data)]
        subprocess.run(prepare, check=True)  # a process of its own, so that its memory does not count
        return _through(folder)


def _through(folder: Path) -> dict[str, float]:
    import plotly.offline
    import scipy.optimize
    import torch
    import transformers

    import augtune as at
    from augtune.core.outcomes import Dropped  # noqa: F401
    from augtune.embedding import embed
    from augtune.training.settings import TrainSettings
    from augtune.training.weigh import weigh

    assert all((plotly.offline, scipy.optimize, torch, transformers))
    encoder = str(folder / "encoder")
    embed(["everything is loaded"], encoder=encoder)
    told = Stages()
    with told.stage("load"):
        splits = at.load(folder / "data")
        made = at.generate(splits.train, at.Imported(path=folder / "data" / "synthetic_made.jsonl")).dataset
    counted = len(made)
    with told.stage("curate"):
        steps = [at.Dedup(measure="jaccard"), at.Contamination(measure="jaccard")]
        curation = at.curate(made, steps, human=splits.train, splits=splits)
    del made
    kept, dropped = curation.dataset, curation.dropped
    assert len(kept) + len(dropped) == counted
    with told.stage("weigh"):
        settings = TrainSettings.parse({"encoder": encoder, "recipe": "imp"}, where="train")
        weighing = weigh(splits.train + kept, settings=settings)
    arm = folder / "runs" / "load" / "data" / "made"
    with told.stage("write"):
        labels = kept.labels
        write_jsonl(arm / "synthetic.jsonl", (row.to_json(labels) for row in kept))
        write_jsonl(arm / "dropped.jsonl", (row.to_json(labels) for row in dropped))
        scores = weighing.checkers.columns(weighing.rows, weighing.weights)
        write_jsonl(arm / "weights.jsonl", ({"id": row.pop("id"), "seed": 0} | row for row in scores))
    with told.stage("report"):
        page = at.report(folder / "runs" / "load")
    told.told |= {"kept": len(kept), "dropped": len(dropped), "page MB": page.stat().st_size / 2**20}
    return told.told


def prepare(folder: Path, count: int, data: Path) -> None:
    """Write everything that is read: rows, encoder, and a finished run of few rows."""
    import augtune as at

    source = folder / "data"
    files(source, count, data)
    texts = [json.loads(line)["text"] for line in (source / "test.jsonl").read_text().splitlines()]
    encoder = small_encoder(folder / "encoder", texts)
    (folder / "load.yaml").write_text(RUN.format(source=source, encoder=encoder))
    at.run(folder / "load.yaml", out=folder / "runs")


def part_human(count: int, data: Path) -> dict[str, float]:
    """Return what so many human rows take to load."""
    import augtune as at

    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "rows.jsonl"
        command = [sys.executable, __file__, "--rows-file", str(path), str(count), "--data", str(data)]
        subprocess.run(command, check=True)
        few = Path(name) / "few.jsonl"
        write_jsonl(few, ({"text": f"row {i}", "label": "ab"[i % 2]} for i in range(4)))
        at.load(few)
        told = Stages()
        with told.stage("human"):
            at.load(path)
        return told.told


def measured(part: str, count: int, data: Path) -> dict[str, float]:
    """Return what a part says, run in a process of its own."""
    command = [sys.executable, __file__, "--part", part, str(count), "--data", str(data)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


STAGES = ("load", "curate", "weigh", "write", "report")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("AUGTUNE_DATA", ROOT.parent / "shared/data")))
    for hidden in ("--part", "--prepare", "--rows-file"):
        parser.add_argument(hidden, nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.prepare:
        prepare(Path(asked.prepare[0]), int(asked.prepare[1]), asked.data)
        return 0
    if asked.rows_file:
        writer = Writer(asked.data)
        write_jsonl(Path(asked.rows_file[0]), (writer.row() for _ in range(int(asked.rows_file[1]))))
        return 0
    if asked.part:
        part = {"rows": part_rows, "human": part_human}[asked.part[0]]
        print(json.dumps(part(int(asked.part[1]), asked.data)))
        return 0
    found = []
    for size in asked.sizes:
        told = measured("rows", size, asked.data) | measured("human", size, asked.data)
        found.append(told)
        print(
            f"{size:9,} rows: {told['kept']:,.0f} kept, {told['dropped']:,.0f} dropped; page {told['page MB']:.1f} MB"
        )
        for stage in (*STAGES, "human"):
            print(
                f"  {stage:8} {told[f'{stage} s']:8.2f} s of processor   {told[f'{stage} MB']:7.0f} MB at most so far"
            )
        print(f"  all      {total(told):8.2f} s of processor   {most_mb(told):7.0f} MB", flush=True)
    if len(found) > 1:
        print(
            "growth   "
            + "   ".join(f"{stage} {growth(asked.sizes, found, f'{stage} s'):.2f}" for stage in (*STAGES, "human"))
        )
    slope = growth(asked.sizes, [{"all": total(one)} for one in found], "all") if len(found) > 1 else 1.0
    print(f"time grows with rows ** {slope:.2f}, at most {MOST_GROWTH}; {most_mb(found[-1]):.0f} MB, under {MOST_MB}")
    return 0 if slope <= MOST_GROWTH and most_mb(found[-1]) < MOST_MB else 1


def total(told: dict[str, float]) -> float:
    """Return the seconds of all stages."""
    return sum(told[f"{stage} s"] for stage in STAGES)


def most_mb(told: dict[str, float]) -> float:
    """Return the most memory held."""
    return max(told[f"{stage} MB"] for stage in (*STAGES, "human"))


def growth(sizes: tuple[int, ...], found: list[dict[str, float]], name: str) -> float:
    """Return the exponent between the two largest sizes."""
    before, after = (max(one[name], 1e-3) for one in found[-2:])
    return math.log(after / before) / math.log(sizes[-1] / sizes[-2])


if __name__ == "__main__":
    sys.exit(main())

"""Near-duplicate removal on many rows beside datasketch, rensa and semhash, on the same texts in one run.

    OMP_NUM_THREADS=1 python benchmarks/near_duplicates.py [--rows 100000] [--threshold 0.7] [--cosine 0.9] [--data DIR]

Texts are put together from human rows (the folder of real datasets, or the helpdesk example): words of two rows, in an
order of their own. A tenth are copies of other rows, a quarter of these each: other case and blanks, other punctuation,
one word swapped for another, two words inserted. Recall is the share of pairs of which a row is gone, for each kind and
over all; ``false`` counts rows gone that belong to no pair, ``both`` pairs gone whole, text and all.

By wording, all at the same Jaccard similarity of sets, which are the runs of three characters of the normalised text:

* augtune, the whole of ``curate`` with ``dedup`` from a dataset to the records of what was dropped, and its search
  alone; both verify each pair;
* datasketch: MinHashLSH, 128 functions, row by row; its candidates are its answer;
* rensa, 128 functions in 16 and in 32 bands: row by row, candidates checked by their digests, one of each pair kept;
  and in bulk (``one_shot`` flags, its fastest way), where nothing is checked and both of a pair are flagged, also with
  its ``rho`` sketch and on sets of words, as its own examples have it: smaller sets, so less work and another recall.

By meaning, both on the same vectors, made before and not timed with the search: of the bundled MiniLM, or with
``--static`` of its table of word pieces alone (weighted by rarity, mean taken off), which costs next to nothing.
augtune's search is exact, semhash's is usearch's HNSW, as it comes.

Seconds of processor, all threads together, least of so many rounds, in turn.
Exit status 1 if augtune's whole step, or its search by meaning, is slower than another whose recall is as good and
that loses less than a hundredth of the texts (false removals, and pairs gone whole).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from augtune.core.seeds import generator

Search = Callable[[], list[int]]
ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("sst2", "subj", "snips_intent", "banking77", "agnews_paraphrase", "tweet_emotion", "hypo_l")
KINDS = ("case", "punctuation", "one word swapped", "two words inserted")
FUNCTIONS = 128
# More texts lost than this share of the rows, and a search is not compared: who drops all rows finds all copies.
MOST_FALSE = 0.01
WIDTH = 3


@dataclass(frozen=True)
class Planted:
    """Texts, and which of them are copies.

    Args:
        texts: ``N`` texts.
        copy_of: Place of the original, -1 for rows that are no copy, ``(N,)``.
        kind: How a copy differs, a place in ``KINDS``; -1 for rows that are no copy.
    """

    texts: list[str]
    copy_of: np.ndarray
    kind: np.ndarray

    def judged(self, dropped: Sequence[int]) -> Judged:
        """Return what was found of the copies, and what else is gone."""
        gone = np.zeros(len(self.texts), dtype=bool)
        gone[list(dropped)] = True
        copies = np.flatnonzero(self.copy_of >= 0)
        originals = self.copy_of[copies]
        found = gone[copies] | gone[originals]
        shares = [float(found[self.kind[copies] == kind].mean()) for kind in range(len(KINDS))]
        excused = np.zeros(len(self.texts), dtype=bool)
        excused[copies] = excused[originals] = True
        return Judged(shares, int((gone & ~excused).sum()), int((gone[copies] & gone[originals]).sum()))


@dataclass(frozen=True)
class Judged:
    """What a search found.

    Args:
        shares: Share found of each kind of copy: of a pair, one is gone or both.
        wrong: Rows dropped that are neither a copy nor an original.
        both: Pairs of which both are gone, so that the text is lost.
    """

    shares: list[float]
    wrong: int
    both: int


def human_texts(folder: Path) -> list[list[str]]:
    """Return the words of human rows, of six to sixty words."""
    files = [folder / name / "train.jsonl" for name in SOURCES if (folder / name / "train.jsonl").is_file()]
    if files:
        texts = [json.loads(line)["text"] for file in files for line in file.read_text("utf-8").splitlines()]
    else:
        from augtune.data import load

        texts = list(load(ROOT / "examples" / "helpdesk", text="message", label="intent").train.texts)
    return [words for text in texts if 6 <= len(words := text.split()) <= 60]


def planted(count: int, folder: Path) -> Planted:
    """Return texts of which a tenth are copies of others."""
    source = human_texts(folder)
    rng = generator(0, "near duplicates")
    copies = count // 10
    texts = []
    for _ in range(count - copies):
        one, other = (source[i] for i in rng.integers(len(source), size=2))
        words = [*one, *other]
        texts.append(" ".join(words[i] for i in rng.permutation(len(words))[: len(one)]))
    originals = rng.choice(len(texts), size=copies, replace=False)
    kinds = np.arange(copies) % len(KINDS)
    changed = [_changed(texts[i].split(), KINDS[kind], source, rng) for i, kind in zip(originals, kinds, strict=True)]
    order = rng.permutation(count)
    place = np.argsort(order)
    all_texts = [*texts, *changed]
    copy_of, kind = np.full(count, -1), np.full(count, -1)
    copy_of[place[len(texts) :]] = place[originals]
    kind[place[len(texts) :]] = kinds
    return Planted([all_texts[i] for i in order], copy_of, kind)


def _changed(words: list[str], kind: str, source: list[list[str]], rng: np.random.Generator) -> str:
    def drawn() -> str:
        row = source[rng.integers(len(source))]
        return row[rng.integers(len(row))]

    words = list(words)
    if kind == "case":
        return "  ".join(word.upper() if rng.random() < 0.5 else word.title() for word in words)
    if kind == "punctuation":
        at = rng.integers(1, len(words))
        return f"{' '.join(words[:at])}, {' '.join(words[at:])}!"
    if kind == "one word swapped":
        words[rng.integers(len(words))] = drawn()
    else:
        for _ in range(2):
            words.insert(rng.integers(len(words) + 1), drawn())
    return " ".join(words)


def sets_of(texts: list[str]) -> list[set[str]]:
    """Return each text's runs of three characters, as whoever uses such a library makes them."""
    from augtune.curation.forms import normalise

    forms = [normalise(text) for text in texts]
    return [{form[i : i + WIDTH] for i in range(max(1, len(form) - WIDTH + 1))} for form in forms]


def by_curate(given: Planted, threshold: float) -> Search:
    """Return the whole step, from a dataset to the rows kept and the records of those dropped."""
    import augtune as at
    from augtune.core.labels import Labels

    labels = Labels(("a", "b"))
    rows = (at.Example(f"made-{i}", text, "a", origin="generated") for i, text in enumerate(given.texts))
    data = at.Dataset.from_examples(rows, labels)
    step = at.Dedup(measure="jaccard", threshold=threshold)
    return lambda: [int(row.example.id[5:]) for row in at.curate(data, [step]).dropped]


def by_augtune(given: Planted, threshold: float) -> Search:
    from augtune.curation.alike import earlier_alike

    passages = [(text, None) for text in given.texts]
    return lambda: list(earlier_alike(passages, threshold))


def by_datasketch(given: Planted, threshold: float) -> Search:
    from datasketch import MinHash, MinHashLSH

    def search() -> list[int]:
        index = MinHashLSH(threshold=threshold, num_perm=FUNCTIONS)
        encoded = ([shingle.encode() for shingle in one] for one in sets_of(given.texts))
        dropped = []
        for i, sketch in enumerate(MinHash.generator(encoded, num_perm=FUNCTIONS, seed=1)):
            if index.query(sketch):
                dropped.append(i)
            else:
                index.insert(i, sketch)
        return dropped

    return search


def by_rensa(given: Planted, threshold: float, *, bands: int, words: bool = False, rho: bool = False) -> Search:
    """Return rensa's way in bulk: all digests in one call, then which rows share a band with any other."""
    from rensa import RMinHash, RMinHashLSH

    def search() -> list[int]:
        sets = [text.split() for text in given.texts] if words else sets_of(given.texts)
        digests = RMinHash.digest_matrix_from_token_sets_rho if rho else RMinHash.digest_matrix_from_token_sets
        index = RMinHashLSH(threshold=threshold, num_perm=FUNCTIONS, num_bands=bands)
        flags = index.query_duplicate_flags_matrix_one_shot(digests(sets, FUNCTIONS, 1))
        return [i for i, is_near in enumerate(flags) if is_near]

    return search


def by_rensa_in_turn(given: Planted, threshold: float, *, bands: int) -> Search:
    """Return rensa's way row by row: candidates are checked by the digests' similarity, and the first of two stays."""
    from rensa import RMinHash, RMinHashLSH

    def search() -> list[int]:
        index = RMinHashLSH(threshold=threshold, num_perm=FUNCTIONS, num_bands=bands)
        sketches = RMinHash.from_token_sets(sets_of(given.texts), FUNCTIONS, 1)
        dropped = []
        for i, sketch in enumerate(sketches):
            if any(sketch.jaccard(sketches[j]) >= threshold for j in index.query(sketch)):
                dropped.append(i)
            else:
                index.insert(i, sketch)
        return dropped

    return search


def by_meaning(vectors: np.ndarray, threshold: float) -> Search:
    from augtune.curation.similar import best_matches
    from augtune.embedding.neighbours import blocks_before

    return lambda: list(best_matches(blocks_before(vectors, threshold), earlier_only=True))


def by_semhash(given: Planted, vectors: np.ndarray, threshold: float) -> Search:
    from semhash import SemHash

    def search() -> list[int]:
        place: dict[str, list[int]] = {}
        for i, text in enumerate(given.texts):
            place.setdefault(text, []).append(i)
        index = SemHash.from_embeddings(vectors, given.texts, _Encoder())
        kept = set(index.self_deduplicate(threshold=threshold).selected)
        return [i for text, places in place.items() for i in (places[1:] if text in kept else places)]

    return search


class _Encoder:
    """Stands where semhash wants an encoder; the vectors are given."""

    def encode(self, texts: Sequence[str], **_: object) -> np.ndarray:
        raise AssertionError("the vectors are given")


def encoded(texts: list[str]) -> np.ndarray:
    """Return the texts' vectors by the bundled encoder."""
    from augtune.embedding import embed

    return embed(texts, encoder="bundled/minilm", batch_size=128)


def static_vectors(texts: list[str]) -> np.ndarray:
    """Return vectors of the bundled encoder's own table of word pieces: rare pieces weigh more, the mean is taken off.

    The weights are those of Arora, Liang and Ma (ICLR 2017), 1e-3 / (1e-3 + p).
    """
    from transformers import AutoModel, AutoTokenizer

    from augtune.core.encoders import locate

    place = locate("bundled/minilm")
    table = AutoModel.from_pretrained(place).get_input_embeddings().weight.detach().numpy()
    ids = AutoTokenizer.from_pretrained(place)(texts, add_special_tokens=False, verbose=False)["input_ids"]
    lengths = np.array([len(row) for row in ids])
    flat = np.fromiter((i for row in ids for i in row), np.int64, int(lengths.sum()))
    share = np.bincount(flat, minlength=len(table)) / len(flat)
    weighted = table * (1e-3 / (1e-3 + share))[:, None].astype(np.float32)
    starts = np.cumsum(lengths) - lengths
    rows = np.concatenate(
        [
            np.add.reduceat(
                weighted[flat[starts[i] : starts[i] + lengths[i : i + 4096].sum()]], starts[i : i + 4096] - starts[i]
            )
            for i in range(0, len(texts), 4096)
        ]
    )
    rows /= lengths[:, None]
    rows -= rows.mean(axis=0)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@dataclass(frozen=True)
class Told:
    """A search's seconds, its recall, and the texts it loses as a share of all rows."""

    seconds: float
    recall: float
    false: float


def measured(searches: dict[str, Search], given: Planted, rounds: int) -> dict[str, Told]:
    """Print what each search takes and finds, and return its seconds and its recall."""
    seconds: dict[str, list[float]] = {name: [] for name in searches}
    dropped: dict[str, list[int]] = {}
    for _ in range(rounds):
        for name, search in searches.items():
            start = time.process_time()
            dropped[name] = search()
            seconds[name].append(time.process_time() - start)
    told = {}
    for name in searches:
        judged = given.judged(dropped[name])
        recall, least = float(np.mean(judged.shares)), min(seconds[name])
        each = "  ".join(f"{share:6.1%}" for share in judged.shares)
        print(
            f"{name:24} {least:8.2f} s   recall {recall:6.2%}   {each}   false {judged.wrong:5}   both {judged.both:5}",
            flush=True,
        )
        told[name] = Told(least, recall, (judged.wrong + judged.both) / len(given.texts))
    return told


def beaten(told: dict[str, Told], ours: str) -> list[str]:
    """Return who is faster than we are at a recall as good."""
    mine = told[ours]
    return [
        name
        for name, other in told.items()
        if other.seconds < mine.seconds
        and other.recall >= mine.recall
        and other.false <= MOST_FALSE
        and "augtune" not in name
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--threshold", type=float, default=0.7, help="Jaccard similarity")
    parser.add_argument("--cosine", type=float, default=0.9, help="cosine; 0 leaves meaning out")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("AUGTUNE_DATA", ROOT.parent / "shared/data")))
    parser.add_argument("--static", action="store_true", help="vectors of word pieces in place of the encoder's")
    asked = parser.parse_args()
    os.environ.setdefault("RAYON_NUM_THREADS", "1")
    given = planted(asked.rows, asked.data)
    mean = sum(map(len, given.texts)) / len(given.texts)
    print(f"{asked.rows:,} rows of {mean:.0f} characters, {asked.rows // 10:,} of them copies: {', '.join(KINDS)}")
    print(f"by wording, Jaccard similarity {asked.threshold}")
    worded = measured(
        {
            "augtune curate": by_curate(given, asked.threshold),
            "augtune search alone": by_augtune(given, asked.threshold),
            "rensa, 16 bands": by_rensa_in_turn(given, asked.threshold, bands=16),
            "rensa, 32 bands": by_rensa_in_turn(given, asked.threshold, bands=32),
            "rensa, bulk, 16": by_rensa(given, asked.threshold, bands=16),
            "rensa, bulk, 32": by_rensa(given, asked.threshold, bands=32),
            "rensa, bulk, 16, rho": by_rensa(given, asked.threshold, bands=16, rho=True),
            "rensa, bulk, 16, words": by_rensa(given, asked.threshold, bands=16, words=True),
            "datasketch": by_datasketch(given, asked.threshold),
        },
        given,
        asked.rounds,
    )
    lost = beaten(worded, "augtune curate")
    if asked.cosine:
        start = time.process_time()
        vectors = static_vectors(given.texts) if asked.static else encoded(given.texts)
        seconds = time.process_time() - start
        whose = "word pieces of the bundled encoder" if asked.static else "the bundled encoder"
        print(f"by meaning, cosine {asked.cosine} of vectors by {whose} ({seconds:.0f} s to make)")
        meant = measured(
            {
                "augtune search": by_meaning(vectors, asked.cosine),
                "semhash": by_semhash(given, vectors, asked.cosine),
            },
            given,
            asked.rounds,
        )
        lost += beaten(meant, "augtune search")
    print(f"faster at a recall as good: {', '.join(lost) or 'none'}")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())

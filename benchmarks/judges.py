"""Why weights help or not: IMP and DIMP by a checker of the few human rows, and by one that thousands of them taught.

    python benchmarks/judges.py                        # hypo_l, questionintimacy, crowdflower by GPT-4 and Llama 2

Half of the human rows of a task that no method ever has (the pack's train split) teach a better quality checker; the
other half and the test rows, 1,135 to 4,270, are what is measured on. So the test is several times that of the task,
and what the weights would be worth if quality were known well is told apart from what a checker of the task's own rows
makes of them. Everything is softmax regression on the bundled encoder's frozen vectors, trained to its end: neither
steps nor seeds play a part. Numbers are macro-F1 in points; all but the first are differences to human rows only, with
the standard error of a paired bootstrap over rows.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path

import numpy as np
from sklearn.metrics import f1_score

from augtune.core.dataset import Dataset
from augtune.data import load
from augtune.embedding.encode import embed
from augtune.embedding.probe import Asked, Probe, fit_probe
from augtune.generation.base import generate

TASKS = [(name, model) for name in ("hypo_l", "questionintimacy", "crowdflower") for model in ("gpt4", "llama2_70b")]
RIDGE = 3e-4
IMP_CLAMP, DIMP_CLAMP_PER_CLASS = 10.0, 5.0
ROUNDS = 5  # of DIMP: weights by the model, a model by the weights
RESAMPLES = 500
FOLDS = 5  # of IMP's diversity checker, which scores rows that it did not see

Rows = tuple[np.ndarray, np.ndarray]


def rows_of(dataset: Dataset) -> Rows:
    """Return the vectors and targets of rows."""
    return vectors_of(tuple(dataset.texts)), dataset.targets()


@functools.cache
def vectors_of(texts: tuple[str, ...]) -> np.ndarray:
    """Return a vector per text; tasks share human rows."""
    return embed(texts, encoder="bundled/minilm")


def joined(*parts: Rows) -> Rows:
    """Return several lots of rows as one."""
    return np.concatenate([one[0] for one in parts]), np.concatenate([one[1] for one in parts])


def said(probe: Probe, rows: Rows) -> np.ndarray:
    """Return how likely a model finds each row's label."""
    return np.asarray((np.exp(probe.log_probabilities(rows[0])) * rows[1]).sum(axis=1))


def fitted(rows: Rows, weights: np.ndarray | None = None) -> Probe:
    """Return the regression on weighted rows."""
    return fit_probe(*rows, balanced=False, ridge=RIDGE, asked=None if weights is None else Asked(weights))


def judge(rows: Rows) -> Probe:
    """Return a checker of rows, every class counting the same."""
    return fit_probe(*rows, balanced=True, ridge=RIDGE)


def unseen(rows: Rows) -> np.ndarray:
    """Return how likely a checker that never saw a row finds its label."""
    part = np.random.default_rng(0).permutation(len(rows[0])) % FOLDS
    found = np.zeros(len(part))
    for fold in range(FOLDS):
        own = part == fold
        checker = judge((rows[0][~own], rows[1][~own]))
        found[own] = said(checker, (rows[0][own], rows[1][own]))
    return found


def weighed(made: Rows, human: Rows | None, checker: Probe) -> dict[str, Probe]:
    """Return a model for each way of weighing synthetic rows, beside human rows that count 1 or without any."""
    own = np.ones(0 if human is None else len(human[0]))
    rows = made if human is None else joined(human, made)
    quality = said(checker, made)
    model = fitted(rows, np.concatenate([own, quality]))
    found = {"quality": model}
    for name, diversity in (("imp", unseen(made)), ("imp as published", said(judge(made), made))):
        imp = np.clip(quality / np.maximum(diversity, 1e-6), 0, IMP_CLAMP)
        found[name] = fitted(rows, np.concatenate([own, imp]))
    for _ in range(ROUNDS):
        dimp = np.clip(quality / np.maximum(said(model, made), 1e-6), 0, DIMP_CLAMP_PER_CLASS * made[1].shape[1])
        model = fitted(rows, np.concatenate([own, dimp]))
    return {**found, "dimp": model}


def scored(models: dict[str, Probe], test: Rows) -> dict[str, tuple[float, float]]:
    """Return each model's macro-F1 less that of the first, and the standard error of that."""
    truth = test[1].argmax(axis=1)
    predicted = {name: probe.log_probabilities(test[0]).argmax(axis=1) for name, probe in models.items()}
    first = next(iter(predicted))
    chance = np.random.default_rng(0)
    draws = [chance.integers(0, len(truth), len(truth)) for _ in range(RESAMPLES)]

    def score(name: str, at: np.ndarray | slice = slice(None)) -> float:
        return 100 * float(f1_score(truth[at], predicted[name][at], average="macro"))

    base = [score(first, at) for at in draws]
    found = {first: (score(first), float(np.std(base)))}
    for name in list(models)[1:]:
        off = [score(name, at) - other for at, other in zip(draws, base, strict=True)]
        found[name] = (score(name) - score(first), float(np.std(off)))
    return found


def study(folder: Path, model: str) -> tuple[dict[str, tuple[float, float]], list[float]]:
    """Return the scores of a task, and how often the two checkers predict the label of unseen human rows."""
    human = load(folder / "base.jsonl").train
    labels = list(human.labels)
    train, held_out = (load(folder / f"{name}.jsonl", labels=labels).train for name in ("train", "test"))
    written = generate(human, {"kind": "imported", "path": str(folder / f"synthetic_{model}.jsonl")}).dataset
    base, more, made = rows_of(human), rows_of(train), rows_of(written)
    places = np.random.default_rng(0).permutation(len(more[0]))
    taught, unseen = np.sort(places[::2]), np.sort(places[1::2])
    test = joined((more[0][unseen], more[1][unseen]), rows_of(held_out))
    teachers = (more[0][taught], more[1][taught])
    models = {"human": fitted(base), "generated": fitted(made), "mix": fitted(joined(base, made))}
    accuracy = []
    for whose, rows in (("own", base), ("well taught", joined(base, teachers))):
        checker = judge(rows)
        accuracy.append(float((checker.log_probabilities(test[0]).argmax(axis=1) == test[1].argmax(axis=1)).mean()))
        models |= {f"generated, {name}, {whose}": one for name, one in weighed(made, None, checker).items()}
        models |= {f"mix, {name}, {whose}": one for name, one in weighed(made, base, checker).items()}
    models["human and the teachers"] = fitted(joined(base, teachers))
    return scored(models, test), accuracy


def main() -> None:
    """Print a table with a column per task."""
    data = Path(os.environ.get("AUGTUNE_DATA", Path(__file__).parents[1].parent / "shared" / "data"))
    found = {f"{name} {model}": study(data / name, model) for name, model in TASKS}
    print(f"| | {' | '.join(found)} |\n|---|{'--:|' * len(found)}")
    accuracy = " | ".join(f"{100 * own:.0f} %, {100 * taught:.0f} %" for _, (own, taught) in found.values())
    print(f"| checkers right on human rows | {accuracy} |")
    for place, name in enumerate(next(iter(found.values()))[0]):
        cells = [scores[name] for scores, _ in found.values()]
        print(f"| {name} | {' | '.join(f'{a:.1f}' if place == 0 else f'{a:+.1f} ± {b:.1f}' for a, b in cells)} |")


if __name__ == "__main__":
    main()

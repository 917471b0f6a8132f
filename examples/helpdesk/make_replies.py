"""Key the recorded replies anew: run it after a prompt, a setting or the sampling of rows has changed.

``replies.jsonl`` is what a live model's replies are kept in: each line is a request, its key and the reply. A reply is
found by the key of its request, so a changed prompt needs new keys. This script reads the texts, which were written
for the example, from ``replies.jsonl`` itself, has the generators of ``helpdesk.yaml`` make their requests, and answers
draw ``i`` of gpt3mix with text ``i`` and draw ``d`` of a rewording with that row's rewording ``d``.

    python examples/helpdesk/make_replies.py

To begin from new texts, put them beside this file: ``completions.working.jsonl`` with lines ``{"completion": text,
"probabilities": {label: p} or null}``, ``rewordings.working.jsonl`` with lines ``{"source": text, "draws": [text]}``.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

from ruamel.yaml import YAML

from augtune.core.dataset import HumanDataset
from augtune.core.files import read_jsonl
from augtune.data.load import load
from augtune.generation import GENERATORS
from augtune.generation.base import Generator, generate
from augtune.generation.prompt import folded
from augtune.llm.client import LLM
from augtune.llm.messages import Reply, Request, TokenLogprobs
from augtune.llm.providers.replay import Recorded, read_recording, write_recording
from augtune.llm.providers.scripted import Scripted

HERE = Path(__file__).parent
REPLIES = HERE / "replies.jsonl"
COMPLETIONS = HERE / "completions.working.jsonl"
REWORDINGS = HERE / "rewordings.working.jsonl"
MODEL = "written-for-the-example"  # no model was sampled, so none is named
LEAST = 1e-6  # probability below which a label is left out of a token's alternatives


@dataclass
class Texts:
    """The texts of the example.

    Args:
        completions: Replies to gpt3mix, by draw.
        rewordings: Replies to rephrase: human text to its rewordings, by draw.
    """

    completions: list[Reply] = field(default_factory=list)
    rewordings: dict[str, list[Reply]] = field(default_factory=dict)

    def answer(self, request: Request) -> Reply:
        """Return the text written for a request."""
        source = source_of(request, self.rewordings)
        replies = self.completions if source is None else self.rewordings[source]
        if request.draw >= len(replies):
            what = "gpt3mix" if source is None else repr(source)
            raise SystemExit(f"{what}: draw {request.draw} is asked for, and only {len(replies)} texts are written.")
        return replies[request.draw]


def source_of(request: Request, texts: dict[str, list[Reply]]) -> str | None:
    """Return the human text a request asks to reword, or None if it asks for a new row."""
    found = [text for text in texts if request.text.endswith(folded(text))]
    return max(found, key=len, default=None)


def tokens_of(completion: str, probabilities: dict[str, float]) -> tuple[TokenLogprobs, ...] | None:
    """Return a completion cut into text, brackets and label, with the label's probabilities in its place."""
    parts = re.fullmatch(r"(.*)( \()(\w+)(:)( \w+)(\))", completion, re.DOTALL)
    if parts is None:
        return None
    top = [(f" {label.capitalize()}", math.log(p)) for label, p in probabilities.items() if p > LEAST]
    top.sort(key=lambda pair: -pair[1])
    place = {part: 0.0 for part in parts.groups()} | dict(top)
    return tuple(TokenLogprobs(part, place[part], tuple(top) if part == parts[5] else ()) for part in parts.groups())


def written() -> Texts:
    """Return the texts in the working files."""
    texts = Texts()
    for row in read_jsonl(COMPLETIONS):
        text, soft = row["completion"].strip(), row["probabilities"]
        texts.completions.append(Reply(text, logprobs=tokens_of(text, soft) if soft else None, model=MODEL))
    for row in read_jsonl(REWORDINGS):
        texts.rewordings[row["source"]] = [Reply(draw, model=MODEL) for draw in row["draws"]]
    return texts


def recorded(train: HumanDataset) -> Texts:
    """Return the texts in ``replies.jsonl``, by the draws they answered."""
    texts = Texts()
    human: dict[str, list[Reply]] = {text: [] for text in train.texts}
    for entry in sorted(read_recording(REPLIES), key=lambda entry: entry.request.draw):
        source = source_of(entry.request, human)
        (texts.completions if source is None else texts.rewordings.setdefault(source, [])).append(entry.reply)
    return texts


def asking_for_all(generator: Generator, texts: Texts, train: HumanDataset) -> Generator:
    """Return a generator that asks once for each text there is, spare ones included."""
    if generator.kind == "gpt3mix":
        return generator.model_copy(update={"count": len(texts.completions), "attempts": 1.0})
    labels = dict(zip(train.texts, train.label_names, strict=True))
    rows = Counter(labels[text] for text, draws in texts.rewordings.items() for _ in draws)
    return generator.model_copy(update={"per_class": dict(rows), "attempts": 1.0})


def main() -> None:
    """Write ``replies.jsonl`` and print what the example's generators make of it."""
    settings = YAML(typ="safe").load((HERE / "helpdesk.yaml").read_text(encoding="utf-8"))
    train = load(HERE / "train.csv", **settings["data"]["columns"]).train
    generators = [GENERATORS.parse(value, where="generate") for value in settings["generate"]]
    texts = written() if COMPLETIONS.exists() and REWORDINGS.exists() else recorded(train)
    asked: dict[str, Recorded] = {}

    def answer(request: Request) -> Reply:
        reply = texts.answer(request)
        named = replace(request, model=MODEL)
        asked[named.key] = Recorded(named, reply)
        return reply

    llm = LLM(Scripted(answer))
    for generator in generators:
        generate(train, asking_for_all(generator, texts, train), llm=llm)
    write_recording(REPLIES, sorted(asked.values(), key=lambda entry: (entry.request.draw, entry.request.text)))
    print(f"{REPLIES.name}: {len(asked)} replies")
    for generator in generators:
        made = generate(train, generator, llm=LLM(replay=REPLIES))
        print(f"{generator.kind}: {made}")


if __name__ == "__main__":
    main()

"""Write what a language model answered in a run as a recording without prompts, which ``llm.replay`` serves.

    python examples/lm_sweep/record.py runs/lm_sweep examples/lm_sweep/replies.jsonl

Not every data set may be passed on, and prompts show its rows. So they are left out, and a reply that repeats a row it
was shown is written as an empty one: either is dropped when it is read.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from augtune.generation.keep import normalised
from augtune.llm.providers.replay import Recorded, write_recording
from augtune.llm.store import Store

SHOWN = re.compile(r"^[^:\n]+: (.*) \([^()]+\)$", re.MULTILINE)
WORDS = 5
"""A row as long as this is also looked for within a reply."""
LABEL = re.compile(r"\s*\([^()]*\)?\s*$")


def replies(store: Store) -> Iterator[Recorded]:
    """Yield every reply of a run's cache, those that repeat a row emptied."""
    keys = [key for (key,) in store.execute("SELECT key FROM replies ORDER BY key")]
    for entry in store.recorded(keys):
        shown = {normalised(text) for text in SHOWN.findall(entry.request.text)}
        said = normalised(LABEL.sub("", entry.reply.text))
        is_copy = said in shown or any(text in said for text in shown if len(text.split()) >= WORDS)
        yield replace(entry, reply=replace(entry.reply, text="")) if is_copy else entry


def main() -> None:
    """Write the recording, and say how many replies it has."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="folder of a run")
    parser.add_argument("recording", type=Path, help="file to write")
    asked = parser.parse_args()
    store = Store(asked.run / "cache.sqlite")
    count = write_recording(asked.recording, replies(store), prompts=False)
    store.close()
    print(f"{asked.recording}: {count:,} replies, {asked.recording.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()

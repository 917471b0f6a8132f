"""Kills spread over all parts of a run: each chain of them goes through one run folder, which is then compared."""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import dataclass, field

from faults.contents import contents, differences, torn, torn_events
from faults.lives import Cut, Lives, gaps
from faults.loopback import Model


@dataclass
class Told:
    """What came of it.

    Args:
        kills: By the part of a run that was killed.
        runs: Times a run was started.
        chains: Run folders that came to their end and were compared.
        missed: Cuts that a run came past, because an earlier life had done that already.
        calls: Calls of an undisturbed run.
        twice: Calls the server counted beyond those.
        different: Files that are not as in the undisturbed run's folder.
        torn: Files found in half after a kill, under a name that readers look at.
    """

    kills: Counter[str] = field(default_factory=Counter)
    runs: int = 0
    chains: int = 0
    missed: int = 0
    calls: int = 0
    twice: int = 0
    different: list[str] = field(default_factory=list)
    torn: list[str] = field(default_factory=list)


class Campaign:
    """Kills runs of one experiment.

    Args:
        lives: Starts them.
        model: The language model they ask.
        seed: Of the moments.
    """

    def __init__(self, lives: Lives, model: Model, seed: int) -> None:
        self.lives, self.model, self.draw, self.told = lives, model, random.Random(seed), Told()
        self.moments = gaps(lives.undisturbed("whole"))
        self.whole, self.asked = contents(lives.run_folder("whole")), model.take()
        self.told.calls = self.asked.total()
        self.places = sorted({deed.place for deed, _ in self.moments})
        self._planned: Counter[str] = Counter()

    def chain(self, kills: int) -> None:
        """Kill a run some times, see it to its end and compare it."""
        name = f"chain-{self.told.chains}"
        folder = self.lives.run_folder(name)
        for cut in self._cuts(kills):
            self.told.runs += 1
            if not self.lives.killed(name, cut):
                self.told.missed += 1
                break
            self.told.kills[cut.deed.place] += 1
            self.told.torn += torn(folder)
        else:
            self.told.runs += 1
            self.lives.finished(name)
        self.told.chains += 1
        self._compare(name)

    def _compare(self, name: str) -> None:
        folder, asked = self.lives.run_folder(name), self.model.take()
        self.told.twice += (asked - self.asked).total()
        found = differences(self.whole, contents(folder))
        found += ["calls"] * (asked.keys() != self.asked.keys())
        found += ["events.jsonl"] * (bool(torn_events(folder)) or self._last_event(name) != "run-done")
        found += [str(path) for path in torn(folder)]
        self.told.different += [f"{name}/{one}" for one in found]

    def _last_event(self, name: str) -> str:
        last = (self.lives.run_folder(name) / "events.jsonl").read_text(encoding="utf-8").splitlines()[-1]
        return str(json.loads(last)["event"])

    def _cuts(self, kills: int) -> list[Cut]:
        """Return moments in the order in which a run comes to them, in the parts that have had the fewest."""
        chosen: dict[int, Cut] = {}
        while len(chosen) < kills:
            fewest = min(self._planned[place] for place in self.places)
            place = self.draw.choice([place for place in self.places if self._planned[place] == fewest])
            self._planned[place] += 1
            own = [i for i, (deed, _) in enumerate(self.moments) if deed.place == place]
            if self.draw.random() < 0.5:
                at = self.draw.choice(own)
                chosen[at] = Cut(self.moments[at][0])
            else:
                at = self.draw.choices(own, [self.moments[i][1] for i in own])[0]
                chosen[at] = Cut(self.moments[at][0], self.draw.uniform(0, self.moments[at][1]))
        return [chosen[at] for at in sorted(chosen)]

"""What a reader wants first: how big the gain is, whether it holds, what it cost, what it was measured on."""

from __future__ import annotations

from dataclasses import dataclass

from augtune.reporting import words
from augtune.reporting.read import RunView
from augtune.reporting.schema import Comparison

__all__ = ["Fact", "facts"]


@dataclass(frozen=True, slots=True)
class Fact:
    """One number with what it is above it and what belongs to it below."""

    label: str
    value: str
    note: str


def facts(view: RunView) -> list[Fact]:
    """Return the facts shown under the verdict, about the best arm or, where that is the baseline, the runner-up."""
    arm = _arm_to_judge(view)
    found = [fact for fact in (_gain(view, arm), _certainty(view, arm)) if fact is not None]
    return [*found, _cost(view, arm or view.best()), _measured(view)]


def _arm_to_judge(view: RunView) -> str | None:
    """Return the arm that scored best among those compared with the baseline."""
    sign = -1.0 if view.metric in words.LOWER_IS_BETTER else 1.0
    means = {arm: view.arm(arm).mean.get(view.metric) for arm in view.arms if view.comparison(arm) is not None}
    known = {arm: sign * mean for arm, mean in means.items() if mean is not None}
    return max(known, key=lambda arm: known[arm]) if known else None


def _gain(view: RunView, arm: str | None) -> Fact | None:
    row = view.comparison(arm) if arm is not None else None
    if row is None or row.difference is None:
        return None
    apart, unit = (words.difference, "") if row.metric in words.NO_SHARE else (_points, " points")
    bounds = f" [{apart(row.interval[0])}, {apart(row.interval[1])}]" if row.interval else ""
    note = words.unbroken(f"{words.metric_name(row.metric)}{bounds} against {row.baseline}")
    return Fact(row.arm, f"{apart(row.difference)}{unit}", note)


def _points(value: float) -> str:
    text = f"{100 * abs(value):.1f}"
    return text if float(text) == 0 else ("+" if value > 0 else "−") + text


def _certainty(view: RunView, arm: str | None) -> Fact | None:
    row: Comparison | None = view.comparison(arm) if arm is not None else None
    if row is None or row.p_adjusted is None:
        return None
    holds = row.p_adjusted < words.ALPHA
    test = f"{words.test_name(row.test)}, adjusted p{words.NO_BREAK}{_equals(row.p_adjusted)}"
    # with one seed the test knows chance in the rows, not chance in training
    yes = "Yes, it holds" if len(view.seeds) > 1 else "On this one seed"
    return Fact("Is it real?", yes if holds else "Not shown", test)


def _equals(value: float) -> str:
    text = words.p_value(value)
    return (text if text.startswith("<") else f"= {text}").replace(" ", words.NO_BREAK)


def _cost(view: RunView, arm: str) -> Fact:
    cost = view.arm(arm).cost
    parts = [f"{words.count(cost.calls)} paid calls"] if cost.calls else []
    parts += [f"{words.count(cost.cached)} answers from cache or recording"] if cost.cached else []
    return Fact("Cost of its rows", words.money(cost.usd).capitalize(), ", ".join(parts) or "no model calls")


def _measured(view: RunView) -> Fact:
    seeds = "1 seed" if len(view.seeds) == 1 else f"{len(view.seeds)} seeds"
    note = f"human rows, {len(view.labels)} classes, {len(view.arms)} arms, {seeds} each"
    return Fact("Measured on", f"{words.count(view.test_rows)} test rows", note)

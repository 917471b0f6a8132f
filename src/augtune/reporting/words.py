"""How numbers and names are written, the same in the report, in the terminal and in Markdown."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

__all__ = [
    "ALPHA",
    "LOWER_IS_BETTER",
    "MISSING",
    "NO_BREAK",
    "NO_SHARE",
    "clip",
    "count",
    "difference",
    "duration",
    "interval",
    "metric_name",
    "money",
    "number",
    "p_value",
    "score",
    "share",
    "spoken_list",
    "test_name",
    "unbroken",
]

ALPHA = 0.05
"""An adjusted p-value at or below this counts as a difference that holds."""

LOWER_IS_BETTER = frozenset({"nll", "brier", "ece", "hamming_loss", "mae", "rmse"})
"""Metrics that measure an error."""

NO_SHARE = frozenset({"nll", "mae", "rmse"})
"""Metrics in units of their own, whose differences are no percentage points."""

MISSING = "–"
NO_BREAK = "\u00a0"

_METRICS = {
    "macro_f1": "macro-F1",
    "micro_f1": "micro-F1",
    "weighted_f1": "weighted F1",
    "mcc": "MCC",
    "nll": "NLL",
    "ece": "ECE",
    "auroc": "AUROC",
    "brier": "Brier score",
    "hamming_loss": "Hamming loss",
    "mae": "MAE",
    "rmse": "RMSE",
    "qwk": "quadratic kappa",
    "spearman": "Spearman",
}
_TESTS = {
    "mcnemar": "exact McNemar",
    "mcnemar_midp": "mid-p McNemar",
    "corrected_t": "corrected t over seeds",
    "wilcoxon": "Wilcoxon over seeds",
}


def metric_name(metric: str) -> str:
    """Return a metric's name as people write it, e.g. ``macro-F1``."""
    return _METRICS.get(metric, metric.replace("_", " "))


def test_name(test: str) -> str:
    """Return a significance test's name as people write it."""
    return _TESTS.get(test, test.replace("_", " "))


def number(value: float | None, digits: int = 3) -> str:
    """Return ``0.911``, or a dash where there is no number."""
    if value is None or not math.isfinite(value):
        return MISSING
    # -0.0001 rounds to "-0.000", which reads as a claim about a sign that is not there
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text


def difference(value: float | None) -> str:
    """Return a signed number with a true minus, e.g. ``+0.031`` or ``−0.004``."""
    text = number(value)
    if text == MISSING or float(text) == 0:
        return text
    return "+" + text if not text.startswith("-") else "−" + text[1:]


def interval(bounds: Sequence[float] | None, *, signed: bool = False) -> str:
    """Return ``[0.893, 0.930]``, or nothing where there is no interval."""
    if bounds is None:
        return ""
    write = difference if signed else number
    return f"[{write(bounds[0])}, {write(bounds[1])}]"


def score(value: float | None, bounds: Sequence[float] | None = None) -> str:
    """Return ``0.911 [0.893, 0.930]``."""
    return f"{number(value)} {interval(bounds)}".rstrip()


def p_value(value: float | None) -> str:
    """Return ``0.012`` or ``< 0.001``."""
    if value is None or not math.isfinite(value):
        return MISSING
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def count(value: int | None) -> str:
    """Return ``12,480``, or a dash."""
    return MISSING if value is None else f"{value:,}"


def share(value: float | None) -> str:
    """Return ``61 %``, or a dash."""
    return MISSING if value is None or not math.isfinite(value) else f"{100 * value:.0f} %"


def money(usd: float | None) -> str:
    """Return ``$0.031``, ``$12.40``, ``$0`` for nothing at all, or ``price unknown``."""
    if usd is None:
        return "price unknown"
    if usd == 0:
        return "$0"
    if usd < 0.001:
        return "< $0.001"
    return f"${usd:,.3f}" if usd < 1 else f"${usd:,.2f}"


def duration(seconds: float | None) -> str:
    """Return ``38 s``, ``4 min 05 s`` or ``2 h 10 min``."""
    if seconds is None or not math.isfinite(seconds):
        return MISSING
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def clip(text: str, length: int) -> str:
    """Return the text on one line, cut to ``length`` characters with an ellipsis."""
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1].rstrip() + "…"


def unbroken(text: str) -> str:
    """Return the text with its intervals and p-values kept on one line."""
    return re.sub(r"\[[^\]\n]{1,24}\]|\bp [=<] \d", lambda found: found[0].replace(" ", NO_BREAK), text)


def spoken_list(names: Sequence[str]) -> str:
    """Return ``a``, ``a and b`` or ``a, b and c``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"

"""Colours: one pair (light, dark) per role, and one per arm that stays the same in every chart and table.

Each pair keeps at least 3:1 against its page (4.5:1 for text). The arm colours differ in lightness as well as in
hue and come with a marker shape each, so that they can be told apart without colour vision and in grey print.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ARMS", "BASELINE", "ROLES", "ArmStyle", "arm_styles", "css_variables", "dark_of_light"]

ROLES = {
    "page": ("#fdfdfb", "#14171c"),
    "panel": ("#f4f4ef", "#1c2027"),
    "ink": ("#1b1f27", "#e9ebef"),
    "muted": ("#5a6170", "#a4acb9"),
    "rule": ("#dcddd6", "#333a45"),
    "grid": ("#e7e7e1", "#2a3039"),
    "accent": ("#1f5aa8", "#86b4f5"),
    "human": ("#3f4756", "#c3cad6"),
    "synthetic": ("#8fb3de", "#4a78b5"),
    "warn": ("#8a5200", "#f0b45a"),
}
"""Role to (light, dark); the stylesheet gets them as custom properties of the same names."""

BASELINE = ("#666e7d", "#9aa3b2")
ARMS = (
    ("#007a63", "#35c4a1"),
    ("#c24a0a", "#f58b52"),
    ("#7d4fb0", "#bd97ea"),
    ("#9a6a00", "#e3b23c"),
    ("#1c7fb4", "#62bdf0"),
    ("#b23a63", "#f287ab"),
    ("#5f7316", "#aac352"),
)
SYMBOLS = {
    "circle": "●",
    "diamond": "◆",
    "square": "■",
    "triangle-up": "▲",
    "cross": "✚",
    "star": "★",
    "hexagon": "⬢",
    "triangle-down": "▼",
}


@dataclass(frozen=True, slots=True)
class ArmStyle:
    """How an arm is drawn.

    Args:
        index: Place in the palette; 0 is the baseline.
        color: Its light colour; ``dark_of_light`` has the dark one.
        symbol: Marker shape, as plotly names it.
    """

    index: int
    color: str
    symbol: str

    @property
    def glyph(self) -> str:
        """The marker shape as a character, for tables and legends."""
        return SYMBOLS[self.symbol]


def arm_styles(arms: list[str], baseline: str | None) -> dict[str, ArmStyle]:
    """Return a style for each arm: grey for the baseline, then the palette in order, with other shapes from the 8th."""
    styles: dict[str, ArmStyle] = {}
    shapes = list(SYMBOLS)[1:]
    place = 0
    for arm in arms:
        if arm == baseline:
            styles[arm] = ArmStyle(0, BASELINE[0], "circle")
            continue
        color = place % len(ARMS)
        symbol = shapes[(place + place // len(ARMS)) % len(shapes)]
        styles[arm] = ArmStyle(color + 1, ARMS[color][0], symbol)
        place += 1
    return styles


def dark_of_light() -> dict[str, str]:
    """Return the dark colour for each light one, by which a chart is redrawn when the scheme changes."""
    return dict([*ROLES.values(), BASELINE, *ARMS])


def css_variables(*, dark: bool) -> dict[str, str]:
    """Return the custom properties of the stylesheet: one per role, and ``arm-0`` (the baseline) onwards."""
    side = 1 if dark else 0
    roles = {role: pair[side] for role, pair in ROLES.items()}
    return roles | {f"arm-{place}": pair[side] for place, pair in enumerate((BASELINE, *ARMS))}

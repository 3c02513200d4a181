"""A line chart as SVG. A plotting library would add forty megabytes to every developer's setup."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

WIDTH, HEIGHT, LEFT, TOP = 900, 240, 60, 40
COLOURS = ("#c0392b", "#1f6fb2")


@dataclass(frozen=True)
class Series:
    """One line: a value per minute."""

    name: str
    values: Sequence[float]


@dataclass(frozen=True)
class Panel:
    """One chart of several series over the same hours."""

    title: str
    series: Sequence[Series]


def draw(path: Path, panels: Sequence[Panel], *, limit: float, limit_name: str) -> None:
    """Write the panels below each other, with the same scales."""
    top = limit * 1.15
    total = TOP + len(panels) * (HEIGHT + TOP + 40)
    size = f'width="{WIDTH + LEFT + 20}" height="{total}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="13">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for number, panel in enumerate(panels):
        parts += _panel(panel, TOP + number * (HEIGHT + TOP + 40), top, limit, limit_name)
    path.write_text("\n".join([*parts, "</svg>", ""]), encoding="utf-8")


def _panel(panel: Panel, y: int, top: float, limit: float, limit_name: str) -> list[str]:
    minutes = max(len(series.values) for series in panel.series)

    def across(minute: float) -> float:
        return LEFT + minute / minutes * WIDTH

    def down(value: float) -> float:
        return y + HEIGHT - value / top * HEIGHT

    parts = [f'<text x="{LEFT}" y="{y - 14}" font-size="15" font-weight="bold">{panel.title}, AssumeRole/s</text>']
    for value in range(0, int(top) + 1, 100):
        at = f"{down(value):.1f}"
        parts.append(f'<line x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{at}" y2="{at}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{at}" dy="4" text-anchor="end">{value}</text>')
    for minute in range(0, minutes + 1, 60):
        place = f'x="{across(minute):.1f}" y="{y + HEIGHT + 18}"'
        parts.append(f'<text {place} text-anchor="middle">{minute // 60} h</text>')
    for number, series in enumerate(panel.series):
        points = " ".join(f"{across(at):.1f},{down(value):.1f}" for at, value in enumerate(series.values))
        colour = COLOURS[number]
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.8"/>')
        x = LEFT + WIDTH - 430 + number * 230
        parts.append(f'<text x="{x}" y="{y - 14}" fill="{colour}">&#9644; {series.name}</text>')
    parts.append(
        f'<line x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{down(limit):.1f}" y2="{down(limit):.1f}" '
        'stroke="black" stroke-dasharray="6 4"/>'
    )
    parts.append(f'<text x="{LEFT + WIDTH}" y="{down(limit) - 5:.1f}" text-anchor="end">{limit_name}</text>')
    return parts

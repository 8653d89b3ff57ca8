"""Small plots as SVG: panels side by side, each with lines over a logarithmic x-axis."""

import math
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

WIDTH, HEIGHT = 430, 270
LEFT, RIGHT, TOP, BOTTOM = 58, 16, 58, 40
COLUMNS = 2
COLOURS = ("#1b6ca8", "#c4501b", "#3a7d44", "#7b4fa3", "#8a6d3b")
SMALL = 'font-size="11"'


@dataclass
class Panel:
    """`lines`: points (x, y) by name. `band`: from which y to which y is shaded."""

    title: str
    lines: dict[str, list[tuple[float, float]]]
    band: tuple[float, float] | None = None
    is_log: bool = False
    ticks: list[float] = field(default_factory=list)

    def __post_init__(self):
        heights = [y for points in self.lines.values() for _, y in points]
        if self.is_log:
            self.low, self.high = (10 ** way(math.log10(end(heights))) for way, end in ((math.floor, min), (math.ceil, max)))
            self.ticks = [self.low * 10**i for i in range(round(math.log10(self.high / self.low)) + 1)]
        else:
            step = _step(max(heights) * 1.05)
            self.low, self.high = 0.0, step * math.ceil(max(heights) * 1.05 / step)
            self.ticks = [step * i for i in range(round(self.high / step) + 1)]

    def height_of(self, y: float) -> float:
        """0 at the bottom, 1 at the top."""
        if self.is_log:
            return math.log(y / self.low) / math.log(self.high / self.low)
        return y / self.high


def _step(most: float) -> float:
    """A round one, for four to eight ticks."""
    power = 10 ** math.floor(math.log10(most / 4))
    return next(power * factor for factor in (1, 2, 2.5, 5, 10) if most / (power * factor) <= 8)


def short(value: float) -> str:
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"


def _text(x: float, y: float, text: str, *more: str) -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" {" ".join(more)}>{escape(text)}</text>'


def _panel(panel: Panel, x_name: str, low_x: float, high_x: float) -> list[str]:
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    span = math.log(high_x / low_x)

    def place(point: tuple[float, float]) -> tuple[float, float]:
        across = math.log(point[0] / low_x) / span
        return LEFT + across * (right - LEFT), bottom - panel.height_of(point[1]) * (bottom - TOP)

    out = [_text(LEFT, 18, panel.title, 'font-weight="bold"')]
    if panel.band:
        _, under = place((low_x, panel.band[0]))
        _, over = place((low_x, panel.band[1]))
        out.append(f'<rect x="{LEFT}" y="{over:.1f}" width="{right - LEFT}" height="{under - over:.1f}" fill="#eef3e6"/>')
    for tick in panel.ticks:
        _, y = place((low_x, tick))
        out.append(f'<line x1="{LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        out.append(_text(LEFT - 6, y + 4, short(tick), SMALL, 'text-anchor="end"'))
    for power in range(math.ceil(math.log10(low_x) - 1e-9), math.floor(math.log10(high_x) + 1e-9) + 1):
        x, _ = place((10**power, panel.ticks[0]))
        out.append(_text(x, bottom + 16, short(10**power), SMALL, 'text-anchor="middle"'))
    out.append(_text((LEFT + right) / 2, bottom + 32, x_name, SMALL, 'text-anchor="middle"'))
    legend = LEFT
    for (name, points), colour in zip(panel.lines.items(), COLOURS, strict=False):
        places = [place(point) for point in points]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        out.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
        out.append(f'<circle cx="{legend + 4}" cy="34" r="4" fill="{colour}"/>')
        out.append(_text(legend + 12, 38, name, SMALL))
        legend += 26 + 6 * len(name)
    return out


def draw(panels: list[Panel], x_name: str, file: Path) -> None:
    across = [x for panel in panels for points in panel.lines.values() for x, _ in points]
    rows = math.ceil(len(panels) / COLUMNS)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH * COLUMNS}" height="{HEIGHT * rows}" '
        f'viewBox="0 0 {WIDTH * COLUMNS} {HEIGHT * rows}" font-family="sans-serif" font-size="13" fill="#222">',
        '<rect width="100%" height="100%" fill="#fff"/>',
    ]
    for number, panel in enumerate(panels):
        x, y = number % COLUMNS * WIDTH, number // COLUMNS * HEIGHT
        out += [f'<g transform="translate({x},{y})">', *_panel(panel, x_name, min(across), max(across)), "</g>"]
    file.write_text("\n".join([*out, "</svg>"]) + "\n")

"""Three kinds of plot as SVG text: latencies by percentile, bars, and lines in panels. Plain shapes, no scripts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

from xinyu._fast import histogram

COLORS = ("#1f6feb", "#d1570c", "#2da44e", "#8250df", "#bf3989", "#6e7781")
_FONT = 'font-family="sans-serif" font-size="12"'
_NINES = 5  # the axis ends at 99.999 %
_WIDTH, _HEIGHT = 720, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 20, 50, 45
_PANEL = 200  # height of what is drawn in it
_PANEL_GAP = 50


def percentile_chart(title: str, latencies: Mapping[str, histogram.Histogram]) -> str:
    """A line a histogram (ns): how long, in ms on a logarithmic scale, by how many nines."""
    shown = {name: values for name, values in latencies.items() if len(values)}
    highest_ms = max((values.max for values in shown.values()), default=1) / 1e6
    lowest_ms = min((max(values.min, 1) for values in shown.values()), default=1) / 1e6
    top, bottom = math.ceil(math.log10(max(highest_ms, 1e-6)) + 1e-9), math.floor(math.log10(lowest_ms))
    top = max(top, bottom + 1)
    across, down = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def place(nines: float, ms: float) -> str:
        x = _LEFT + across * nines / _NINES
        y = _TOP + down * (top - math.log10(max(ms, 1e-6))) / (top - bottom)
        return f"{x:.1f},{y:.1f}"

    parts = [_text(_WIDTH / 2, 20, title, "middle", size=14)]
    for power in range(bottom, top + 1):
        y = _TOP + down * (top - power) / (top - bottom)
        parts.append(_line(_LEFT, y, _WIDTH - _RIGHT, y, "#d0d7de"))
        parts.append(_text(_LEFT - 6, y + 4, f"{10.0**power:g} ms", "end"))
    for nines in range(_NINES + 1):
        x = _LEFT + across * nines / _NINES
        parts.append(_line(x, _TOP, x, _HEIGHT - _BOTTOM, "#d0d7de"))
        parts.append(_text(x, _HEIGHT - _BOTTOM + 16, f"{100 - 100 / 10**nines:g} %", "middle"))
    parts.append(_text(_LEFT + across / 2, _HEIGHT - 8, "of all took no longer", "middle"))
    for index, (name, values) in enumerate(shown.items()):
        color = COLORS[index % len(COLORS)]
        # No further than there are values: the last point is the one greatest.
        last = min(float(_NINES), math.log10(len(values)))
        steps = [last * step / 100 for step in range(101)]
        points = " ".join(place(each, values.percentile(100 - 100 / 10**each) / 1e6) for each in steps)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="2"/>')
        parts.append(_legend(index, name, color))
    return _document(_HEIGHT, parts)


def bar_chart(title: str, bars: Sequence[tuple[str, float]], *, digits: int = 0, marked: Sequence[str] = ()) -> str:
    """A horizontal bar each, from 0; those named in `marked` in another colour. ValueError: a value is negative."""
    if any(value < 0 or not math.isfinite(value) for _, value in bars):
        raise ValueError("a bar is a number from 0 upwards")
    highest = max((value for _, value in bars), default=0.0) or 1.0
    names = 8 * max((len(name) for name, _ in bars), default=0) + 20
    across = _WIDTH - names - 100
    parts = [_text(_WIDTH / 2, 20, title, "middle", size=14)]
    for index, (name, value) in enumerate(bars):
        y = 40 + 28 * index
        color = COLORS[0] if name in marked else COLORS[5]
        width = across * value / highest
        parts.append(_text(names - 8, y + 14, name, "end"))
        parts.append(f'<rect x="{names}" y="{y}" width="{width:.1f}" height="20" fill="{color}"/>')
        parts.append(_text(names + width + 6, y + 14, f"{value:,.{digits}f}", "start"))
    return _document(50 + 28 * len(bars), parts)


def line_panels(title: str, x_label: str, panels: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """A line through points a panel, one below the other: the same x from 0, a scale of y for each that has 0 in it.

    ValueError: a coordinate is not finite, or an x negative.
    """
    points = [point for line in panels.values() for point in line]
    if any(x < 0 or not math.isfinite(x) or not math.isfinite(y) for x, y in points):
        raise ValueError("a point is two finite numbers, the first from 0 upwards")
    across = _WIDTH - _LEFT - _RIGHT - 20  # the last number is centred below its line
    x_ticks = _ticks(0.0, max((x for x, _ in points), default=0.0))
    parts = [_text(_WIDTH / 2, 20, title, "middle", size=14)]
    top = float(_TOP)
    for index, (name, line) in enumerate(panels.items()):
        color = COLORS[index % len(COLORS)]
        ys = [y for _, y in line]
        y_ticks = _ticks(min([0.0, *ys]), max([0.0, *ys]))
        places = [
            (_LEFT + across * x / x_ticks[-1], top + _PANEL * (y_ticks[-1] - y) / (y_ticks[-1] - y_ticks[0]))
            for x, y in line
        ]
        parts.append(_text(_LEFT, top - 10, name, "start"))
        for tick in y_ticks:
            y = top + _PANEL * (y_ticks[-1] - tick) / (y_ticks[-1] - y_ticks[0])
            parts.append(_line(_LEFT, y, _LEFT + across, y, "#d0d7de"))
            parts.append(_text(_LEFT - 6, y + 4, f"{tick:,.6g}", "end"))
        for tick in x_ticks:
            x = _LEFT + across * tick / x_ticks[-1]
            parts.append(_line(x, top, x, top + _PANEL, "#d0d7de"))
            parts.append(_text(x, top + _PANEL + 16, f"{tick:,.6g}", "middle"))
        drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{drawn}" fill="none" stroke="{color}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{color}"/>' for x, y in places]
        top += _PANEL + _PANEL_GAP
    parts.append(_text(_LEFT + across / 2, top - 12, x_label, "middle"))
    return _document(int(top), parts)


def _ticks(lowest: float, highest: float) -> list[float]:
    """At most eight round numbers, evenly spaced, that hold both between the first and the last."""
    span = highest - lowest or 1.0
    power = 10.0 ** math.floor(math.log10(span / 6))
    step = next(each * power for each in (1, 2, 5, 10) if each * power >= span / 6)
    first, last = math.floor(lowest / step), math.ceil(highest / step)
    return [number * step for number in range(first, max(last, first + 1) + 1)]


def _document(height: int, parts: Sequence[str]) -> str:
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
            f'viewBox="0 0 {_WIDTH} {height}">',
            f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
            *parts,
            "</svg>",
            "",
        ]
    )


def _line(x1: float, y1: float, x2: float, y2: float, color: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{color}"/>'


def _text(x: float, y: float, text: str, anchor: str, size: int = 12) -> str:
    font = _FONT.replace('"12"', f'"{size}"')
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="#24292f" {font}>{escape(text)}</text>'


def _legend(index: int, name: str, color: str) -> str:
    x = _LEFT + 150 * index
    return f'<rect x="{x}" y="30" width="12" height="12" fill="{color}"/>' + _text(x + 18, 40, name, "start")

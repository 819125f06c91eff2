"""The plots are well-formed and drawn to scale."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from xinyu._fast.histogram import Histogram
from xinyu.bench.svg import COLORS, bar_chart, percentile_chart

SVG = "{http://www.w3.org/2000/svg}"


def test_bars_are_in_proportion_and_names_are_escaped() -> None:
    bars = [("one", 100.0), ("<two>", 50.0), ("none", 0.0)]
    root = ElementTree.fromstring(bar_chart("a <b> & c", bars, marked=["one"]))
    background, *drawn = root.findall(f"{SVG}rect")
    assert background.get("fill") == "#ffffff"
    widths = [float(bar.get("width", "")) for bar in drawn]
    assert widths[1] == pytest.approx(widths[0] / 2, abs=0.1)
    assert widths[2] == 0
    assert [bar.get("fill") for bar in drawn] == [COLORS[0], COLORS[5], COLORS[5]]
    texts = [each.text for each in root.findall(f"{SVG}text")]
    assert "a <b> & c" in texts
    assert "<two>" in texts
    assert "100" in texts


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_a_bar_that_cannot_be_drawn_is_refused(value: float) -> None:
    with pytest.raises(ValueError):
        bar_chart("x", [("one", value)])


def test_no_bars_is_a_picture_too() -> None:
    ElementTree.fromstring(bar_chart("x", []))


def test_percentiles_go_up_and_to_the_right_and_stay_inside() -> None:
    values = Histogram()
    for us in range(1, 100_001):
        values.record(us * 1000)
    root = ElementTree.fromstring(percentile_chart("latency", {"message": values, "none": Histogram()}))
    (line,) = root.findall(f"{SVG}polyline")
    points = [tuple(map(float, each.split(","))) for each in line.get("points", "").split()]
    assert points == sorted(points)
    assert [y for _, y in points] == sorted((y for _, y in points), reverse=True)
    assert all(0 <= x <= float(root.get("width", "")) for x, _ in points)
    assert all(0 <= y <= float(root.get("height", "")) for _, y in points)


def test_one_value_or_none_can_be_drawn() -> None:
    single = Histogram()
    single.record(0)
    ElementTree.fromstring(percentile_chart("x", {"one": single}))
    ElementTree.fromstring(percentile_chart("x", {}))

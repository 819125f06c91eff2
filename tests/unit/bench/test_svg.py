"""The plots are well-formed and drawn to scale."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from xinyu._fast.histogram import Histogram
from xinyu.bench.svg import COLORS, bar_chart, line_panels, percentile_chart

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


def test_each_panel_has_its_own_scale_from_zero() -> None:
    panels = {"small <MiB>": [(0.0, 0.0), (500.0, 1.0), (1000.0, 2.0)], "great": [(0.0, 0.0), (1000.0, 2000.0)]}
    root = ElementTree.fromstring(line_panels("a & b", "connections", panels))
    small, great = (
        [tuple(map(float, each.split(","))) for each in line.get("points", "").split()]
        for line in root.findall(f"{SVG}polyline")
    )
    assert small[1] == pytest.approx(((small[0][0] + small[2][0]) / 2, (small[0][1] + small[2][1]) / 2), abs=0.1)
    assert (small[0][0], small[2][0]) == (great[0][0], great[1][0])  # the same x
    assert small[0][1] - small[2][1] == pytest.approx(great[0][1] - great[1][1], abs=0.1)
    assert small[0][1] < great[1][1]  # one below the other
    texts = [each.text for each in root.findall(f"{SVG}text")]
    assert {"a & b", "small <MiB>", "great", "connections", "2,000", "1,000"} <= set(texts)
    assert all(0 <= y <= float(root.get("height", "")) for _, y in small + great)


def test_what_shrank_is_drawn_below_zero() -> None:
    root = ElementTree.fromstring(line_panels("x", "n", {"one": [(0.0, 0.0), (1.0, -3.5), (2.0, 1.0)]}))
    (line,) = root.findall(f"{SVG}polyline")
    ys = [float(each.split(",")[1]) for each in line.get("points", "").split()]
    assert ys[2] < ys[0] < ys[1]
    assert "-4" in [each.text for each in root.findall(f"{SVG}text")]


@pytest.mark.parametrize("point", [(-1.0, 0.0), (float("inf"), 0.0), (0.0, float("nan"))])
def test_a_point_that_cannot_be_drawn_is_refused(point: tuple[float, float]) -> None:
    with pytest.raises(ValueError):
        line_panels("x", "n", {"one": [point]})


def test_panels_without_points_are_a_picture_too() -> None:
    ElementTree.fromstring(line_panels("x", "n", {"one": [], "two": [(0.0, 0.0)]}))
    ElementTree.fromstring(line_panels("x", "n", {}))

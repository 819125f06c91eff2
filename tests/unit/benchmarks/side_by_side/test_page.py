"""The page of figures, without measuring any."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

from benchmarks.side_by_side import page
from benchmarks.side_by_side.comparison import Comparison, Metric, Plot
from benchmarks.side_by_side.rounds import Contestant

ONE = Comparison(
    title="Framing",
    explanation="What is framed.",
    contestants=(
        Contestant("XinYu, in C", lambda _: {}, "0.1"),
        Contestant("peer", lambda _: {}, "2.3"),
        Contestant("gone", lambda _: {}, "", "pip install gone"),
    ),
    reference="XinYu, in C",
    ours=("XinYu, in C",),
    metrics=(Metric("per_s", "frames a second"),),
    plots=(Plot("frames", "per_s", "Frames (more is better)"),),
    rounds=({"XinYu, in C": {"per_s": 4.0}, "peer": {"per_s": -2.0}},),
    failed={"peer": "round 1: it broke"},
    notes=("one core",),
)


def test_a_section_has_tables_plots_and_conditions(tmp_path: Path) -> None:
    two = replace(ONE, title="Timers", plots=(Plot("timers", "per_s", "Timers"),))
    written = page.write_page(tmp_path, "micro", [ONE, two], ["a quiet machine"], "make bench-quick")
    text = written.read_text()
    assert written == tmp_path / "performance.md"
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        page.TITLE,
        "## Micro level",
        "### Framing",
        "### Timers",
    ]
    assert "| frames a second | 4 | -2 (-0.50) |" in text
    assert "- a quiet machine\n- written by `make bench-quick`\n" in text
    pictures = sorted(path.name for path in (tmp_path / "images").iterdir())
    assert pictures == ["performance-frames.svg", "performance-timers.svg"]
    for name in pictures:
        assert f"](images/{name})" in text
        ElementTree.parse(tmp_path / "images" / name)


def test_a_level_leaves_the_others_section(tmp_path: Path) -> None:
    page.write_page(tmp_path, "micro", [ONE], ["first"], "x")
    page.write_page(tmp_path, "servers", [replace(ONE, explanation="Servers under load.")], ["second"], "x")
    page.write_page(tmp_path, "micro", [replace(ONE, explanation="Framed anew.")], ["third"], "x")
    text = (tmp_path / "performance.md").read_text()
    assert text.index("## Servers") < text.index("Servers under load.") < text.index("## Micro level")
    assert "Framed anew." in text
    assert "What is framed." not in text
    assert "- second" in text
    assert "- third" in text
    assert "- first" not in text


def test_conditions_name_versions_failures_and_what_is_missing() -> None:
    assert page.conditions([ONE, replace(ONE, failed={})]) == [
        "1 rounds, interleaved; medians",
        "one core",
        "XinYu 0.1, peer 2.3",
        "failed: peer in round 1: it broke",
        "left out: gone, not installed",
    ]


def test_the_machine_is_described() -> None:
    assert "load average before the run 1.50" in page.machine(1.5)

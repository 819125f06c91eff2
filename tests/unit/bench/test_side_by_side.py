"""The arithmetic and the page of the side-by-side benchmark, without running it."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from benchmarks import side_by_side
from benchmarks.side_by_side import QUICK, REFERENCE_NAME, Server, markdown_table, medians, ratios, write_page

# The machine was half as fast in the second round: ratios within a round do not see it.
ROUNDS = [
    {
        REFERENCE_NAME: {"echo_per_cpu_s": 200.0, "user_bytes": 40.0},
        "XinYu": {"echo_per_cpu_s": 180.0, "user_bytes": 80.0},
    },
    {REFERENCE_NAME: {"echo_per_cpu_s": 100.0}, "XinYu": {"echo_per_cpu_s": 90.0}},
    {REFERENCE_NAME: {"echo_per_cpu_s": 210.0}, "XinYu": {"echo_per_cpu_s": 168.0}, "peer": {"echo_per_cpu_s": 21.0}},
]
SERVERS = [Server(name, (), "1") for name in (REFERENCE_NAME, "XinYu", "peer", "gone")]


def test_medians_and_ratios_of_the_rounds_that_measured_it() -> None:
    assert medians(ROUNDS, "XinYu") == {"echo_per_cpu_s": 168.0, "user_bytes": 80.0}
    assert ratios(ROUNDS, "XinYu", REFERENCE_NAME) == {"echo_per_cpu_s": pytest.approx(0.9), "user_bytes": 2.0}
    assert ratios(ROUNDS, "peer", REFERENCE_NAME) == {"echo_per_cpu_s": pytest.approx(0.1)}
    assert medians(ROUNDS, "gone") == {}


def test_a_reference_of_zero_makes_no_ratio() -> None:
    assert ratios([{REFERENCE_NAME: {"user_bytes": 0.0}, "XinYu": {"user_bytes": 8.0}}], "XinYu", REFERENCE_NAME) == {}


def test_the_table_has_a_column_a_server() -> None:
    lines = markdown_table([REFERENCE_NAME, "XinYu", "peer"], ROUNDS, QUICK, REFERENCE_NAME).splitlines()
    assert lines[0] == f"| | {REFERENCE_NAME} | XinYu | peer |"
    assert {line.count("|") for line in lines} == {5}
    assert lines[2].endswith("| 200 | 168 (0.90) | 21 (0.10) |")
    memory = next(line for line in lines if "private memory" in line)
    assert memory.endswith("| 40 | 80 (2.00) | - |")


def test_the_page_and_its_plots(tmp_path: Path) -> None:
    page = write_page(tmp_path, SERVERS, ROUNDS, QUICK, ["left out: gone, not installed"], "make bench-quick")
    text = page.read_text()
    assert page.name == "performance.md"
    assert "| XinYu |" in text
    assert "| gone |" not in text
    assert "left out: gone, not installed" in text
    assert "`make bench-quick`" in text
    pictures = sorted(path.name for path in (tmp_path / "images").iterdir())
    assert pictures == [f"performance-{name}.svg" for name in ("echo", "fanout", "handshakes", "memory")]
    for name in pictures:
        assert f"images/{name}" in text
        ElementTree.parse(tmp_path / "images" / name)


def test_what_is_not_installed_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(side_by_side.shutil, "which", lambda name: None)
    assert "Node.js" in side_by_side._node_peer().missing
    monkeypatch.undo()
    monkeypatch.setattr(side_by_side, "PEERS", tmp_path)
    monkeypatch.setattr(side_by_side.shutil, "which", lambda name: f"/usr/bin/{name}")
    assert side_by_side._node_peer().missing == "npm install --prefix benchmarks/peers"
    assert "[bench]" in side_by_side._python_peer("no-such-distribution").missing

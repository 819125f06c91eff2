"""One report in three forms."""

from __future__ import annotations

import json

import pytest

from xinyu._fast.histogram import Histogram
from xinyu.bench.report import Report, as_json, as_markdown, as_text


@pytest.fixture
def report() -> Report:
    latency = Histogram()
    for us in range(1, 1001):
        latency.record(us * 1000)
    made = Report("echo", "ws://127.0.0.1:1/", latencies={"message": latency})
    made.add("messages", "messages measured", 12345)
    made.add("server_cpu_us_per_message", "server's CPU a message, us", 3.14159, 2)
    made.curves["bytes"] = [(0, 0), (10, 4096)]
    made.warnings.append("the client was busy")
    return made


def test_json_has_values_by_key_and_latencies_in_microseconds(report: Report) -> None:
    read = json.loads(as_json(report))
    assert (read["scenario"], read["url"]) == ("echo", "ws://127.0.0.1:1/")
    assert read["figures"] == {"messages": 12345, "server_cpu_us_per_message": 3.14159}
    assert read["curves"] == {"bytes": [[0, 0], [10, 4096]]}
    assert (read["warnings"], read["problems"]) == (["the client was busy"], [])
    latency = read["latency_us"]["message"]
    assert latency["count"] == 1000
    assert latency["max"] == 1000.0
    assert latency["mean"] == 500.5
    for name, exact in {"p50": 500, "p90": 900, "p99": 990, "p99_9": 999, "p99_99": 1000}.items():
        assert exact <= latency[name] <= exact * 1.001


def test_text_shows_everything(report: Report) -> None:
    lines = as_text(report).splitlines()
    assert lines[0] == "echo on ws://127.0.0.1:1/"
    assert lines[1].split() == ["messages", "measured", "12,345"]
    assert lines[2].split()[-1] == "3.14"
    assert lines[3].split() == ["latency,", "us", "p50", "p90", "p99", "p99.9", "p99.99", "max"]
    assert lines[4].split()[0] == "message"
    assert lines[4].split()[-1] == "1,000.0"
    assert lines[5] == "  warning: the client was busy"
    assert len(lines) == 6


def test_markdown_has_two_tables_of_even_width(report: Report) -> None:
    report.problems.append("one was lost")
    text = as_markdown(report)
    blocks = [block.splitlines() for block in text.split("\n\n")]
    assert blocks[0] == ["### echo on `ws://127.0.0.1:1/`"]
    for table in blocks[1:3]:
        assert table[1].startswith("|---|")
        assert len({line.count("|") for line in table}) == 1
    assert "| messages measured | 12,345 |" in blocks[1]
    assert blocks[3] == ["- warning: the client was busy", "- problem: one was lost"]


def test_a_figure_is_found_by_its_key(report: Report) -> None:
    assert report.value("messages") == 12345
    with pytest.raises(KeyError):
        report.value("nothing")

"""The result of a scenario, and how it is written: plain text, JSON, Markdown."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final

from xinyu._fast import histogram

PERCENTILES: Final = (50.0, 90.0, 99.0, 99.9, 99.99)


@dataclass(frozen=True, slots=True)
class Figure:
    """One number. `key` carries the unit (`messages_per_s`) and is what programs read; `label` is for people."""

    key: str
    label: str
    value: float
    digits: int = 0

    @property
    def text(self) -> str:
        return f"{self.value:,.{self.digits}f}"


@dataclass(slots=True)
class Report:
    """`latencies`: named histograms in nanoseconds. `curves`: named points (x, y), as the scenario says. `problems`:
    the scenario ran, but not as it should have."""

    scenario: str
    url: str
    figures: list[Figure] = field(default_factory=list)
    latencies: dict[str, histogram.Histogram] = field(default_factory=dict)
    curves: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def add(self, key: str, label: str, value: float, digits: int = 0) -> None:
        self.figures.append(Figure(key, label, value, digits))

    def value(self, key: str) -> float:
        """KeyError: the scenario has no such figure."""
        for figure in self.figures:
            if figure.key == key:
                return figure.value
        raise KeyError(key)


def percentile_name(percent: float) -> str:
    """p50, p99, p99_9: a name for programs."""
    return f"p{percent:g}".replace(".", "_")


def as_json(report: Report) -> str:
    """One object; latencies in microseconds."""
    latencies: dict[str, Any] = {
        name: {
            "count": len(values),
            **{percentile_name(each): values.percentile(each) / 1000 for each in PERCENTILES},
            "max": values.max / 1000,
            "mean": values.mean / 1000,
        }
        for name, values in report.latencies.items()
    }
    return json.dumps(
        {
            "scenario": report.scenario,
            "url": report.url,
            "figures": {figure.key: figure.value for figure in report.figures},
            "latency_us": latencies,
            "curves": report.curves,
            "warnings": report.warnings,
            "problems": report.problems,
        },
        indent=2,
    )


def as_text(report: Report) -> str:
    lines = [f"{report.scenario} on {report.url}"]
    width = max((len(figure.label) for figure in report.figures), default=0)
    lines += [f"  {figure.label:{width}}  {figure.text:>14}" for figure in report.figures]
    if report.latencies:
        names = [f"p{each:g}" for each in PERCENTILES] + ["max"]
        label = "latency, us"
        indent = max(len(label), *map(len, report.latencies))
        lines.append(f"  {label:{indent}}" + "".join(f"{name:>12}" for name in names))
        for name, values in report.latencies.items():
            lines.append(f"  {name:{indent}}" + "".join(f"{each:>12}" for each in _latency_texts(values)))
    lines += [f"  warning: {each}" for each in report.warnings]
    lines += [f"  problem: {each}" for each in report.problems]
    return "\n".join(lines)


def as_markdown(report: Report) -> str:
    lines = [f"### {report.scenario} on `{report.url}`", "", "| figure | value |", "|---|---:|"]
    lines += [f"| {figure.label} | {figure.text} |" for figure in report.figures]
    if report.latencies:
        names = [f"p{each:g}" for each in PERCENTILES] + ["max"]
        lines += ["", f"| latency, us | {' | '.join(names)} |", "|---|" + "---:|" * len(names)]
        for name, values in report.latencies.items():
            lines.append(f"| {name} | {' | '.join(_latency_texts(values))} |")
    notes = [f"- warning: {each}" for each in report.warnings] + [f"- problem: {each}" for each in report.problems]
    return "\n".join(lines + (["", *notes] if notes else []))


def _latency_texts(values: histogram.Histogram) -> list[str]:
    return [f"{each / 1000:,.1f}" for each in [*(values.percentile(each) for each in PERCENTILES), values.max]]

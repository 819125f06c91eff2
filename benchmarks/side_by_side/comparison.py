"""One comparison: who is measured by what, and the table and the plots that come of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from benchmarks.side_by_side.rounds import Contestant, Round, Values, median_ratio, medians, take_turns
from xinyu.bench import svg


@dataclass(frozen=True, slots=True)
class Metric:
    """A row. `of_reference`: the key of the reference's value that this one is divided by, where it is not the same: a
    row that the reference does not have."""

    key: str
    title: str
    digits: int = 0
    of_reference: str = ""


@dataclass(frozen=True, slots=True)
class Plot:
    """Bars of one metric. `stem`: images/performance-STEM.svg."""

    stem: str
    key: str
    title: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """`ours`: contestants marked in the plots. `describe`: a line of progress from one contestant's values. `notes`:
    conditions that are its own. `rounds` and `failed` are there once it has been run."""

    title: str
    explanation: str
    contestants: tuple[Contestant, ...]
    reference: str
    ours: tuple[str, ...]
    metrics: tuple[Metric, ...]
    plots: tuple[Plot, ...]
    rounds: Sequence[Round] = ()
    failed: dict[str, str] = field(default_factory=dict)
    describe: Callable[[Values], str] = lambda values: "measured"
    notes: tuple[str, ...] = ()

    def run(self, rounds: int, say: Callable[[str], None]) -> Self:
        """The same with its rounds. Contestants that are missing are left out."""
        say(f"{self.title}:")
        for each in self.contestants:
            if each.missing:
                say(f"{each.name} is left out; to have it: {each.missing}")
        found, failed = take_turns([each for each in self.contestants if not each.missing], rounds, say, self.describe)
        return replace(self, rounds=found, failed=failed)

    @property
    def names(self) -> list[str]:
        """Those that were measured, in their order."""
        named = dict.fromkeys(each.name for each in self.contestants)
        return [name for name in named if any(name in found for found in self.rounds)]


def markdown_table(comparison: Comparison) -> str:
    """A line a metric, a column a contestant: median, and the ratio to the reference in brackets."""
    names, rounds = comparison.names, comparison.rounds
    by_name = {name: medians(rounds, name) for name in names}
    lines = ["| | " + " | ".join(names) + " |", "|---|" + "---:|" * len(names)]
    for metric in comparison.metrics:
        cells = []
        for name in names:
            value = by_name[name].get(metric.key)
            if value is None:
                cells.append("-")
                continue
            text = f"{value:,.{metric.digits}f}"
            if name != comparison.reference or metric.of_reference:
                base = metric.of_reference or metric.key
                ratio = median_ratio(rounds, name, metric.key, comparison.reference, base)
                text += "" if ratio is None else f" ({ratio_text(ratio)})"
            cells.append(text)
        lines.append(f"| {metric.title} | {' | '.join(cells)} |")
    return "\n".join(lines)


def ratio_text(ratio: float) -> str:
    """Two places, but two digits of a small one, and none of a great one."""
    if abs(ratio) >= 100:
        return f"{ratio:,.0f}"
    return f"{ratio:.2f}" if abs(ratio) >= 0.1 else f"{ratio:.2g}"


def write_plots(comparison: Comparison, images: Path) -> list[str]:
    """SVG files in the directory; returns Markdown that shows them from the directory above."""
    shown = []
    digits = {metric.key: metric.digits for metric in comparison.metrics}
    for plot in comparison.plots:
        bars = [
            (name, max(value, 0.0))
            for name in comparison.names
            if (value := medians(comparison.rounds, name).get(plot.key)) is not None
        ]
        chart = svg.bar_chart(plot.title, bars, digits=digits[plot.key], marked=comparison.ours)
        (images / f"performance-{plot.stem}.svg").write_text(chart)
        shown.append(f"![{plot.title}](images/performance-{plot.stem}.svg)")
    return shown

"""The page of figures: a section a level, each with its tables, plots, conditions and command.

A section that was not measured this time stays as it was, so each says for itself when, where and by what.
"""

from __future__ import annotations

import os
import platform
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.side_by_side.comparison import Comparison, markdown_table, write_plots

TITLE: Final = "# XinYu beside others"
INTRODUCTION: Final = """\
Written by `make bench`; do not edit. Who is compared takes turns in one run. A figure is the median of the rounds; in brackets the
median of its ratios to the first column, each within one round."""  # noqa: E501
LEVELS: Final = {"servers": "Servers", "micro": "Micro level"}


def machine(load_before: float) -> str:
    """The conditions that hold for all."""
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return (
        f"{time.strftime('%Y-%m-%d')}, Linux {platform.release()}, {os.cpu_count()} x {model}, "
        f"Python {platform.python_version()}, load average before the run {load_before:.2f}"
    )


def conditions(comparisons: Sequence[Comparison]) -> list[str]:
    """How it was measured, who took part, and what did not work."""
    versions: dict[str, str] = {}
    notes = [f"{max(len(each.rounds) for each in comparisons)} rounds, interleaved; medians"]
    for comparison in comparisons:
        notes += comparison.notes
        for each in comparison.contestants:
            if each.version and not each.missing:
                versions[each.name.partition(",")[0]] = each.version
    notes.append(", ".join(f"{name} {version}" for name, version in versions.items()))
    for comparison in comparisons:
        notes += [f"failed: {name} in {why}" for name, why in comparison.failed.items()]
        notes += [f"left out: {each.name}, not installed" for each in comparison.contestants if each.missing]
    return list(dict.fromkeys(notes))


def write_page(
    directory: Path, level: str, comparisons: Sequence[Comparison], notes: Sequence[str], command: str
) -> Path:
    """The level's section of `performance.md`, and its plots in images/. `level`: one of LEVELS."""
    images = directory / "images"
    images.mkdir(parents=True, exist_ok=True)
    parts = []
    for each in comparisons:
        heading = [f"### {each.title}"] if len(comparisons) > 1 else []
        parts += [*heading, each.explanation, markdown_table(each), *write_plots(each, images)]
    parts += ["Conditions:\n\n" + "\n".join(f"- {note}" for note in [*notes, f"written by `{command}`"])]
    page = directory / "performance.md"
    sections = _sections(page.read_text()) if page.exists() else {}
    sections[LEVELS[level]] = "\n\n".join(parts)
    ordered = [f"## {title}\n\n{sections[title]}" for title in LEVELS.values() if title in sections]
    page.write_text("\n\n".join([TITLE, INTRODUCTION, *ordered]) + "\n")
    return page


def _sections(text: str) -> dict[str, str]:
    """By their titles, without them."""
    _, *rest = re.split(r"^## ", text, flags=re.MULTILINE)
    return {title: body.strip() for title, _, body in (each.partition("\n") for each in rest)}

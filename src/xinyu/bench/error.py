"""What a benchmark tells the engineer when it cannot be run, or what it measured would mean nothing."""

from __future__ import annotations


class BenchError(Exception):
    """The text is one line."""


def require(condition: bool, text: str) -> None:
    """BenchError unless the condition holds."""
    if not condition:
        raise BenchError(text)

"""Codes that a server without a sender has written to its log."""

from __future__ import annotations

import re

from tests.e2e.contract.case import World


def code_to(world: World, target: str, channel: str) -> str:
    """The last one."""
    lines = [
        line
        for line in world.server.log.splitlines()
        if "verification_code" in line and target in line and channel in line
    ]
    found = re.search(r"\bcode\W+([0-9]{6})\b", lines[-1])
    assert found, lines[-1]
    return found[1]


def other_than(code: str) -> str:
    """A wrong one."""
    return "000000" if code != "000000" else "111111"

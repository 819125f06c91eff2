"""docs/streams.md tells of every kind of event that the rooms have, with all of its values, and of no other."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

from xinyu.base.config import StreamSettings
from xinyu.delivery import stream_relay
from xinyu_services.cli.rooms import ROOMS
from xinyu_services.contact import events as contact
from xinyu_services.group import events as group
from xinyu_services.message import events as message
from xinyu_services.talk import events as talk
from xinyu_services.user import events as user

STREAMS = (Path(__file__).parents[3] / "docs" / "streams.md").read_text(encoding="utf-8")
MODULES = {"contact": contact, "group": group, "message": message, "talk": talk, "user": user}
WITHOUT_EVENTS = {"emoticon", "media", "note", "organize", "presence"}


def kinds(module: ModuleType) -> dict[str, int]:
    """How many values each kind has, by the module's own description: a table, or `kind` (value, value)."""
    text = module.__doc__ or ""
    rows = re.findall(r"^\| (\w) +\| ([\w ,]+?) +\|", text, re.MULTILINE)
    rows += re.findall(r"`(\w+)` \(([\w ,]+)\)", text)
    return {kind: len(values.split(",")) for kind, values in rows}


def test_every_kind() -> None:
    table = re.findall(r"^\| (\w+) \| `(\w+)` \| ([^|]+) \|", STREAMS, re.MULTILINE)
    told = {(room, kind): len(values.split(",")) for room, kind, values in table}
    assert told == {(room, kind): count for room, module in MODULES.items() for kind, count in kinds(module).items()}
    assert set(MODULES) | WITHOUT_EVENTS == set(ROOMS)
    constants = {
        value
        for module in (contact, group, user)
        for name, value in vars(module).items()
        if name.isupper() and isinstance(value, str)
    }
    assert constants == {kind for room, kind in told if room in ("contact", "group", "user")}


def test_figures() -> None:
    assert f"max_entries: {StreamSettings().max_entries}" in STREAMS
    assert f"{stream_relay.MAX_WAITING:,} a room" in STREAMS
    assert f"{stream_relay.MAX_WAITING_BYTES >> 20} MiB" in STREAMS
    assert f"at most {stream_relay.MAX_TRACES}" in STREAMS
    assert f"up to {stream_relay.MAX_BATCHES_A_CALL} batches" in STREAMS

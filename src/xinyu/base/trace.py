"""The trace id of what is being done now: 32 hex digits that stand in every log line and ride in every call.

It enters at a door (`traceparent` or `X-Trace-Id`), or is made there; a context variable carries it through tasks.
"""

from __future__ import annotations

import random
import re
from contextvars import ContextVar
from typing import Final

_TRACE_ID: Final = re.compile(r"[0-9a-f]{32}")
_TRACEPARENT: Final = re.compile(r"00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")

trace_id: ContextVar[str] = ContextVar("trace_id", default="")


def new_trace_id() -> str:
    """Unique, not secret: no system call for each message."""
    return f"{random.getrandbits(128):032x}"


def incoming_trace_id(traceparent: str, x_trace_id: str) -> str:
    """The caller's trace id where it is well formed (W3C Trace Context, section 3.2; or X-Trace-Id), else a new one."""
    match = _TRACEPARENT.fullmatch(traceparent.strip().lower())
    if match and match[1] != "0" * 32:
        return match[1]
    candidate = x_trace_id.strip().lower().replace("-", "")
    return candidate if _TRACE_ID.fullmatch(candidate) else new_trace_id()

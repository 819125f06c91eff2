"""Times as the legacy surface writes them: `YYYY-MM-DD HH:MM:SS`, in one zone for the whole cluster."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo


def text_time(at_ms: int, zone: ZoneInfo) -> str:
    """Unix milliseconds as text in `zone` (contract: http-api, "Rules for all routes")."""
    return f"{datetime.fromtimestamp(at_ms // 1000, zone):%Y-%m-%d %H:%M:%S}"

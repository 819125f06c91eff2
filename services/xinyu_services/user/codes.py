"""Who carries a verification code to its owner. There is no paid sender in the house: the log is the one we have."""

from __future__ import annotations

from typing import Protocol

import structlog

log = structlog.get_logger(__name__)


class CodeSender(Protocol):
    """A way to a mobile."""

    async def send(self, mobile: str, channel: str, code: str) -> None: ...


class LogCodeSender:
    """Writes codes to the log, for whoever runs the server."""

    async def send(self, mobile: str, channel: str, code: str) -> None:
        log.info("verification_code", mobile=mobile, channel=channel, code=code)

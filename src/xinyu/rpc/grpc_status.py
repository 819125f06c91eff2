"""How an error crosses gRPC, both ways: a status, the sentence as its details, and the reason in trailing metadata.

`REASON` and `RETRY_AFTER_MS` say exactly which error it was, so that between our own ends nothing is lost; the status
is for those who know gRPC and not our table (docs/protocol.md, "gRPC"). A status that comes without a reason was given
by gRPC itself.
"""

from __future__ import annotations

import re
from typing import Final

import grpc
import grpc.aio

from xinyu.base.errors import (
    DEADLINE,
    INTERNAL,
    INTERRUPTED,
    UNAUTHENTICATED,
    ErrorCode,
    XinYuError,
)
from xinyu.rpc.not_sent import NotSent

REASON: Final = "xinyu-reason"
RETRY_AFTER_MS: Final = "retry-after-ms"
_MILLISECONDS: Final = re.compile(r"[0-9]{1,15}")

# By the error's own status, which follows HTTP's meaning (xinyu.base.errors).
STATUS: Final[dict[int, grpc.StatusCode]] = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    405: grpc.StatusCode.UNIMPLEMENTED,
    408: grpc.StatusCode.DEADLINE_EXCEEDED,
    409: grpc.StatusCode.FAILED_PRECONDITION,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    415: grpc.StatusCode.INVALID_ARGUMENT,
    416: grpc.StatusCode.OUT_OF_RANGE,
    426: grpc.StatusCode.FAILED_PRECONDITION,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    500: grpc.StatusCode.INTERNAL,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}

# What gRPC itself says of a call that was sent. UNAVAILABLE and CANCELLED: the connection was lost, or the other end
# stopped. All else, such as a message that is too long, is an error of ours.
_OF_GRPC: Final[dict[grpc.StatusCode, ErrorCode]] = {
    grpc.StatusCode.DEADLINE_EXCEEDED: DEADLINE,
    grpc.StatusCode.UNAVAILABLE: INTERRUPTED,
    grpc.StatusCode.CANCELLED: INTERRUPTED,
    grpc.StatusCode.UNAUTHENTICATED: UNAUTHENTICATED,
}


def status_of(error: XinYuError) -> grpc.StatusCode:
    return STATUS.get(error.status, grpc.StatusCode.UNKNOWN)


def metadata_of(error: XinYuError) -> tuple[tuple[str, str], ...]:
    reason = (REASON, error.reason)
    return (reason,) if error.retry_after_ms is None else (reason, (RETRY_AFTER_MS, str(error.retry_after_ms)))


def error_of(failed: grpc.aio.AioRpcError) -> XinYuError:
    """The error of another process, or what gRPC's own status comes to."""
    said = {key: value for key, value in failed.trailing_metadata() if isinstance(value, str)}
    reason = said.get(REASON)
    if reason is None and failed.code() is grpc.StatusCode.UNIMPLEMENTED:
        return NotSent("No such service is here.")
    if reason is None:
        return XinYuError(_OF_GRPC.get(failed.code(), INTERNAL))
    retry_after_ms = _MILLISECONDS.fullmatch(said.get(RETRY_AFTER_MS, ""))
    return XinYuError.from_wire(reason, failed.details() or "", int(retry_after_ms[0]) if retry_after_ms else None)

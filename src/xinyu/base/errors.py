"""The one table of errors: every refusal that leaves the product, over HTTP, WebSocket or RPC, is one of these.

An error is a stable reason word, an HTTP status, a sentence for people, whose fault it is, and whether the same
request may be sent again as it is. Clients branch on the reason, never on the sentence (contract: http-api, "Rules
for all routes"; ws-events, "Requests are answered"). Errors cross processes as (reason, message), never as
exceptions: `XinYuError.from_wire` makes them again on the other side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """One line of the table. `retry`: the same request may succeed later without being changed."""

    reason: str
    status: int
    message: str
    at_fault: Literal["client", "server"] = "client"
    retry: bool = False


_TABLE: dict[str, ErrorCode] = {}


def _code(
    reason: str, status: int, message: str, at_fault: Literal["client", "server"] = "client", retry: bool = False
) -> ErrorCode:
    code = _TABLE[reason] = ErrorCode(reason, status, message, at_fault, retry)
    return code


BAD_JSON: Final = _code("bad_json", 400, "The request is not a JSON object.")
INVALID: Final = _code("invalid", 400, "A field of the request is missing or not valid.")
BINARY_FRAME: Final = _code("binary_frame", 400, "This dialect takes text frames only.")
UNKNOWN_EVENT: Final = _code("unknown_event", 400, "There is no such event.")
WRONG_PASSWORD: Final = _code("wrong_password", 400, "Wrong mobile number or password.")
WRONG_CODE: Final = _code("wrong_code", 400, "The verification code is wrong or no longer valid.")
MOBILE_TAKEN: Final = _code("mobile_taken", 400, "This mobile number is already registered.")
SELF: Final = _code("self", 400, "That cannot be done with oneself.")
OWNER_MUST_STAY: Final = _code("owner_must_stay", 400, "The owner cannot leave the group; hand it over first.")
REVOKE_TOO_LATE: Final = _code("revoke_too_late", 400, "The time in which this message could be recalled is over.")
UNAUTHENTICATED: Final = _code("unauthenticated", 401, "Please log in.")
TOKEN_EXPIRED: Final = _code("token_expired", 401, "The login has expired. Please log in again.")
FORBIDDEN: Final = _code("forbidden", 403, "You may not do that.")
ORIGIN_REFUSED: Final = _code("origin_refused", 403, "This origin is not allowed.")
NOT_MEMBER: Final = _code("not_member", 403, "You are not a member of this conversation.")
NOT_FRIEND: Final = _code("not_friend", 403, "You are not friends.")
BLOCKED: Final = _code("blocked", 403, "This person does not take your messages.")
MUTED: Final = _code("muted", 403, "You are muted in this group.")
DISMISSED: Final = _code("dismissed", 403, "This group has been dismissed.")
DISABLED: Final = _code("disabled", 403, "This account is disabled.")
NOT_FOUND: Final = _code("not_found", 404, "There is no such page.")
UNKNOWN_USER: Final = _code("unknown_user", 404, "There is no such user.")
UNKNOWN_GROUP: Final = _code("unknown_group", 404, "There is no such group.")
UNKNOWN_TALK: Final = _code("unknown_talk", 404, "There is no such conversation.")
UNKNOWN_MESSAGE: Final = _code("unknown_message", 404, "There is no such message.")
UNKNOWN_APPLICATION: Final = _code("unknown_application", 404, "There is no such request.")
METHOD_NOT_ALLOWED: Final = _code("method_not_allowed", 405, "This address takes another method.")
REQUEST_TIMEOUT: Final = _code("request_timeout", 408, "The request took too long to arrive.", retry=True)
CONFLICT: Final = _code("conflict", 409, "This msg_id has been used for another message.")
ALREADY_HANDLED: Final = _code("already_handled", 409, "This request has been answered already.")
GROUP_FULL: Final = _code("group_full", 409, "The group has no room for more members.")
TOO_LARGE: Final = _code("too_large", 413, "The request is too large.")
UPGRADE_REQUIRED: Final = _code("upgrade_required", 426, "This address speaks WebSocket.")
TOO_MANY: Final = _code("too_many", 429, "Too many requests. Please wait a moment.", retry=True)
INTERNAL: Final = _code("internal", 500, "Something went wrong on our side.", "server", True)
OVERLOADED: Final = _code("overloaded", 503, "The server is busy. Please try again.", "server", True)
UNAVAILABLE: Final = _code("unavailable", 503, "A part of the service is away. Please try again.", "server", True)
INTERRUPTED: Final = _code(
    "interrupted", 503, "The server was interrupted; this may have been done. Please try again.", "server", True
)
SHUTTING_DOWN: Final = _code("shutting_down", 503, "The server is restarting. Please try again.", "server", True)
DEADLINE: Final = _code("deadline", 504, "The server took too long. Please try again.", "server", True)

ERRORS: Final[dict[str, ErrorCode]] = dict(_TABLE)


class XinYuError(Exception):
    """A refusal out of the table. `message` overrides the table's sentence; `retry_after_ms` goes with TOO_MANY."""

    def __init__(self, code: ErrorCode, message: str = "", *, retry_after_ms: int | None = None) -> None:
        self.code = code
        self.message = message or code.message
        self.retry_after_ms = retry_after_ms
        super().__init__(f"{code.reason}: {self.message}")

    @property
    def reason(self) -> str:
        return self.code.reason

    @property
    def status(self) -> int:
        return self.code.status

    @classmethod
    def from_wire(cls, reason: str, message: str, retry_after_ms: int | None = None) -> XinYuError:
        """The error of another process; a reason that this one does not know counts as internal."""
        return cls(ERRORS.get(reason, INTERNAL), message, retry_after_ms=retry_after_ms)

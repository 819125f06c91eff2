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
TEXT_FRAME: Final = _code("text_frame", 400, "This dialect takes binary frames only.")
UNKNOWN_EVENT: Final = _code("unknown_event", 400, "There is no such event.")
WRONG_PASSWORD: Final = _code("wrong_password", 400, "Wrong mobile number or password.")
WRONG_CODE: Final = _code("wrong_code", 400, "The verification code is wrong or no longer valid.")
MOBILE_TAKEN: Final = _code("mobile_taken", 400, "This mobile number is already registered.")
OAUTH_REFUSED: Final = _code("oauth_refused", 400, "The login at the provider did not succeed. Please try again.")
SELF: Final = _code("self", 400, "That cannot be done with oneself.")
OWNER_MUST_STAY: Final = _code("owner_must_stay", 400, "The owner cannot leave the group; hand it over first.")
REVOKE_TOO_LATE: Final = _code("revoke_too_late", 400, "The time in which this message could be recalled is over.")
EDIT_TOO_LATE: Final = _code("edit_too_late", 400, "The time in which this message could be edited is over.")
UNAUTHENTICATED: Final = _code("unauthenticated", 401, "Please log in.")
TOKEN_EXPIRED: Final = _code("token_expired", 401, "The login has expired. Please log in again.")
FORBIDDEN: Final = _code("forbidden", 403, "You may not do that.")
ORIGIN_REFUSED: Final = _code("origin_refused", 403, "This origin is not allowed.")
NOT_MEMBER: Final = _code("not_member", 403, "You are not a member of this conversation.")
NOT_FRIEND: Final = _code("not_friend", 403, "You are not friends.")
BLOCKED: Final = _code("blocked", 403, "This person does not take your messages.")
MUTED: Final = _code("muted", 403, "You are muted in this group.")
MENTION_ALL_REFUSED: Final = _code(
    "mention_all_refused", 403, "Only the owner and admins may mention everybody in this group."
)
DISMISSED: Final = _code("dismissed", 403, "This group has been dismissed.")
RECEIPTS_OFF: Final = _code("receipts_off", 403, "Read receipts are off in this conversation.")
NOT_OVERT: Final = _code("not_overt", 403, "This group is not public: ask a member to invite you.")
DISABLED: Final = _code("disabled", 403, "This account is disabled.")
NOT_FOUND: Final = _code("not_found", 404, "There is no such page.")
UNKNOWN_USER: Final = _code("unknown_user", 404, "There is no such user.")
UNKNOWN_GROUP: Final = _code("unknown_group", 404, "There is no such group.")
UNKNOWN_TALK: Final = _code("unknown_talk", 404, "There is no such conversation.")
UNKNOWN_MESSAGE: Final = _code("unknown_message", 404, "There is no such message.")
UNKNOWN_SCHEDULED: Final = _code("unknown_scheduled", 404, "There is no such scheduled message.")
UNKNOWN_FILE: Final = _code("unknown_file", 404, "There is no such file.")
UNKNOWN_UPLOAD: Final = _code("unknown_upload", 404, "There is no such upload.")
NO_PREVIEW: Final = _code("no_preview", 404, "There is no preview of this address.")
UNKNOWN_EMOTICON: Final = _code("unknown_emoticon", 404, "There is no such emoticon.")
UNKNOWN_BOT: Final = _code("unknown_bot", 404, "There is no such bot.")
UNKNOWN_PROVIDER: Final = _code("unknown_provider", 404, "Logging in this way is not set up here.")
UNKNOWN_APPLICATION: Final = _code("unknown_application", 404, "There is no such request.")
UNKNOWN_VOTE: Final = _code("unknown_vote", 404, "There is no such vote.")
UNKNOWN_NOTE: Final = _code("unknown_note", 404, "There is no such note.")
UNKNOWN_NOTE_CLASS: Final = _code("unknown_note_class", 404, "There is no such class of notes.")
UNKNOWN_NOTE_TAG: Final = _code("unknown_note_tag", 404, "There is no such tag.")
METHOD_NOT_ALLOWED: Final = _code("method_not_allowed", 405, "This address takes another method.")
REQUEST_TIMEOUT: Final = _code("request_timeout", 408, "The request took too long to arrive.", retry=True)
CONFLICT: Final = _code("conflict", 409, "This msg_id has been used for another message.")
ALREADY_HANDLED: Final = _code("already_handled", 409, "This request has been answered already.")
GROUP_FULL: Final = _code("group_full", 409, "The group has no room for more members.")
TOO_MANY_GROUPS: Final = _code("too_many_groups", 409, "That would be more groups than one person may have.")
TOO_MANY_ADMINS: Final = _code("too_many_admins", 409, "The group has as many admins as it may have.")
ALREADY_VOTED: Final = _code("already_voted", 409, "You have voted already.")
VOTE_ENDED: Final = _code("vote_ended", 409, "This vote is over.")
UPLOAD_CONFLICT: Final = _code("upload_conflict", 409, "Another part of this upload has been stored under this number.")
TOO_MANY_UPLOADS: Final = _code("too_many_uploads", 409, "Too many uploads are unfinished. Finish some of them first.")
TOO_MANY_EMOTICONS: Final = _code("too_many_emoticons", 409, "Your collection is full. Delete some emoticons first.")
TOO_MANY_SCHEDULED: Final = _code("too_many_scheduled", 409, "Too many messages wait to be sent. Cancel one first.")
TOO_MANY_EDITS: Final = _code("too_many_edits", 409, "This message has been edited too often.")
TOO_MANY_REACTIONS: Final = _code("too_many_reactions", 409, "There is no room for more reactions to this message.")
TOO_MANY_PINS: Final = _code("too_many_pins", 409, "Too many messages are pinned here. Take some pins away first.")
TOO_MANY_BOTS: Final = _code("too_many_bots", 409, "You have as many bots as you may. Delete one of them first.")
NOTES_FULL: Final = _code("notes_full", 409, "There is no room for more notes. Delete some of them for ever first.")
TOO_LARGE: Final = _code("too_large", 413, "The request is too large.")
UNSUPPORTED_MEDIA: Final = _code("unsupported_media", 415, "Files of this kind are not taken here.")
RANGE_NOT_SATISFIABLE: Final = _code("range_not_satisfiable", 416, "The file has no such range.")
UPGRADE_REQUIRED: Final = _code("upgrade_required", 426, "This address speaks WebSocket.")
TOO_MANY: Final = _code("too_many", 429, "Too many requests. Please wait a moment.", retry=True)
SLOW_MODE: Final = _code("slow_mode", 429, "Slow mode is on in this group. Please wait a moment.", retry=True)
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
    """A refusal out of the table. `message` overrides the table's sentence; `retry_after_ms` goes with TOO_MANY and
    SLOW_MODE."""

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

"""What a client may put into a message: from the named type and body of `message/send` to the stored type and JSON.

Contract: http-api, "Codes" (msg_type and its `extra`). Types that name uploads are in `attachments.py`; those that only
the server makes, or whose rooms are not there yet, are refused.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from xinyu.base.errors import INVALID, XinYuError
from xinyu.base.ids import MAX_SAFE_INTEGER
from xinyu_services.message.model import MsgType

MAX_MENTIONS: Final = 500
MAX_CODE_CHARACTERS: Final = 65_536


# A user id; 0 is everybody.
Mention = Annotated[int, msgspec.Meta(ge=0, le=MAX_SAFE_INTEGER)]


class TextBody(msgspec.Struct):
    """`text` is the reference client's second name of `content`."""

    content: str | None = None
    text: str | None = None
    mentions: Annotated[list[Mention], msgspec.Meta(max_length=MAX_MENTIONS)] = []


class CodeBody(msgspec.Struct):
    lang: Annotated[str, msgspec.Meta(min_length=1, max_length=32)]
    code: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_CODE_CHARACTERS)]


Degrees = Annotated[str, msgspec.Meta(pattern=r"^[+-]?[0-9]{1,3}(\.[0-9]{1,16})?$")]


class CardBody(msgspec.Struct):
    """Name and avatar are the message room's to add: what clients say of somebody is not believed."""

    user_id: Annotated[int, msgspec.Meta(ge=1, le=MAX_SAFE_INTEGER)]


class LocationBody(msgspec.Struct):
    """Degrees, as numbers or decimal text."""

    longitude: float | Degrees
    latitude: float | Degrees
    description: Annotated[str, msgspec.Meta(max_length=255)] = ""


def parse_body(type_name: str, body: msgspec.Raw, max_text_characters: int) -> tuple[int, bytes]:
    """(msg_type, `extra` as JSON). Raises INVALID with what is wrong."""
    try:
        if type_name == "text":
            return MsgType.TEXT, _text(msgspec.json.decode(body, type=TextBody), max_text_characters)
        if type_name == "code":
            code = msgspec.json.decode(body, type=CodeBody)
            return MsgType.CODE, _json({"lang": code.lang, "code": code.code})
        if type_name == "location":
            return MsgType.LOCATION, _location(msgspec.json.decode(body, type=LocationBody))
        if type_name == "card":
            return MsgType.CARD, _json({"user_id": msgspec.json.decode(body, type=CardBody).user_id})
    except msgspec.ValidationError as error:
        raise XinYuError(INVALID, f"body: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise XinYuError(INVALID, "body is not valid JSON.") from None
    raise XinYuError(INVALID, "Messages of this type cannot be sent here.")


def edited_type(body: msgspec.Raw) -> str:
    """The type name that the body of an edit is of; which one a message has is the message room's to know."""
    try:
        fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise XinYuError(INVALID, "body is not a JSON object.") from None
    if "items" in fields:
        return "mixed"
    return "code" if "code" in fields else "text"


def _text(body: TextBody, max_characters: int) -> bytes:
    content = body.content if body.content is not None else body.text
    if content is None or (body.text is not None and body.text != content):
        raise XinYuError(INVALID, "body: content is missing, or differs from text.")
    if not content.strip():
        raise XinYuError(INVALID, "An empty message cannot be sent.")
    if len(content) > max_characters:
        raise XinYuError(INVALID, f"A text may have {max_characters} characters.")
    return _json({"content": content, "mentions": body.mentions} if body.mentions else {"content": content})


def _location(body: LocationBody) -> bytes:
    longitude, latitude = float(body.longitude), float(body.latitude)
    if not (-180 <= longitude <= 180 and -90 <= latitude <= 90):
        raise XinYuError(INVALID, "body: there is no such place on earth.")
    return _json({"longitude": str(body.longitude), "latitude": str(body.latitude), "description": body.description})


def _json(value: dict[str, object]) -> bytes:
    """Compact, as `model.compact_json` writes it, at a tenth of the time."""
    return msgspec.json.encode(value)

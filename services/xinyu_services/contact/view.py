"""What a client reads of contacts and requests. All of these strings are plain text on every surface: nothing is
escaped. Times of requests are text in the configured zone; our dialect gets the number beside it."""

from __future__ import annotations

from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from xinyu.base.text_time import text_time
from xinyu_services.contact.model import Apply, ApplyState, Contact, ContactState, Folder, Person

LEGACY: Final = 0


def contact_item(contact: Contact, person: Person) -> dict[str, Any]:
    """An item of `contact/list` (contract: http-api, contact). `is_robot` stands at bots alone."""
    item = {
        "user_id": contact.friend_id,
        "nickname": person.nickname,
        "gender": person.gender,
        "motto": person.motto,
        "avatar": person.avatar,
        "remark": contact.remark,
        "group_id": contact.folder_id,
    }
    return item | {"is_robot": 1} if person.is_robot else item


def apply_item(apply: Apply, applicant: Person, zone: ZoneInfo, codec: int) -> dict[str, Any]:
    """An item of `contact-apply/list` (contract: http-api, contact-apply): user_id is the asked, friend_id asks."""
    item = {
        "id": apply.apply_id,
        "user_id": apply.target_id,
        "friend_id": apply.applicant_id,
        "remark": apply.remark,
        "nickname": applicant.nickname,
        "avatar": applicant.avatar,
        "created_at": text_time(apply.created_at_ms, zone),
    }
    if codec != LEGACY:
        item["created_at_ms"] = apply.created_at_ms
    return item


def contact_row(contact: Contact, version: int, person: Person) -> dict[str, Any]:
    """A row of the sync room "contact" (contract: ws-events, `sync`)."""
    is_block = 1 if contact.is_block else 2
    if contact.state is not ContactState.ALIVE:
        key = {"kind": "contact", "user_id": contact.friend_id}
        return {**key, "is_block": is_block, "version": version, "deleted": True}
    return {"kind": "contact", **contact_item(contact, person), "is_block": is_block, "version": version}


def blocked_item(person: Person) -> dict[str, Any]:
    """An item of `contact/block-list`."""
    return {
        "user_id": person.user_id,
        "nickname": person.nickname,
        "avatar": person.avatar,
        "gender": person.gender,
        "motto": person.motto,
    }


def folder_item(folder: Folder) -> dict[str, Any]:
    """An item of `contact-group/list` (contract: http-api, contact-group)."""
    return {"id": folder.folder_id, "name": folder.name, "count": folder.count, "sort": folder.sort}


def folder_row(folder: Folder, version: int) -> dict[str, Any]:
    """A row of the sync room "contact"."""
    if folder.state is not ContactState.ALIVE:
        return {"kind": "group", "id": folder.folder_id, "version": version, "deleted": True}
    return {"kind": "group", **folder_item(folder), "version": version}


def apply_row(apply: Apply, version: int, applicant: Person, zone: ZoneInfo, codec: int) -> dict[str, Any]:
    """A row of the sync room "contact"; only a pending request is one, any other a tombstone."""
    if apply.state is not ApplyState.PENDING:
        return {"kind": "apply", "id": apply.apply_id, "version": version, "deleted": True}
    return {"kind": "apply", **apply_item(apply, applicant, zone, codec), "version": version}


def row_changed(row: dict[str, Any]) -> bytes:
    """The event of our dialect."""
    payload = {"room": "contact", "version": row["version"], "row": row}
    return msgspec.json.encode({"event": "row.changed", "payload": payload})


def applied(apply: Apply, applicant: Person) -> bytes:
    """The legacy event that tells somebody of a request to him."""
    payload = {
        "nickname": applicant.nickname,
        "remark": apply.remark,
        "apply_time": apply.created_at_ms,
        "apply_id": apply.apply_id,
        "user_id": apply.applicant_id,
        "avatar": applicant.avatar,
    }
    return msgspec.json.encode(
        {"event": "im.contact.apply", "payload": payload, "ackid": f"contact-apply-{apply.apply_id}"}
    )


def accepted(apply: Apply, acceptor: Person, accepted_at_ms: int, session: bytes) -> bytes:
    """The legacy event that tells the applicant of the other's consent; `session` is the applicant's own."""
    payload = {
        "acceptor_id": apply.target_id,
        "acceptor_name": acceptor.nickname,
        "acceptor_avatar": acceptor.avatar,
        "accept_time": accepted_at_ms,
        "session": msgspec.Raw(session),
    }
    return msgspec.json.encode(
        {"event": "im.contact.accept", "payload": payload, "ackid": f"contact-accept-{apply.apply_id}"}
    )

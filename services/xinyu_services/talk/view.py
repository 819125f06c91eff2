"""What clients read of this room: Session (an entry of the list) and a sync's talk rows."""

from __future__ import annotations

from collections.abc import Container, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from xinyu_services.directory import NOBODY, Name
from xinyu_services.talk.model import Head, Session, SessionState

_encode = msgspec.json.Encoder().encode


class TalkView:
    """Encodes for clients; holds nothing but the zone."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone

    def session(
        self,
        session: Session,
        head: Head | None,
        names: Mapping[int, Name],
        groups: Mapping[int, Name],
        remarks: Mapping[int, str],
        *,
        online: bool = False,
    ) -> dict[str, Any]:
        """Session of the contract (http-api, "Shapes"). The head's digest is in the reader's codec already."""
        single = session.talk_mode == 1
        name = (names if single else groups).get(session.to_from_id, NOBODY)
        last_at_ms = head.last_at_ms if head is not None and head.last_at_ms else session.created_at_ms
        return {
            "id": session.talk_id,
            "talk_mode": session.talk_mode,
            "to_from_id": session.to_from_id,
            "is_top": 1 if session.pinned_at_ms else 2,
            "is_disturb": session.is_disturb,
            "is_online": 1 if online else 2,
            "is_robot": 1 if single and name.is_robot else 2,
            "name": name.name,
            "avatar": name.avatar,
            "remark": remarks.get(session.to_from_id, "") if single else session.remark,
            "unread_num": head.unread if head is not None else 0,
            "msg_text": head.digest if head is not None else "",
            "updated_at": datetime.fromtimestamp(last_at_ms // 1000, self._zone).strftime("%Y-%m-%d %H:%M:%S"),
        }

    def row(self, session: Session, robots: Container[int]) -> dict[str, Any]:
        """A row of a device's sync (contract: ws-events, `sync`). `robots`: of the peers of pairs, those that are."""
        row: dict[str, Any] = {
            "version": session.version,
            "talk_id": session.talk_id,
            "talk_mode": session.talk_mode,
            "to_from_id": session.to_from_id,
            "is_top": 1 if session.pinned_at_ms else 2,
            "is_disturb": session.is_disturb,
            "is_robot": 1 if session.talk_mode == 1 and session.to_from_id in robots else 2,
            "hidden_sequence": session.hidden_sequence,
            "draft": session.draft,
            "remark": session.remark,
        }
        if session.scheduled_count or session.scheduled_failed:
            row["scheduled_num"], row["scheduled_failed_num"] = session.scheduled_count, session.scheduled_failed
        if session.state != SessionState.ALIVE:
            row["deleted"] = True
        return row

    def row_changed(self, session: Session, robots: Container[int]) -> bytes:
        payload = {"room": "talk", "version": session.version, "row": self.row(session, robots)}
        return _encode({"event": "row.changed", "payload": payload})


def legacy_session_created(session: dict[str, Any], row: Session) -> bytes:
    return _encode(
        {
            "event": "im.session.create",
            "payload": session,
            "ackid": f"s-{row.user_id}-{row.talk_id}-{row.version}",
        }
    )

"""What a client reads of a user's own row. All of these strings are plain text on every surface: nothing is escaped."""

from __future__ import annotations

from typing import Any

import msgspec

from xinyu_services.user.model import Account


def settings(account: Account) -> dict[str, Any]:
    """The answer of `user/setting` (contract: http-api, user)."""
    return {
        "user_info": {
            "uid": account.user_id,
            "nickname": account.nickname,
            "avatar": account.avatar,
            "motto": account.motto,
            "gender": account.gender,
            "is_qiye": account.is_qiye,
            "mobile": "" if account.is_robot else account.mobile,
            "email": account.email,
        },
        "setting": {
            "theme_mode": account.theme_mode,
            "theme_bag_img": account.theme_bag_img,
            "theme_color": account.theme_color,
            "notify_cue_tone": account.notify_cue_tone,
            "keyboard_event_notify": account.keyboard_event_notify,
            "read_receipts": account.read_receipts,
        },
    }


def row(account: Account, version: int) -> dict[str, Any]:
    """The one row of the room "user" in a sync (contract: ws-events, `sync`)."""
    return {**settings(account), "version": version}


def row_changed(account: Account, version: int) -> bytes:
    """The event that tells the user's own devices of our dialect."""
    payload = {"room": "user", "version": version, "row": row(account, version)}
    return msgspec.json.encode({"event": "row.changed", "payload": payload})

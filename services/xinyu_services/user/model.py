"""What an account is, and the rules for what people may write into it."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date
from typing import Final

# Contract: http-api, "Routes", auth: `1` and ten digits.
MOBILE: Final = re.compile(r"1[0-9]{10}")
NICKNAME_CHARACTERS: Final = 64
MOTTO_CHARACTERS: Final = 500
PASSWORD_CHARACTERS: Final = (8, 128)
CODE_CHANNELS: Final = frozenset({"register", "forget_account", "mobile_update", "oauth_bind"})
CODE_TTL_S: Final = 300
CODE_TRIES: Final = 5
# Control characters, lone surrogates, line and paragraph separators.
_UNSEEN: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
# What may follow the media service's prefix in the address of an avatar: nothing that HTML could take for markup.
_MEDIA_PATH: Final = re.compile(r"[0-9A-Za-z/._-]+")


@dataclass(frozen=True, slots=True)
class Profile:
    """What others may see of a user."""

    user_id: int
    nickname: str
    avatar: str
    is_robot: bool
    gender: int
    motto: str


@dataclass(frozen=True, slots=True)
class Account:
    """One row of user_account. `version` is the user's in this room."""

    user_id: int
    version: int
    mobile: str
    password_hash: str
    nickname: str
    avatar: str = ""
    gender: int = 0
    motto: str = ""
    email: str = ""
    birthday: str = ""
    is_robot: bool = False
    is_qiye: bool = False
    is_disabled: bool = False
    theme_mode: str = "auto"
    theme_bag_img: str = ""
    theme_color: str = ""
    notify_cue_tone: str = "N"
    keyboard_event_notify: str = "Y"
    created_at_ms: int = 0


# What friends' contact rows show: a change of one of these is told to the contact room.
SEEN_BY_FRIENDS: Final = frozenset({"nickname", "avatar", "gender", "motto"})


def nickname_problem(nickname: str) -> str:
    """Why `nickname` cannot be one, "" when it can. Clients put nicknames into HTML as they are, in lists where they
    are plain text elsewhere: they must be harmless (contract: http-api, "Text is shown as HTML")."""
    if not nickname.strip():
        return "The nickname is empty."
    if len(nickname) > NICKNAME_CHARACTERS:
        return f"The nickname has more than {NICKNAME_CHARACTERS} characters."
    if "<" in nickname or ">" in nickname or any(unicodedata.category(c) in _UNSEEN for c in nickname):
        return "The nickname may not have < or > or control characters."
    return ""


def motto_problem(motto: str) -> str:
    """Why `motto` cannot be one, "" when it can. It is plain text on every surface."""
    if len(motto) > MOTTO_CHARACTERS:
        return f"The motto has more than {MOTTO_CHARACTERS} characters."
    if any(unicodedata.category(c) == "Cc" and c not in "\n\t" for c in motto):
        return "The motto may not have control characters."
    return ""


def password_problem(password: str) -> str:
    """Why `password` cannot be chosen, "" when it can."""
    shortest, longest = PASSWORD_CHARACTERS
    return "" if shortest <= len(password) <= longest else f"The password must have {shortest} to {longest} characters."


def avatar_problem(avatar: str, media_prefix: str) -> str:
    """Why `avatar` cannot be one: only addresses that our media service gave out, all of which begin with
    `media_prefix` ("" = there is no such service), or none."""
    if not avatar:
        return ""
    path = avatar.removeprefix(media_prefix) if media_prefix and avatar.startswith(media_prefix) else ""
    if len(avatar) <= 255 and _MEDIA_PATH.fullmatch(path) and ".." not in path:
        return ""
    return "The picture must be uploaded here first."


def birthday_problem(birthday: str) -> str:
    """Why `birthday` is none: YYYY-MM-DD or ""."""
    if not birthday:
        return ""
    try:
        return "" if date.fromisoformat(birthday).isoformat() == birthday else "The birthday is not YYYY-MM-DD."
    except ValueError:
        return "The birthday is not YYYY-MM-DD."

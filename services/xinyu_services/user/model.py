"""What an account is, and the rules for what people may write into it."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

# Contract: http-api, "Routes", auth: `1` and ten digits.
MOBILE: Final = re.compile(r"1[0-9]{10}")
NICKNAME_CHARACTERS: Final = 64
MOTTO_CHARACTERS: Final = 500
PASSWORD_CHARACTERS: Final = (8, 128)
CODE_CHANNELS: Final = frozenset({"register", "forget_account", "mobile_update", "oauth_bind"})
# What codes of these prove opens an account that may be somebody's: they are checked everywhere, and never answered.
PROVING_CHANNELS: Final = frozenset({"forget_account", "oauth_bind"})
# What a deleted account has for a mobile begins with it, so that the number is free.
DELETED_MARK: Final = "-"
DELETED_NICKNAME: Final = "Deleted user"
MAIL_CHANNEL: Final = "update_email"
EMAIL_CHARACTERS: Final = 100
CODE_TTL_S: Final = 300
CODE_TRIES: Final = 5
# One address as it is written in practice, a host with a dot; nothing that a mail's head could be broken with.
_EMAIL: Final = re.compile(r"[0-9A-Za-z.!#$%&'*+/=?^_`{|}~-]{1,64}@(?:[0-9A-Za-z-]{1,63}\.)+[0-9A-Za-z-]{2,63}")
# Control characters, lone surrogates, line and paragraph separators.
_UNSEEN: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})


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
    read_receipts: str = "Y"  # N: nobody sees what he has read, nor he what others have
    created_at_ms: int = 0

    @property
    def is_deleted(self) -> bool:
        """Its row stays, so that what its user has written keeps a name."""
        return self.mobile.startswith(DELETED_MARK)


@dataclass(frozen=True, slots=True)
class Bot:
    """A bot as its owner sees it. No token is kept: `token_expires_at_ms` says which one is good."""

    bot_id: int
    owner_id: int
    name: str
    avatar: str
    token_expires_at_ms: int
    created_at_ms: int
    webhook_url: str = ""
    webhook_revision: int = 0  # counts what was set, and names the secret; 0 = it never had a webhook


@dataclass(frozen=True, slots=True)
class WebhookStatus:
    """How a bot's webhook goes: `state` is "" where there is none, ok, failing, suspended, or unknown."""

    state: str = ""
    failure: str = ""
    failing_since_ms: int = 0


@dataclass(frozen=True, slots=True)
class Identity:
    """Who somebody is at an OpenID provider. `name`: what he is called there, "" = it does not say."""

    issuer: str
    subject: str
    name: str


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


def webhook_state(is_suspended: bool, failure: str) -> str:
    """In a word."""
    if is_suspended:
        return "suspended"
    return "failing" if failure else "ok"


def bot_mobile(bot_id: int) -> str:
    """What a bot has for a mobile: no number, so that nobody logs in with it, and nobody else's."""
    return f"bot{bot_id}"


def nickname_from(name: str, user_id: int) -> str:
    """A nickname out of what another service calls somebody."""
    kept = "".join(c for c in name if c not in "<>" and unicodedata.category(c) not in _UNSEEN)
    return kept.strip()[:NICKNAME_CHARACTERS].strip() or f"User {user_id}"


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


def email_problem(email: str) -> str:
    """Why `email` is no mail address, "" when it is."""
    if len(email) > EMAIL_CHARACTERS:
        return f"The mail address has more than {EMAIL_CHARACTERS} characters."
    return "" if _EMAIL.fullmatch(email) else "This is no mail address."


def utc(at_ms: int) -> datetime:
    """Of a Unix time."""
    return datetime.fromtimestamp(at_ms / 1000, UTC)


def birthday_problem(birthday: str) -> str:
    """Why `birthday` is none: YYYY-MM-DD or ""."""
    if not birthday:
        return ""
    try:
        return "" if date.fromisoformat(birthday).isoformat() == birthday else "The birthday is not YYYY-MM-DD."
    except ValueError:
        return "The birthday is not YYYY-MM-DD."

"""A data directory with users in it, made without the server: what a macro benchmark starts from.

Users are rows of their table, and pairs of them are friends as far as sending is concerned (a talk and its two
members). Tokens are minted with the directory's own secret, as the server would.
"""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from xinyu.base.clock import SystemClock
from xinyu.base.token import AccessTokens
from xinyu.storage import schema
from xinyu.storage.sqlite import create_sqlite_engine
from xinyu_services.user.keys import load_or_create_keys

DATABASE_FILE = "xinyu.db"  # as `xinyu serve` names it
TOKEN_TTL_S = 86_400
_IN, _MEMBER_ROLE, _SINGLE = 1, 3, 1


def create_database(path: Path, *, users: int, pairs: int) -> None:
    """A migrated database with users 1..`users`; of these, user i and user i + `pairs` are friends and share talk i,
    for i in 1..`pairs`."""
    if users < 2 * pairs:
        raise ValueError(f"{pairs} pairs need {2 * pairs} users")
    engine = create_sqlite_engine(path, writer=True)
    with engine.connect() as connection:
        with connection.begin():
            schema.apply(connection)
    engine.dispose()
    now_ms = time.time_ns() // 1_000_000
    with sqlite3.connect(path) as database:
        database.executemany(
            "INSERT INTO user_account (user_id, version, mobile, password_hash, nickname, theme_mode, notify_cue_tone, "
            "keyboard_event_notify, created_at_ms, changed_at_ms) VALUES (?, 1, ?, '', ?, 'auto', 'N', 'Y', ?, ?)",
            ((user, f"1{user:010d}", f"user {user}", now_ms, now_ms) for user in range(1, users + 1)),
        )
        database.executemany(
            "INSERT INTO user_version (user_id, version) VALUES (?, 1)", ((user,) for user in range(1, users + 1))
        )
        database.executemany(
            "INSERT INTO talk (talk_id, talk_mode, peer_low, peer_high) VALUES (?, ?, ?, ?)",
            ((talk, _SINGLE, talk, talk + pairs) for talk in range(1, pairs + 1)),
        )
        database.executemany(
            "INSERT INTO talk_member (talk_id, user_id, role, state, joined_sequence) VALUES (?, ?, ?, ?, 1)",
            ((talk, user, _MEMBER_ROLE, _IN) for talk in range(1, pairs + 1) for user in (talk, talk + pairs)),
        )
    database.close()


def create_data_directory(path: Path, *, users: int, pairs: int = 0) -> AccessTokens:
    """A data directory for `xinyu serve`; answers what mints tokens that this server accepts."""
    path.mkdir(parents=True)
    create_database(path / DATABASE_FILE, users=users, pairs=pairs)
    return AccessTokens(load_or_create_keys(path).token_secret, TOKEN_TTL_S, SystemClock())

"""A database with users in it, made without the server: what a macro benchmark starts from.

Users are rows of their table, and pairs of them are friends as far as sending is concerned (a talk and its two
members). Tokens are minted with the directory's own secret, as the server would.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pymysql
from sqlalchemy.engine import make_url

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
    _check(users, pairs)
    engine = create_sqlite_engine(path, writer=True)
    with engine.connect() as connection:
        with connection.begin():
            schema.apply(connection)
    engine.dispose()
    with sqlite3.connect(path) as database:
        _insert_pairs(database.executemany, users, pairs)
    database.close()


def fill_mysql(url: str, *, users: int, pairs: int) -> None:
    """As `create_database`, into a migrated and empty database (`database.url`)."""
    _check(users, pairs)
    place = make_url(url)
    database = pymysql.connect(
        host=place.host, port=place.port or 3306, user=place.username, password=place.password or "",
        database=place.database,
    )  # fmt: skip
    with database, database.cursor() as cursor:
        _insert_pairs(lambda sql, rows: cursor.executemany(sql.replace("?", "%s"), rows), users, pairs)
        database.commit()


def _check(users: int, pairs: int) -> None:
    if users < 2 * pairs:
        raise ValueError(f"{pairs} pairs need {2 * pairs} users")


def _insert_pairs(insert: Callable[[str, Iterable[Sequence[Any]]], Any], users: int, pairs: int) -> None:
    now_ms = time.time_ns() // 1_000_000
    insert(
        "INSERT INTO user_account (user_id, version, mobile, password_hash, nickname, theme_mode, notify_cue_tone, "
        "keyboard_event_notify, created_at_ms, changed_at_ms) VALUES (?, 1, ?, '', ?, 'auto', 'N', 'Y', ?, ?)",
        [(user, f"1{user:010d}", f"user {user}", now_ms, now_ms) for user in range(1, users + 1)],
    )
    insert("INSERT INTO user_version (user_id, version) VALUES (?, 1)", [(user,) for user in range(1, users + 1)])
    insert(
        "INSERT INTO talk (talk_id, talk_mode, peer_low, peer_high) VALUES (?, ?, ?, ?)",
        [(talk, _SINGLE, talk, talk + pairs) for talk in range(1, pairs + 1)],
    )
    insert(
        "INSERT INTO talk_member (talk_id, user_id, role, state, joined_sequence) VALUES (?, ?, ?, ?, 1)",
        [(talk, user, _MEMBER_ROLE, _IN) for talk in range(1, pairs + 1) for user in (talk, talk + pairs)],
    )


def add_group(path: Path, group_id: int, talk_id: int, users: range) -> None:
    """A group of these users and its talk; the first one is its owner."""
    now_ms = time.time_ns() // 1_000_000
    with sqlite3.connect(path) as database:
        database.execute(
            "INSERT INTO group_info (group_id, creator_id, state, revision, profile_revision, name, profile, avatar, "
            "mute_all, is_overt, max_members, created_at_ms, changed_at_ms) "
            "VALUES (?, ?, 1, 1, 1, 'Large', '', '', 0, 0, ?, ?, ?)",
            (group_id, users[0], len(users), now_ms, now_ms),
        )
        database.executemany(
            "INSERT INTO group_member (group_id, user_id, state, role, revision, invited_by, joined_at_ms, "
            "changed_at_ms) VALUES (?, ?, 1, ?, 1, ?, ?, ?)",
            ((group_id, user, 1 if user == users[0] else 3, users[0], now_ms, now_ms) for user in users),
        )
        database.execute(
            "INSERT INTO talk (talk_id, talk_mode, group_id, last_change, profile_revision, member_count, "
            "roster_change) VALUES (?, 2, ?, 1, 1, ?, 1)",
            (talk_id, group_id, len(users)),
        )
        database.executemany(
            "INSERT INTO talk_member (talk_id, user_id, role, state, joined_sequence, change, revision) "
            "VALUES (?, ?, ?, 1, 1, 1, 1)",
            ((talk_id, user, 1 if user == users[0] else 3) for user in users),
        )
    database.close()


def create_data_directory(path: Path, *, users: int, pairs: int = 0) -> AccessTokens:
    """A data directory for `xinyu serve`; answers what mints tokens that this server accepts."""
    path.mkdir(parents=True)
    create_database(path / DATABASE_FILE, users=users, pairs=pairs)
    return AccessTokens(load_or_create_keys(path).token_secret, TOKEN_TTL_S, SystemClock())

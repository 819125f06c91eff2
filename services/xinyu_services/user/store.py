"""The tables of the user room: the only SQL about accounts, codes and the login log."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from typing import Any, Final

from sqlalchemy import Connection

from xinyu.storage.database import cursor
from xinyu.storage.dialect import Dialect
from xinyu.storage.versions import VersionCounter
from xinyu_services.user.model import CODE_TRIES, Account, Profile

CHUNK: Final = 500
LOGIN_LOG_KEPT_MS: Final = 90 * 86_400_000

_COLUMNS: Final = (
    "user_id", "version", "mobile", "password_hash", "nickname", "avatar", "gender", "motto", "email", "birthday",
    "is_robot", "is_qiye", "is_disabled", "theme_mode", "theme_bag_img", "theme_color", "notify_cue_tone",
    "keyboard_event_notify", "created_at_ms",
)  # fmt: skip
_CHANGEABLE: Final = frozenset({
    "nickname", "avatar", "gender", "motto", "birthday",
    "theme_mode", "theme_bag_img", "theme_color", "notify_cue_tone", "keyboard_event_notify",
})  # fmt: skip


class UserStore:
    """All methods run inside a transaction."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self.versions = VersionCounter("user", dialect)

    # ---------------------------------------------------------------- accounts

    def account(self, connection: Connection, user_id: int, *, lock: bool = False) -> Account | None:
        return self._account(connection, "user_id", user_id, lock)

    def account_of_mobile(self, connection: Connection, mobile: str, *, lock: bool = False) -> Account | None:
        return self._account(connection, "mobile", mobile, lock)

    def _account(self, connection: Connection, column: str, value: int | str, lock: bool) -> Account | None:
        c = cursor(connection)
        text = f"SELECT {','.join(_COLUMNS)} FROM user_account WHERE {column} = ?"
        c.execute(self._dialect.sql(text + (self._dialect.for_update if lock else "")), (value,))
        row = c.fetchone()
        return None if row is None else _account(row)

    def profiles(self, connection: Connection, user_ids: Iterable[int]) -> list[Profile]:
        """What others may see of each; unknown ids are left out. One statement for 500."""
        wanted = sorted(set(user_ids))
        found: list[Profile] = []
        c = cursor(connection)
        for start in range(0, len(wanted), CHUNK):
            chunk = wanted[start : start + CHUNK]
            c.execute(
                "SELECT user_id, nickname, avatar, is_robot, gender, motto FROM user_account "
                f"WHERE user_id IN ({self._dialect.marks(len(chunk))})",
                chunk,
            )
            found += [Profile(row[0], row[1], row[2], bool(row[3]), row[4], row[5]) for row in c.fetchall()]
        return found

    def insert(self, connection: Connection, account: Account) -> None:
        """A new account; its version is taken here. Raises the driver's duplicate when the mobile is taken."""
        version = self.versions.next(connection, account.user_id)
        values = [getattr(account, column) for column in _COLUMNS]
        values[_COLUMNS.index("version")] = version
        cursor(connection).execute(
            f"INSERT INTO user_account ({','.join(_COLUMNS)},changed_at_ms) "
            f"VALUES ({self._dialect.marks(len(_COLUMNS) + 1)})",
            [int(value) if isinstance(value, bool) else value for value in values] + [account.created_at_ms],
        )

    def change(self, connection: Connection, user_id: int, values: Mapping[str, Any], now_ms: int) -> int:
        """Writes `values` (changed ones only) and answers the row's new version."""
        if not values or not values.keys() <= _CHANGEABLE:
            raise ValueError(f"not to be changed: {sorted(values)}")
        version = self.versions.next(connection, user_id)
        columns = list(values)
        cursor(connection).execute(
            self._dialect.sql(
                f"UPDATE user_account SET {','.join(f'{column} = ?' for column in columns)}, version = ?, "
                "changed_at_ms = ? WHERE user_id = ?"
            ),
            (*[values[column] for column in columns], version, now_ms, user_id),
        )
        return version

    def replace_password(self, connection: Connection, user_id: int, old_hash: str, new_hash: str) -> None:
        """Keeps the same password in another form, unless it was changed meanwhile."""
        cursor(connection).execute(
            self._dialect.sql("UPDATE user_account SET password_hash = ? WHERE user_id = ? AND password_hash = ?"),
            (new_hash, user_id, old_hash),
        )

    # ---------------------------------------------------------------- login log

    def log_login(
        self,
        connection: Connection,
        *,
        user_id: int | None,
        mobile: str,
        platform: str,
        address: str,
        user_agent: str,
        reason: str,
        now_ms: int,
    ) -> None:
        """One try, good (`reason` "") or bad; what is older than 90 days goes."""
        sql, c = self._dialect.sql, cursor(connection)
        c.execute(
            sql(
                "INSERT INTO login_log (user_id, mobile, platform, address, user_agent, reason, created_at_ms) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)"
            ),
            (user_id, mobile[:20], platform[:16], address[:64], user_agent[:255], reason, now_ms),
        )
        c.execute(sql("DELETE FROM login_log WHERE created_at_ms < ?"), (now_ms - LOGIN_LOG_KEPT_MS,))

    # ---------------------------------------------------------------- codes

    def put_code(
        self, connection: Connection, mobile: str, channel: str, code: str, expires_at_ms: int, now_ms: int
    ) -> None:
        """The one valid code of a mobile and purpose from now on. Expired ones go."""
        c = cursor(connection)
        c.execute(self._dialect.sql("DELETE FROM verify_code WHERE expires_at_ms <= ?"), (now_ms,))
        c.execute(
            self._dialect.upsert(
                "verify_code",
                ("mobile", "channel", "code", "tries", "expires_at_ms"),
                ("mobile", "channel"),
                ("code", "tries", "expires_at_ms"),
                1,
            ),
            (mobile, channel, code, 0, expires_at_ms),
        )

    def spend_code(self, connection: Connection, mobile: str, channel: str, code: str, now_ms: int) -> bool:
        """Whether `code` is right. Compares and spends in one step, so that of two requests one gets it. A wrong try
        is counted, and must be committed for that; the fifth ends the code."""
        sql, c = self._dialect.sql, cursor(connection)
        where = "WHERE mobile = ? AND channel = ?"
        c.execute(
            sql(f"SELECT code, tries, expires_at_ms FROM verify_code {where}" + self._dialect.for_update),
            (mobile, channel),
        )
        row = c.fetchone()
        if row is None:
            return False
        right = row[2] > now_ms and hmac.compare_digest(str(row[0]).encode(), code.encode())
        if right or row[1] + 1 >= CODE_TRIES or row[2] <= now_ms:
            c.execute(sql(f"DELETE FROM verify_code {where}"), (mobile, channel))
        else:
            c.execute(sql(f"UPDATE verify_code SET tries = tries + 1 {where}"), (mobile, channel))
        return right


def _account(row: Any) -> Account:
    values = dict(zip(_COLUMNS, row, strict=True))
    for column in ("is_robot", "is_qiye", "is_disabled"):
        values[column] = bool(values[column])
    return Account(**values)

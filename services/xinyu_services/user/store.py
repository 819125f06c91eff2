"""The tables of the user room: the only SQL about accounts, codes and the login log."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import Connection

from xinyu.storage.database import cursor
from xinyu.storage.dialect import Dialect
from xinyu.storage.versions import VersionCounter
from xinyu_services.user.model import (
    CODE_TRIES,
    DELETED_MARK,
    DELETED_NICKNAME,
    Account,
    Bot,
    Identity,
    Profile,
)

CHUNK: Final = 500
LOGIN_LOG_KEPT_MS: Final = 90 * 86_400_000

_COLUMNS: Final = (
    "user_id", "version", "mobile", "password_hash", "nickname", "avatar", "gender", "motto", "email", "birthday",
    "is_robot", "is_qiye", "is_disabled", "theme_mode", "theme_bag_img", "theme_color", "notify_cue_tone",
    "keyboard_event_notify", "read_receipts", "created_at_ms",
)  # fmt: skip
_CHANGEABLE: Final = frozenset({
    "nickname", "avatar", "gender", "motto", "birthday",
    "theme_mode", "theme_bag_img", "theme_color", "notify_cue_tone", "keyboard_event_notify", "read_receipts", "mobile",
    "email",
})  # fmt: skip


class UserStore:
    """All methods run inside a transaction. `has_organisation`: the server shows one, so accounts are told of it."""

    def __init__(self, dialect: Dialect, *, has_organisation: bool = False) -> None:
        self._dialect = dialect
        self._has_organisation = has_organisation
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
        return None if row is None else replace(_account(row), is_qiye=self._has_organisation)

    def ids_of_mobiles(self, connection: Connection, mobiles: Iterable[str]) -> dict[str, int]:
        """Whose numbers they are; those that nobody has are left out. One statement for 500."""
        wanted = sorted(set(mobiles))
        found: dict[str, int] = {}
        c = cursor(connection)
        for start in range(0, len(wanted), CHUNK):
            chunk = wanted[start : start + CHUNK]
            marks = self._dialect.marks(len(chunk))
            c.execute(f"SELECT mobile, user_id FROM user_account WHERE mobile IN ({marks})", chunk)
            found.update(c.fetchall())
        return found

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

    def replace_password(self, connection: Connection, user_id: int, old_hash: str, new_hash: str) -> bool:
        """Unless it was changed meanwhile: then False."""
        c = cursor(connection)
        c.execute(
            self._dialect.sql("UPDATE user_account SET password_hash = ? WHERE user_id = ? AND password_hash = ?"),
            (new_hash, user_id, old_hash),
        )
        return bool(c.rowcount)

    def anonymise(self, connection: Connection, user_id: int, now_ms: int) -> int:
        """Nothing of a person is left in the row, its identities and its log; answers the row's new version."""
        empty = Account(user_id, 0, f"{DELETED_MARK}{user_id}", "", DELETED_NICKNAME, is_disabled=True)
        kept = ("user_id", "version", "is_robot", "is_qiye", "created_at_ms")
        columns = [column for column in _COLUMNS if column not in kept]
        values = [getattr(empty, column) for column in columns]
        version = self.versions.next(connection, user_id)
        sql, c = self._dialect.sql, cursor(connection)
        c.execute(
            sql(
                f"UPDATE user_account SET {','.join(f'{column} = ?' for column in columns)}, version = ?, "
                "changed_at_ms = ? WHERE user_id = ?"
            ),
            (*[int(v) if isinstance(v, bool) else v for v in values], version, now_ms, user_id),
        )
        c.execute(sql("DELETE FROM oauth_identity WHERE user_id = ?"), (user_id,))
        c.execute(sql("DELETE FROM login_log WHERE user_id = ?"), (user_id,))
        return version

    # ---------------------------------------------------------------- bots

    def bots(self, connection: Connection, owner_id: int) -> list[Bot]:
        """Of one owner, the oldest first."""
        return self._bots(connection, "b.owner_id = ? ORDER BY b.user_id", owner_id)

    def bot(self, connection: Connection, bot_id: int, *, lock: bool = False) -> Bot | None:
        found = self._bots(connection, "b.user_id = ?" + (self._dialect.for_update if lock else ""), bot_id)
        return found[0] if found else None

    def _bots(self, connection: Connection, where: str, value: int) -> list[Bot]:
        c = cursor(connection)
        c.execute(
            self._dialect.sql(
                "SELECT b.user_id, b.owner_id, a.nickname, a.avatar, b.token_expires_at_ms, b.created_at_ms, "
                "b.webhook_url, b.webhook_revision "
                f"FROM bot b JOIN user_account a ON a.user_id = b.user_id WHERE {where}"
            ),
            (value,),
        )
        return [Bot(*row) for row in c.fetchall()]

    def insert_bot(self, connection: Connection, bot: Bot) -> None:
        """Beside its account."""
        cursor(connection).execute(
            self._dialect.sql(
                "INSERT INTO bot (user_id, owner_id, token_expires_at_ms, created_at_ms) VALUES (?, ?, ?, ?)"
            ),
            (bot.bot_id, bot.owner_id, bot.token_expires_at_ms, bot.created_at_ms),
        )

    def set_bot_expiry(self, connection: Connection, bot_id: int, token_expires_at_ms: int) -> None:
        cursor(connection).execute(
            self._dialect.sql("UPDATE bot SET token_expires_at_ms = ? WHERE user_id = ?"), (token_expires_at_ms, bot_id)
        )

    def set_webhook(self, connection: Connection, bot: Bot) -> None:
        """Its address, and which one that is."""
        cursor(connection).execute(
            self._dialect.sql("UPDATE bot SET webhook_url = ?, webhook_revision = ? WHERE user_id = ?"),
            (bot.webhook_url, bot.webhook_revision, bot.bot_id),
        )

    def delete_bot(self, connection: Connection, bot_id: int) -> None:
        cursor(connection).execute(self._dialect.sql("DELETE FROM bot WHERE user_id = ?"), (bot_id,))

    # ---------------------------------------------------------------- identities at OpenID providers

    def account_of_identity(self, connection: Connection, identity: Identity) -> Account | None:
        c = cursor(connection)
        c.execute(
            self._dialect.sql(
                f"SELECT {','.join(f'a.{column}' for column in _COLUMNS)} FROM oauth_identity i "
                "JOIN user_account a ON a.user_id = i.user_id WHERE i.issuer = ? AND i.subject = ?"
            ),
            (identity.issuer, identity.subject),
        )
        row = c.fetchone()
        return None if row is None else _account(row)

    def bind_identity(self, connection: Connection, identity: Identity, user_id: int, now_ms: int) -> None:
        """Raises the driver's duplicate when it is somebody's already."""
        cursor(connection).execute(
            self._dialect.sql(
                "INSERT INTO oauth_identity (issuer, subject, user_id, created_at_ms) VALUES (?, ?, ?, ?)"
            ),
            (identity.issuer, identity.subject, user_id, now_ms),
        )

    # ---------------------------------------------------------------- logins that were ended

    def end_logins(self, connection: Connection, user_id: int, expires_until_ms: int, now_ms: int) -> None:
        """Tokens that expire by then are void, and such as were void before stay so. Rows that matter no more go."""
        c = cursor(connection)
        where = f"WHERE user_id = ?{self._dialect.for_update}"
        c.execute(self._dialect.sql(f"SELECT expires_until_ms FROM ended_login {where}"), (user_id,))
        if (row := c.fetchone()) is not None:
            expires_until_ms = max(expires_until_ms, row[0])
        c.execute(self._dialect.sql("DELETE FROM ended_login WHERE expires_until_ms <= ?"), (now_ms,))
        columns = ("user_id", "expires_until_ms", "ended_at_ms")
        c.execute(
            self._dialect.upsert("ended_login", columns, ("user_id",), ("expires_until_ms", "ended_at_ms"), 1),
            (user_id, expires_until_ms, now_ms),
        )

    def ended_logins(
        self, connection: Connection, since_ms: int, after_user_id: int, limit: int
    ) -> list[tuple[int, int]]:
        """(user_id, expires_until_ms) of those ended since then, ascending by user."""
        c = cursor(connection)
        c.execute(
            self._dialect.sql(
                "SELECT user_id, expires_until_ms FROM ended_login WHERE ended_at_ms >= ? AND user_id > ? "
                "ORDER BY user_id LIMIT ?"
            ),
            (since_ms, after_user_id, limit),
        )
        return [(row[0], row[1]) for row in c.fetchall()]

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
        self, connection: Connection, target: str, channel: str, code: str, expires_at_ms: int, now_ms: int
    ) -> None:
        """The one valid code of a mobile or mail address and purpose from now on. Expired ones go."""
        c = cursor(connection)
        c.execute(self._dialect.sql("DELETE FROM verification_code WHERE expires_at_ms <= ?"), (now_ms,))
        c.execute(
            self._dialect.upsert(
                "verification_code",
                ("target", "channel", "code", "tries", "expires_at_ms"),
                ("target", "channel"),
                ("code", "tries", "expires_at_ms"),
                1,
            ),
            (target, channel, code, 0, expires_at_ms),
        )

    def spend_code(
        self, connection: Connection, target: str, channel: str, code: str, now_ms: int, *, spend: bool = True
    ) -> bool:
        """Whether `code` is right. Compares and spends in one step, so that of two requests one gets it. A wrong try
        is counted, and must be committed for that; the fifth ends the code. Without `spend` a right one stays."""
        sql, c = self._dialect.sql, cursor(connection)
        where = "WHERE target = ? AND channel = ?"
        c.execute(
            sql(f"SELECT code, tries, expires_at_ms FROM verification_code {where}" + self._dialect.for_update),
            (target, channel),
        )
        row = c.fetchone()
        if row is None:
            return False
        right = row[2] > now_ms and hmac.compare_digest(str(row[0]).encode(), code.encode())
        if right and not spend:
            return True
        if right or row[1] + 1 >= CODE_TRIES or row[2] <= now_ms:
            c.execute(sql(f"DELETE FROM verification_code {where}"), (target, channel))
        else:
            c.execute(sql(f"UPDATE verification_code SET tries = tries + 1 {where}"), (target, channel))
        return right


def _account(row: Any) -> Account:
    values = dict(zip(_COLUMNS, row, strict=True))
    for column in ("is_robot", "is_qiye", "is_disabled"):
        values[column] = bool(values[column])
    return Account(**values)

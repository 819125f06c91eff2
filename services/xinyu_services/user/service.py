"""Use cases of the user room.

Coming in. `authenticate` answers one error for an unknown mobile and a wrong password, after the same work: the same
decryption, a hash of the same cost, one row in the login log. That an account is disabled is told only to who knows its
password. Tries are bounded by account and by address (`limits`).

`register` is safe to repeat: a client that lost the answer asks again, and gets a token when the account is younger
than a minute and the password is the same. Later the mobile is simply taken.

What a device shows of its user is one row of the sync room "user": each change takes the user's next version and goes
to all his devices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from sqlalchemy import Connection

from xinyu.base.clock import Clock
from xinyu.base.errors import (
    DISABLED,
    FORBIDDEN,
    INVALID,
    MOBILE_TAKEN,
    UNKNOWN_USER,
    WRONG_CODE,
    WRONG_PASSWORD,
    XinYuError,
)
from xinyu.base.token import AccessTokens
from xinyu.delivery.dispatcher import Dispatcher
from xinyu.delivery.outbox import Event
from xinyu.rpc.context import Context
from xinyu.storage.database import Database
from xinyu.storage.transact import query, transact
from xinyu_services.user.events import RECEIPTS, ROW, SEEN
from xinyu_services.user.limits import TRIES_OF_ADDRESS, TRIES_OF_MOBILE, Limits
from xinyu_services.user.logins import LoginEnds
from xinyu_services.user.model import (
    MOBILE,
    SEEN_BY_FRIENDS,
    Account,
    Profile,
    birthday_problem,
    motto_problem,
    nickname_problem,
)
from xinyu_services.user.passwords import Passwords
from xinyu_services.user.store import UserStore
from xinyu_services.user.verification import Verification

ENDED_PAGE: Final = 5_000
REPEAT_WITHIN_MS: Final = 60_000
# A conversation list names all its peers at once.
MAX_NAMES: Final = 10_000
AVATAR_CHARACTERS: Final = 255


class Ids(Protocol):
    """A series of numbers (`xinyu.storage.id_blocks`)."""

    async def take(self) -> int: ...


class Pictures(Protocol):
    """The media room."""

    async def url_of(self, named: str) -> str:
        """The address of the uploaded picture that an address or a media id names; "" = there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who stands at the door, for limits and the login log. `secure`: a plain password may be taken."""

    address: str
    user_agent: str
    platform: str
    secure: bool


@dataclass(frozen=True, slots=True)
class Login:
    """A token of one user."""

    user_id: int
    access_token: str
    expires_in_s: int


@dataclass(frozen=True, slots=True)
class EndedLogins:
    """(user_id, tokens that expire by this moment are void), ascending by user. `now_ms`: before it was looked for."""

    logins: Sequence[tuple[int, int]]
    more: bool
    now_ms: int


class UserService:
    def __init__(
        self,
        database: Database,
        store: UserStore,
        user_ids: Ids,
        passwords: Passwords,
        tokens: AccessTokens,
        limits: Limits,
        verification: Verification,
        logins: LoginEnds,
        dispatcher: Dispatcher,
        clock: Clock,
        pictures: Pictures,
    ) -> None:
        self._database = database
        self._store = store
        self._user_ids = user_ids
        self._passwords = passwords
        self._tokens = tokens
        self._limits = limits
        self._verification = verification
        self._logins = logins
        self._dispatcher = dispatcher
        self._clock = clock
        self._pictures = pictures

    # ---------------------------------------------------------------- coming in

    async def register(
        self,
        *,
        mobile: str,
        nickname: str,
        password: str,
        sms_code: str,
        visitor: Visitor,
        context: Context,
    ) -> Login:
        """A new account and its first token. Raises INVALID, MOBILE_TAKEN, WRONG_CODE, TOO_MANY."""
        if not MOBILE.fullmatch(mobile):
            raise XinYuError(INVALID, "A mobile number is 1 and ten digits.")
        if problem := nickname_problem(nickname):
            raise XinYuError(INVALID, problem)
        await self._count_try(mobile, visitor)
        taken = await query(self._database, lambda connection: self._store.account_of_mobile(connection, mobile))
        if taken is not None:
            return await self._repeat(taken, password, visitor)
        password_hash = await self._passwords.hash(password, secure=visitor.secure)
        user_id = await self._user_ids.take()
        now_ms = self._clock.now_ms()
        account = Account(user_id, 0, mobile, password_hash, nickname, created_at_ms=now_ms)
        context.check_deadline_now()

        def work(connection: Connection) -> Account | str:
            other = self._store.account_of_mobile(connection, mobile, lock=True)
            if other is not None:
                return other
            if not self._verification.spend(connection, mobile, "register", sms_code):
                return WRONG_CODE.reason  # returned, not raised: the wrong try must be committed
            self._store.insert(connection, account)
            self._log(connection, user_id, mobile, visitor, "")
            return ""

        outcome = await transact(self._database, work)
        if isinstance(outcome, Account):
            return await self._repeat(outcome, password, visitor)
        if outcome:
            raise XinYuError(WRONG_CODE)
        return await self._admit(account, visitor)

    async def _repeat(self, taken: Account, password: str, visitor: Visitor) -> Login:
        if self._clock.now_ms() - taken.created_at_ms > REPEAT_WITHIN_MS:
            raise XinYuError(MOBILE_TAKEN)
        verdict = await self._passwords.verify(password, taken.password_hash, secure=visitor.secure)
        if not verdict.right or taken.is_disabled:
            raise XinYuError(MOBILE_TAKEN)
        return await self._admit(taken, visitor)

    async def authenticate(
        self, *, mobile: str, password: str, visitor: Visitor, context: Context
    ) -> Login:
        """A token. Raises WRONG_PASSWORD, DISABLED, TOO_MANY."""
        await self._count_try(mobile, visitor)
        account = await query(self._database, lambda connection: self._store.account_of_mobile(connection, mobile))
        verdict = await self._passwords.verify(
            password, None if account is None else account.password_hash, secure=visitor.secure
        )
        if account is None or not verdict.right:
            refusal = XinYuError(WRONG_PASSWORD)
        elif account.is_disabled:
            refusal = XinYuError(DISABLED)
        else:
            refusal = None
        context.check_deadline_now()

        def work(connection: Connection) -> None:
            if account is not None and verdict.new_hash:
                self._store.replace_password(connection, account.user_id, account.password_hash, verdict.new_hash)
            user_id = None if account is None else account.user_id
            self._log(connection, user_id, mobile, visitor, "" if refusal is None else refusal.reason)

        await transact(self._database, work)
        if account is None or refusal is not None:
            raise refusal or XinYuError(WRONG_PASSWORD)
        return await self._admit(account, visitor)

    async def _count_try(self, mobile: str, visitor: Visitor) -> None:
        await self._limits.count(TRIES_OF_ADDRESS, f"{visitor.address}:{mobile}")
        await self._limits.count(TRIES_OF_MOBILE, mobile)

    async def _admit(self, account: Account, visitor: Visitor) -> Login:
        await self._limits.forgive(TRIES_OF_ADDRESS, f"{visitor.address}:{account.mobile}")
        await self._limits.forgive(TRIES_OF_MOBILE, account.mobile)
        return self.login_of(account.user_id, visitor.platform)

    def login_of(self, user_id: int, platform: str) -> Login:
        """For who was let in."""
        return Login(user_id, self._tokens.mint(user_id, platform), self._tokens.ttl_s)

    def _log(self, connection: Connection, user_id: int | None, mobile: str, visitor: Visitor, reason: str) -> None:
        self._store.log_login(
            connection,
            user_id=user_id,
            mobile=mobile,
            platform=visitor.platform,
            address=visitor.address,
            user_agent=visitor.user_agent,
            reason=reason,
            now_ms=self._clock.now_ms(),
        )

    # ---------------------------------------------------------------- going out

    async def end_logins(self, user_id: int) -> None:
        """Voids all tokens that were given out before it returns. Raises UNKNOWN_USER, FORBIDDEN (for bots)."""

        def work(connection: Connection) -> int:
            account = self._store.account(connection, user_id)
            if account is None:
                raise XinYuError(UNKNOWN_USER)
            if account.is_robot:
                raise XinYuError(FORBIDDEN, "A bot's token is reset by its owner.")
            return self._logins.write(connection, user_id)

        await self._logins.tell(await transact(self._database, work))

    async def ended_logins(self, since_ms: int, after_user_id: int) -> EndedLogins:
        """A page of those ended since then."""
        now_ms = self._clock.now_ms()
        found = await query(
            self._database,
            lambda connection: self._store.ended_logins(connection, since_ms, after_user_id, ENDED_PAGE + 1),
        )
        return EndedLogins(found[:ENDED_PAGE], len(found) > ENDED_PAGE, now_ms)

    # ---------------------------------------------------------------- profile and settings

    async def account(self, user_id: int) -> Account:
        """Raises UNKNOWN_USER."""
        account = await query(self._database, lambda connection: self._store.account(connection, user_id))
        if account is None or account.is_deleted:
            raise XinYuError(UNKNOWN_USER)
        return account

    async def find_by_mobile(self, mobile: str) -> Account:
        """Raises UNKNOWN_USER."""
        account = await query(self._database, lambda connection: self._store.account_of_mobile(connection, mobile))
        if account is None or account.is_robot:
            raise XinYuError(UNKNOWN_USER)
        return account

    async def profiles(self, user_ids: Sequence[int]) -> list[Profile]:
        """What others may see of each, unknown ids left out. Raises INVALID past 10,000 ids."""
        if len(user_ids) > MAX_NAMES:
            raise XinYuError(INVALID, f"More than {MAX_NAMES} users at once.")
        return await query(self._database, lambda connection: self._store.profiles(connection, user_ids))

    async def update_profile(self, user_id: int, values: dict[str, Any]) -> None:
        """Changes the fields that are named; an empty nickname keeps the old one. An avatar is a picture that was
        uploaded here, by its address or its media id. Raises INVALID."""
        values = dict(values)
        if values.get("nickname") == "":
            del values["nickname"]
        problem = (
            ("nickname" in values and nickname_problem(values["nickname"]))
            or ("birthday" in values and birthday_problem(values["birthday"]))
            or ("gender" in values and values["gender"] not in (0, 1, 2) and "gender is 0, 1 or 2.")
            or ("motto" in values and motto_problem(values["motto"]))
        )
        if problem:
            raise XinYuError(INVALID, problem)

        avatar = values.get("avatar", "")
        # What stands there already stays allowed, wherever it came from.
        if avatar and avatar != (await self.account(user_id)).avatar:
            values["avatar"] = await self.picture(avatar)
        await self._change(user_id, values)

    async def picture(self, named: str) -> str:
        """The address of an uploaded picture, by that or by its media id. Raises INVALID."""
        url = await self._pictures.url_of(named)
        if not url or len(url) > AVATAR_CHARACTERS:
            raise XinYuError(INVALID, "The picture must be uploaded here first.")
        return url

    async def save_settings(self, user_id: int, values: dict[str, Any]) -> None:
        """Changes the settings that are named. Raises INVALID."""
        if values.get("theme_mode", "auto") not in ("light", "dark", "auto"):
            raise XinYuError(INVALID, "theme_mode is light, dark or auto.")
        for switch in ("notify_cue_tone", "keyboard_event_notify", "read_receipts"):
            if values.get(switch, "Y") not in ("Y", "N"):
                raise XinYuError(INVALID, f"{switch} is Y or N.")
        for text, longest in (("theme_bag_img", 255), ("theme_color", 32)):
            if len(values.get(text, "")) > longest:
                raise XinYuError(INVALID, f"{text} has more than {longest} characters.")
        await self._change(user_id, values)

    async def _change(self, user_id: int, values: dict[str, Any]) -> None:
        """What changes nothing takes no number."""
        batch = self._dispatcher.outbox.open()
        now_ms = self._clock.now_ms()

        def work(connection: Connection) -> None:
            account = self._store.account(connection, user_id, lock=True)
            if account is None or account.is_deleted:
                raise XinYuError(UNKNOWN_USER)
            changed = {name: value for name, value in values.items() if getattr(account, name) != value}
            events = []
            if changed:
                version = self._store.change(connection, user_id, changed, now_ms)
                events.append(Event(ROW, (user_id, version)))
                if changed.keys() & SEEN_BY_FRIENDS:
                    events.append(Event(SEEN, (user_id,)))
                if "read_receipts" in changed:
                    events.append(Event(RECEIPTS, (user_id, changed["read_receipts"] == "N", version)))
            batch.write(connection, events)

        await transact(self._database, work)
        told = self._dispatcher.committed(batch)
        if "read_receipts" in values:
            await told  # what he reads from now on is not shown

    async def row_since(self, user_id: int, version: int) -> tuple[int, int, Account | None]:
        """(version, floor, the user's row if it is newer than `version`), of one moment."""

        def work(connection: Connection) -> tuple[int, int, Account | None]:
            current, floor = self._store.versions.load(connection, user_id)
            return current, floor, self._store.account(connection, user_id) if current > version else None

        return await query(self._database, work)

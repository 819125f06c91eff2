"""What an account is opened and found with: its password, mobile and mail address, and how they are changed.

Each change asks for the present password, or for a code that only the account's owner gets (a forgotten password).
Tries are bounded. Where the password changes, all logins end in the same transaction, the asker's own with them: who
knew the old one is out (defect 10). All of it may be repeated: what stands there already is answered as done.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection

from xinyu.base.errors import INVALID, MOBILE_TAKEN, UNKNOWN_USER, WRONG_CODE, WRONG_PASSWORD, XinYuError
from xinyu.delivery.dispatcher import Dispatcher
from xinyu.delivery.outbox import Event
from xinyu.rpc.context import Context
from xinyu.storage.database import Database
from xinyu.storage.transact import query, transact
from xinyu_services.user.events import ROW
from xinyu_services.user.limits import TRIES_OF_ADDRESS, TRIES_OF_MOBILE, TRIES_OF_USER, Limits
from xinyu_services.user.logins import LoginEnds
from xinyu_services.user.model import MAIL_CHANNEL, MOBILE, Account, email_problem
from xinyu_services.user.passwords import Passwords
from xinyu_services.user.store import UserStore
from xinyu_services.user.verification import Verification


class Credentials:
    """Of all accounts."""

    def __init__(
        self,
        database: Database,
        store: UserStore,
        passwords: Passwords,
        limits: Limits,
        verification: Verification,
        logins: LoginEnds,
        dispatcher: Dispatcher,
        now_ms: Callable[[], int],
    ) -> None:
        self._database = database
        self._store = store
        self._passwords = passwords
        self._limits = limits
        self._verification = verification
        self._logins = logins
        self._dispatcher = dispatcher
        self._now_ms = now_ms

    # ---------------------------------------------------------------- password

    async def reset_password(
        self, *, mobile: str, password: str, sms_code: str, address: str, secure: bool, context: Context
    ) -> None:
        """A new password for who forgot his. A mobile without an account is refused as a wrong code is, after the same
        work, so that nobody learns whether there is one. Raises INVALID, WRONG_CODE, TOO_MANY."""
        await self._limits.count(TRIES_OF_ADDRESS, f"{address}:{mobile}")
        await self._limits.count(TRIES_OF_MOBILE, mobile)
        new_hash = await self._passwords.hash(password, secure=secure)
        context.check_deadline_now()

        def work(connection: Connection) -> tuple[Account | None, int | None]:
            account = self._store.account_of_mobile(connection, mobile, lock=True)
            if not self._verification.spend(connection, mobile, "forget_account", sms_code) or account is None:
                return account, None
            self._store.replace_password(connection, account.user_id, account.password_hash, new_hash)
            return account, self._logins.write(connection, account.user_id)

        account, second = await transact(self._database, work)
        if second is None:
            # A repeat of the request that has set it finds the code spent and the password right.
            kept = None if account is None else account.password_hash
            if not (await self._passwords.verify(password, kept, secure=secure)).right:
                raise XinYuError(WRONG_CODE)
            return
        await self._limits.forgive(TRIES_OF_ADDRESS, f"{address}:{mobile}")
        await self._limits.forgive(TRIES_OF_MOBILE, mobile)
        await self._logins.tell(second)

    async def update_password(
        self, user_id: int, *, old_password: str, new_password: str, secure: bool, context: Context
    ) -> None:
        """Raises WRONG_PASSWORD, INVALID, TOO_MANY, UNKNOWN_USER."""
        account = await self.prove(user_id, old_password, secure=secure)
        new_hash = await self._passwords.hash(new_password, secure=secure)
        context.check_deadline_now()

        def work(connection: Connection) -> int | None:
            if not self._store.replace_password(connection, user_id, account.password_hash, new_hash):
                return None
            return self._logins.write(connection, user_id)

        second = await transact(self._database, work)
        if second is None:  # it was changed while the old one was looked at
            raise XinYuError(WRONG_PASSWORD, "The password is wrong.")
        await self._logins.tell(second)

    async def prove(self, user_id: int, password: str, *, secure: bool) -> Account:
        """The account whose password this is. Raises WRONG_PASSWORD, TOO_MANY, UNKNOWN_USER."""
        await self._limits.count(TRIES_OF_USER, str(user_id))
        account = await query(self._database, lambda connection: self._store.account(connection, user_id))
        if account is None or account.is_deleted:
            raise XinYuError(UNKNOWN_USER)
        if not (await self._passwords.verify(password, account.password_hash, secure=secure)).right:
            raise XinYuError(WRONG_PASSWORD, "The password is wrong.")
        await self._limits.forgive(TRIES_OF_USER, str(user_id))
        return account

    # ---------------------------------------------------------------- mobile and mail

    async def update_mobile(
        self, user_id: int, *, mobile: str, password: str, sms_code: str, secure: bool, context: Context
    ) -> None:
        """Raises INVALID, WRONG_PASSWORD, MOBILE_TAKEN, WRONG_CODE, TOO_MANY, UNKNOWN_USER."""
        if not MOBILE.fullmatch(mobile):
            raise XinYuError(INVALID, "A mobile number is 1 and ten digits.")
        await self.prove(user_id, password, secure=secure)
        context.check_deadline_now()

        def taken(connection: Connection) -> bool:
            return self._store.account_of_mobile(connection, mobile, lock=True) is not None

        await self._replace(user_id, "mobile", mobile, "mobile_update", sms_code, taken)

    async def update_email(
        self, user_id: int, *, email: str, password: str, code: str, secure: bool, context: Context
    ) -> None:
        """The code is asked for where a mail server is configured. Raises INVALID, WRONG_PASSWORD, WRONG_CODE,
        TOO_MANY, UNKNOWN_USER."""
        if problem := email_problem(email):
            raise XinYuError(INVALID, problem)
        await self.prove(user_id, password, secure=secure)
        context.check_deadline_now()
        await self._replace(user_id, "email", email, MAIL_CHANNEL, code, lambda _connection: False)

    async def _replace(
        self, user_id: int, field: str, value: str, channel: str, code: str, taken: Callable[[Connection], bool]
    ) -> None:
        batch = self._dispatcher.outbox.open()

        def work(connection: Connection) -> XinYuError | None:
            account = self._store.account(connection, user_id, lock=True)
            if account is None:
                raise XinYuError(UNKNOWN_USER)
            events, refusal = [], None
            if getattr(account, field) == value:
                pass
            elif taken(connection):
                refusal = XinYuError(MOBILE_TAKEN)
            elif not self._verification.spend(connection, value, channel, code):
                refusal = XinYuError(WRONG_CODE)  # returned, not raised: the wrong try must be committed
            else:
                version = self._store.change(connection, user_id, {field: value}, self._now_ms())
                events.append(Event(ROW, (user_id, version)))
            batch.write(connection, events)
            return refusal

        refusal = await transact(self._database, work)
        self._dispatcher.committed(batch)
        if refusal is not None:
            raise refusal

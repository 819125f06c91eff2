"""The end of an account.

One transaction empties the row of everything that tells of a person, frees the mobile, voids all tokens, and writes the
word to the rooms in which he has ties. They end them by commands of the outbox, which begin again after a crash until
they are through; each of their steps may be repeated. His bots end with him. What he has written stays, under the name
of a deleted user.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection

from xinyu.delivery.dispatcher import Dispatcher
from xinyu.delivery.outbox import Event
from xinyu.rpc.context import Context
from xinyu.storage.database import Database
from xinyu.storage.transact import transact
from xinyu_services.user.bots import end_bot
from xinyu_services.user.credentials import Credentials
from xinyu_services.user.events import DELETED, ROW, SEEN
from xinyu_services.user.logins import LoginEnds
from xinyu_services.user.store import UserStore


class Deletion:
    """Of accounts, by their owners."""

    def __init__(
        self,
        database: Database,
        store: UserStore,
        credentials: Credentials,
        logins: LoginEnds,
        dispatcher: Dispatcher,
        now_ms: Callable[[], int],
    ) -> None:
        self._database = database
        self._store = store
        self._credentials = credentials
        self._logins = logins
        self._dispatcher = dispatcher
        self._now_ms = now_ms

    async def delete(self, user_id: int, password: str, *, secure: bool, context: Context) -> None:
        """Raises WRONG_PASSWORD, TOO_MANY, UNKNOWN_USER (deleted already, too)."""
        await self._credentials.prove(user_id, password, secure=secure)
        batch = self._dispatcher.outbox.open()
        context.check_deadline_now()

        def work(connection: Connection) -> int:
            account = self._store.account(connection, user_id, lock=True)
            events = []
            for bot in self._store.bots(connection, user_id):
                events += end_bot(connection, self._store, self._logins, bot, self._now_ms())[0]
            if account is not None and not account.is_deleted:
                version = self._store.anonymise(connection, user_id, self._now_ms())
                # Friends must hear of the new name while they are friends.
                events += [Event(ROW, (user_id, version)), Event(SEEN, (user_id,)), Event(DELETED, (user_id,))]
            batch.write(connection, events)
            return self._logins.write(connection, user_id)

        second = await transact(self._database, work)
        self._dispatcher.committed(batch)
        await self._logins.tell(second)

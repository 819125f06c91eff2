"""What the user room's changes cause: a push to the user's own devices, and a word to the contact room.

Events: `row` (user_id, version) - the user's row has this version; `seen` (user_id) - what friends see of him changed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from sqlalchemy import Connection

from xinyu.delivery.dispatcher import V1_JSON, Push
from xinyu.delivery.outbox import Event
from xinyu.storage.database import Database
from xinyu_services.user import view
from xinyu_services.user.model import Account
from xinyu_services.user.store import UserStore

ROW: Final = "row"
SEEN: Final = "seen"


class FriendRows(Protocol):
    """The contact room, as this one needs it."""

    async def refresh_profile(self, user_id: int, after_user_id: int) -> int:
        """Gives one page of friends' rows new versions; answers where the next page begins, 0 at the end."""
        ...


class UserEvents:
    """`xinyu.delivery.dispatcher.EventSource` of the user room. A row is told as it is when it is told, under the
    number of the change that caused it: the numbers reach a device without holes, and the last one shows the truth.
    `forget_name` drops what this process keeps of a user's name."""

    def __init__(
        self,
        database: Database,
        store: UserStore,
        friend_rows: FriendRows,
        forget_name: Callable[[int], None] | None = None,
    ) -> None:
        self._database = database
        self._store = store
        self._friend_rows = friend_rows
        self._forget_name = forget_name

    async def pushes(self, events: Sequence[Event], *, remade: bool) -> Sequence[Push]:
        user_ids = sorted({event.values[0] for event in events})

        def work(connection: Connection) -> dict[int, Account]:
            found = (self._store.account(connection, user_id) for user_id in user_ids)
            return {account.user_id: account for account in found if account is not None}

        accounts = await self._database.read(work)
        return [
            Push((user_id,), _same(view.row_changed(accounts[user_id], version)), V1_JSON)
            for user_id, version in (event.values for event in events)
            if user_id in accounts
        ]

    def is_command(self, event: Event) -> bool:
        return event.kind == SEEN

    async def command(self, event: Event) -> None:
        (user_id,) = event.values
        if self._forget_name is not None:
            self._forget_name(user_id)
        after = 0
        while True:
            after = await self._friend_rows.refresh_profile(user_id, after)
            if not after:
                return


def _same(payload: bytes) -> Callable[[int], bytes]:
    return lambda _codec: payload

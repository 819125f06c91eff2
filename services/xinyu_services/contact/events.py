"""What the contact room's changes cause.

Events, in the order in which a transaction writes them:

`contact` (user_id, friend_id, version)   a contact row has this version: to its user's devices of our dialect
`apply` (target_id, apply_id, version)    a request's row has this version: to the target's devices of our dialect
`applied` (apply_id)                      a new request: `im.contact.apply` to the target's legacy devices
`folder` (user_id, folder_id, version)    a folder has this version: to its user's devices of our dialect
`pair` (apply_id)                         command: the message room makes the talk and stores the greeting
`standing` (user_low, user_high)          command: the message room learns who of the two may write to whom now
`accepted` (apply_id, at_ms)              command, after `pair` because the session is there only then:
                                          `im.contact.accept` with it to the applicant's legacy devices

Rows are told as they are when they are told, under the number of the change that caused it: the numbers reach a device
without holes, and the last one shows the truth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from xinyu.delivery.dispatcher import LEGACY, V1_JSON, Push
from xinyu.delivery.outbox import Event
from xinyu.storage.database import Database
from xinyu_services.contact import view
from xinyu_services.contact.model import (
    Apply,
    ApplyState,
    Contact,
    Folder,
    Person,
    is_friend,
    may_send,
    pair,
)
from xinyu_services.contact.ports import People, Talks
from xinyu_services.contact.store import ContactStore

CONTACT: Final = "contact"
APPLY: Final = "apply"
APPLIED: Final = "applied"
FOLDER: Final = "folder"
PAIR: Final = "pair"
STANDING: Final = "standing"
ACCEPTED: Final = "accepted"

NOBODY: Final = Person(0, "", "", 0, "")


class ContactEvents:
    """`xinyu.delivery.dispatcher.EventSource` of the contact room. `push` hands pushes that no outbox row stands for
    to the dispatcher that this is the source of. `greeting`: what an acceptor says first, "" = nothing."""

    def __init__(
        self,
        database: Database,
        store: ContactStore,
        people: People,
        talks: Talks,
        push: Callable[[Sequence[Push]], None],
        greeting: str,
        zone: ZoneInfo,
    ) -> None:
        self._database = database
        self._store = store
        self._people = people
        self._talks = talks
        self._push = push
        self._greeting = greeting
        self._zone = zone

    async def pushes(self, events: Sequence[Event], *, remade: bool) -> Sequence[Push]:
        contact_keys = sorted({(e.values[0], e.values[1]) for e in events if e.kind == CONTACT})
        apply_ids = sorted(
            {e.values[1] for e in events if e.kind == APPLY} | {e.values[0] for e in events if e.kind == APPLIED}
        )
        folder_ids = sorted({e.values[1] for e in events if e.kind == FOLDER})
        contacts, applies, folders = await self._database.read(
            lambda connection: self._store.load_rows(connection, contact_keys, apply_ids, folder_ids)
        )
        people = await self._people.load(
            [friend_id for _, friend_id in contact_keys] + [apply.applicant_id for apply in applies.values()]
        )
        pushes = (self._push_of(event, contacts, applies, folders, people) for event in events)
        return [push for push in pushes if push is not None]

    def _push_of(
        self,
        event: Event,
        contacts: dict[tuple[int, int], Contact],
        applies: dict[int, Apply],
        folders: dict[int, Folder],
        people: dict[int, Person],
    ) -> Push | None:
        if event.kind == CONTACT:
            user_id, friend_id, version = event.values
            contact = contacts.get((user_id, friend_id))
            if contact is None:
                return None
            row = view.contact_row(contact, version, people.get(friend_id, NOBODY))
            return Push((user_id,), lambda _codec: view.row_changed(row), V1_JSON)
        if event.kind == FOLDER:
            user_id, folder_id, version = event.values
            folder = folders.get(folder_id)
            if folder is None:
                return None
            return Push((user_id,), lambda _codec: view.row_changed(view.folder_row(folder, version)), V1_JSON)
        apply = applies.get(event.values[1] if event.kind == APPLY else event.values[0])
        if apply is None:
            return None
        applicant = people.get(apply.applicant_id, NOBODY)
        if event.kind == APPLY:
            version = event.values[2]
            return Push(
                (apply.target_id,),
                lambda codec: view.row_changed(view.apply_row(apply, version, applicant, self._zone, codec)),
                V1_JSON,
            )
        if apply.state is not ApplyState.PENDING:
            return None
        return Push((apply.target_id,), lambda _codec: view.applied(apply, applicant), LEGACY)

    def is_command(self, event: Event) -> bool:
        return event.kind in (PAIR, STANDING, ACCEPTED)

    async def command(self, event: Event) -> None:
        if event.kind == PAIR:
            await self.tell_pair(event.values[0])
        elif event.kind == STANDING:
            await self._tell_standing(*event.values)
        else:
            await self._tell_applicant(*event.values)

    async def tell_pair(self, apply_id: int) -> None:
        """Tells the message room how the two of an agreed request stand now, greeting and sessions included where they
        are still friends. Idempotent."""
        apply = await self._database.read(lambda connection: self._store.find_apply(connection, apply_id))
        if apply is not None:
            low, high = pair(apply.target_id, apply.applicant_id)
            await self._tell_standing(low, high, apply)

    async def _tell_standing(self, user_low: int, user_high: int, apply: Apply | None = None) -> None:
        """`apply`: the request by which they have become friends, if that is what is told."""

        def work(connection: Connection) -> tuple[int, Contact | None, Contact | None]:
            return (
                self._store.revision(connection, user_low, user_high),
                self._store.contact(connection, user_low, user_high),
                self._store.contact(connection, user_high, user_low),
            )

        revision, lows_row, highs_row = await self._database.read(work)
        greeted = apply if is_friend(lows_row) and is_friend(highs_row) else None
        await self._talks.change_pair(
            user_low=user_low,
            user_high=user_high,
            low_may_send=may_send(lows_row, highs_row),
            high_may_send=may_send(highs_row, lows_row),
            revision=revision,
            greeting_id="" if greeted is None else f"greet-{greeted.apply_id}",
            greeting_sender=0 if greeted is None else greeted.target_id,
            greeting="" if greeted is None else self._greeting,
            keeps_sessions=greeted is None,
        )

    async def _tell_applicant(self, apply_id: int, accepted_at_ms: int) -> None:
        apply = await self._database.read(lambda connection: self._store.find_apply(connection, apply_id))
        if apply is None:
            return
        acceptor = (await self._people.load([apply.target_id])).get(apply.target_id, NOBODY)
        _, session = await self._talks.session(apply.applicant_id, apply.target_id, view.LEGACY)
        encoded = view.accepted(apply, acceptor, accepted_at_ms, session)
        self._push([Push((apply.applicant_id,), lambda _codec: encoded, LEGACY)])

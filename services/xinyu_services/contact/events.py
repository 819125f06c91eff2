"""What the contact room's changes cause.

Events, in the order in which a transaction writes them:

`contact` (user_id, friend_id, version)   a contact row has this version: to its user's devices of our dialect
`apply` (target_id, apply_id, version)    a request's row has this version: to the target's devices of our dialect
`applied` (apply_id)                      a new request: `im.contact.apply` to the target's legacy devices
`pair` (apply_id)                         command: the message room makes the talk and stores the greeting
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
from xinyu_services.contact.model import Apply, ApplyState, Contact, MaySend, Person, may_send, pair
from xinyu_services.contact.ports import People, Talks
from xinyu_services.contact.store import ContactStore

CONTACT: Final = "contact"
APPLY: Final = "apply"
APPLIED: Final = "applied"
PAIR: Final = "pair"
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
        contacts, applies = await self._database.read(
            lambda connection: self._store.load_rows(connection, contact_keys, apply_ids)
        )
        people = await self._people.load(
            [friend_id for _, friend_id in contact_keys] + [apply.applicant_id for apply in applies.values()]
        )
        pushes = (self._push_of(event, contacts, applies, people) for event in events)
        return [push for push in pushes if push is not None]

    def _push_of(
        self,
        event: Event,
        contacts: dict[tuple[int, int], Contact],
        applies: dict[int, Apply],
        people: dict[int, Person],
    ) -> Push | None:
        if event.kind == CONTACT:
            user_id, friend_id, version = event.values
            contact = contacts.get((user_id, friend_id))
            if contact is None:
                return None
            row = view.contact_row(contact, version, people.get(friend_id, NOBODY))
            return Push((user_id,), lambda _codec: view.row_changed(row), V1_JSON)
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
        return event.kind in (PAIR, ACCEPTED)

    async def command(self, event: Event) -> None:
        apply_id = event.values[0]
        if event.kind == PAIR:
            await self.tell_pair(apply_id)
        else:
            await self._tell_applicant(apply_id, event.values[1])

    async def tell_pair(self, apply_id: int) -> None:
        """Tells the message room how the two of an agreed request stand now. Idempotent."""

        def work(connection: Connection) -> tuple[Apply, int, MaySend, MaySend] | None:
            apply = self._store.find_apply(connection, apply_id)
            if apply is None:
                return None
            low, high = pair(apply.target_id, apply.applicant_id)
            return (
                apply,
                self._store.revision(connection, low, high),
                may_send(self._store.contact(connection, high, low)),
                may_send(self._store.contact(connection, low, high)),
            )

        found = await self._database.read(work)
        if found is None:
            return
        apply, revision, low_may_send, high_may_send = found
        user_low, user_high = pair(apply.target_id, apply.applicant_id)
        await self._talks.change_pair(
            user_low=user_low,
            user_high=user_high,
            low_may_send=low_may_send,
            high_may_send=high_may_send,
            revision=revision,
            greeting_id=f"greet-{apply_id}",
            greeting_sender=apply.target_id,
            greeting=self._greeting,
        )

    async def _tell_applicant(self, apply_id: int, accepted_at_ms: int) -> None:
        apply = await self._database.read(lambda connection: self._store.find_apply(connection, apply_id))
        if apply is None:
            return
        acceptor = (await self._people.load([apply.target_id])).get(apply.target_id, NOBODY)
        _, session = await self._talks.session(apply.applicant_id, apply.target_id, view.LEGACY)
        encoded = view.accepted(apply, acceptor, accepted_at_ms, session)
        self._push([Push((apply.applicant_id,), lambda _codec: encoded, LEGACY)])

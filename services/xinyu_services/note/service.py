"""Use cases of the note room.

All of it is one user's own, and nobody else is ever told: there are no events, and what is another's is not there.
Devices ask for the lists when they are looked at, as the reference client does.

Every change locks the user's `note_owner` row, so that what a rule has counted is still true at the commit. That row,
and the default class with it, is made by the first use. Commands may be repeated: a new note or attachment that comes
again within 30 s is the same one, a class or tag of a name that there is already is that one, and moving something to
where it is changes nothing.

What is in the recycle bin for 30 days is gone, purged or not; the purge lets the bytes of attachments go before the
rows that know them, so that a run that dies in between is made good by the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, TypeVar

import structlog
from sqlalchemy import Connection

from xinyu.base.clock import Clock
from xinyu.base.config import NoteSettings
from xinyu.base.errors import (
    INVALID,
    NOTES_FULL,
    TOO_LARGE,
    UNKNOWN_FILE,
    UNKNOWN_NOTE,
    UNKNOWN_NOTE_CLASS,
    UNKNOWN_NOTE_TAG,
    XinYuError,
)
from xinyu.rpc.context import Context
from xinyu.storage.blobs import BlobError
from xinyu.storage.database import Database
from xinyu.storage.transact import query, transact
from xinyu_services.note.model import (
    ALIVE,
    DAY_MS,
    DEFAULT_CLASS_NAME,
    LONG_AGO_MS,
    PAGE_SIZE,
    REPEAT_MS,
    TITLE_CHARACTERS,
    Annex,
    Note,
    NoteClass,
    NoteDetail,
    Search,
    Tag,
    abstract_of,
    first_picture,
    folded,
    name_problem,
    request_hash,
    search_text,
    sorted_first,
    text_problem,
)
from xinyu_services.note.ports import BlobBin, Ids
from xinyu_services.note.store import NoteStore

log = structlog.get_logger(__name__)

T = TypeVar("T")

PURGED_AT_ONCE: Final = 100
MAX_PAGE: Final = 10_000


class NoteService:
    """`note_ids`, `class_ids`, `tag_ids` and `annex_ids` are series of their own."""

    def __init__(
        self,
        database: Database,
        store: NoteStore,
        note_ids: Ids,
        class_ids: Ids,
        tag_ids: Ids,
        annex_ids: Ids,
        blobs: BlobBin,
        clock: Clock,
        settings: NoteSettings,
    ) -> None:
        self._database = database
        self._store = store
        self._note_ids = note_ids
        self._class_ids = class_ids
        self._tag_ids = tag_ids
        self._annex_ids = annex_ids
        self._blobs = blobs
        self._clock = clock
        self._settings = settings

    # ---------------------------------------------------------------- notes

    async def save(
        self, user_id: int, note_id: int, class_id: int, title: str, markdown: str | None, context: Context
    ) -> Note:
        """A new note (`note_id` 0) or the new state of one. `class_id` 0 = the default one, or the one it is in;
        `markdown` None = its text stays. Raises INVALID, TOO_LARGE, NOTES_FULL, UNKNOWN_NOTE, UNKNOWN_NOTE_CLASS."""
        if problem := name_problem(title, TITLE_CHARACTERS) or text_problem(markdown or ""):
            raise XinYuError(INVALID, problem)
        size_bytes = len((markdown or "").encode())
        if size_bytes > self._settings.max_note_bytes:
            raise XinYuError(TOO_LARGE, f"A note may have {self._settings.max_note_bytes} bytes.")
        if note_id:
            return await self._edit(user_id, note_id, class_id, title, markdown, context)
        text, hash_ = markdown or "", request_hash(class_id, title, markdown or "")
        new_id, now_ms = await self._note_ids.take(), self._clock.now_ms()

        def work(connection: Connection, default_id: int) -> Note:
            known = self._store.repeated(connection, user_id, hash_, now_ms - REPEAT_MS)
            if known is not None:
                return known
            chosen = self._class_of(connection, user_id, class_id or default_id)
            self._check_room(connection, user_id, added=1, added_bytes=size_bytes)
            abstract, image = abstract_of(text), first_picture(text)
            note = Note(new_id, chosen.class_id, chosen.name, title, abstract, image, False, now_ms, now_ms)
            self._store.insert_note(connection, user_id, note, size_bytes, hash_)
            self._store.put_text(connection, new_id, text, search_text(title, text))
            return note

        return await self._change(user_id, work, context)

    async def _edit(
        self, user_id: int, note_id: int, class_id: int, title: str, markdown: str | None, context: Context
    ) -> Note:
        now_ms = self._clock.now_ms()

        def work(connection: Connection, _default_id: int) -> Note:
            note = self._own(connection, user_id, note_id)
            if class_id and class_id != note.class_id:
                chosen = self._class_of(connection, user_id, class_id)
                note = replace(note, class_id=chosen.class_id, class_name=chosen.name)
            text = self._store.text(connection, note_id) if markdown is None else markdown
            size_bytes = len(text.encode())
            grown = size_bytes - self._store.size(connection, note_id)
            if grown > 0:
                self._check_room(connection, user_id, added=0, added_bytes=grown)
            note = replace(
                note, title=title, abstract=abstract_of(text), image=first_picture(text), updated_at_ms=now_ms
            )
            self._store.update_note(connection, note, size_bytes)
            self._store.put_text(connection, note_id, text, search_text(title, text))
            return note

        return await self._change(user_id, work, context)

    async def detail(self, user_id: int, note_id: int) -> NoteDetail:
        """Raises UNKNOWN_NOTE, also for one in the recycle bin."""

        def work(connection: Connection) -> NoteDetail:
            note = self._own(connection, user_id, note_id)
            tags = tuple(self._store.note_tags(connection, note_id))
            annexes = tuple(self._store.annexes(connection, note_id))
            return NoteDetail(replace(note, tag_ids=tags), self._store.text(connection, note_id), annexes)

        return await query(self._database, work)

    async def notes(self, user_id: int, search: Search) -> list[Note]:
        """Those that fit, last edited first; never more than a user may have."""
        search = replace(search, keyword=folded(search.keyword))

        def work(connection: Connection) -> list[Note]:
            found = self._store.notes(connection, user_id, search, self._settings.notes_per_user)
            tags = self._store.links(connection, user_id) if found else {}
            return [replace(note, tag_ids=tuple(tags.get(note.note_id, ()))) for note in found]

        return await query(self._database, work)

    async def deleted_notes(self, user_id: int, page: int) -> tuple[list[Note], int]:
        """(a page of the recycle bin, the last deleted first; now). Raises INVALID."""
        offset, now_ms = _offset(page), self._clock.now_ms()

        def work(connection: Connection) -> list[Note]:
            return self._store.deleted_notes(connection, user_id, self._gone_ms(now_ms), PAGE_SIZE, offset)

        return await query(self._database, work), now_ms

    async def move(self, user_id: int, note_id: int, class_id: int, context: Context) -> None:
        """Into another class. Raises UNKNOWN_NOTE, UNKNOWN_NOTE_CLASS."""

        def work(connection: Connection, _default_id: int) -> None:
            self._own(connection, user_id, note_id)
            self._store.set_class(connection, note_id, self._class_of(connection, user_id, class_id).class_id)

        await self._change(user_id, work, context)

    async def star(self, user_id: int, note_id: int, is_starred: bool, context: Context) -> None:
        """Among one's favourites or not. Raises UNKNOWN_NOTE."""

        def work(connection: Connection, _default_id: int) -> None:
            self._own(connection, user_id, note_id)
            self._store.set_starred(connection, note_id, is_starred)

        await self._change(user_id, work, context)

    async def delete(self, user_id: int, note_id: int, context: Context) -> None:
        """Into the recycle bin; one that is there keeps its day. Raises UNKNOWN_NOTE."""
        now_ms = self._clock.now_ms()

        def work(connection: Connection, _default_id: int) -> None:
            if self._kept(connection, user_id, note_id, now_ms).deleted_at_ms == ALIVE:
                self._store.set_deleted(connection, note_id, now_ms)

        await self._change(user_id, work, context)

    async def recover(self, user_id: int, note_id: int, context: Context) -> None:
        """Out of the recycle bin. Raises UNKNOWN_NOTE."""
        now_ms = self._clock.now_ms()

        def work(connection: Connection, _default_id: int) -> None:
            self._kept(connection, user_id, note_id, now_ms)
            self._store.set_deleted(connection, note_id, ALIVE)

        await self._change(user_id, work, context)

    async def forget(self, user_id: int, note_id: int, context: Context) -> None:
        """For ever, with its attachments, out of the recycle bin alone. Raises UNKNOWN_NOTE, INVALID."""
        now_ms = self._clock.now_ms()

        def work(connection: Connection, _default_id: int) -> None:
            if self._kept(connection, user_id, note_id, now_ms).deleted_at_ms == ALIVE:
                raise XinYuError(INVALID, "The note is not in the recycle bin.")
            self._store.set_deleted(connection, note_id, LONG_AGO_MS)

        await self._change(user_id, work, context)
        await self._purge_notes([note_id])

    # ---------------------------------------------------------------- classes

    async def classes(self, user_id: int, context: Context) -> tuple[list[NoteClass], int]:
        """(all of them in their order, the default's id)."""

        def work(connection: Connection) -> tuple[list[NoteClass], int]:
            return self._store.classes(connection, user_id), self._store.default_class(connection, user_id)

        classes, default_id = await query(self._database, work)
        if default_id:
            return classes, default_id
        return await self._change(
            user_id, lambda connection, made_id: (self._store.classes(connection, user_id), made_id), context
        )

    async def edit_class(self, user_id: int, class_id: int, name: str, context: Context) -> int:
        """A new class (`class_id` 0), the last in order, or a new name; answers its id. A new one of a name that there
        is is that one. Raises INVALID, NOTES_FULL, UNKNOWN_NOTE_CLASS."""
        name = _clean_name(name)
        new_id = 0 if class_id else await self._class_ids.take()

        def work(connection: Connection, _default_id: int) -> int:
            classes = self._store.classes(connection, user_id)
            named = next((each.class_id for each in classes if each.name == name), 0)
            if not class_id:
                if named:
                    return named
                if len(classes) >= self._settings.classes_per_user:
                    raise XinYuError(NOTES_FULL, f"You have {len(classes)} classes already.")
                position = 1 + max(each.position for each in classes)
                self._store.insert_class(connection, user_id, new_id, name, position)
                return new_id
            known = next((each for each in classes if each.class_id == class_id), None)
            if known is None:
                raise XinYuError(UNKNOWN_NOTE_CLASS)
            if named not in (0, class_id):
                raise XinYuError(INVALID, "Another class has this name.")
            self._store.put_classes(connection, user_id, [replace(known, name=name)])
            return class_id

        return await self._change(user_id, work, context)

    async def delete_class(self, user_id: int, class_id: int, context: Context) -> None:
        """Its notes fall to the default class. Raises UNKNOWN_NOTE_CLASS, INVALID (the default)."""

        def work(connection: Connection, default_id: int) -> None:
            if class_id == default_id:
                raise XinYuError(INVALID, "The default class cannot be deleted.")
            self._class_of(connection, user_id, class_id)
            self._store.delete_class(connection, user_id, class_id, default_id)

        await self._change(user_id, work, context)

    async def sort_classes(self, user_id: int, class_ids: Sequence[int], context: Context) -> None:
        """These first, in this order. Raises INVALID (one twice), UNKNOWN_NOTE_CLASS."""
        wanted = list(class_ids)
        if len(set(wanted)) != len(wanted):
            raise XinYuError(INVALID, "A class is named twice.")

        def work(connection: Connection, _default_id: int) -> None:
            classes = {each.class_id: each for each in self._store.classes(connection, user_id)}
            if not classes.keys() >= set(wanted):
                raise XinYuError(UNKNOWN_NOTE_CLASS)
            order = sorted_first(list(classes), wanted)
            placed = [replace(classes[class_id], position=n) for n, class_id in enumerate(order)]
            self._store.put_classes(connection, user_id, placed)

        await self._change(user_id, work, context)

    # ---------------------------------------------------------------- tags

    async def tags(self, user_id: int) -> list[Tag]:
        return await query(self._database, lambda connection: self._store.tags(connection, user_id))

    async def edit_tag(self, user_id: int, tag_id: int, name: str, context: Context) -> int:
        """As `edit_class`. Raises INVALID, NOTES_FULL, UNKNOWN_NOTE_TAG."""
        name = _clean_name(name)
        new_id = 0 if tag_id else await self._tag_ids.take()

        def work(connection: Connection, _default_id: int) -> int:
            tags = self._store.tags(connection, user_id)
            named = next((tag.tag_id for tag in tags if tag.name == name), 0)
            if not tag_id:
                if named:
                    return named
                if len(tags) >= self._settings.tags_per_user:
                    raise XinYuError(NOTES_FULL, f"You have {len(tags)} tags already.")
            elif tag_id not in {tag.tag_id for tag in tags}:
                raise XinYuError(UNKNOWN_NOTE_TAG)
            elif named not in (0, tag_id):
                raise XinYuError(INVALID, "Another tag has this name.")
            self._store.put_tag(connection, user_id, tag_id or new_id, name)
            return tag_id or new_id

        return await self._change(user_id, work, context)

    async def delete_tag(self, user_id: int, tag_id: int, context: Context) -> None:
        """Notes lose it. Raises UNKNOWN_NOTE_TAG."""

        def work(connection: Connection, _default_id: int) -> None:
            self._check_tags(connection, user_id, [tag_id])
            self._store.delete_tag(connection, user_id, tag_id)

        await self._change(user_id, work, context)

    async def set_tags(self, user_id: int, note_id: int, tag_ids: Sequence[int], context: Context) -> None:
        """The note has these and no others. Raises INVALID, UNKNOWN_NOTE, UNKNOWN_NOTE_TAG."""
        wanted = sorted(set(tag_ids))
        if len(wanted) > self._settings.tags_per_note:
            raise XinYuError(INVALID, f"A note may have {self._settings.tags_per_note} tags.")

        def work(connection: Connection, _default_id: int) -> None:
            self._own(connection, user_id, note_id)
            self._check_tags(connection, user_id, wanted)
            self._store.set_note_tags(connection, note_id, wanted)

        await self._change(user_id, work, context)

    # ---------------------------------------------------------------- attachments

    async def add_annex(self, user_id: int, annex: Annex, context: Context) -> tuple[Annex, str]:
        """A file whose bytes are stored hangs on the note now (`annex_id` is given here). Answers it, and the key of a
        blob that is nobody's any more, "" = none: a repeat takes the new bytes, for the first ones may have been given
        up with their request. Raises INVALID, TOO_LARGE, NOTES_FULL, UNKNOWN_NOTE."""
        settings = self._settings
        if not annex.size_bytes:
            raise XinYuError(INVALID, "An empty file cannot be attached.")
        if annex.size_bytes > settings.max_annex_bytes:
            raise XinYuError(TOO_LARGE, f"An attachment may have {settings.max_annex_bytes} bytes.")
        new_id, now_ms = await self._annex_ids.take(), self._clock.now_ms()

        def work(connection: Connection, _default_id: int) -> tuple[Annex, str]:
            self._own(connection, user_id, annex.note_id)
            known = self._store.annexes(connection, annex.note_id)
            for each in known:
                same = (each.name, each.sha256) == (annex.name, annex.sha256)
                if same and each.created_at_ms >= now_ms - REPEAT_MS:
                    if each.key == annex.key:
                        return each, ""
                    self._store.set_annex_key(connection, each.annex_id, annex.key)
                    return replace(each, key=annex.key), each.key
            if len(known) >= settings.annexes_per_note:
                raise XinYuError(NOTES_FULL, f"The note has {len(known)} attachments already.")
            if self._store.annex_usage(connection, user_id) + annex.size_bytes > settings.annex_bytes_per_user:
                raise XinYuError(NOTES_FULL, "There is no room for more attachments.")
            added = replace(annex, annex_id=new_id, created_at_ms=now_ms)
            self._store.insert_annex(connection, user_id, added)
            return added, ""

        return await self._change(user_id, work, context)

    async def annex(self, user_id: int, annex_id: int) -> Annex:
        """Raises UNKNOWN_FILE, also for one in the recycle bin, or whose note is there."""
        found = await query(
            self._database, lambda connection: self._store.shown_annex(connection, user_id, annex_id)
        )
        if found is None:
            raise XinYuError(UNKNOWN_FILE)
        return found

    async def deleted_annexes(self, user_id: int, page: int) -> tuple[list[Annex], int, int]:
        """(a page of the recycle bin, the last deleted first; how many there are; now). Raises INVALID."""
        offset, now_ms = _offset(page), self._clock.now_ms()

        def work(connection: Connection) -> tuple[list[Annex], int]:
            return self._store.deleted_annexes(connection, user_id, self._gone_ms(now_ms), PAGE_SIZE, offset)

        annexes, total = await query(self._database, work)
        return annexes, total, now_ms

    async def delete_annex(self, user_id: int, annex_id: int, context: Context) -> None:
        """Into the recycle bin. Raises UNKNOWN_FILE."""
        now_ms = self._clock.now_ms()

        def work(connection: Connection, _default_id: int) -> None:
            if self._kept_annex(connection, user_id, annex_id, now_ms).deleted_at_ms == ALIVE:
                self._store.set_annex_deleted(connection, annex_id, now_ms)

        await self._change(user_id, work, context)

    async def recover_annex(self, user_id: int, annex_id: int, context: Context) -> None:
        """Back to its note. Raises UNKNOWN_FILE, NOTES_FULL."""
        now_ms = self._clock.now_ms()

        def work(connection: Connection, _default_id: int) -> None:
            annex = self._kept_annex(connection, user_id, annex_id, now_ms)
            if annex.deleted_at_ms == ALIVE:
                return
            if len(self._store.annexes(connection, annex.note_id)) >= self._settings.annexes_per_note:
                raise XinYuError(NOTES_FULL, "The note has too many attachments by now.")
            self._store.set_annex_deleted(connection, annex_id, ALIVE)

        await self._change(user_id, work, context)

    async def forget_annex(self, user_id: int, annex_id: int, context: Context) -> None:
        """For ever, out of the recycle bin alone. Raises UNKNOWN_FILE, INVALID."""
        now_ms = self._clock.now_ms()

        def work(connection: Connection, _default_id: int) -> None:
            if self._kept_annex(connection, user_id, annex_id, now_ms).deleted_at_ms == ALIVE:
                raise XinYuError(INVALID, "The attachment is not in the recycle bin.")
            self._store.set_annex_deleted(connection, annex_id, LONG_AGO_MS)

        await self._change(user_id, work, context)
        await self._purge_annexes([annex_id])

    # ---------------------------------------------------------------- upkeep

    async def purge(self) -> int:
        """Lets go of all that has been in the recycle bin for its time; answers how many rows went."""
        before_ms, purged = self._gone_ms(self._clock.now_ms()), 0
        while note_ids := await query(
            self._database, lambda connection: self._store.gone_notes(connection, before_ms, PURGED_AT_ONCE)
        ):
            if not (gone := await self._purge_notes(note_ids)):
                return purged
            purged += gone
        while annex_ids := await query(
            self._database, lambda connection: self._store.gone_annexes(connection, before_ms, PURGED_AT_ONCE)
        ):
            if not (gone := await self._purge_annexes(annex_ids)):
                break
            purged += gone
        return purged

    async def _purge_notes(self, note_ids: Sequence[int]) -> int:
        keys = await query(self._database, lambda connection: self._store.keys_of_notes(connection, note_ids))
        if not await self._deleted(keys):
            return 0
        return await transact(self._database, lambda connection: self._store.delete_notes(connection, note_ids))

    async def _purge_annexes(self, annex_ids: Sequence[int]) -> int:
        keys = await query(self._database, lambda connection: self._store.keys_of_annexes(connection, annex_ids))
        if not await self._deleted(keys):
            return 0
        return await transact(self._database, lambda connection: self._store.delete_annexes(connection, annex_ids))

    async def _deleted(self, keys: Sequence[str]) -> bool:
        """False: the store is away. The rows still know the bytes then, and the next purge tries again."""
        try:
            if keys:
                await self._blobs.delete(keys)
        except BlobError as error:
            log.warning("blobs_left", keys=len(keys), problem=str(error))
            return False
        return True

    # ---------------------------------------------------------------- within a transaction

    async def _change(self, user_id: int, work: Callable[[Connection, int], T], context: Context) -> T:
        """Runs `work` (connection, the user's default class) with the user's notes locked."""
        spare_id = 0
        known = await query(self._database, lambda connection: self._store.default_class(connection, user_id))
        if not known:
            spare_id = await self._class_ids.take()
        context.check_deadline_now()

        def locked(connection: Connection) -> T:
            default_id = self._store.lock_owner(connection, user_id)
            if not default_id:
                self._store.insert_owner(connection, user_id, spare_id, DEFAULT_CLASS_NAME)
                default_id = spare_id
            return work(connection, default_id)

        return await transact(self._database, locked)

    def _own(self, connection: Connection, user_id: int, note_id: int) -> Note:
        note = self._store.note(connection, user_id, note_id)
        if note is None or note.deleted_at_ms != ALIVE:
            raise XinYuError(UNKNOWN_NOTE)
        return note

    def _kept(self, connection: Connection, user_id: int, note_id: int, now_ms: int) -> Note:
        """Alive or in the recycle bin."""
        note = self._store.note(connection, user_id, note_id)
        if note is None or 0 < note.deleted_at_ms <= self._gone_ms(now_ms):
            raise XinYuError(UNKNOWN_NOTE)
        return note

    def _kept_annex(self, connection: Connection, user_id: int, annex_id: int, now_ms: int) -> Annex:
        annex = self._store.annex(connection, user_id, annex_id)
        if annex is None or 0 < annex.deleted_at_ms <= self._gone_ms(now_ms):
            raise XinYuError(UNKNOWN_FILE)
        return annex

    def _class_of(self, connection: Connection, user_id: int, class_id: int) -> NoteClass:
        for each in self._store.classes(connection, user_id):
            if each.class_id == class_id:
                return each
        raise XinYuError(UNKNOWN_NOTE_CLASS)

    def _check_tags(self, connection: Connection, user_id: int, tag_ids: Sequence[int]) -> None:
        if tag_ids and not {tag.tag_id for tag in self._store.tags(connection, user_id)} >= set(tag_ids):
            raise XinYuError(UNKNOWN_NOTE_TAG)

    def _check_room(self, connection: Connection, user_id: int, *, added: int, added_bytes: int) -> None:
        count, size_bytes = self._store.usage(connection, user_id)
        if count + added > self._settings.notes_per_user:
            raise XinYuError(NOTES_FULL, f"You have {count} notes already, with those in the recycle bin.")
        if size_bytes + added_bytes > self._settings.note_bytes_per_user:
            raise XinYuError(NOTES_FULL)

    def _gone_ms(self, now_ms: int) -> int:
        return now_ms - self._settings.bin_days * DAY_MS


def _clean_name(name: str) -> str:
    name = name.strip()
    if not name:
        raise XinYuError(INVALID, "The name is empty.")
    if problem := name_problem(name):
        raise XinYuError(INVALID, problem)
    return name


def _offset(page: int) -> int:
    if not 1 <= page <= MAX_PAGE:
        raise XinYuError(INVALID, f"page must be 1 to {MAX_PAGE}.")
    return (page - 1) * PAGE_SIZE

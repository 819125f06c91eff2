"""One user's notes on real databases: what is bounded, what is repeated, what two devices do at once, and the recycle
bin from its first day to the purge. Shapes and refusals of every route are the contract tests' business."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from tests.database_storage import Storage
from tests.integration.services.embedded_platform import EmbeddedPlatform, embedded_platform
from tests.integration.services.house import refused
from xinyu.base.config import NoteSettings
from xinyu.base.errors import (
    INVALID,
    NOTES_FULL,
    TOO_LARGE,
    UNKNOWN_FILE,
    UNKNOWN_NOTE,
    UNKNOWN_NOTE_CLASS,
    UNKNOWN_NOTE_TAG,
)
from xinyu.rpc.context import Context
from xinyu.storage.blobs import BlobError
from xinyu.storage.id_blocks import IdBlocks
from xinyu_services.note.model import ALIVE, DAY_MS, Annex, Note, Search
from xinyu_services.note.service import NoteService
from xinyu_services.note.store import NoteStore

ANN, BEN = 1, 2
SETTINGS = NoteSettings(
    notes_per_user=4, max_note_bytes=1024, note_bytes_per_user=2048, classes_per_user=3, tags_per_user=2,
    tags_per_note=2, max_annex_bytes=1024, annexes_per_note=2, annex_bytes_per_user=2000,
)  # fmt: skip


class BlobStore:
    """Keeps what it was told to delete; away when the test says so."""

    def __init__(self) -> None:
        self.is_away = False
        self.deleted: list[str] = []

    async def delete(self, keys: Sequence[str]) -> None:
        if self.is_away:
            raise BlobError("away")
        self.deleted.extend(keys)


class Notes:
    """The note room, and what tests ask of it."""

    def __init__(self, platform: EmbeddedPlatform) -> None:
        self.clock = platform.clock
        self.blobs = BlobStore()
        note_ids, class_ids, tag_ids, annex_ids = (
            IdBlocks(name, platform.database, platform.dialect) for name in ("note", "note_class", "note_tag", "annex")
        )
        self.service = NoteService(
            platform.database, NoteStore(platform.dialect), note_ids, class_ids, tag_ids, annex_ids, self.blobs,
            platform.clock, SETTINGS,
        )  # fmt: skip

    @property
    def context(self) -> Context:
        return Context(asyncio.get_running_loop().time() + 30, "trace", "test")

    async def save(self, title: str, text: str | None = "", note_id: int = 0, class_id: int = 0) -> Note:
        return await self.service.save(ANN, note_id, class_id, title, text, self.context)

    async def titles(self, **search: object) -> list[str]:
        return [note.title for note in await self.service.notes(ANN, Search(**search))]  # type: ignore[arg-type]

    async def attach(self, note_id: int, name: str, size_bytes: int = 10, key: str = "") -> Annex:
        annex = Annex(0, note_id, name, size_bytes, name.encode().ljust(32, b"\0"), key or f"key-{name}", 0)
        return (await self.service.add_annex(ANN, annex, self.context))[0]


@pytest.fixture
async def notes(storage: Storage) -> AsyncIterator[Notes]:
    async with embedded_platform(storage) as platform:
        yield Notes(platform)


async def test_two_devices_whose_first_use_is_the_same_moment_have_one_default_class(notes: Notes) -> None:
    answers = await asyncio.gather(*(notes.service.classes(ANN, notes.context) for _ in range(8)))
    assert len({default_id for _, default_id in answers}) == 1
    assert {len(classes) for classes, _ in answers} == {1}
    # Everybody has his own.
    assert (await notes.service.classes(BEN, notes.context))[1] != answers[0][1]


async def test_a_note_that_comes_again_is_the_same_one(notes: Notes) -> None:
    first, again = await asyncio.gather(notes.save("List", "milk"), notes.save("List", "milk"))
    assert first.note_id == again.note_id
    notes.clock.advance_s(29)
    assert (await notes.save("List", "milk")).note_id == first.note_id
    notes.clock.advance_s(2)
    assert (await notes.save("List", "milk")).note_id != first.note_id
    assert await notes.titles() == ["List", "List"]


async def test_an_edit_without_a_text_keeps_it(notes: Notes) -> None:
    note = await notes.save("Title", "text ![a](/media/a.png)")
    edited = await notes.save("Other", None, note.note_id)
    assert (edited.title, edited.abstract, edited.image) == ("Other", "text", "/media/a.png")
    assert (await notes.service.detail(ANN, note.note_id)).md_content == "text ![a](/media/a.png)"
    assert await notes.titles(keyword="TEXT") == ["Other"]
    assert await notes.titles(keyword="Title") == []


async def test_all_is_bounded(notes: Notes) -> None:
    await refused(notes.save("a", "x" * 1025), TOO_LARGE)
    await refused(notes.save("x" * 201), INVALID)
    one, two = await notes.save("1", "x" * 1000), await notes.save("2", "x" * 1000)
    await refused(notes.save("3", "x" * 100), NOTES_FULL)
    await notes.save("3", "x"), await notes.save("4", "y")
    await refused(notes.save("5"), NOTES_FULL)
    # The recycle bin counts, what left it for good does not.
    await notes.service.delete(ANN, two.note_id, notes.context)
    await refused(notes.save("5"), NOTES_FULL)
    await notes.service.forget(ANN, two.note_id, notes.context)
    await notes.save("5")

    for name in ("a", "b"):
        await notes.service.edit_class(ANN, 0, name, notes.context)
        await notes.service.edit_tag(ANN, 0, name, notes.context)
    await refused(notes.service.edit_class(ANN, 0, "c", notes.context), NOTES_FULL)
    await refused(notes.service.edit_tag(ANN, 0, "c", notes.context), NOTES_FULL)

    await refused(notes.attach(one.note_id, "big", 1025), TOO_LARGE)
    await refused(notes.attach(one.note_id, "empty", 0), INVALID)
    await notes.attach(one.note_id, "a", 1000)
    await refused(notes.attach(one.note_id, "b", 1001), NOTES_FULL)
    await notes.attach(one.note_id, "b", 1000)
    await refused(notes.attach(one.note_id, "c", 1), NOTES_FULL)


async def test_what_is_anothers_is_not_there(notes: Notes) -> None:
    note = await notes.save("Mine", "text")
    service, context = notes.service, notes.context
    class_id = await service.edit_class(ANN, 0, "class", context)
    tag_id = await service.edit_tag(ANN, 0, "tag", context)
    annex = await notes.attach(note.note_id, "a")
    for call in (
        service.save(BEN, note.note_id, 0, "His", "text", context),
        service.detail(BEN, note.note_id),
        service.delete(BEN, note.note_id, context),
        service.recover(BEN, note.note_id, context),
        service.forget(BEN, note.note_id, context),
        service.star(BEN, note.note_id, True, context),
        service.set_tags(BEN, note.note_id, [], context),
    ):
        await refused(call, UNKNOWN_NOTE)
    his = await service.save(BEN, 0, 0, "His", "text", context)
    await refused(service.save(BEN, his.note_id, class_id, "His", "text", context), UNKNOWN_NOTE_CLASS)
    await refused(service.move(BEN, his.note_id, class_id, context), UNKNOWN_NOTE_CLASS)
    await refused(service.edit_class(BEN, class_id, "his", context), UNKNOWN_NOTE_CLASS)
    await refused(service.sort_classes(BEN, [class_id], context), UNKNOWN_NOTE_CLASS)
    await refused(service.set_tags(BEN, his.note_id, [tag_id], context), UNKNOWN_NOTE_TAG)
    await refused(service.edit_tag(BEN, tag_id, "his", context), UNKNOWN_NOTE_TAG)
    for annex_call in (
        service.annex(BEN, annex.annex_id),
        service.delete_annex(BEN, annex.annex_id, context),
        service.recover_annex(BEN, annex.annex_id, context),
        service.forget_annex(BEN, annex.annex_id, context),
    ):
        await refused(annex_call, UNKNOWN_FILE)
    assert await notes.titles() == ["Mine"]


async def test_a_class_that_ends_leaves_its_notes_to_the_default_one(notes: Notes) -> None:
    service = notes.service
    class_id = await service.edit_class(ANN, 0, "work", notes.context)
    assert await service.edit_class(ANN, 0, " work ", notes.context) == class_id
    kept, binned = await notes.save("kept", class_id=class_id), await notes.save("binned", class_id=class_id)
    await service.delete(ANN, binned.note_id, notes.context)
    await service.delete_class(ANN, class_id, notes.context)
    classes, default_id = await service.classes(ANN, notes.context)
    assert [(each.class_id, each.count) for each in classes] == [(default_id, 1)]
    assert (await service.detail(ANN, kept.note_id)).note.class_id == default_id
    await service.recover(ANN, binned.note_id, notes.context)
    assert (await service.detail(ANN, binned.note_id)).note.class_id == default_id
    await refused(service.delete_class(ANN, default_id, notes.context), INVALID)


async def test_the_recycle_bin_keeps_for_its_days(notes: Notes) -> None:
    service = notes.service
    note = await notes.save("note", "text")
    await notes.attach(note.note_id, "a")
    loose = await notes.attach(note.note_id, "b")
    await service.delete_annex(ANN, loose.annex_id, notes.context)
    notes.clock.now += DAY_MS
    await service.delete(ANN, note.note_id, notes.context)
    await refused(service.detail(ANN, note.note_id), UNKNOWN_NOTE)
    await service.delete(ANN, note.note_id, notes.context)  # keeps its day
    assert [each.note_id for each in (await service.deleted_notes(ANN, 1))[0]] == [note.note_id]

    notes.clock.now += 29 * DAY_MS  # the attachment's last moment has passed, the note's has not
    assert await service.purge() == 1
    assert notes.blobs.deleted == ["key-b"]
    await refused(service.recover_annex(ANN, loose.annex_id, notes.context), UNKNOWN_FILE)
    await service.recover(ANN, note.note_id, notes.context)
    assert [each.name for each in (await service.detail(ANN, note.note_id)).annexes] == ["a"]

    await service.delete(ANN, note.note_id, notes.context)
    notes.clock.now += 30 * DAY_MS
    # Gone for its owner before any purge.
    await refused(service.recover(ANN, note.note_id, notes.context), UNKNOWN_NOTE)
    assert (await service.deleted_notes(ANN, 1))[0] == []
    assert await service.purge() == 1
    assert await service.purge() == 0
    assert sorted(notes.blobs.deleted) == ["key-a", "key-b"]


async def test_rows_know_the_bytes_for_as_long_as_the_store_is_away(notes: Notes) -> None:
    service = notes.service
    note = await notes.save("note", "text")
    await notes.attach(note.note_id, "a")
    await service.delete(ANN, note.note_id, notes.context)
    notes.blobs.is_away = True
    await service.forget(ANN, note.note_id, notes.context)
    await refused(service.recover(ANN, note.note_id, notes.context), UNKNOWN_NOTE)
    assert await service.purge() == 0
    notes.blobs.is_away = False
    assert await service.purge() == 1
    assert notes.blobs.deleted == ["key-a"]


async def test_an_attachment_that_comes_again_takes_the_new_bytes(notes: Notes) -> None:
    note = await notes.save("note", "text")
    first = await notes.attach(note.note_id, "a", key="key-1")
    annex = Annex(0, note.note_id, "a", 10, first.sha256, "key-2", 0)
    again, left = await notes.service.add_annex(ANN, annex, notes.context)
    assert (again.annex_id, again.key, left) == (first.annex_id, "key-2", "key-1")
    assert (await notes.service.annex(ANN, first.annex_id)).deleted_at_ms == ALIVE
    await refused(notes.service.forget_annex(ANN, first.annex_id, notes.context), INVALID)

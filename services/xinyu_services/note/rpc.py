"""The Note service on the wire: protobuf to use cases and back."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from xinyu.rpc.context import Context
from xinyu.wire.v1 import note_pb2 as wire
from xinyu.wire.v1.options_pb2 import Empty
from xinyu_services.note import view
from xinyu_services.note.model import Annex, Search
from xinyu_services.note.service import NoteService


class NoteServicer:
    """`xinyu.wire.v1.note_rpc.NoteServicer`. `zone`: of the times that clients read as text."""

    def __init__(self, service: NoteService, zone: ZoneInfo, bin_days: int) -> None:
        self._service = service
        self._zone = zone
        self._bin_days = bin_days

    # ---------------------------------------------------------------- notes

    async def save(self, request: wire.SaveNoteRequest, context: Context) -> wire.NoteJson:
        markdown = request.md_content if request.HasField("md_content") else None
        note = await self._service.save(
            request.user_id, request.note_id, request.class_id, request.title, markdown, context
        )
        return _json(view.saved(note))

    async def load(self, request: wire.NoteItemRequest, context: Context) -> wire.NoteJson:
        return _json(view.detail(await self._service.detail(request.user_id, request.id), self._zone))

    async def list(self, request: wire.ListNotesRequest, context: Context) -> wire.NoteJson:
        search = Search(request.keyword, request.only_starred, request.class_id, request.tag_id)
        notes = await self._service.notes(request.user_id, search)
        return _json({"items": [view.item(note, self._zone) for note in notes]})

    async def list_deleted(self, request: wire.NotePageRequest, context: Context) -> wire.NoteJson:
        notes, now_ms = await self._service.deleted_notes(request.user_id, request.page)
        return _json({"items": [view.deleted_item(note, now_ms, self._bin_days, self._zone) for note in notes]})

    async def move(self, request: wire.NoteLinkRequest, context: Context) -> Empty:
        await self._service.move(request.user_id, request.note_id, request.class_id, context)
        return Empty()

    async def star(self, request: wire.StarNoteRequest, context: Context) -> Empty:
        await self._service.star(request.user_id, request.note_id, request.is_starred, context)
        return Empty()

    async def delete(self, request: wire.NoteItemRequest, context: Context) -> Empty:
        await self._service.delete(request.user_id, request.id, context)
        return Empty()

    async def recover(self, request: wire.NoteItemRequest, context: Context) -> Empty:
        await self._service.recover(request.user_id, request.id, context)
        return Empty()

    async def forget(self, request: wire.NoteItemRequest, context: Context) -> Empty:
        await self._service.forget(request.user_id, request.id, context)
        return Empty()

    # ---------------------------------------------------------------- classes and tags

    async def list_classes(self, request: wire.NoteOwnerRequest, context: Context) -> wire.NoteJson:
        classes, default_id = await self._service.classes(request.user_id, context)
        return _json({"items": [view.class_item(each, default_id) for each in classes]})

    async def edit_class(self, request: wire.NameRequest, context: Context) -> wire.NoteItem:
        return wire.NoteItem(
            id=await self._service.edit_class(request.user_id, request.id, request.name, context)
        )

    async def delete_class(self, request: wire.NoteItemRequest, context: Context) -> Empty:
        await self._service.delete_class(request.user_id, request.id, context)
        return Empty()

    async def sort_classes(self, request: wire.NoteIdsRequest, context: Context) -> Empty:
        await self._service.sort_classes(request.user_id, request.ids, context)
        return Empty()

    async def list_tags(self, request: wire.NoteOwnerRequest, context: Context) -> wire.NoteJson:
        return _json({"items": [view.tag_item(tag) for tag in await self._service.tags(request.user_id)]})

    async def edit_tag(self, request: wire.NameRequest, context: Context) -> wire.NoteItem:
        return wire.NoteItem(id=await self._service.edit_tag(request.user_id, request.id, request.name, context))

    async def delete_tag(self, request: wire.NoteItemRequest, context: Context) -> Empty:
        await self._service.delete_tag(request.user_id, request.id, context)
        return Empty()

    async def set_tags(self, request: wire.NoteIdsRequest, context: Context) -> Empty:
        await self._service.set_tags(request.user_id, request.note_id, request.ids, context)
        return Empty()

    # ---------------------------------------------------------------- attachments

    async def add_annex(self, request: wire.NewAnnex, context: Context) -> wire.AddedAnnex:
        annex = Annex(0, request.note_id, request.name, request.size_bytes, request.sha256, request.key, 0)
        added, replaced_key = await self._service.add_annex(request.user_id, annex, context)
        encoded = msgspec.json.encode(view.annex_item(added, self._zone))
        return wire.AddedAnnex(encoded=encoded, replaced_key=replaced_key)

    async def load_annex(self, request: wire.NoteItemRequest, context: Context) -> wire.AnnexFile:
        annex = await self._service.annex(request.user_id, request.id)
        return wire.AnnexFile(key=annex.key, name=annex.name)

    async def list_deleted_annexes(self, request: wire.NotePageRequest, context: Context) -> wire.NoteJson:
        annexes, total, now_ms = await self._service.deleted_annexes(request.user_id, request.page)
        return _json(view.deleted_annexes(annexes, request.page, total, now_ms, self._bin_days, self._zone))

    async def delete_annex(self, request: wire.NoteItemRequest, context: Context) -> Empty:
        await self._service.delete_annex(request.user_id, request.id, context)
        return Empty()

    async def recover_annex(self, request: wire.NoteItemRequest, context: Context) -> Empty:
        await self._service.recover_annex(request.user_id, request.id, context)
        return Empty()

    async def forget_annex(self, request: wire.NoteItemRequest, context: Context) -> Empty:
        await self._service.forget_annex(request.user_id, request.id, context)
        return Empty()


def _json(shown: dict[str, Any]) -> wire.NoteJson:
    return wire.NoteJson(encoded=msgspec.json.encode(shown))

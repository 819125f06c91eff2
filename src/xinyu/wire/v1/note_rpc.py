"""Stub and servicer of the Note service. Generated from xinyu/wire/v1/note.proto; never edited."""

from __future__ import annotations

from typing import Any, Protocol

from xinyu.wire.v1 import note_pb2
from xinyu.wire.v1 import options_pb2
from xinyu.wire.v1.method import Channel, Method

SAVE = Method("Note", "save", 1101, note_pb2.SaveNoteRequest, note_pb2.NoteJson, 5.0, "/xinyu.wire.v1.Note/Save", repeatable=True)
LOAD = Method("Note", "load", 1102, note_pb2.NoteItemRequest, note_pb2.NoteJson, 5.0, "/xinyu.wire.v1.Note/Load", repeatable=True)
LIST = Method("Note", "list", 1103, note_pb2.ListNotesRequest, note_pb2.NoteJson, 5.0, "/xinyu.wire.v1.Note/List", repeatable=True)
LIST_DELETED = Method("Note", "list_deleted", 1104, note_pb2.NotePageRequest, note_pb2.NoteJson, 5.0, "/xinyu.wire.v1.Note/ListDeleted", repeatable=True)
MOVE = Method("Note", "move", 1105, note_pb2.NoteLinkRequest, options_pb2.Empty, 5.0, "/xinyu.wire.v1.Note/Move", repeatable=True)
STAR = Method("Note", "star", 1106, note_pb2.StarNoteRequest, options_pb2.Empty, 5.0, "/xinyu.wire.v1.Note/Star", repeatable=True)
DELETE = Method("Note", "delete", 1107, note_pb2.NoteItemRequest, options_pb2.Empty, 5.0, "/xinyu.wire.v1.Note/Delete", repeatable=True)
RECOVER = Method("Note", "recover", 1108, note_pb2.NoteItemRequest, options_pb2.Empty, 5.0, "/xinyu.wire.v1.Note/Recover", repeatable=True)
FORGET = Method("Note", "forget", 1109, note_pb2.NoteItemRequest, options_pb2.Empty, 5.0, "/xinyu.wire.v1.Note/Forget", repeatable=True)
LIST_CLASSES = Method("Note", "list_classes", 1110, note_pb2.NoteOwnerRequest, note_pb2.NoteJson, 5.0, "/xinyu.wire.v1.Note/ListClasses", repeatable=True)
EDIT_CLASS = Method("Note", "edit_class", 1111, note_pb2.NameRequest, note_pb2.NoteItem, 5.0, "/xinyu.wire.v1.Note/EditClass", repeatable=True)
DELETE_CLASS = Method("Note", "delete_class", 1112, note_pb2.NoteItemRequest, options_pb2.Empty, 5.0, "/xinyu.wire.v1.Note/DeleteClass", repeatable=True)
SORT_CLASSES = Method("Note", "sort_classes", 1113, note_pb2.NoteIdsRequest, options_pb2.Empty, 5.0, "/xinyu.wire.v1.Note/SortClasses", repeatable=True)
LIST_TAGS = Method("Note", "list_tags", 1114, note_pb2.NoteOwnerRequest, note_pb2.NoteJson, 5.0, "/xinyu.wire.v1.Note/ListTags", repeatable=True)
EDIT_TAG = Method("Note", "edit_tag", 1115, note_pb2.NameRequest, note_pb2.NoteItem, 5.0, "/xinyu.wire.v1.Note/EditTag", repeatable=True)
DELETE_TAG = Method("Note", "delete_tag", 1116, note_pb2.NoteItemRequest, options_pb2.Empty, 5.0, "/xinyu.wire.v1.Note/DeleteTag", repeatable=True)
SET_TAGS = Method("Note", "set_tags", 1117, note_pb2.NoteIdsRequest, options_pb2.Empty, 5.0, "/xinyu.wire.v1.Note/SetTags", repeatable=True)
ADD_ANNEX = Method("Note", "add_annex", 1120, note_pb2.NewAnnex, note_pb2.AddedAnnex, 5.0, "/xinyu.wire.v1.Note/AddAnnex", repeatable=True)
LOAD_ANNEX = Method("Note", "load_annex", 1121, note_pb2.NoteItemRequest, note_pb2.AnnexFile, 5.0, "/xinyu.wire.v1.Note/LoadAnnex", repeatable=True)
LIST_DELETED_ANNEXES = Method("Note", "list_deleted_annexes", 1122, note_pb2.NotePageRequest, note_pb2.NoteJson, 5.0, "/xinyu.wire.v1.Note/ListDeletedAnnexes", repeatable=True)
DELETE_ANNEX = Method("Note", "delete_annex", 1123, note_pb2.NoteItemRequest, options_pb2.Empty, 5.0, "/xinyu.wire.v1.Note/DeleteAnnex", repeatable=True)
RECOVER_ANNEX = Method("Note", "recover_annex", 1124, note_pb2.NoteItemRequest, options_pb2.Empty, 5.0, "/xinyu.wire.v1.Note/RecoverAnnex", repeatable=True)
FORGET_ANNEX = Method("Note", "forget_annex", 1125, note_pb2.NoteItemRequest, options_pb2.Empty, 5.0, "/xinyu.wire.v1.Note/ForgetAnnex", repeatable=True)

SERVICE = "Note"
METHODS = (SAVE, LOAD, LIST, LIST_DELETED, MOVE, STAR, DELETE, RECOVER, FORGET, LIST_CLASSES, EDIT_CLASS, DELETE_CLASS, SORT_CLASSES, LIST_TAGS, EDIT_TAG, DELETE_TAG, SET_TAGS, ADD_ANNEX, LOAD_ANNEX, LIST_DELETED_ANNEXES, DELETE_ANNEX, RECOVER_ANNEX, FORGET_ANNEX,)


class NoteStub:
    def __init__(self, channel: Channel) -> None:
        self.channel = channel

    async def save(
        self, request: note_pb2.SaveNoteRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> note_pb2.NoteJson:
        response: note_pb2.NoteJson = await self.channel.call(SAVE, request, timeout_s=timeout_s, key=key)
        return response

    async def load(
        self, request: note_pb2.NoteItemRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> note_pb2.NoteJson:
        response: note_pb2.NoteJson = await self.channel.call(LOAD, request, timeout_s=timeout_s, key=key)
        return response

    async def list(
        self, request: note_pb2.ListNotesRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> note_pb2.NoteJson:
        response: note_pb2.NoteJson = await self.channel.call(LIST, request, timeout_s=timeout_s, key=key)
        return response

    async def list_deleted(
        self, request: note_pb2.NotePageRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> note_pb2.NoteJson:
        response: note_pb2.NoteJson = await self.channel.call(LIST_DELETED, request, timeout_s=timeout_s, key=key)
        return response

    async def move(
        self, request: note_pb2.NoteLinkRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(MOVE, request, timeout_s=timeout_s, key=key)
        return response

    async def star(
        self, request: note_pb2.StarNoteRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(STAR, request, timeout_s=timeout_s, key=key)
        return response

    async def delete(
        self, request: note_pb2.NoteItemRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(DELETE, request, timeout_s=timeout_s, key=key)
        return response

    async def recover(
        self, request: note_pb2.NoteItemRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(RECOVER, request, timeout_s=timeout_s, key=key)
        return response

    async def forget(
        self, request: note_pb2.NoteItemRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(FORGET, request, timeout_s=timeout_s, key=key)
        return response

    async def list_classes(
        self, request: note_pb2.NoteOwnerRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> note_pb2.NoteJson:
        response: note_pb2.NoteJson = await self.channel.call(LIST_CLASSES, request, timeout_s=timeout_s, key=key)
        return response

    async def edit_class(
        self, request: note_pb2.NameRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> note_pb2.NoteItem:
        response: note_pb2.NoteItem = await self.channel.call(EDIT_CLASS, request, timeout_s=timeout_s, key=key)
        return response

    async def delete_class(
        self, request: note_pb2.NoteItemRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(DELETE_CLASS, request, timeout_s=timeout_s, key=key)
        return response

    async def sort_classes(
        self, request: note_pb2.NoteIdsRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(SORT_CLASSES, request, timeout_s=timeout_s, key=key)
        return response

    async def list_tags(
        self, request: note_pb2.NoteOwnerRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> note_pb2.NoteJson:
        response: note_pb2.NoteJson = await self.channel.call(LIST_TAGS, request, timeout_s=timeout_s, key=key)
        return response

    async def edit_tag(
        self, request: note_pb2.NameRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> note_pb2.NoteItem:
        response: note_pb2.NoteItem = await self.channel.call(EDIT_TAG, request, timeout_s=timeout_s, key=key)
        return response

    async def delete_tag(
        self, request: note_pb2.NoteItemRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(DELETE_TAG, request, timeout_s=timeout_s, key=key)
        return response

    async def set_tags(
        self, request: note_pb2.NoteIdsRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(SET_TAGS, request, timeout_s=timeout_s, key=key)
        return response

    async def add_annex(
        self, request: note_pb2.NewAnnex, *, timeout_s: float | None = None, key: str = ""
    ) -> note_pb2.AddedAnnex:
        response: note_pb2.AddedAnnex = await self.channel.call(ADD_ANNEX, request, timeout_s=timeout_s, key=key)
        return response

    async def load_annex(
        self, request: note_pb2.NoteItemRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> note_pb2.AnnexFile:
        response: note_pb2.AnnexFile = await self.channel.call(LOAD_ANNEX, request, timeout_s=timeout_s, key=key)
        return response

    async def list_deleted_annexes(
        self, request: note_pb2.NotePageRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> note_pb2.NoteJson:
        response: note_pb2.NoteJson = await self.channel.call(LIST_DELETED_ANNEXES, request, timeout_s=timeout_s, key=key)
        return response

    async def delete_annex(
        self, request: note_pb2.NoteItemRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(DELETE_ANNEX, request, timeout_s=timeout_s, key=key)
        return response

    async def recover_annex(
        self, request: note_pb2.NoteItemRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(RECOVER_ANNEX, request, timeout_s=timeout_s, key=key)
        return response

    async def forget_annex(
        self, request: note_pb2.NoteItemRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(FORGET_ANNEX, request, timeout_s=timeout_s, key=key)
        return response


class NoteServicer(Protocol):
    async def save(self, request: note_pb2.SaveNoteRequest, context: Any) -> note_pb2.NoteJson: ...

    async def load(self, request: note_pb2.NoteItemRequest, context: Any) -> note_pb2.NoteJson: ...

    async def list(self, request: note_pb2.ListNotesRequest, context: Any) -> note_pb2.NoteJson: ...

    async def list_deleted(self, request: note_pb2.NotePageRequest, context: Any) -> note_pb2.NoteJson: ...

    async def move(self, request: note_pb2.NoteLinkRequest, context: Any) -> options_pb2.Empty: ...

    async def star(self, request: note_pb2.StarNoteRequest, context: Any) -> options_pb2.Empty: ...

    async def delete(self, request: note_pb2.NoteItemRequest, context: Any) -> options_pb2.Empty: ...

    async def recover(self, request: note_pb2.NoteItemRequest, context: Any) -> options_pb2.Empty: ...

    async def forget(self, request: note_pb2.NoteItemRequest, context: Any) -> options_pb2.Empty: ...

    async def list_classes(self, request: note_pb2.NoteOwnerRequest, context: Any) -> note_pb2.NoteJson: ...

    async def edit_class(self, request: note_pb2.NameRequest, context: Any) -> note_pb2.NoteItem: ...

    async def delete_class(self, request: note_pb2.NoteItemRequest, context: Any) -> options_pb2.Empty: ...

    async def sort_classes(self, request: note_pb2.NoteIdsRequest, context: Any) -> options_pb2.Empty: ...

    async def list_tags(self, request: note_pb2.NoteOwnerRequest, context: Any) -> note_pb2.NoteJson: ...

    async def edit_tag(self, request: note_pb2.NameRequest, context: Any) -> note_pb2.NoteItem: ...

    async def delete_tag(self, request: note_pb2.NoteItemRequest, context: Any) -> options_pb2.Empty: ...

    async def set_tags(self, request: note_pb2.NoteIdsRequest, context: Any) -> options_pb2.Empty: ...

    async def add_annex(self, request: note_pb2.NewAnnex, context: Any) -> note_pb2.AddedAnnex: ...

    async def load_annex(self, request: note_pb2.NoteItemRequest, context: Any) -> note_pb2.AnnexFile: ...

    async def list_deleted_annexes(self, request: note_pb2.NotePageRequest, context: Any) -> note_pb2.NoteJson: ...

    async def delete_annex(self, request: note_pb2.NoteItemRequest, context: Any) -> options_pb2.Empty: ...

    async def recover_annex(self, request: note_pb2.NoteItemRequest, context: Any) -> options_pb2.Empty: ...

    async def forget_annex(self, request: note_pb2.NoteItemRequest, context: Any) -> options_pb2.Empty: ...

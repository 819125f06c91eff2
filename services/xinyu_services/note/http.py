"""REST routes of the note room (contract: http-api, article, article-annex)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final, Literal, Protocol, TypeVar

import msgspec
from msgspec import Meta

from xinyu.base.config import NoteSettings
from xinyu.base.errors import INVALID, XinYuError
from xinyu.base.ids import MAX_SAFE_INTEGER
from xinyu.gateway.http.form import Form
from xinyu.gateway.http.route import Download, DownloadRoute, FormRoute, HttpCall, Nothing, Route
from xinyu.wire.v1 import note_pb2 as wire
from xinyu.wire.v1.note_rpc import NoteStub
from xinyu_services.note.model import KEYWORD_CHARACTERS, NAME_CHARACTERS, TITLE_CHARACTERS

T = TypeVar("T")

Id = Annotated[int, Meta(ge=1, le=MAX_SAFE_INTEGER)]
IdOrNone = Annotated[int, Meta(ge=0, le=MAX_SAFE_INTEGER)]
Page = Annotated[int, Meta(ge=1, le=10_000)]
Name = Annotated[str, Meta(min_length=1, max_length=NAME_CHARACTERS)]
# Where the bytes of attachments lie in the blob store; nothing below it is served to anybody by its name alone.
BLOB_PREFIX: Final = "notes"
STARRED, IN_CLASS = 2, 3


class OfNote(msgspec.Struct):
    article_id: Id


class OfClass(msgspec.Struct):
    classify_id: Id


class OfTag(msgspec.Struct):
    tag_id: Id


class OfAnnex(msgspec.Struct):
    annex_id: Id


class OfPage(msgspec.Struct):
    page: Page = 1


class Editor(msgspec.Struct):
    """`abstract` is taken for older clients' sake: it is made from the text."""

    title: Annotated[str, Meta(max_length=TITLE_CHARACTERS)]
    article_id: IdOrNone = 0
    classify_id: IdOrNone = 0
    abstract: str = ""
    md_content: str | msgspec.UnsetType = msgspec.UNSET


class ListBody(msgspec.Struct):
    """`find_type`: 0 and 1 all, 2 favourites, 3 one class."""

    keyword: Annotated[str, Meta(max_length=KEYWORD_CHARACTERS)] = ""
    find_type: Literal[0, 1, 2, 3] = 1
    classify_id: IdOrNone = 0
    tag_id: IdOrNone = 0


class Asterisk(msgspec.Struct):
    article_id: Id
    action: Literal[1, 2]


class Move(msgspec.Struct):
    article_id: Id
    classify_id: Id


class Tags(msgspec.Struct):
    article_id: Id
    tag_ids: Annotated[list[Id], Meta(max_length=100)]


class ClassEdit(msgspec.Struct):
    name: Name
    classify_id: IdOrNone = 0


class ClassSort(msgspec.Struct):
    classify_ids: Annotated[list[Id], Meta(max_length=1_000)]


class TagEdit(msgspec.Struct):
    tag_name: Name
    tag_id: IdOrNone = 0


class Attachment(Protocol):
    """A file whose bytes are stored, and the field that came with it."""

    @property
    def key(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def size_bytes(self) -> int: ...

    @property
    def sha256(self) -> bytes: ...

    @property
    def text(self) -> str: ...


class AttachmentDoor(Protocol):
    """Takes in the bytes of files (`xinyu_services.media.door.UploadDoor`)."""

    async def attachment(
        self,
        user_id: int,
        form: Form,
        *,
        file_field: str,
        text_field: str,
        max_bytes: int,
        prefix: str,
        keep: Callable[[Attachment], Awaitable[T]],
    ) -> T: ...

    async def forget(self, key: str) -> None: ...


def routes(notes: NoteStub) -> list[Route]:
    """This room's routes without files."""

    async def editor(call: HttpCall, body: Editor) -> msgspec.Raw:
        request = wire.SaveNoteRequest(
            user_id=call.user_id, note_id=body.article_id, class_id=body.classify_id, title=body.title
        )
        if not isinstance(body.md_content, msgspec.UnsetType):
            request.md_content = body.md_content
        return _raw(await notes.save(request))

    async def detail(call: HttpCall, body: OfNote) -> msgspec.Raw:
        return _raw(await notes.load(_item(call, body.article_id)))

    async def note_list(call: HttpCall, body: ListBody) -> msgspec.Raw:
        request = wire.ListNotesRequest(
            user_id=call.user_id,
            keyword=body.keyword,
            only_starred=body.find_type == STARRED,
            class_id=body.classify_id if body.find_type == IN_CLASS else 0,
            tag_id=body.tag_id,
        )
        return _raw(await notes.list(request))

    async def recover_list(call: HttpCall, body: OfPage) -> msgspec.Raw:
        return _raw(await notes.list_deleted(wire.NotePageRequest(user_id=call.user_id, page=body.page)))

    async def asterisk(call: HttpCall, body: Asterisk) -> None:
        await notes.star(
            wire.StarNoteRequest(user_id=call.user_id, note_id=body.article_id, is_starred=body.action == 1)
        )

    async def move(call: HttpCall, body: Move) -> None:
        await notes.move(
            wire.NoteLinkRequest(user_id=call.user_id, note_id=body.article_id, class_id=body.classify_id)
        )

    async def tags(call: HttpCall, body: Tags) -> None:
        await notes.set_tags(wire.NoteIdsRequest(user_id=call.user_id, note_id=body.article_id, ids=body.tag_ids))

    async def delete(call: HttpCall, body: OfNote) -> None:
        await notes.delete(_item(call, body.article_id))

    async def recover(call: HttpCall, body: OfNote) -> None:
        await notes.recover(_item(call, body.article_id))

    async def forever_delete(call: HttpCall, body: OfNote) -> None:
        await notes.forget(_item(call, body.article_id))

    async def class_list(call: HttpCall, _body: Nothing) -> msgspec.Raw:
        return _raw(await notes.list_classes(wire.NoteOwnerRequest(user_id=call.user_id)))

    async def class_edit(call: HttpCall, body: ClassEdit) -> dict[str, Any]:
        request = wire.NameRequest(user_id=call.user_id, id=body.classify_id, name=body.name)
        return {"classify_id": (await notes.edit_class(request)).id}

    async def class_delete(call: HttpCall, body: OfClass) -> None:
        await notes.delete_class(_item(call, body.classify_id))

    async def class_sort(call: HttpCall, body: ClassSort) -> None:
        await notes.sort_classes(wire.NoteIdsRequest(user_id=call.user_id, ids=body.classify_ids))

    async def tag_list(call: HttpCall, _body: Nothing) -> msgspec.Raw:
        return _raw(await notes.list_tags(wire.NoteOwnerRequest(user_id=call.user_id)))

    async def tag_edit(call: HttpCall, body: TagEdit) -> dict[str, Any]:
        request = wire.NameRequest(user_id=call.user_id, id=body.tag_id, name=body.tag_name)
        return {"tag_id": (await notes.edit_tag(request)).id}

    async def tag_delete(call: HttpCall, body: OfTag) -> None:
        await notes.delete_tag(_item(call, body.tag_id))

    async def annex_recover_list(call: HttpCall, body: OfPage) -> msgspec.Raw:
        return _raw(await notes.list_deleted_annexes(wire.NotePageRequest(user_id=call.user_id, page=body.page)))

    async def annex_delete(call: HttpCall, body: OfAnnex) -> None:
        await notes.delete_annex(_item(call, body.annex_id))

    async def annex_recover(call: HttpCall, body: OfAnnex) -> None:
        await notes.recover_annex(_item(call, body.annex_id))

    async def annex_forever_delete(call: HttpCall, body: OfAnnex) -> None:
        await notes.forget_annex(_item(call, body.annex_id))

    return [
        Route("article/editor", Editor, editor),
        Route("article/detail", OfNote, detail),
        Route("article/list", ListBody, note_list),
        Route("article/recover-list", OfPage, recover_list),
        Route("article/asterisk", Asterisk, asterisk),
        Route("article/move", Move, move),
        Route("article/tags", Tags, tags),
        Route("article/delete", OfNote, delete),
        Route("article/recover", OfNote, recover),
        Route("article/forever-delete", OfNote, forever_delete),
        Route("article/classify/list", Nothing, class_list),
        Route("article/classify/edit", ClassEdit, class_edit),
        Route("article/classify/delete", OfClass, class_delete),
        Route("article/classify/sort", ClassSort, class_sort),
        Route("article/tag/list", Nothing, tag_list),
        Route("article/tag/edit", TagEdit, tag_edit),
        Route("article/tag/delete", OfTag, tag_delete),
        Route("article-annex/recover-list", OfPage, annex_recover_list),
        Route("article-annex/delete", OfAnnex, annex_delete),
        Route("article-annex/recover", OfAnnex, annex_recover),
        Route("article-annex/forever-delete", OfAnnex, annex_forever_delete),
    ]


def file_routes(notes: NoteStub, door: AttachmentDoor, settings: NoteSettings) -> list[FormRoute | DownloadRoute]:
    """Those of attachments' bytes."""

    async def annex_upload(call: HttpCall, form: Form) -> msgspec.Raw:
        async def keep(file: Attachment) -> wire.AddedAnnex:
            request = wire.NewAnnex(
                user_id=call.user_id,
                note_id=_number(file.text),
                name=file.name,
                size_bytes=file.size_bytes,
                sha256=file.sha256,
                key=file.key,
            )
            return await notes.add_annex(request)

        added = await door.attachment(
            call.user_id,
            form,
            file_field="annex",
            text_field="article_id",
            max_bytes=settings.max_annex_bytes,
            prefix=BLOB_PREFIX,
            keep=keep,
        )
        if added.replaced_key:
            await door.forget(added.replaced_key)
        return msgspec.Raw(added.encoded)

    async def annex_download(call: HttpCall, body: OfAnnex) -> Download:
        file = await notes.load_annex(_item(call, body.annex_id))
        return Download(file.key, "application/octet-stream", file.name)

    return [
        FormRoute("article-annex/upload", settings.max_annex_bytes, annex_upload),
        DownloadRoute("article-annex/download", OfAnnex, annex_download),
    ]


def _item(call: HttpCall, id_: int) -> wire.NoteItemRequest:
    return wire.NoteItemRequest(user_id=call.user_id, id=id_)


def _raw(answer: wire.NoteJson) -> msgspec.Raw:
    return msgspec.Raw(answer.encoded)


def _number(text: str) -> int:
    """A field of a form."""
    if not (text.isascii() and text.isdigit() and len(text) <= 16 and 1 <= int(text) <= MAX_SAFE_INTEGER):
        raise XinYuError(INVALID, "article_id is missing, or no number.")
    return int(text)

"""What a client reads of notes. All of these strings are plain text on every surface, or markdown that the client's own
component renders (contract: http-api, "Text is shown as HTML"): nothing is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

from xinyu.base.text_time import text_time
from xinyu_services.note.model import PAGE_SIZE, Annex, Note, NoteClass, NoteDetail, Tag, days_left

NORMAL = 1


def class_item(each: NoteClass, default_id: int) -> dict[str, Any]:
    """An item of `article/classify/list` (contract: http-api, article)."""
    return {
        "id": each.class_id,
        "class_name": each.name,
        "is_default": _switch(each.class_id == default_id),
        "count": each.count,
    }


def tag_item(tag: Tag) -> dict[str, Any]:
    return {"id": tag.tag_id, "tag_name": tag.name, "count": tag.count}


def saved(note: Note) -> dict[str, Any]:
    """The answer of `article/editor`."""
    return {"article_id": note.note_id, "title": note.title, "abstract": note.abstract, "image": note.image}


def item(note: Note, zone: ZoneInfo) -> dict[str, Any]:
    """An item of `article/list`. `status` 2 would be a draft; nobody writes one."""
    return {
        "article_id": note.note_id,
        "classify_id": note.class_id,
        "tags_id": ",".join(map(str, note.tag_ids)),
        "title": note.title,
        "class_name": note.class_name,
        "image": note.image,
        "is_asterisk": _switch(note.is_starred),
        "status": NORMAL,
        "created_at": text_time(note.created_at_ms, zone),
        "updated_at": text_time(note.updated_at_ms, zone),
        "abstract": note.abstract,
    }


def detail(found: NoteDetail, zone: ZoneInfo) -> dict[str, Any]:
    """The answer of `article/detail`."""
    note = found.note
    return {
        "article_id": note.note_id,
        "classify_id": note.class_id,
        "title": note.title,
        "md_content": found.md_content,
        "is_asterisk": _switch(note.is_starred),
        "created_at": text_time(note.created_at_ms, zone),
        "updated_at": text_time(note.updated_at_ms, zone),
        "tag_ids": [{"id": tag_id} for tag_id in note.tag_ids],
        "annex_list": [annex_item(annex, zone) for annex in found.annexes],
    }


def annex_item(annex: Annex, zone: ZoneInfo) -> dict[str, Any]:
    """The answer of `article-annex/upload`."""
    return {
        "annex_id": annex.annex_id,
        "annex_name": annex.name,
        "annex_size": annex.size_bytes,
        "created_at": text_time(annex.created_at_ms, zone),
    }


def deleted_item(note: Note, now_ms: int, bin_days: int, zone: ZoneInfo) -> dict[str, Any]:
    """An item of `article/recover-list`."""
    return {
        "article_id": note.note_id,
        "classify_id": note.class_id,
        "classify_name": note.class_name,
        "title": note.title,
        "abstract": note.abstract,
        "image": note.image,
        "created_at": text_time(note.created_at_ms, zone),
        "deleted_at": text_time(note.deleted_at_ms, zone),
        "day": days_left(note.deleted_at_ms, now_ms, bin_days),
    }


def deleted_annexes(
    annexes: Sequence[Annex], page: int, total: int, now_ms: int, bin_days: int, zone: ZoneInfo
) -> dict[str, Any]:
    """The answer of `article-annex/recover-list`."""
    items = [
        {
            "annex_id": annex.annex_id,
            "annex_name": annex.name,
            "article_id": annex.note_id,
            "article_title": annex.note_title,
            "created_at": text_time(annex.created_at_ms, zone),
            "deleted_at": text_time(annex.deleted_at_ms, zone),
            "day": days_left(annex.deleted_at_ms, now_ms, bin_days),
        }
        for annex in annexes
    ]
    return {"items": items, "paginate": {"page": page, "size": PAGE_SIZE, "total": total}}


def _switch(is_on: bool) -> int:
    return 1 if is_on else 2

"""Which files are taken, what they are called, and the sizes of parts."""

from __future__ import annotations

import pytest

from xinyu_services.media.model import (
    ANY_FILE,
    JPEG,
    PNG,
    WEBP,
    Kind,
    Upload,
    clean_file_name,
    format_of_key,
    id_of,
    new_id,
    new_key,
    part_problem,
    recognise,
    thumbnail_of,
)

NOW_MS = 1_790_000_000_000
ID = "0123456789abcdef0123456789abcdef"


def test_keys_carry_what_a_door_must_know() -> None:
    assert new_key(ID, PNG, NOW_MS, 40, 30) == f"2026/09/21/{ID}_40x30.png"
    assert new_key(ID, ANY_FILE, NOW_MS) == f"2026/09/21/{ID}.bin"
    assert format_of_key(f"2026/09/21/{ID}_40x30.jpg") is JPEG
    assert format_of_key(f"2026/09/21/{ID}.bin") is ANY_FILE
    small = thumbnail_of(f"2026/09/21/{ID}_40x30.jpg")
    assert small == f"2026/09/21/{ID}_40x30_small.webp"
    assert format_of_key(small) is WEBP
    assert id_of(f"https://m/media/{small}") == "", "not what a message may carry"
    assert len({new_id() for _ in range(100)}) == 100


@pytest.mark.parametrize(
    "key",
    ["", f"parts/{ID}", f"2026/09/21/{ID}", f"2026/09/21/{ID}.html", f"2026/09/21/{ID}.svg", f"2026/09/21/{ID}.png/x",
     f"2026/09/21/../{ID}.png", f"/2026/09/21/{ID}.png", f"2026/09/21/{ID.upper()}.png", f"2026/09/21/{ID}.png\n",
     "../../xinyu.db", f"2026/09/21/{ID}_1x1_2x2.png",
     f"2026/09/21/{ID}_small.png", f"2026/09/21/{ID}_small_small.webp", "_small.webp", f"x/{ID}_1x1_small.webp"],
)  # fmt: skip
def test_nothing_else_is_a_key(key: str) -> None:
    assert format_of_key(key) is None


def test_ids_in_addresses() -> None:
    assert id_of(f"https://m/media/2026/09/21/{ID}_40x30.png") == ID
    assert id_of(ID) == ID
    for other in ("", "x", f"https://m/2026/09/21/{ID}.exe", f"https://m/media/2026/09/21/{ID}.png?x", ID[:-1]):
        assert id_of(other) == ""


@pytest.mark.parametrize(
    "head",
    [b"", b"<svg", b"<!DOCTYPE html>", b"RIFF\x00\x00\x00\x00AVI ", b"\x00\x00\x00\x18ftypavif", b"%PDF-1.7",
     b"PK\x03\x04", b"\x1aE\xdf\xa3matroska", b"\xff\xe0", b"MZ", b"BM", b"GIF88a", b"\x89PNG\r\n"],
)  # fmt: skip
def test_what_is_not_shown(head: bytes) -> None:
    assert recognise(head) is None


def test_what_is_shown() -> None:
    assert recognise(b"RIFF\x00\x00\x00\x00WEBPVP8 ") == recognise(b"RIFF1234WEBP")
    wave, mp3 = recognise(b"RIFF\x00\x00\x00\x00WAVEfmt "), recognise(b"\xff\xfb\x90\x00")
    assert wave is not None
    assert mp3 is not None
    assert wave.kind is mp3.kind is Kind.AUDIO


def test_names() -> None:
    assert clean_file_name("/etc/passwd") == "passwd"
    assert clean_file_name("..\\..\\a.txt") == "a.txt"
    assert clean_file_name("a\r\nb\u200b\u202e.txt") == "ab.txt"
    for nothing in ("", "  ", "/", "..", "a/", "\x00"):
        assert clean_file_name(nothing) == "file"


@pytest.mark.parametrize(("size", "count", "last"), [(1, 1, 1), (10, 1, 10), (11, 2, 1), (20, 2, 10), (99, 10, 9)])
def test_parts(size: int, count: int, last: int) -> None:
    upload = Upload(ID, ID, 1, "f", size, 10, NOW_MS, False)
    assert upload.part_count == count
    assert upload.part_bytes(count) == last
    assert sum(upload.part_bytes(index) for index in range(1, count + 1)) == size
    assert part_problem(upload, count, count, last) == ""
    for index, told, bytes_ in ((0, count, last), (count + 1, count, last), (count, count + 1, last),
                                (count, count, last + 1), (count, count, last - 1)):  # fmt: skip
        assert part_problem(upload, index, told, bytes_) != ""

"""Who is counted as a reader, and in which pages."""

from __future__ import annotations

from xinyu_services.message.receipt_model import PAGE, Reader, readers_page


def test_the_sender_is_not_counted() -> None:
    page = readers_page([Reader(1, True), Reader(2, True), Reader(3, False)], 1, 0)
    assert [reader.user_id for reader in page.readers] == [2, 3]
    assert (page.read_count, page.unread_count, page.after_user_id) == (1, 1, 0)


def test_nobody_is_a_page_too() -> None:
    assert readers_page([Reader(1, True)], 1, 0) == ([], 0, 0, 0)


def test_pages_follow_each_other_and_count_all() -> None:
    readers = [Reader(user_id, user_id % 2 == 0) for user_id in range(1, PAGE + 3)]
    first = readers_page(readers, 0, 0)
    assert (len(first.readers), first.after_user_id) == (PAGE, PAGE)
    last = readers_page(readers, 0, first.after_user_id)
    assert [reader.user_id for reader in last.readers] == [PAGE + 1, PAGE + 2]
    assert last.after_user_id == 0
    assert (first.read_count, first.unread_count) == (last.read_count, last.unread_count) == (51, 51)


def test_a_full_last_page_names_no_next() -> None:
    assert readers_page([Reader(user_id, True) for user_id in range(1, PAGE + 1)], 0, 0).after_user_id == 0

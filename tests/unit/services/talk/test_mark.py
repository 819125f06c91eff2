"""What a user changes of an entry of his list."""

from __future__ import annotations

from xinyu_services.talk.model import Mark, Session, SessionState


def session() -> Session:
    return Session(1, 2, 3, 1, 4, SessionState.ALIVE, 1, 0, 2, 0, "", "", 10, 10)


def test_a_pin_keeps_its_place_and_goes() -> None:
    row = session()
    assert Mark(is_top=True).change(row, 100)
    assert not Mark(is_top=True).change(row, 200)
    assert row.pinned_at_ms == 100
    assert Mark(is_top=False).change(row, 300)
    assert row.pinned_at_ms == 0


def test_what_is_not_given_stays() -> None:
    row = session()
    assert Mark(is_disturb=True, draft="half").change(row, 100)
    assert not Mark().change(row, 100)
    assert (row.pinned_at_ms, row.is_disturb, row.draft) == (0, 1, "half")
    assert Mark(draft="").change(row, 100)
    assert (row.is_disturb, row.draft) == (1, "")

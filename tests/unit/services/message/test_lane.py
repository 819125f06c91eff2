"""Group commit: what fails in a batch, and how often it is tried again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from tests.database_storage import SqliteStorage
from tests.integration.services.rooms import Rooms
from xinyu.base.errors import XinYuError
from xinyu.base.trace import trace_id
from xinyu.delivery.outbox import Batch
from xinyu.storage.database import Database, Duplicate, Retry, Unavailable
from xinyu_services.message import lane as module
from xinyu_services.message.lane import Answers, Send
from xinyu_services.message.model import TalkKey, request_hash
from xinyu_services.message.store import MessageStore


@pytest.fixture
async def rooms(tmp_path: Path) -> AsyncIterator[Rooms]:
    database = await SqliteStorage(tmp_path / "x.db").open()
    rooms = Rooms(database)
    rooms.neighbours.users = {1: "Ann", 2: "Bob"}
    await rooms.start()
    await rooms.befriend(1, 2)
    yield rooms
    await rooms.stop()
    await database.close()


def failing(monkeypatch: pytest.MonkeyPatch, *errors: Exception | None, poison: str = "") -> list[int]:
    """Inserts fail with `errors`, one after another (None = not), and always with Duplicate when `poison` is among
    the messages. Answers the list that the sizes of the batches tried go into."""
    insert, left, sizes = MessageStore.insert_messages, list(errors), list[int]()

    def fails(self: MessageStore, connection: Connection, messages: Any) -> None:
        sizes.append(len(messages))
        error = left.pop(0) if left else None
        if error is not None:
            raise error
        if poison and any(poison in m.body for m, _ in messages):
            raise Duplicate(poison)
        insert(self, connection, messages)

    monkeypatch.setattr(MessageStore, "insert_messages", fails)
    return sizes


async def send_all(rooms: Rooms, *texts: str) -> list[Any]:
    answers = await asyncio.gather(*(rooms.send(1, 1, 2, text) for text in texts), return_exceptions=True)
    return [a.reason if isinstance(a, XinYuError) else a["sequence"] for a in answers]  # type: ignore[union-attr]


@pytest.mark.parametrize("error", [Retry("deadlock"), Duplicate("a race")])
async def test_a_deadlock_or_a_lost_race_makes_the_batch_run_again(
    rooms: Rooms, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    sizes = failing(monkeypatch, error)
    assert await send_all(rooms, "a", "b", "c") == [1, 2, 3]
    assert sizes == [3, 3]


async def test_then_one_by_one_so_that_only_the_culprit_fails(rooms: Rooms, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = failing(monkeypatch, poison="poison")
    assert await send_all(rooms, "a", "poison", "c") == [1, "unavailable", 2]
    assert sizes == [3, 3, 1, 1, 1, 1]
    assert [r["sequence"] for r in await rooms.records(2, 1, 1)] == [2, 1]


async def test_a_database_that_is_away_fails_all_and_the_next_batch_goes_on(
    rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, Unavailable("disk full"))
    assert await send_all(rooms, "a", "b") == ["unavailable", "unavailable"]
    assert await send_all(rooms, "a", "b") == [1, 2]


async def test_a_mistake_of_ours_is_internal_and_ends_no_lane(rooms: Rooms, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, ZeroDivisionError())
    assert await send_all(rooms, "a") == ["internal"]
    assert await send_all(rooms, "b") == [1]


def request(deadline_s: float, text: str = "x") -> Send:
    body = f'{{"content":"{text}"}}'
    return Send(
        TalkKey(1, 1, 2), 1, text, 1, body, "", request_hash(1, body.encode(), ""), deadline_s, Answers(1), 0
    )  # fmt: skip


async def answer(request: Send) -> Any:
    (result,) = await request.answers.done
    return result


async def test_what_waited_too_long_is_not_stored(rooms: Rooms) -> None:
    (lane,) = rooms.service._lanes
    late, fine = request(0.0, "late"), request(float("inf"), "fine")
    lane.submit(late)
    lane.submit(fine)
    assert (await answer(fine)).message.msg_id == "fine"
    assert (await answer(late)).reason == "deadline"
    assert [r["msg_id"] for r in await rooms.records(2, 1, 1)] == ["fine"]


async def test_a_batch_carries_the_traces_of_its_requests_and_no_older_one(
    rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[tuple[str, Sequence[str]]] = []
    committed = rooms.message_dispatcher.committed

    def record(batch: Batch) -> Any:
        batches.append((trace_id.get(), batch.trace_ids))
        return committed(batch)

    monkeypatch.setattr(rooms.message_dispatcher, "committed", record)
    (lane,) = rooms.service._lanes
    requests = []
    for text in ("a", "b", "c"):  # the first begins a batch at once, and its task begins the next
        trace_id.set(text * 32)
        requests.append(request(float("inf"), text))
        lane.submit(requests[-1])
        if text == "a":
            await asyncio.sleep(0)
    for each in requests:
        await answer(each)
    assert batches == [("a" * 32, ("a" * 32,)), ("b" * 32, ("b" * 32, "c" * 32))]


async def test_what_nobody_waits_for_any_more_is_not_stored(rooms: Rooms) -> None:
    (lane,) = rooms.service._lanes
    gone, fine = request(float("inf"), "gone"), request(float("inf"), "fine")
    lane.submit(gone)
    lane.submit(fine)
    gone.answers.done.cancel()
    assert (await answer(fine)).message.msg_id == "fine"
    assert [r["msg_id"] for r in await rooms.records(2, 1, 1)] == ["fine"]


async def test_a_waiter_that_goes_during_the_commit_harms_nobody(rooms: Rooms) -> None:
    call = asyncio.ensure_future(rooms.send(1, 1, 2, "stored all the same", msg_id="m1"))
    for _ in range(4):
        await asyncio.sleep(0)
    call.cancel()
    assert (await rooms.send(1, 1, 2, "next"))["sequence"] in (1, 2)
    again = await rooms.send(1, 1, 2, "stored all the same", msg_id="m1")
    assert len(await rooms.records(2, 1, 1)) == 2
    assert again["msg_id"] == "m1"


async def test_the_queue_is_bounded(rooms: Rooms, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 3)
    (lane,) = rooms.service._lanes
    requests = [request(float("inf"), str(n)) for n in range(4)]
    for one in requests:
        lane.submit(one)
    assert requests[3].answers.done.done() and (await answer(requests[3])).reason == "overloaded"
    assert [(await answer(one)).message.msg_id for one in requests[:3]] == ["0", "1", "2"]


async def test_a_batch_takes_two_hundred_at_most(rooms: Rooms, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = failing(monkeypatch)
    await send_all(rooms, *(str(n) for n in range(450)))
    assert sum(sizes) == 450 and max(sizes) == 200


class SlowCommits:
    """A database whose commits end when the test lets them: `committing` is called, and the answer waits."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.begun = 0
        self.gates: list[asyncio.Event] = []

    async def write(
        self,
        work: Any,
        *,
        lane: int | None = None,
        statements_only: bool = False,
        committing: Callable[[], None] | None = None,
    ) -> Any:
        self.begun += 1
        result = await self._database.write(work, lane=lane, statements_only=statements_only)
        gate = asyncio.Event()
        self.gates.append(gate)
        if committing is not None:
            committing()
        await gate.wait()
        return result


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


async def test_the_next_batch_begins_behind_a_commit_two_at_a_time(
    rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    (lane,) = rooms.service._lanes
    slow = SlowCommits(rooms.database)
    monkeypatch.setattr(lane, "_database", slow)
    first = asyncio.ensure_future(rooms.send(1, 1, 2, "a"))
    await until(lambda: len(slow.gates) == 1)
    second = asyncio.ensure_future(rooms.send(1, 1, 2, "b"))
    await until(lambda: len(slow.gates) == 2)
    rest = [asyncio.ensure_future(rooms.send(1, 1, 2, text)) for text in "cd"]
    await until(lambda: len(lane._waiting) == 2)
    assert slow.begun == 2 and not first.done() and not second.done()
    slow.gates[0].set()
    assert (await first)["sequence"] == 1
    await until(lambda: len(slow.gates) == 3)  # both that waited, in one
    assert not second.done()
    for gate in slow.gates:
        gate.set()
    assert [(await call)["sequence"] for call in (second, *rest)] == [2, 3, 4]
    assert slow.begun == 3


async def test_nothing_begins_between_the_parts_of_a_batch_that_goes_one_by_one(
    rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, poison="poison")
    (lane,) = rooms.service._lanes
    batch = [request(float("inf"), text) for text in ("a", "poison", "b")]
    for one in batch:
        lane.submit(one)
    await asyncio.sleep(0)  # the batch has been taken
    late = request(float("inf"), "late")
    lane.submit(late)
    assert (await answer(late)).message.sequence == 3
    assert [(await answer(batch[n])).message.sequence for n in (0, 2)] == [1, 2]


async def test_numbers_follow_the_order_of_arrival_through_overlapping_batches(rooms: Rooms) -> None:
    (lane,) = rooms.service._lanes
    requests, most = [], 0
    for number in range(400):
        requests.append(request(float("inf"), f"m{number}"))
        lane.submit(requests[-1])
        if number % 7 == 0:
            await asyncio.sleep(0)
        most = max(most, len(lane._tasks))
    sequences = [(await answer(one)).message.sequence for one in requests]
    assert sequences == list(range(1, 401))
    assert 1 <= most <= 2

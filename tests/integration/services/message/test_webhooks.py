"""Webhooks of bots: each message that a bot may read reaches its receiver, in order, whatever fails in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import pytest
from sqlalchemy import Connection, text

from tests.integration.services.embedded_platform import SettableClock
from tests.integration.services.message.webhook_receiver import Received, Receiver, receiving
from tests.integration.services.rooms import SECRET, Rooms
from tests.integration.services.traced_database import TracedDatabase
from xinyu.base.metrics import Metrics
from xinyu.outward.fetch import Outward
from xinyu.outward.signature import webhook_secret
from xinyu.wire.v1 import message_pb2
from xinyu_services.message.rounds import run_rounds
from xinyu_services.message.webhook_delivery import CLAIM_BEYOND_MS, WebhookDelivery, _Outcome
from xinyu_services.message.webhook_model import LONGEST_PAUSE_MS, MESSAGES_AT_ONCE

NAMES = {1: "Ann", 2: "Bob", 3: "Cid", 8: "Quick", 9: "Echo"}
BOT, QUICK = 9, 8


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture
async def rooms(traced: TracedDatabase, clock: SettableClock) -> AsyncIterator[Rooms]:
    rooms = Rooms(traced, clock=clock)
    rooms.neighbours.users, rooms.neighbours.groups = dict(NAMES), {7: "Team"}
    await rooms.start()
    yield rooms
    await rooms.stop()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


async def choose(rooms: Rooms, url: str, revision: int = 1, bot_id: int = BOT) -> None:
    await rooms.messages.choose_webhook(message_pb2.ChooseWebhookRequest(bot_id=bot_id, url=url, revision=revision))


async def state(rooms: Rooms, bot_id: int = BOT) -> message_pb2.WebhooksPage.Webhook:
    page = await rooms.messages.load_webhooks(message_pb2.LoadWebhooksRequest(bot_ids=[bot_id]))
    (found,) = page.webhooks
    return found


async def deliver(rooms: Rooms, delivery: WebhookDelivery | None = None) -> float:
    """What is due is delivered; answers after how many seconds to look again."""
    await rooms.settle()
    delivery = delivery or rooms.delivery
    while not (pause_s := await delivery.look()):
        await delivery.settle()
    return pause_s


async def rows(rooms: Rooms, statement: str) -> list[tuple[Any, ...]]:
    def work(connection: Connection) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in connection.execute(text(statement))]

    return await rooms.database.read(work)


async def group(rooms: Rooms, *user_ids: int, revision: int = 1) -> int:
    return (await rooms.roster(7, [(user_id, 1, 3, revision) for user_id in user_ids])).talk_id


# ---------------------------------------------------------------- what is told


async def test_each_message_is_told_once_in_order_and_signed(rooms: Rooms, receiver: Receiver) -> None:
    talk_id = await group(rooms, 1, 2, BOT)
    pair_id = await rooms.befriend(1, BOT)
    await rooms.send(1, 2, 7, "before")
    receiver.secret = webhook_secret(SECRET, BOT, 1)
    await choose(rooms, receiver.url)
    sent = [await rooms.send(user, 2, 7, f"{number}") for number, user in enumerate((1, 2, BOT, 1))]
    await rooms.send(1, 1, BOT, "you alone")
    await rooms.send(BOT, 1, 1, "my own")
    await deliver(rooms)
    (delivery,) = receiver.taken
    assert sorted(delivery.places) == sorted(
        [(talk_id, each["sequence"]) for each in sent if each["from_id"] != BOT] + [(pair_id, 1)]
    )
    assert [place for place in delivery.places if place[0] == talk_id] == sorted(
        place for place in delivery.places if place[0] == talk_id
    )
    # Exactly what a device of the bot would hear.
    first = next(event for event in delivery.events if event["payload"]["talk_id"] == talk_id)
    assert first == {
        "event": "im.message",
        "payload": {
            "to_from_id": 7,
            "from_id": 1,
            "talk_mode": 2,
            "body": sent[0],
            "talk_id": talk_id,
            "sequence": sent[0]["sequence"],
        },
    }
    await rooms.send(2, 2, 7, "later")
    await deliver(rooms)
    assert receiver.texts(BOT)[-1] == "later"
    assert len({each.delivery_id for each in receiver.taken}) == len(receiver.taken) == 2
    assert await rows(rooms, "SELECT due_at_ms, waiting_since_ms, batch FROM bot_webhook") == [(0, 0, "[]")]


async def test_what_is_gone_before_it_was_told(rooms: Rooms, receiver: Receiver, clock: SettableClock) -> None:
    await rooms.befriend(1, BOT)
    await choose(rooms, receiver.url)
    receiver.status = 500
    recalled = await rooms.send(1, 1, BOT, "recalled")
    hidden = await rooms.send(1, 1, BOT, "hidden")
    await rooms.send(1, 1, BOT, "stays")
    await deliver(rooms)
    await rooms.recall(1, 1, BOT, recalled["msg_id"])
    await rooms.hide(BOT, 1, 1, hidden["msg_id"])
    receiver.status = 200
    clock.advance_s(2)
    await deliver(rooms)
    told = [event["payload"]["body"] for event in receiver.taken[0].events]
    assert [(each["sequence"], each["is_revoked"], each["extra"]) for each in told] == [
        (1, 1, "{}"),
        (3, 2, '{"content": "stays"}'),
    ]
    assert [each.delivery_id for each in receiver.deliveries] == [f"{BOT}-1"] * 2


async def test_nothing_left_of_a_batch_is_no_delivery(rooms: Rooms, receiver: Receiver, clock: SettableClock) -> None:
    await rooms.befriend(1, BOT)
    await choose(rooms, receiver.url)
    receiver.status = 500
    hidden = await rooms.send(1, 1, BOT, "hidden")
    await deliver(rooms)
    await rooms.hide(BOT, 1, 1, hidden["msg_id"])
    await rooms.send(BOT, 1, 1, "my own")
    receiver.status = 200
    clock.advance_s(2)
    await deliver(rooms)
    assert receiver.taken == []
    assert await rows(rooms, "SELECT sequence, waiting_since_ms FROM bot_webhook_talk") == [(2, 0)]
    assert (await state(rooms)).failure == ""


async def test_many_messages_go_in_bounded_batches(rooms: Rooms, receiver: Receiver) -> None:
    talk_id, pair_id = await group(rooms, 1, BOT), await rooms.befriend(1, BOT)
    await choose(rooms, receiver.url)
    for start in range(0, 260, 20):
        await asyncio.gather(*(rooms.send(1, 2, 7, f"{start + n}") for n in range(20)))
    await asyncio.gather(*(rooms.send(1, 1, BOT, "x" * 16_000) for _ in range(30)))
    await deliver(rooms)
    assert max(len(each.events) for each in receiver.taken) <= MESSAGES_AT_ONCE
    places = receiver.places(BOT)
    assert [sequence for talk, sequence in places if talk == talk_id] == list(range(1, 261))
    assert [sequence for talk, sequence in places if talk == pair_id] == list(range(1, 31))
    # A quiet talk does not wait for the end of a busy one.
    assert {talk for talk, _ in receiver.taken[0].places} == {talk_id, pair_id}


async def test_who_sends_much_himself_is_passed_over(rooms: Rooms, receiver: Receiver) -> None:
    await rooms.befriend(1, BOT)
    await choose(rooms, receiver.url)
    for _ in range(15):
        await asyncio.gather(*(rooms.send(BOT, 1, 1, "tick") for _ in range(MESSAGES_AT_ONCE)))
    last = await rooms.send(1, 1, BOT, "stop")
    await deliver(rooms)
    assert [each.places for each in receiver.taken] == [[(last["talk_id"], 15 * MESSAGES_AT_ONCE + 1)]]


# ---------------------------------------------------------------- where it begins and ends


async def test_a_bot_that_joins_later_is_told_from_there_on(rooms: Rooms, receiver: Receiver) -> None:
    await group(rooms, 1, 2)
    await choose(rooms, receiver.url)
    await rooms.send(1, 2, 7, "before")
    await rooms.roster(7, [(BOT, 1, 3, 2)])
    await rooms.send(1, 2, 7, "after")
    await deliver(rooms)
    assert receiver.texts(BOT) == ["after"]


async def test_what_is_sent_before_the_newcomer_is_known_is_told(
    rooms: Rooms, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    await group(rooms, 1, 2)
    await choose(rooms, receiver.url)
    begin_in = rooms.webhooks.begin_in

    async def late(talk_id: int, user_ids: list[int]) -> None:
        await rooms.send(1, 2, 7, "at once")
        await begin_in(talk_id, user_ids)

    monkeypatch.setattr(rooms.webhooks, "begin_in", late)
    await rooms.roster(7, [(BOT, 1, 3, 2)])
    await deliver(rooms)
    assert receiver.texts(BOT) == ["at once"]


async def test_one_that_is_removed_is_told_up_to_there_and_again_from_its_return(
    rooms: Rooms, receiver: Receiver
) -> None:
    talk_id = await group(rooms, 1, 2, BOT)
    await choose(rooms, receiver.url)
    await rooms.send(1, 2, 7, "still here")
    await rooms.roster(7, [(BOT, 3, 3, 2)])
    await rooms.send(1, 2, 7, "without it")
    await deliver(rooms)
    assert receiver.texts(BOT) == ["still here"]
    assert await rows(rooms, "SELECT talk_id FROM bot_webhook_talk") == []
    marked = f"SELECT has_webhooks FROM talk WHERE talk_id = {talk_id}"
    assert await rows(rooms, marked) == [(1,)]
    await rooms.send(1, 2, 7, "nobody to tell")
    await rooms.settle()
    assert await rows(rooms, marked) == [(0,)]
    await rooms.roster(7, [(BOT, 1, 3, 3)])
    await rooms.send(1, 2, 7, "back")
    await deliver(rooms)
    assert receiver.texts(BOT) == ["still here", "back"]


async def test_taken_away_and_set_again_it_begins_anew(rooms: Rooms, receiver: Receiver) -> None:
    await rooms.befriend(1, BOT)
    await choose(rooms, receiver.url)
    await rooms.send(1, 1, BOT, "not told")
    await rooms.settle()
    await choose(rooms, "", 2)
    await deliver(rooms)
    await rooms.send(1, 1, BOT, "nor this")
    await deliver(rooms)
    assert await rows(rooms, "SELECT talk_id FROM bot_webhook_talk") == []
    assert await rows(rooms, "SELECT has_webhooks FROM talk") == [(0,)]
    await choose(rooms, receiver.url, 3)
    await rooms.send(1, 1, BOT, "this")
    await deliver(rooms)
    assert receiver.texts(BOT) == ["this"]
    assert receiver.taken[0].delivery_id == f"{BOT}-1"


async def test_an_older_word_and_a_repeat_change_nothing(rooms: Rooms, receiver: Receiver) -> None:
    await rooms.befriend(1, BOT)
    await choose(rooms, receiver.url, 5)
    await rooms.send(1, 1, BOT, "one")
    await choose(rooms, "http://127.0.0.1:1/", 4)
    await choose(rooms, receiver.url, 5)
    await deliver(rooms)
    assert receiver.texts(BOT) == ["one"]
    await choose(rooms, "", 6)
    await choose(rooms, receiver.url, 5)
    await rooms.send(1, 1, BOT, "two")
    await deliver(rooms)
    assert receiver.texts(BOT) == ["one"]


async def test_two_first_words_at_once(rooms: Rooms, receiver: Receiver) -> None:
    await rooms.befriend(1, BOT)
    await asyncio.gather(*(choose(rooms, f"{receiver.url}/{revision}", revision) for revision in (3, 1, 2)))
    await rooms.send(1, 1, BOT, "one")
    await deliver(rooms)
    assert [each.path for each in receiver.taken] == ["/hook/3"]


async def test_what_is_sent_while_it_is_set_is_told_once_or_not_at_all(rooms: Rooms, receiver: Receiver) -> None:
    talk_id = await group(rooms, 1, BOT)
    sends = [asyncio.create_task(rooms.send(1, 2, 7, str(number))) for number in range(40)]
    await choose(rooms, receiver.url)
    await asyncio.gather(*sends)
    after = await rooms.send(1, 2, 7, "after")
    await deliver(rooms)
    sequences = [sequence for _, sequence in receiver.places(BOT)]
    assert sequences == list(range(after["sequence"] - len(sequences) + 1, after["sequence"] + 1))
    assert {talk for talk, _ in receiver.places(BOT)} == {talk_id}


async def test_a_word_about_an_old_talk_while_it_is_set_brings_no_history(
    rooms: Rooms, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair_id = await rooms.befriend(1, BOT)
    await rooms.send(1, 1, BOT, "before")
    of = rooms.webhooks._talks.of

    async def and_meanwhile(user_id: int, limit: int) -> Any:
        await rooms.webhooks.begin_in(pair_id, [1, BOT])
        return await of(user_id, limit)

    monkeypatch.setattr(rooms.webhooks._talks, "of", and_meanwhile)
    await choose(rooms, receiver.url)
    await rooms.webhooks.begin_in(pair_id, [1, BOT])
    await rooms.send(1, 1, BOT, "after")
    await deliver(rooms)
    assert receiver.texts(BOT) == ["after"]


@pytest.mark.parametrize("seed", range(8))
async def test_whatever_fails_each_message_comes_once_and_in_order(
    rooms: Rooms, receiver: Receiver, clock: SettableClock, seed: int
) -> None:
    """Processes die at random moments, receivers refuse at random, the bot comes and goes: by delivery ids, what is
    told is what lay in its windows, each talk's in order and without holes."""
    random = Random(seed)
    talk_id, pair_id = await group(rooms, 1, 2, BOT), await rooms.befriend(1, BOT)
    await choose(rooms, receiver.url)
    seen: dict[str, Received] = {}

    async def moody(received: Received) -> int:
        for _ in range(random.randrange(3)):
            await asyncio.sleep(0)
        if random.random() < 0.3:
            return random.choice((500, 302, 429))
        seen.setdefault(received.delivery_id, received)  # as a receiver does that drops repeats
        return 200

    receiver.answer = moody
    lives = [another(rooms) for _ in range(3)]
    expected: dict[int, list[int]] = {talk_id: [], pair_id: []}
    is_in, revision, setting = True, 1, 1
    for _ in range(60):
        match random.randrange(9):
            case 0 | 1 | 2:
                for sender in random.choices((1, 2, BOT), k=random.randrange(1, 6)):
                    if sender == BOT and not is_in:
                        continue
                    sent = await rooms.send(sender, 2, 7, "x")
                    if is_in and sender != BOT:
                        expected[talk_id].append(sent["sequence"])
            case 3 | 4:
                sender = random.choice((1, BOT))
                sent = await rooms.send(sender, 1, 10 - sender, "x")
                if sender != BOT:
                    expected[pair_id].append(sent["sequence"])
            case 5:
                await rooms.settle()
                await random.choice(lives).look()
            case 6:
                clock.advance_s(random.choice((1, 10, 100, 1_000)))
            case 7:
                # Dies: nothing of it is released, and whatever it was about to write is not written.
                life = random.choice(lives)
                die_without_a_word(life)
                await life.close()
                lives[lives.index(life)] = another(rooms)
            case 8 if random.random() < 0.5:
                # What waits from before a return is void: so it is told first.
                await drain(rooms, lives, clock)
                revision, is_in = revision + 1, not is_in
                await rooms.roster(7, [(BOT, 1 if is_in else 2, 3, revision)])
            case 8:
                setting += 1
                await choose(rooms, f"{receiver.url}/{setting}", setting)
    await drain(rooms, lives, clock)
    told: dict[int, list[int]] = {talk_id: [], pair_id: []}
    for received in sorted(seen.values(), key=lambda each: int(each.delivery_id.split("-")[1])):
        for talk, sequence in received.places:
            told[talk].append(sequence)
    assert told == expected
    assert receiver.most_under_way <= 1 + len(lives)
    for life in lives:
        await life.close()


def die_without_a_word(life: WebhookDelivery) -> None:
    async def dead(*_: object) -> None: ...

    life._release = dead  # type: ignore[method-assign]


async def drain(rooms: Rooms, lives: list[WebhookDelivery], clock: SettableClock) -> None:
    """Until nothing waits, however long the receiver's mood lasts."""
    await rooms.settle()
    while await rows(rooms, "SELECT 1 FROM bot_webhook WHERE due_at_ms > 0"):
        clock.advance_s(LONGEST_PAUSE_MS / 1000)
        for life in lives:
            await life.look()
            await life.settle()


# ---------------------------------------------------------------- what fails


async def test_a_receiver_that_is_away_and_comes_back_misses_nothing(
    rooms: Rooms, receiver: Receiver, clock: SettableClock
) -> None:
    talk_id = await group(rooms, 1, BOT)
    await choose(rooms, receiver.url)
    receiver.status = 503
    await rooms.send(1, 2, 7, "0")
    pause_s = await deliver(rooms)
    assert pause_s == 1.0
    failed = await state(rooms)
    assert (failed.failure, failed.failing_since_ms) == ("It answered 503.", clock.now_ms())
    since_ms = failed.failing_since_ms
    counts = []
    for number in range(1, 30):
        await rooms.send(1, 2, 7, str(number))
        clock.advance_s(60)
        await deliver(rooms)
        counts.append(await rows(rooms, "SELECT (SELECT COUNT(*) FROM bot_webhook), COUNT(*) FROM bot_webhook_talk"))
    assert counts == [[(1, 1)]] * 29  # nothing by message
    assert len(receiver.deliveries) < 15  # and pauses that grow
    assert (await state(rooms)).failing_since_ms == since_ms
    receiver.status = 200
    clock.advance_s(LONGEST_PAUSE_MS / 1000)
    await deliver(rooms)
    assert receiver.places(BOT) == [(talk_id, number) for number in range(1, 31)]
    assert len({each.delivery_id for each in receiver.deliveries[:-1]}) == 1  # the first batch, again and again
    assert ((await state(rooms)).failure, (await state(rooms)).failing_since_ms) == ("", 0)


async def test_who_died_between_answer_and_cursor_is_repeated_under_the_same_id(
    rooms: Rooms, receiver: Receiver, clock: SettableClock
) -> None:
    await rooms.befriend(1, BOT)
    await choose(rooms, receiver.url)
    await rooms.send(1, 1, BOT, "one")
    await rooms.settle()
    # A process as far as the answer; nothing of it comes after that.
    dead = rooms.delivery

    claim = await claimed(rooms, dead)
    delivery = await step(rooms, dead, claim)
    assert await dead._post(delivery) == 200
    await rooms.send(1, 1, BOT, "two")
    other = another(rooms)
    await deliver(rooms, other)
    assert len(receiver.taken) == 1  # its claim stands
    clock.advance_s(60 + CLAIM_BEYOND_MS / 1000)
    await deliver(rooms, other)
    assert [each.delivery_id for each in receiver.taken] == [f"{BOT}-1", f"{BOT}-1", f"{BOT}-2"]
    assert [each.texts for each in receiver.taken] == [["one"], ["one"], ["two"]]
    # It was not dead but slow: what it knows moves nothing of what another delivers.
    await rooms.send(1, 1, BOT, "three")
    await rooms.settle()
    await step(rooms, other, await claimed(rooms, other))
    before = await rows(rooms, "SELECT * FROM bot_webhook_talk"), await rows(rooms, "SELECT * FROM bot_webhook")
    assert await step(rooms, dead, claim, _Outcome(1, 200)) is None
    after = await rows(rooms, "SELECT * FROM bot_webhook_talk"), await rows(rooms, "SELECT * FROM bot_webhook")
    assert after == before
    await other.close()


async def claimed(rooms: Rooms, life: WebhookDelivery) -> int:
    """The claim that this process takes on the one bot that is due."""

    def work(connection: Connection) -> int:
        (webhook,) = life._store.claim(connection, life._clock.now_ms(), life._until_ms(), 10)
        return webhook.claim

    return await rooms.database.write(work)


async def step(rooms: Rooms, life: WebhookDelivery, claim: int, outcome: _Outcome | None = None) -> Any:
    return await rooms.database.write(
        lambda connection: life._step(connection, bot_id=BOT, claim=claim, outcome=outcome, is_over=False)
    )


def another(rooms: Rooms) -> WebhookDelivery:
    """The same room in another process."""
    first = rooms.delivery
    return WebhookDelivery(
        first._database, first._store, first._messages, first._view, first._directory, first._outward, first._clock,
        first._secret_of, first._settings,
    )  # fmt: skip


async def test_processes_that_compete_deliver_each_message_once_and_one_at_a_time(
    rooms: Rooms, receiver: Receiver
) -> None:
    talk_id = await group(rooms, 1, BOT, QUICK)
    for bot in (BOT, QUICK):
        await choose(rooms, receiver.url, bot_id=bot)
    others = [another(rooms) for _ in range(3)]
    running = [asyncio.create_task(run_rounds([each.round])) for each in (rooms.delivery, *others)]

    def wake() -> None:
        for each in (rooms.delivery, *others):
            each.wake()

    rooms.webhooks._wake = wake  # as if each process had noted the message
    for start in range(0, 200, 10):
        await asyncio.gather(*(rooms.send(1, 2, 7, str(start + n)) for n in range(10)))
    async with asyncio.timeout(60):
        while any(len(receiver.places(bot)) < 200 for bot in (BOT, QUICK)):
            receiver.arrived.clear()
            await receiver.arrived.wait()
            await asyncio.sleep(0.01)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    for each in others:
        await each.close()
    for bot in (BOT, QUICK):
        assert receiver.places(bot) == [(talk_id, number) for number in range(1, 201)]
    assert receiver.most_under_way == 1


async def test_gone_suspends_and_an_address_resumes(rooms: Rooms, receiver: Receiver, clock: SettableClock) -> None:
    await rooms.befriend(1, BOT)
    await choose(rooms, receiver.url)
    receiver.status = 410
    await rooms.send(1, 1, BOT, "one")
    await deliver(rooms)
    gone = await state(rooms)
    assert (gone.is_suspended, gone.failure) == (True, "It answered 410.")
    receiver.status = 200
    await rooms.send(1, 1, BOT, "two")
    clock.advance_s(86_400)
    await deliver(rooms)
    assert len(receiver.deliveries) == 1
    await choose(rooms, receiver.url, 2)
    await deliver(rooms)
    assert receiver.texts(BOT) == ["one", "two"]
    assert not (await state(rooms)).is_suspended


async def test_a_slow_receiver_holds_up_nobody_else(rooms: Rooms, receiver: Receiver) -> None:
    await rooms.befriend(1, BOT)
    await rooms.befriend(1, QUICK)
    is_free = asyncio.Event()

    async def slow(received: Received) -> int:
        if received.bot_id == BOT:
            await is_free.wait()
        return 200

    receiver.answer = slow
    for bot in (BOT, QUICK):
        await choose(rooms, receiver.url, bot_id=bot)
    running = asyncio.create_task(run_rounds([rooms.delivery.round]))
    await rooms.send(1, 1, BOT, "waits")
    while BOT not in receiver.under_way:
        await asyncio.sleep(0.01)
    for number in range(5):
        await rooms.send(1, 1, QUICK, str(number))
        while len(receiver.texts(QUICK)) <= number:
            await asyncio.sleep(0.01)
    assert receiver.texts(BOT) == []
    is_free.set()
    while not receiver.texts(BOT):
        await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_no_answer_in_time_is_a_failure(traced: TracedDatabase, receiver: Receiver) -> None:
    rooms = Rooms(traced, clock=SettableClock(), webhook_timeout_s=0.05)
    rooms.neighbours.users = dict(NAMES)
    await rooms.start()
    never = asyncio.Event()

    async def silent(_received: Received) -> int:
        await never.wait()
        return 200

    receiver.answer = silent
    await rooms.befriend(1, BOT)
    await choose(rooms, receiver.url)
    await rooms.send(1, 1, BOT, "one")
    await deliver(rooms)
    assert (await state(rooms)).failure == "It could not be reached, or did not answer in time."
    never.set()
    await rooms.stop()


async def test_a_private_address_is_refused_and_its_owner_is_not_told_why(
    traced: TracedDatabase, receiver: Receiver
) -> None:
    rooms = Rooms(traced, clock=SettableClock(), outward=Outward("XinYu test", any_port=True))
    rooms.neighbours.users = dict(NAMES)
    await rooms.start()
    await rooms.befriend(1, BOT)
    for revision, url in enumerate((receiver.url, receiver.url.replace("127.0.0.1", "localhost")), 1):
        await choose(rooms, url, revision)
        await rooms.send(1, 1, BOT, "one")
        await deliver(rooms)
        assert (await state(rooms)).failure == "It could not be reached, or did not answer in time."
    assert receiver.deliveries == []
    await rooms.stop()


async def test_a_redirect_is_a_failure(rooms: Rooms, receiver: Receiver) -> None:
    await rooms.befriend(1, BOT)
    await choose(rooms, receiver.url)
    receiver.status = 307
    await rooms.send(1, 1, BOT, "one")
    await deliver(rooms)
    assert (await state(rooms)).failure == "It answered 307."


async def test_another_address_meanwhile_gets_the_next_try(rooms: Rooms, receiver: Receiver) -> None:
    await rooms.befriend(1, BOT)
    await choose(rooms, f"{receiver.url}/old")

    async def moves(received: Received) -> int:
        if received.path.endswith("old"):
            await choose(rooms, f"{receiver.url}/new", 2)
            return 410
        return 200

    receiver.answer = moves
    await rooms.send(1, 1, BOT, "one")
    await deliver(rooms)
    assert [each.path for each in receiver.deliveries] == ["/hook/old", "/hook/new"]
    assert [each.delivery_id for each in receiver.deliveries] == [f"{BOT}-1"] * 2
    assert (await state(rooms)).failure == ""


async def test_taken_away_during_a_delivery_nothing_comes_after(rooms: Rooms, receiver: Receiver) -> None:
    await rooms.befriend(1, BOT)
    await choose(rooms, receiver.url)

    async def takes_away(_received: Received) -> int:
        await choose(rooms, "", 2)
        return 200

    receiver.answer = takes_away
    await rooms.send(1, 1, BOT, "one")
    await deliver(rooms)
    await rooms.send(1, 1, BOT, "two")
    await deliver(rooms)
    assert len(receiver.deliveries) == 1
    assert await rows(rooms, "SELECT talk_id FROM bot_webhook_talk") == []


async def test_a_process_that_stops_lets_another_take_over_at_once(rooms: Rooms, receiver: Receiver) -> None:
    await rooms.befriend(1, BOT)
    await choose(rooms, receiver.url)
    never = asyncio.Event()

    async def silent(_received: Received) -> int:
        await never.wait()
        return 200

    receiver.answer = silent
    await rooms.send(1, 1, BOT, "one")
    await rooms.settle()
    assert await rooms.delivery.look() == 0.0
    await receiver.arrived.wait()
    await rooms.delivery.close()
    receiver.answer = None
    other = another(rooms)
    await deliver(rooms, other)
    assert [each.delivery_id for each in receiver.deliveries] == [f"{BOT}-1"] * 2
    assert receiver.texts(BOT) == ["one"]
    never.set()


# ---------------------------------------------------------------- what it costs


async def test_a_send_takes_the_same_statements_with_webhooks(
    rooms: Rooms, traced: TracedDatabase, receiver: Receiver
) -> None:
    await group(rooms, 1, BOT)
    await choose(rooms, receiver.url)
    for text_ in ("warm", "warm too"):
        await rooms.send(1, 2, 7, text_)
        await rooms.settle()
    traced.transactions.clear()
    await rooms.send(1, 2, 7, "counted")
    (sending,) = [t for t in traced.transactions if t.holds("INSERT INTO message ")]
    assert len(sending.statements) == 8
    await rooms.settle()


async def test_notes_of_many_sends_share_transactions(rooms: Rooms, traced: TracedDatabase, receiver: Receiver) -> None:
    await group(rooms, 1, BOT)
    await choose(rooms, receiver.url)
    await rooms.settle()
    traced.transactions.clear()
    await asyncio.gather(*(rooms.webhooks.note(talk_id) for talk_id in (1, 2, 3) for _ in range(50)))
    noting = [t for t in traced.transactions if t.holds("FROM bot_webhook_talk WHERE talk_id IN")]
    assert len(noting) < 10


async def test_what_waits_is_measured(rooms: Rooms, receiver: Receiver, clock: SettableClock) -> None:
    await rooms.befriend(1, BOT)
    await choose(rooms, receiver.url)
    assert rooms.delivery._oldest_waiting_s() == 0
    receiver.status = 500
    await rooms.send(1, 1, BOT, "one")
    await deliver(rooms)
    clock.advance_s(90)
    await deliver(rooms)
    assert rooms.delivery._oldest_waiting_s() == 90
    receiver.status = 200
    clock.advance_s(10)
    await deliver(rooms)
    assert rooms.delivery._oldest_waiting_s() == 0
    metrics = Metrics(version="1", role="test")
    rooms.delivery.measure(metrics)
    told = [line for line in metrics.text().decode().splitlines() if line.startswith("xinyu_webhook")]
    assert told == [
        "xinyu_webhook_deliveries_total 1.0",
        "xinyu_webhook_messages_total 1.0",
        "xinyu_webhook_failures_total 2.0",
        "xinyu_webhook_under_way 0.0",
        "xinyu_webhook_oldest_waiting_seconds 0.0",
    ]

"""The whole of a simulation: database, processes, devices, what people do, what breaks, and the comparison at the end.

A seed decides everything: the interleaving, the form (one process as in the embedded form, or two beside each other),
which operations occur at all, and which faults. After the schedule the faults end, what is on its way arrives, every
device looks at everything, and then each is held against the store: records, read cursors, unread counts, list, rows,
rosters. In calm worlds (no faults) the devices get no last sync: pushes alone must have brought them there.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import traceback
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from functools import cache
from random import Random
from typing import Any, TypeVar

import structlog
from sqlalchemy import Connection

from tests.simulation.database import SimulatedDatabase
from tests.simulation.device import Device, LinkFaults
from tests.simulation.loop import SimulatedClock, SimulatedLoop, run
from tests.simulation.process import Gateway, Process, own_tasks
from xinyu.base.config import Config, MessageSettings
from xinyu.base.errors import XinYuError
from xinyu.client.outgoing import Send
from xinyu.client.shapes import GROUP, SINGLE, Record, read
from xinyu.delivery.routes import MemoryRoutes
from xinyu.storage import lease
from xinyu.storage.database import DatabaseError, cursor
from xinyu.storage.dialect import SQLITE
from xinyu.storage.meta import begin_epoch
from xinyu.wire.v1 import contact_pb2, group_pb2, message_pb2, options_pb2, talk_pb2
from xinyu_services.talk.store import TalkStore

T = TypeVar("T")

USERS = (1, 2, 3, 4, 5)
OWNER = 1
FRIENDS = ((1, 2), (1, 3), (1, 4), (2, 4))
DEVICES = (1, 1, 2, 2, 3, 4)  # the user of each
CONFIG = Config(time_zone="UTC", messages=MessageSettings(revoke_window_s=10**9, greeting="hi"))
IN = 1


class Failure(AssertionError):
    """What a simulation is for."""


class World:
    def __init__(self, seed: int, loop: SimulatedLoop, *, processes: int = 1) -> None:
        self.seed = seed
        self.random = Random(seed)
        self.loop = loop
        self.clock = SimulatedClock(loop)
        self.log: deque[str] = deque(maxlen=4000)
        self.database = SimulatedDatabase(self.random, self.clock)
        self.database.after_commit = self._committed
        self.routes = MemoryRoutes()
        self.link_faults = LinkFaults()
        self.alone = processes == 1
        self.gateways = {f"gateway-{n}": Gateway(f"gateway-{n}") for n in range(processes)}
        self.processes: list[Process] = []
        self._lives = 0
        self.devices = [Device(self, number, user_id) for number, user_id in enumerate(DEVICES)]
        self.group_id = 0
        self.acked: dict[tuple[int, str], tuple[int, int, str]] = {}  # (user, msg_id): talk, sequence, text
        self.refusals: dict[str, str] = {}
        self.backup: tuple[bytes, dict[tuple[int, str], tuple[int, int, str]]] | None = None
        self.windows: dict[tuple[int, int], dict[int, int | None]] = {}  # (talk, user): joined -> left
        self.heads: dict[int, tuple[int, int]] = {}
        self.own: dict[tuple[int, int], int] = {}
        self._texts = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def note(self, text: str) -> None:
        self.log.append(f"{self.loop.time():9.3f} {text}")

    # ------------------------------------------------------------------ the beginning

    async def begin(self, image: bytes | None = None) -> None:
        """Processes up, people befriended, a group of the first four."""
        if image is not None:
            self.database.load(image)
        for gateway in self.gateways.values():
            await self._start_process(gateway)
        if image is None:
            await self._make_people()
        self.group_id = self.database.rows("SELECT max(group_id) FROM group_info")[0][0]
        self.database.run(self._committed)

    async def _start_process(self, gateway: Gateway) -> Process:
        self._lives += 1
        gateway.is_up, gateway.devices = True, []
        process = Process(
            f"life-{self._lives}",
            self.database,
            self.routes,
            self.clock,
            CONFIG,
            self.gateways,
            gateway,
            USERS,
            self.random,
        )
        self.processes = [other for other in self.processes if other.gateway is not gateway] + [process]
        self.processes.sort(key=lambda process: process.gateway.name)
        with contextlib.suppress(XinYuError):  # it may die while it starts
            await process.start(alone=self.alone)
        return process

    async def _make_people(self) -> None:
        process = self.processes[0]
        for low, high in FRIENDS:
            await process.call(
                process.contacts.create_apply, contact_pb2.CreateApplyRequest(user_id=low, target_id=high)
            )
            [(apply_id,)] = self.database.rows("SELECT apply_id FROM contact_apply WHERE state = 1")
            await process.call(
                process.contacts.accept_apply, contact_pb2.AnswerApplyRequest(user_id=high, apply_id=apply_id)
            )
        await process.call(
            process.groups.create,
            group_pb2.CreateGroupRequest(user_id=OWNER, name="group", user_ids=[2, 3], request_key="k"),
        )

    async def all_online(self) -> None:
        for device in self.devices:
            await device.connect(self.random.choice(self.processes))

    # ------------------------------------------------------------------ what is checked all the time

    def _committed(self, connection: Connection) -> None:
        """After each commit: heads and windows, as the store has them."""
        raw: Any = connection.connection.dbapi_connection
        for talk_id, user_id, joined, left, own in raw.execute(
            "SELECT talk_id, user_id, joined_sequence, left_sequence, own FROM talk_member"
        ):
            self.windows.setdefault((talk_id, user_id), {})[joined] = left
            self.own[talk_id, user_id] = own
        for talk_id, sequence, change in raw.execute("SELECT talk_id, last_sequence, last_change FROM talk"):
            self.heads[talk_id] = (sequence, change)

    def check_window(self, device: Device, talk_id: int, record: Record) -> None:
        """Nobody is sent, or shown, a text that was written while he was out."""
        windows = self.windows.get((talk_id, device.user_id), {})
        if not record.recalled and not any(
            joined <= record.sequence and (left is None or record.sequence <= left) for joined, left in windows.items()
        ):
            raise Failure(f"leak: {device} gets {record.sequence} of talk {talk_id}, windows {windows}")

    def check_cursors(self, device: Device) -> None:
        """No cursor passes a number that is not committed."""
        if device.process is None or device.replica.epoch != device.process.epoch:
            return
        for talk_id, (sequence, change) in self.heads.items():
            cursors = device.replica.cursors(talk_id)
            stored = (sequence, change, self.own.get((talk_id, device.user_id), 0))
            if any(held > known for held, known in zip(cursors, stored, strict=True)):
                raise Failure(f"uncommitted: {device} is at {cursors} of talk {talk_id}, the store at {stored}")

    def acknowledged(self, user_id: int, send: Send, record: Record) -> None:
        if record.undelivered:
            return
        known = self.acked.setdefault(
            (user_id, send.msg_id), (record.talk_id, record.sequence, str(send.body["content"]))
        )
        if known[:2] != (record.talk_id, record.sequence):
            raise Failure(f"{send.msg_id} was answered as {known} and as {record.talk_id}, {record.sequence}")

    # ------------------------------------------------------------------ what people do

    def any_process(self) -> Process:
        return self.random.choice(self.processes)

    def write(self, user_id: int) -> Send:
        """A new text to somebody."""
        self._texts += 1
        peers = [low + high - user_id for low, high in FRIENDS if user_id in (low, high)]
        targets = [(GROUP, self.group_id), (GROUP, self.group_id), *((SINGLE, peer) for peer in peers)]
        talk_mode, to_from_id = self.random.choice(targets)
        text = f"text {self._texts}"
        return Send(
            msg_id=f"{self._texts:032x}",
            talk_mode=talk_mode,
            to_from_id=to_from_id,
            type="text",
            body={"content": text},
        )

    async def send_by(self, process: Process, user_id: int, send: Send) -> Record:
        response = await process.call(
            process.messages.send,
            message_pb2.SendRequest(
                messages=[
                    message_pb2.NewMessage(
                        user_id=user_id,
                        talk_mode=send.talk_mode,
                        to_from_id=send.to_from_id,
                        msg_type=1,
                        body=json.dumps(send.body).encode(),
                        msg_id=send.msg_id,
                        quote_id=send.quote_id,
                        codec=options_pb2.CODEC_V1_JSON,
                    )
                ]
            ),
        )
        (result,) = response.results
        if result.HasField("refusal"):
            raise XinYuError.from_wire(result.refusal.reason, result.refusal.message)
        return read(Record, json.loads(result.record))

    async def attempt(self, ask: Callable[[], Awaitable[Any]], tries: int = 3) -> bool:
        """As a client does it: again after a failure that may pass. False when it was refused or never got through."""
        for _ in range(tries):
            try:
                await ask()
                return True
            except XinYuError as error:
                if not error.code.retry and error.status < 500:
                    return False
            await asyncio.sleep(self.random.random() * 0.5)
        return False

    async def say(self, device: Device, text: str, *, to: int | None = None) -> Record:
        """`device` sends a text to the group, or to the peer `to`, and it is stored."""
        send = Send(
            msg_id=f"said-{self._texts}",
            talk_mode=GROUP if to is None else SINGLE,
            to_from_id=self.group_id if to is None else to,
            type="text",
            body={"content": text},
        )
        self._texts += 1
        device.outgoing.put(send)
        device.pump()
        key = (device.user_id, send.msg_id)
        await self.until(lambda: key in self.acked or send.msg_id in self.refusals, f"{text!r} is stored")
        if send.msg_id in self.refusals:
            raise Failure(f"{text!r} is refused: {self.refusals[send.msg_id]}")
        talk_id, sequence, _ = self.acked[key]
        return next(r for r in await self.stored_records(device, talk_id) if r.sequence == sequence)

    async def stored_records(self, device: Device, talk_id: int) -> list[Record]:
        """The newest 200 of a talk, as the store has them for that user."""
        request = message_pb2.LoadRecordsRequest(
            user_id=device.user_id,
            target=self.target(device.user_id, talk_id),
            limit=200,
            codec=options_pb2.CODEC_V1_JSON,
        )
        process = self.any_process()
        page = await process.call(process.messages.load_records, request)
        return read(list[Record], json.loads(page.items))

    @property
    def group_talk(self) -> int:
        return int(self.database.rows("SELECT talk_id FROM talk WHERE group_id = ?", self.group_id)[0][0])

    async def settle(self) -> None:
        """Until everything that was committed has been told and has arrived (where nobody holds it)."""
        await self.until(lambda: all(process.is_idle for process in self.processes), "all is told")
        await self.until(
            lambda: all(
                device.holds_pushes or (not device.inbox and (device.holds_syncs or device.replica.is_synced))
                for device in self.devices
                if device.is_online
            ),
            "all has arrived",
        )

    def target(self, user_id: int, talk_id: int) -> message_pb2.TalkTarget | None:
        rows = self.database.rows(
            "SELECT talk_mode, peer_low, peer_high, group_id FROM talk WHERE talk_id = ?", talk_id
        )
        if not rows:
            return None
        mode, low, high, group_id = rows[0]
        return message_pb2.TalkTarget(
            talk_mode=mode, to_from_id=group_id if mode == GROUP else (high if low == user_id else low)
        )

    async def recall(self, user_id: int, talk_id: int, msg_id: str) -> bool:
        target = self.target(user_id, talk_id)

        async def ask() -> None:
            process = self.any_process()
            await process.call(
                process.messages.revoke, message_pb2.RevokeRequest(user_id=user_id, target=target, msg_id=msg_id)
            )

        return await self.attempt(ask)

    async def edit(self, user_id: int, talk_id: int, msg_id: str) -> bool:
        target = self.target(user_id, talk_id)
        self._texts += 1
        body = json.dumps({"content": f"edit {self._texts}"}).encode()

        async def ask() -> None:
            process = self.any_process()
            await process.call(
                process.messages.edit,
                message_pb2.EditRequest(user_id=user_id, target=target, msg_id=msg_id, msg_type=1, body=body),
            )

        return await self.attempt(ask)

    async def react(self, user_id: int, talk_id: int, msg_id: str, emoji: str, action: int) -> bool:
        target = self.target(user_id, talk_id)

        async def ask() -> None:
            process = self.any_process()
            await process.call(
                process.messages.react,
                message_pb2.ReactRequest(user_id=user_id, target=target, msg_id=msg_id, emoji=emoji, action=action),
            )

        return await self.attempt(ask)

    async def hide(self, user_id: int, talk_id: int, msg_ids: list[str]) -> bool:
        target = self.target(user_id, talk_id)

        async def ask() -> None:
            process = self.any_process()
            await process.call(
                process.messages.hide, message_pb2.HideRequest(user_id=user_id, target=target, msg_ids=msg_ids)
            )

        return await self.attempt(ask)

    async def clear(self, user_id: int, talk_id: int, sequence: int) -> bool:
        target = self.target(user_id, talk_id)

        async def ask() -> None:
            process = self.any_process()
            await process.call(
                process.messages.clear_records,
                message_pb2.ClearRecordsRequest(user_id=user_id, target=target, sequence=sequence, has_sequence=True),
            )

        return await self.attempt(ask)

    async def read_up_to(self, device: Device, talk_id: int, sequence: int) -> bool:
        async def ask() -> None:
            process = self.any_process()
            connection = device.connection
            answer = await process.call(
                process.messages.read,
                message_pb2.ReadRequest(user_id=device.user_id, talk_id=talk_id, sequence=sequence, has_sequence=True),
            )
            if device.is_online and device.connection == connection:
                device.replica.read_answered(talk_id, answer.read_sequence)

        return await self.attempt(ask)

    async def group_change(self, what: str, user_id: int) -> bool:
        async def ask() -> None:
            process = self.any_process()
            if what == "leave":
                await process.call(
                    process.groups.leave, group_pb2.GroupRequest(user_id=user_id, group_id=self.group_id)
                )
                return
            request = group_pb2.GroupMembersRequest(user_id=OWNER, group_id=self.group_id, user_ids=[user_id])
            call = process.groups.invite if what == "invite" else process.groups.remove_members
            await process.call(call, request)

        return await self.attempt(ask)

    async def hide_talk(self, user_id: int, talk_id: int, sequence: int) -> bool:
        target = self.target(user_id, talk_id)

        async def ask() -> None:
            process = self.any_process()
            await process.call(
                process.talks.delete_session,
                talk_pb2.DeleteSessionRequest(user_id=user_id, target=target, sequence=sequence, has_sequence=True),
            )

        return await self.attempt(ask)

    async def show_talk(self, user_id: int, talk_id: int) -> bool:
        target = self.target(user_id, talk_id)

        async def ask() -> None:
            process = self.any_process()
            await process.call(
                process.talks.create_session, talk_pb2.CreateSessionRequest(user_id=user_id, target=target)
            )

        return await self.attempt(ask)

    async def refresh_profile(self, user_id: int) -> bool:
        async def ask() -> None:
            process = self.any_process()
            await process.call(process.contacts.refresh_profile, contact_pb2.RefreshProfileRequest(user_id=user_id))

        return await self.attempt(ask)

    async def ask_for_friendship(self, user_id: int, target_id: int, answer: str) -> None:
        """An application, which is then declined, accepted, or left open."""

        async def create() -> None:
            process = self.any_process()
            await process.call(
                process.contacts.create_apply,
                contact_pb2.CreateApplyRequest(user_id=user_id, target_id=target_id, remark="?"),
            )

        async def decide() -> None:
            process = self.any_process()
            for (apply_id,) in self.database.rows(
                "SELECT apply_id FROM contact_apply WHERE state = 1 AND target_id = ?", target_id
            ):
                request = contact_pb2.AnswerApplyRequest(user_id=target_id, apply_id=apply_id)
                call = process.contacts.accept_apply if answer == "accept" else process.contacts.decline_apply
                await process.call(call, request)

        if await self.attempt(create) and answer != "open":
            await self.attempt(decide)

    def purge(self) -> None:
        """Tombstones of the conversation list go, however young."""
        before_ms = self.clock.now_ms() + 1
        self.database.run(lambda connection: TalkStore(SQLITE).purge_tombstones(connection, before_ms, 500))

    # ------------------------------------------------------------------ what breaks

    async def kill(self, process: Process, restart_after_s: float) -> None:
        """A process dies; another life of it comes later."""
        if process.is_dead:
            return
        self.note(f"{process.incarnation} dies")
        process.die()
        await self._bury(process)
        await asyncio.sleep(restart_after_s)
        if self._current(process.gateway) is process:
            self.note(f"a new life at {process.gateway.name}")
            await self._start_process(process.gateway)

    def _current(self, gateway: Gateway) -> Process | None:
        return next((process for process in self.processes if process.gateway is gateway), None)

    async def _bury(self, process: Process) -> None:
        for device in list(process.gateway.devices):
            await device.disconnect()
        for device in self.devices:
            if device.process is process:
                await device.disconnect()
        await self.routes.forget_gateway(process.gateway.name)

    def take_backup(self) -> None:
        self.backup = (self.database.dump(), dict(self.acked))

    async def restore(self) -> None:
        """As docs say: all processes stopped, the database as it was, a new epoch, everything up again."""
        if self.backup is None:
            return
        image, acked = self.backup
        self.backup = None
        self.note("restore")
        dead = list(self.processes)
        for process in dead:
            process.die()
        for process in dead:
            await self._bury(process)
        self.database.load(image)
        self.database.run(lambda connection: begin_epoch(connection, SQLITE))
        self.acked = acked
        self.windows, self.heads, self.own = {}, {}, {}
        self.database.run(self._committed)
        for process in dead:
            if self._current(process.gateway) is process:
                await self._start_process(process.gateway)

    # ------------------------------------------------------------------ the end

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        async def guarded() -> None:
            await work

        task = self.loop.create_task(guarded())
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """An exception stays with its task, for the loop to complain about."""
        self._tasks.discard(task)

    async def quiesce(self, *, last_sync: bool = True) -> None:
        """Faults end, what is on its way arrives, everybody catches up and looks at everything."""
        self.note("--- quiet")
        self.database.fault_rate = 0.0
        self.link_faults = LinkFaults()
        if self._tasks:
            _, pending = await asyncio.wait(sorted(self._tasks, key=lambda task: task.get_name()), timeout=300)
            if pending:
                raise Failure(f"it never ends: {[_where(task) for task in pending]}")
        for process in self.processes:
            process.skips_renewals = False
        # Whose lease was ended by another learns it by his next renewal, and dies of it.
        await asyncio.sleep(2 * lease.RENEW_EVERY_S)
        for gateway in self.gateways.values():
            process = self._current(gateway)
            if process is None or process.is_dead:
                if process is not None:
                    await self._bury(process)
                await self._start_process(gateway)
        for process in self.processes:
            for source in process.sources.values():
                source.gate.set()
        for device in self.devices:
            device.holds_pushes = device.holds_syncs = False
            await device.connect(self.random.choice(self.processes))
            device.pump()
        await self.until(lambda: not any(len(device.outgoing) for device in self.devices), "the queues are empty")
        await self.until(self._all_told, "the outboxes are empty")
        await self.until(lambda: not any(device.inbox for device in self.devices), "the links are empty")
        if last_sync:
            for device in self.devices:
                device.replica.sync()
                device.pump()
        await self.until(lambda: all(device.replica.is_synced for device in self.devices), "everybody is synced")
        for device in self.devices:
            for (talk_id,) in self.database.rows("SELECT talk_id FROM talk ORDER BY talk_id"):
                if device.replica.conversation(talk_id) is not None:
                    await device.look(talk_id)
                    await device.look_at_roster(talk_id)

    def _all_told(self) -> bool:
        return all(process.is_idle for process in self.processes) and not any(
            self.database.rows(f"SELECT count(*) FROM {room}_outbox")[0][0]
            for room in ("message", "talk", "group", "contact")
        )

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        for _ in range(1200):
            if condition():
                return
            await asyncio.sleep(0.05)
        raise Failure(f"it never comes true that {what}")

    def check(self, *, pushes_alone: bool = False) -> None:
        """Store against itself, then every device against the store. `pushes_alone`: there was no last sync, so who has
        left a group has not heard what changed in his window since."""
        self._check_store()
        for device in self.devices:
            self._check_device(device, pushes_alone)

    def _check_store(self) -> None:
        rows = self.database.rows
        for talk_id, first, last, mode, group_id in rows(
            "SELECT talk_id, first_sequence, last_sequence, talk_mode, group_id FROM talk"
        ):
            sequences = [row[0] for row in rows("SELECT sequence FROM message WHERE talk_id = ? ORDER BY 1", talk_id)]
            if sequences != list(range(first, last + 1)):
                raise Failure(f"talk {talk_id}: sequences {sequences}, head {first} to {last}")
            if mode == GROUP:
                truth = rows("SELECT user_id, state, role FROM group_member WHERE group_id = ? ORDER BY 1", group_id)
                effect = rows("SELECT user_id, state, role FROM talk_member WHERE talk_id = ? ORDER BY 1", talk_id)
                if truth != effect:
                    raise Failure(f"group {group_id}: the group room says {truth}, the message room {effect}")
        for (user_id, msg_id), (talk_id, sequence, text) in self.acked.items():
            found = rows(
                "SELECT talk_id, sequence, body FROM message WHERE msg_id = ? AND sender_id = ?", msg_id, user_id
            )
            if [(t, s, json.loads(body)["content"]) for t, s, body in found] != [(talk_id, sequence, text)]:
                raise Failure(f"acknowledged {msg_id} as {talk_id}, {sequence}, {text!r}; stored {found}")

    def _check_device(self, device: Device, pushes_alone: bool) -> None:
        user, replica, rows = device.user_id, device.replica, self.database.rows

        def same(what: str, held: object, stored: object) -> None:
            if held != stored:
                raise Failure(f"{device}: {what}: device {held}, store {stored}")

        same("epoch", replica.epoch, rows("SELECT value FROM meta WHERE key_ = 'epoch'")[0][0])
        sessions = rows(
            "SELECT talk_id, talk_mode, to_from_id, hidden_sequence FROM talk_session WHERE user_id = ? AND state = 1",
            user,
        )
        listed = []
        for talk_id, mode, to_from_id, hidden_sequence in sessions:
            view = replica.conversation(talk_id)
            if view is None:
                raise Failure(f"{device} does not know talk {talk_id}")
            same(f"talk {talk_id} target", (view.talk_mode, view.to_from_id), (mode, to_from_id))
            state, last = rows(
                "SELECT m.state, coalesce(m.left_sequence, t.last_sequence) FROM talk t JOIN talk_member m "
                "ON m.talk_id = t.talk_id WHERE t.talk_id = ? AND m.user_id = ?",
                talk_id,
                user,
            )[0]
            if state == IN or not pushes_alone:
                self._check_talk(device, talk_id, same)
            if last > hidden_sequence:
                listed.append(talk_id)
        same("talks", sorted(t for t in self.heads if replica.conversation(t)), sorted(s[0] for s in sessions))
        same("list", sorted(view.talk_id for view in replica.conversation_list()), sorted(listed))
        same(
            "contacts",
            [row["user_id"] for row in replica.contact_rows("contact")],
            [row[0] for row in rows("SELECT friend_id FROM contact WHERE user_id = ? AND state = 1 ORDER BY 1", user)],
        )
        same(
            "applications",
            [row["id"] for row in replica.contact_rows("apply")],
            [
                row[0]
                for row in rows("SELECT apply_id FROM contact_apply WHERE target_id = ? AND state = 1 ORDER BY 1", user)
            ],
        )
        same("user row", (replica.user_row or {}).get("user_info"), {"uid": user})

    def _check_talk(self, device: Device, talk_id: int, same: Callable[[str, object, object], None]) -> None:
        user, rows = device.user_id, self.database.rows
        [(last, first)] = rows("SELECT last_sequence, first_sequence FROM talk WHERE talk_id = ?", talk_id)
        [(state, role, joined, left, sent, read_, cleared)] = rows(
            "SELECT state, role, joined_sequence, left_sequence, sent_sequence, read_sequence, cleared_sequence "
            "FROM talk_member WHERE talk_id = ? AND user_id = ?",
            talk_id,
            user,
        )
        low, high = max(cleared + 1, joined, first), last if left is None else left
        stored = rows(
            "SELECT m.sequence, m.msg_id, CASE WHEN coalesce(c.recalled_by, 0) > 0 THEN '{}' "
            "ELSE coalesce(c.body, m.body) END "
            "FROM message m LEFT JOIN message_change c ON c.talk_id = m.talk_id AND c.sequence = m.sequence "
            "WHERE m.talk_id = ? AND m.sequence BETWEEN ? AND ? AND coalesce(c.expired, 0) = 0 AND m.sequence NOT IN "
            "(SELECT sequence FROM message_hidden WHERE talk_id = m.talk_id AND user_id = ?) ORDER BY 1",
            talk_id,
            low,
            high,
            user,
        )
        view = device.replica.conversation(talk_id)
        assert view is not None
        held = [(record.sequence, record.msg_id, record.extra) for record in device.replica.records(talk_id)]
        if held != stored:
            extra, missing = sorted(set(held) - set(stored)), sorted(set(stored) - set(held))
            raise Failure(f"{device}: talk {talk_id} records: extra or other {extra}, missing {missing}")
        reacted: dict[int, dict[str, list[int]]] = {}
        for sequence, emoji, who in rows(
            "SELECT r.sequence, r.emoji, r.user_id FROM message_reaction r JOIN message_change c ON "
            "c.talk_id = r.talk_id AND c.sequence = r.sequence WHERE r.talk_id = ? AND c.recalled_by = 0",
            talk_id,
        ):
            reacted.setdefault(sequence, {}).setdefault(emoji, []).append(who)
        for record in device.replica.records(talk_id):
            wanted = {emoji: (len(who), user in who) for emoji, who in reacted.get(record.sequence, {}).items()}
            seen = {each.emoji: (each.count, each.is_mine) for each in record.reactions}
            same(f"talk {talk_id} reactions to {record.sequence}", seen, wanted)
        same(f"talk {talk_id} read cursor", view.read_sequence, max(read_, sent))
        same(f"talk {talk_id} unread", view.unread, max(0, high - max(read_, sent, low - 1)))
        if view.member is not None:
            states = {1: "in", 2: "left", 3: "removed"}
            same(f"talk {talk_id} own membership", (view.member.state, view.member.role), (states[state], role))
        if state == IN:
            same(f"talk {talk_id} name", view.name, "group" if view.talk_mode == GROUP else f"user {view.to_from_id}")
            roster = [(m.user_id, m.role) for m in device.replica.roster(talk_id).members]
            same(
                f"talk {talk_id} roster",
                roster,
                rows("SELECT user_id, role FROM talk_member WHERE talk_id = ? AND state = 1 ORDER BY 1", talk_id),
            )


def _where(task: asyncio.Task[Any]) -> str:
    """The names of the coroutines that a task waits in."""
    names, awaited = [], task.get_coro()
    while awaited is not None and hasattr(awaited, "cr_code"):
        names.append(awaited.cr_code.co_name)
        awaited = awaited.cr_await
    return " > ".join(names)


@contextlib.contextmanager
def errors_logged() -> Iterator[list[str]]:
    """What the product logs as errors (with tracebacks) while the simulation runs: none is expected."""
    errors: list[str] = []
    before = structlog.get_config()

    def keep(_logger: Any, level: str, event: dict[str, Any]) -> Any:
        raised = sys.exc_info()[1]
        expected = event.get("event") == "push_failed" and isinstance(raised, DatabaseError)  # a push is a hint
        if level in ("error", "critical", "exception") and not expected:
            errors.append(f"{event} {traceback.format_exc() if raised is not None else ''}")
        raise structlog.DropEvent

    structlog.configure(processors=[keep])
    try:
        yield errors
    finally:
        structlog.configure(**before)


@cache
def peopled() -> bytes:
    """A database with friends and a group in it, made once."""

    def make(world: World) -> Coroutine[Any, Any, bytes]:
        async def work() -> bytes:
            await world.begin()
            await world.quiesce()
            for process in world.processes:
                process.die()
            world.database.run(lambda connection: cursor(connection).execute("DELETE FROM lease"))
            return world.database.dump()

        return work()

    return simulate(make, seed=0)


def simulate(
    scenario: Callable[[World], Coroutine[Any, Any, T]], *, seed: int = 1, processes: int = 1, fair: bool = False
) -> T:
    """Run one scenario in a world of its own. On a failure the end of its log is added to the exception."""
    loop = SimulatedLoop(Random(seed), fair=fair)
    own_tasks(loop)
    world = World(seed, loop, processes=processes)
    with errors_logged() as errors:
        try:
            result = run(scenario(world), loop)
        except BaseException as error:
            error.add_note("\n".join([f"seed {seed}", *list(world.log)[-60:], *errors[-3:]]))
            raise
        finally:
            world.database._connection.close()
    if errors:
        raise Failure(f"seed {seed}: the product logged errors: {errors[0]}")
    return result


def scenario(
    body: Callable[[World], Coroutine[Any, Any, None]], *, seed: int = 1, processes: int = 1, fair: bool = True
) -> None:
    """A hand-written schedule: people, processes and devices are there, everybody is online and caught up; what it does
    must leave every device equal to the store."""

    image = peopled()

    async def work(world: World) -> None:
        await world.begin(image)
        await world.all_online()
        await world.until(lambda: all(device.replica.is_synced for device in world.devices), "everybody is synced")
        await body(world)
        await world.quiesce()
        world.check()

    simulate(work, seed=seed, processes=processes, fair=fair)

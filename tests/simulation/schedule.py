"""A seeded schedule: which operations and faults occur, drawn anew for each seed, and the run of them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from random import Random
from typing import Any

from tests.simulation.device import Device, LinkFaults
from tests.simulation.process import Process
from tests.simulation.world import OWNER, World, peopled, simulate

OPERATIONS = 90
OPERATION_KINDS = (
    "recall",
    "edit",
    "react",
    "react",
    "hide",
    "read",
    "read",
    "clear",
    "leave",
    "remove",
    "invite",
    "invite",
    "hide_talk",
    "show_talk",
    "refresh_profile",
    "apply",
    "offline",
    "online",
    "online",
    "crash_device",
    "store_device",
    "look",
    "look_at_roster",
    "timer",
    "send_twice",
)
FAULT_KINDS = ("kill", "zombie", "purge", "backup", "restore", "lose_answer")


class Schedule:
    """`calm`: no faults, nobody goes offline, and pushes alone must bring everybody there."""

    def __init__(self, world: World) -> None:
        self.world = world
        random = self.random = world.random
        self.calm = random.random() < 0.2
        kinds = list(OPERATION_KINDS)
        random.shuffle(kinds)
        kinds = kinds[: random.randint(4, len(kinds))]
        if self.calm:
            away = ("offline", "crash_device", "store_device", "online", "timer")
            kinds = [kind for kind in kinds if kind not in away]
        else:
            faults = list(FAULT_KINDS)
            random.shuffle(faults)
            kinds += faults[: random.randint(0, len(faults))]
            world.database.fault_rate = random.choice((0.0, 0.02, 0.1))
            world.link_faults = LinkFaults(
                lose=random.choice((0.0, 0.05, 0.25)),
                repeat=random.choice((0.0, 0.1)),
                reorder=random.choice((0.0, 0.0, 0.3)),
                fail_sync=random.choice((0.0, 0.1)),
                delay_s=random.choice((0.01, 0.2, 1.0)),
            )
        self.kinds = kinds
        self.pause_s = random.choice((0.02, 0.1, 0.5))

    async def run(self) -> None:
        world, random = self.world, self.random
        await world.all_online()
        for _ in range(OPERATIONS):
            kind = random.choice(self.kinds) if random.random() < 0.55 else "send"
            device = random.choice(world.devices)
            work = self._operation(kind, device)
            if work is not None:
                world.note(f"{kind} by {device}")
                world.spawn(work)
            await asyncio.sleep(random.random() * self.pause_s)
        await world.quiesce(last_sync=not self.calm)
        world.check(pushes_alone=self.calm)

    def _talk(self, device: Device) -> int | None:
        known = [view.talk_id for view in device.replica.conversation_list()]
        return self.random.choice(known) if known else None

    def _operation(self, kind: str, device: Device) -> Coroutine[Any, Any, Any] | None:
        world, random = self.world, self.random
        if kind == "send":
            return self._send(device)
        if kind == "send_twice":
            return self._send_twice(device)
        if kind in ("leave", "remove", "invite"):
            user_id = random.choice((2, 3, 4))
            return world.group_change(kind, user_id)
        if kind == "refresh_profile":
            return world.refresh_profile(device.user_id)
        if kind == "apply":
            user_id, target_id = random.choice(((3, 4), (2, 3), (4, 3), (3, 2), (5, OWNER)))
            return world.ask_for_friendship(user_id, target_id, random.choice(("open", "decline", "accept")))
        if kind == "offline":
            return device.disconnect()
        if kind == "online":
            return device.connect(world.any_process())
        if kind == "crash_device":
            return device.crash()
        if kind == "kill":
            return world.kill(world.any_process(), random.choice((0.0, 1.0, 20.0)))
        if kind == "zombie":
            return self._zombie(world.any_process())
        if kind == "restore":
            return world.restore() if random.random() < 0.4 else None
        talk_id = self._talk(device)
        if kind == "store_device":
            device.store()
        elif kind == "timer":
            device.replica.sync()
            device.pump()
        elif kind == "purge":
            world.purge()
        elif kind == "backup":
            if world.backup is None:
                world.take_backup()
        elif kind == "lose_answer":
            world.database.lose_next_answer = True
        elif talk_id is not None:
            return self._in_talk(kind, device, talk_id)
        return None

    def _in_talk(self, kind: str, device: Device, talk_id: int) -> Coroutine[Any, Any, Any] | None:
        world, random = self.world, self.random
        records = device.replica.records(talk_id)
        last = device.replica.cursors(talk_id)[0]
        if kind == "look":
            return device.look(talk_id)
        if kind == "look_at_roster":
            return device.look_at_roster(talk_id)
        if kind == "show_talk":
            return world.show_talk(device.user_id, talk_id)
        if kind == "hide_talk":
            return world.hide_talk(device.user_id, talk_id, last)
        if not records:
            return None
        picked = records[-1 - min(random.choice((0, 0, 1, 2, 5, 9)), len(records) - 1)]
        if kind == "recall":
            if picked.msg_type >= 1000 or picked.from_id == 0:
                return None
            return world.recall(picked.from_id, talk_id, picked.msg_id)
        if kind == "edit":
            if picked.msg_type != 1 or picked.from_id == 0:
                return None
            return world.edit(picked.from_id, talk_id, picked.msg_id)
        if kind == "react":
            return world.react(device.user_id, talk_id, picked.msg_id, random.choice("ab"), random.choice((1, 1, 2)))
        if kind == "hide":
            return world.hide(device.user_id, talk_id, sorted({picked.msg_id, records[-1].msg_id}))
        if kind == "clear":
            return world.clear(device.user_id, talk_id, picked.sequence)
        return world.read_up_to(device, talk_id, random.choice((last, picked.sequence)))

    async def _send(self, device: Device) -> None:
        device.outgoing.put(self.world.write(device.user_id))
        device.pump()

    async def _send_twice(self, device: Device) -> None:
        """The same message by two ways at once, as after a retry that overtook its first try."""
        world, send = self.world, self.world.write(device.user_id)

        async def by(process: Process) -> None:
            record = await world.send_by(process, device.user_id, send)
            world.acknowledged(device.user_id, send, record)

        epoch = world.database.rows("SELECT value FROM meta WHERE key_ = 'epoch'")
        for process in [world.any_process() for _ in range(2)]:

            async def ask(process: Process = process) -> None:
                if epoch == world.database.rows("SELECT value FROM meta WHERE key_ = 'epoch'"):
                    await by(process)

            world.spawn(world.attempt(ask))

    async def _zombie(self, process: Process) -> None:
        """It lives, but its lease runs out: the other one takes over what it still hands on itself."""
        process.skips_renewals = True
        await asyncio.sleep(self.random.random() * 30)
        process.skips_renewals = False


def run_seed(seed: int) -> list[str]:
    """One schedule from its seed; raises when it fails. Returns its log."""
    processes, image = Random(seed).choice((1, 2)), peopled()

    async def work(world: World) -> list[str]:
        await world.begin(image)
        await Schedule(world).run()
        return list(world.log)

    return simulate(work, seed=seed, processes=processes)

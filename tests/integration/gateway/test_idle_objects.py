"""What an idle, logged-in connection costs the gateway in Python objects: its user's key in the table of routes."""

from __future__ import annotations

import asyncio
import os
import socket
from array import array

from tests.integration.gateway.small_rooms import World, websocket_door
from tests.object_count import count_objects
from tests.unit._fast.engine_harness import request

FEW, MANY = 1_100, 3_000
FIRST_USER = 1_000_000
OURS = "xinyu.v1.json"


async def test_an_idle_user_is_one_number() -> None:
    async with websocket_door(World()) as door:
        users = range(FIRST_USER, FIRST_USER + MANY)
        requests = [
            request("/ws", f"Authorization: Bearer {door.world.token(user_id)}", f"Sec-WebSocket-Protocol: {OURS}")
            for user_id in users
        ]
        address = ("127.0.0.1", int(door.url.rpartition(":")[2]))
        clients = array("i")  # bare descriptors, which are no objects

        async def grow(count: int) -> None:
            while len(clients) < count:
                client = socket.create_connection(address)
                client.sendall(requests[len(clients)])
                clients.append(client.detach())
                if len(clients) % 100 == 0:
                    async with asyncio.timeout(30):
                        while door.gateway.engine.stats()["users"] < len(clients):
                            await asyncio.sleep(0.001)
            await asyncio.sleep(0.01)  # the last tasks are done

        try:
            await grow(FEW)
            before = count_objects()
            await grow(MANY)
            after = count_objects()
            # What tasks, timers and their pools leave behind differs by some dozens from run to run.
            assert after.tracked - before.tracked < (MANY - FEW) // 10
            assert after.blocks - before.blocks < (MANY - FEW) * 3 // 2, "one int each, and no second object"
            located = await door.world.routes.locate(users)
            assert len(located["one"]) == MANY
        finally:
            for client in clients:
                os.close(client)

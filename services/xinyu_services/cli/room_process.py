"""A room as a process of the cluster: `svc-user` and so on."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import Final

import structlog
from sqlalchemy import Connection

from xinyu.base.config import Config
from xinyu.delivery.redis_watches import RedisWatches
from xinyu.delivery.stream_relay import StreamRelay
from xinyu.storage import lease, meta, schema
from xinyu.storage.database import DatabaseError
from xinyu.storage.dialect import MYSQL
from xinyu.storage.mysql import MySqlDatabase
from xinyu_services.cli.measures import measure_rooms
from xinyu_services.cli.process import end_task
from xinyu_services.cli.role_process import Ports, RoleProcess
from xinyu_services.cli.rooms import Platform, build_rooms
from xinyu_services.cli.upkeep import purge_daily

log = structlog.get_logger(__name__)

OUTBOX_STOP_S: Final = 4.0


class RoomProcess(RoleProcess):
    """One room, by its name."""

    def __init__(self, room: str, config: Config, ports: Ports) -> None:
        super().__init__(config, ports)
        self.room = room
        self.role = f"svc-{room}"
        self.database: MySqlDatabase

    async def _build(self, stack: contextlib.AsyncExitStack) -> None:
        self.database = MySqlDatabase(self.config.database)
        if self.room == "presence":  # all that it knows is in Redis
            self.readiness.add("redis", self._ask_redis)
        else:
            await self._open_database(stack)
        [room] = build_rooms(self._platform(stack), [self.room])
        measure_rooms(self.metrics, [room])

        async def stop() -> None:
            if room.dispatcher is not None:
                await room.dispatcher.close(OUTBOX_STOP_S)
            if room.stop is not None:
                await room.stop()
            if room.close is not None:
                await asyncio.to_thread(room.close)

        stack.push_async_callback(stop)
        if room.dispatcher is not None:
            room.dispatcher.start()
        if room.run is not None:
            stack.push_async_callback(end_task, asyncio.create_task(room.run()))
        if room.purge is not None:
            purging = asyncio.create_task(purge_daily([room.purge]))
            stack.push_async_callback(end_task, purging)

    async def _open(self, stack: contextlib.AsyncExitStack) -> None:
        grpc_port = None if self._grpc is None else self._grpc.port
        await self.register(stack, self.room, "rock", "port", grpc_port)

    def _platform(self, stack: contextlib.AsyncExitStack) -> Platform:
        return Platform(
            config=self.config,
            clock=self.clock,
            database=self.database,
            dialect=MYSQL,
            lanes=self.config.database.lanes,
            routes=self.routes,
            watches=RedisWatches(self.link),
            cache=self.cache,
            blobs=partial(self.open_blobs, stack),
            tokens=self.tokens,
            keys=self.keys,
            incarnation=self.incarnation,
            servicers=self.servicers,
            channel=lambda _room: self.channel,
            gateway_channel=lambda _room, instance: self.channel.gateway(instance),
            all_gateways=self.gateways,
            relay=self._relay if self.config.streams.enabled else None,
        )

    def _relay(self, room: str) -> StreamRelay:
        return StreamRelay(room, self.link, self.clock, self.config.streams.max_entries)

    async def _open_database(self, stack: contextlib.AsyncExitStack) -> None:
        stack.push_async_callback(self.database.close)
        await self.database.open()
        await self.database.read(schema.check)
        # It has the port, so an earlier life of the same name is dead: what that left is handed on now.
        await self.database.write(lambda connection: lease.begin(connection, MYSQL, self.incarnation, self.name))
        renewing = asyncio.create_task(self._renew_lease())
        stack.push_async_callback(self._end_lease, renewing)
        self.readiness.add("database", self._ask_database)

    async def _ask_database(self) -> str:
        await self.database.read(lambda connection: meta.load_epoch(connection, MYSQL))
        return ""

    async def _renew_lease(self) -> None:
        def renew(connection: Connection) -> bool:
            return lease.renew(connection, MYSQL, self.incarnation)

        while True:
            await asyncio.sleep(lease.RENEW_EVERY_S)
            try:
                if not await self.database.write(renew):
                    self.end("its lease was ended by another process: it stood still for too long")
                    return
            except DatabaseError as error:
                log.warning("lease_not_renewed", error=str(error))

    async def _end_lease(self, renewing: asyncio.Task[None]) -> None:
        await end_task(renewing)
        with contextlib.suppress(DatabaseError):
            await self.database.write(lambda connection: lease.end(connection, MYSQL, self.incarnation))

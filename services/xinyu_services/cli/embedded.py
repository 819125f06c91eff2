"""The embedded form put together: every object of `xinyu serve`, and the order in which they start and stop.

    server = EmbeddedServer(load_config(overrides={"data_directory": path, "http": {"port": 0}, ...}))
    await server.start()        # raises what the command line tells in one line
    ... server.http_url, server.websocket_url ...
    await server.stop()

Start: lock and ports first (whoever cannot have them should hear it before anything is touched), then database, rooms,
gateways. Stop is the reverse: no new connections, calls under way end and are answered, sockets are closed, outboxes
are handed on, the database closes, the lock goes. Each step is registered when it has begun, so a start that fails in
the middle stops what it had started.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from functools import partial
from pathlib import Path
from typing import Final

import structlog
from sqlalchemy import Connection

import xinyu.web
from xinyu.base.clock import SystemClock
from xinyu.base.config import Config
from xinyu.base.ids import new_incarnation
from xinyu.base.loop_lag import LoopLag
from xinyu.base.metrics import Metrics
from xinyu.base.token import AccessTokens
from xinyu.delivery.routes import MemoryRoutes
from xinyu.delivery.watches import MemoryWatches
from xinyu.gateway.credentials import Tickets
from xinyu.gateway.ended_logins import EndedLogins
from xinyu.gateway.http.gateway import HttpGateway
from xinyu.gateway.listener import bound_port, listen, listen_shared, reachable_host
from xinyu.gateway.ops import OpsServer
from xinyu.gateway.origins import AllowedOrigins
from xinyu.gateway.proxies import TrustedProxies
from xinyu.gateway.rate_limit import RateLimit
from xinyu.gateway.readiness import Readiness
from xinyu.gateway.ws.figures import measure_engine
from xinyu.gateway.ws.gateway import WebSocketGateway
from xinyu.rpc.in_process import InProcessNetwork
from xinyu.storage import lease, meta, schema
from xinyu.storage.cache import MemoryCache
from xinyu.storage.database import DatabaseError
from xinyu.storage.dialect import SQLITE
from xinyu.storage.sqlite import SqliteDatabase
from xinyu.wire.v1 import cache_rpc, gateway_rpc, message_rpc, presence_rpc, presence_watcher_rpc
from xinyu.wire.v1.method import Channel
from xinyu.wire.v1.user_rpc import UserStub
from xinyu_services.cli.blob_directory import open_blobs
from xinyu_services.cli.data_directory import DataDirectory
from xinyu_services.cli.doors import client_events, http_routes
from xinyu_services.cli.embedded_workers import EmbeddedWorkers
from xinyu_services.cli.failure import CommandError
from xinyu_services.cli.measures import measure_calls, measure_rooms
from xinyu_services.cli.rooms import ROOMS, Platform, build_rooms
from xinyu_services.cli.shared_cache import CacheServicer
from xinyu_services.cli.upkeep import purge_daily
from xinyu_services.media.http import public_files
from xinyu_services.user.keys import load_or_create_keys

log = structlog.get_logger(__name__)

GATEWAY_INSTANCE: Final = "embedded"
GATEWAYS_STOP_S: Final = 4.0
CALLS_STOP_S: Final = 1.5
OUTBOX_STOP_S: Final = 1.5


class EmbeddedServer:
    """One server in this process. `serialise`: every call between rooms crosses as bytes (tests)."""

    def __init__(self, config: Config, *, serialise: bool = False) -> None:
        self.config = config
        self.clock = SystemClock()
        self.network = InProcessNetwork(serialise=serialise)
        self.routes = MemoryRoutes()
        self._directory = DataDirectory(config.data_directory)
        self._running = contextlib.AsyncExitStack()
        self.readiness = Readiness()
        self._http_port = self._websocket_port = 0
        self.metrics = Metrics(version=xinyu.__version__, role="serve", instance=GATEWAY_INSTANCE)
        self.workers: EmbeddedWorkers | None = None
        self._epoch = ""
        self.tokens: AccessTokens
        self.database: SqliteDatabase
        self.http: HttpGateway
        self.websocket: WebSocketGateway

    @property
    def data_directory(self) -> Path:
        return self._directory.path

    @property
    def http_url(self) -> str:
        """Without a slash at the end."""
        return f"http://{reachable_host(self.config.http.host)}:{self._http_port}"

    @property
    def websocket_url(self) -> str:
        return f"ws://{reachable_host(self.config.websocket.host)}:{self._websocket_port}/ws"

    async def start(self) -> None:
        """Up when it returns. Raises CommandError, ListenError, KeyFileError, SchemaError or a DatabaseError."""
        if self.config.streams.enabled:
            raise CommandError("streams.enabled: only a cluster relays events (its Redis); xinyu serve has none")
        async with contextlib.AsyncExitStack() as stack:
            self._directory.open()
            stack.callback(self._directory.close)
            http_socket = self._listen(stack, self.config.http.host, self.config.http.port)
            websocket_sockets = self._listen_websocket(stack)
            self._http_port, self._websocket_port = bound_port(http_socket), bound_port(websocket_sockets[0])
            await self._start_ops(stack)
            platform = await self._start_platform(stack)
            await self._start_rooms(stack, platform)
            await self._start_gateways(stack, platform, http_socket, websocket_sockets)
            self._running = stack.pop_all()
        self.readiness.state = "up"

    async def stop(self) -> None:
        """Within 10 s. Idempotent."""
        self.readiness.state = "draining"
        await self._running.aclose()

    def _listen(self, stack: contextlib.AsyncExitStack, host: str, port: int) -> socket.socket:
        listening = listen(host, port)
        stack.callback(listening.close)
        return listening

    def _listen_websocket(self, stack: contextlib.AsyncExitStack) -> list[socket.socket]:
        settings = self.config.websocket
        if settings.workers == 1:
            return [self._listen(stack, settings.host, settings.port)]
        sockets = listen_shared(settings.host, settings.port, settings.workers)
        for listening in sockets:
            stack.callback(listening.close)
        return sockets

    async def _start_ops(self, stack: contextlib.AsyncExitStack) -> None:
        lag = LoopLag()
        lag.start()
        stack.callback(lag.stop)
        lag.measure(self.metrics)
        measure_calls(self.metrics, self.network)
        if self.config.ops.port:
            server = OpsServer(self.readiness, self.metrics)
            await server.start(self._listen(stack, self.config.ops.host, self.config.ops.port))
            stack.push_async_callback(server.stop)

    async def _start_platform(self, stack: contextlib.AsyncExitStack) -> Platform:
        keys = load_or_create_keys(self.config.accounts.keys_directory or self._directory.path)
        self.tokens = AccessTokens(keys.token_secret, self.config.accounts.token_ttl_s, self.clock)
        database = self.database = SqliteDatabase(self._directory.database)
        stack.push_async_callback(database.close)
        for revision, description in await database.write(schema.apply):
            log.info("schema_applied", revision=revision, description=description)
        blobs = open_blobs(self.config)
        stack.push_async_callback(asyncio.to_thread, blobs.close)
        incarnation = new_incarnation()
        await database.write(lambda connection: lease.take_over(connection, SQLITE, incarnation))
        renewing = asyncio.create_task(self._renew_lease(incarnation))
        stack.push_async_callback(self._end_lease, incarnation, renewing)
        epoch = self._epoch = await database.read(lambda connection: meta.load_epoch(connection, SQLITE))
        if self.config.websocket.workers > 1:
            self.workers = EmbeddedWorkers(self.config, self.network, self.routes, keys.token_secret, epoch)
        return Platform(
            config=self.config,
            clock=self.clock,
            database=database,
            dialect=SQLITE,
            routes=self.routes,
            watches=MemoryWatches(),
            cache=MemoryCache(self.clock),
            blobs=lambda: blobs,
            tokens=self.tokens,
            keys=keys,
            incarnation=incarnation,
            servicers=self.network,
            channel=self.network.channel,
            gateway_channel=self._gateway_channel,
        )

    def _gateway_channel(self, room: str, instance: str) -> Channel:
        if self.workers is not None:
            return self.workers.channel(room, instance)
        return self.network.channel(room, instance=instance)

    async def _ask_database(self) -> str:
        await self.database.read(lambda connection: meta.load_epoch(connection, SQLITE))
        return ""

    async def _renew_lease(self, incarnation: str) -> None:
        def renew(connection: Connection) -> bool:
            return lease.renew(connection, SQLITE, incarnation)

        while True:
            await asyncio.sleep(lease.RENEW_EVERY_S)
            try:
                if not await self.database.write(renew):
                    log.error("lease_lost", incarnation=incarnation)
            except DatabaseError as error:
                log.warning("lease_not_renewed", error=str(error))

    async def _end_lease(self, incarnation: str, renewing: asyncio.Task[None]) -> None:
        await _end(renewing)
        with contextlib.suppress(DatabaseError):
            await self.database.write(lambda connection: lease.end(connection, SQLITE, incarnation))

    async def _start_rooms(self, stack: contextlib.AsyncExitStack, platform: Platform) -> None:
        rooms = build_rooms(platform, ROOMS)
        measure_rooms(self.metrics, rooms)
        self.readiness.add("database", self._ask_database)

        async def stop() -> None:
            await self.network.drain(CALLS_STOP_S)
            await asyncio.gather(*(room.dispatcher.close(OUTBOX_STOP_S) for room in rooms if room.dispatcher))
            await self.network.drain(0.5)
            for room in rooms:
                if room.stop is not None:
                    await room.stop()
                if room.close is not None:
                    await asyncio.to_thread(room.close)

        stack.push_async_callback(stop)
        for room in rooms:
            if room.dispatcher is not None:
                room.dispatcher.start()
        for room in rooms:
            if room.run is not None:
                stack.push_async_callback(_end, asyncio.create_task(room.run()))
        purging = asyncio.create_task(purge_daily([room.purge for room in rooms if room.purge is not None]))
        stack.push_async_callback(_end, purging)

    async def _start_gateways(
        self,
        stack: contextlib.AsyncExitStack,
        platform: Platform,
        http_socket: socket.socket,
        websocket_sockets: list[socket.socket],
    ) -> None:
        config, limits = self.config, self.config.limits
        origins = AllowedOrigins(config.http.allowed_origins)
        tickets, proxies = Tickets(platform.cache), TrustedProxies(config.trusted_proxies)
        # One bucket a user, whichever door he sends through.
        send_limit = RateLimit(limits.sends_per_s, limits.send_burst, self.clock)
        self.http = HttpGateway(
            config.http,
            self.tokens,
            tickets,
            origins,
            http_routes(platform.channel("gateway.http"), config, platform.blobs(), self.clock),
            blobs=platform.blobs(),
            public_files=public_files(),
            send_limit=send_limit,
            entry_limit=RateLimit(limits.entries_per_minute / 60, limits.entries_per_minute, self.clock),
            page_root=Path(xinyu.web.__file__).parent,
            websocket_port=lambda: self._websocket_port,
            readiness=self.readiness,
            proxies=proxies,
        )
        if self.workers is not None:
            self.network.serve(cache_rpc.METHODS, CacheServicer(platform.cache))
            stop_websocket = self.workers.stop
        else:
            self.websocket = self._websocket_gateway(platform, tickets, origins, send_limit)
            measure_engine(self.metrics, self.websocket.engine)
            self.network.serve(gateway_rpc.METHODS, self.websocket, instance=GATEWAY_INSTANCE)
            self.network.serve(presence_watcher_rpc.METHODS, self.websocket.watching, instance=GATEWAY_INSTANCE)
            stop_websocket = partial(self.websocket.stop, GATEWAYS_STOP_S)

        async def stop() -> None:
            await asyncio.gather(self.http.stop(GATEWAYS_STOP_S), stop_websocket())
            for methods in (gateway_rpc.METHODS, presence_watcher_rpc.METHODS):
                self.network.withdraw(methods, instance=GATEWAY_INSTANCE)

        stack.push_async_callback(stop)
        ended = EndedLogins(self.tokens, UserStub(platform.channel("gateway")), platform.cache, self.clock)
        if self.workers is None:
            ended.on_ended = self.websocket.end_logins
        await ended.load()
        stack.push_async_callback(_end, asyncio.create_task(ended.run()))
        if self.workers is not None:
            await self.workers.start(websocket_sockets)
        else:
            self.websocket.start(websocket_sockets[0])
        self.http.measure(self.metrics)
        await self.http.start(http_socket)

    def _websocket_gateway(
        self, platform: Platform, tickets: Tickets, origins: AllowedOrigins, send_limit: RateLimit
    ) -> WebSocketGateway:
        """The one of this process."""
        return WebSocketGateway(
            self.config.websocket,
            self.tokens,
            tickets,
            origins,
            presence_rpc.PresenceStub(platform.channel("gateway.ws")),
            message_rpc.MessageStub(platform.channel("gateway.ws")),
            client_events(platform.channel("gateway.ws"), self.config),
            send_limit=send_limit,
            clock=self.clock,
            epoch=self._epoch,
            instance=GATEWAY_INSTANCE,
            incarnation=platform.incarnation,
            proxies=TrustedProxies(self.config.trusted_proxies),
        )


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

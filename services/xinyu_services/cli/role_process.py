"""One process of the cluster: what every role has, and the order in which it starts and stops.

Start: ports first (whoever cannot have one should hear it before anything is touched), then what others keep (Redis,
ZooKeeper, for rooms the database), then the role's own part; then it answers calls; and last it registers, so whoever
finds it can call it. Stop is the reverse: it is shown as draining and then gone, calls under way end and are answered,
outboxes are handed on, the lease ends. Each step is registered when it has begun, so a start that fails in the middle
stops what it had started.

What a process needs of others and does not find (a database that is away, a port) is told in one line, and it ends: who
supervises it tries again. What only other processes of the cluster can answer it waits for.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

import xinyu
from xinyu.base.clock import SystemClock
from xinyu.base.config import Config
from xinyu.base.errors import XinYuError
from xinyu.base.ids import new_incarnation
from xinyu.base.loop_lag import LoopLag
from xinyu.base.metrics import Metrics
from xinyu.base.token import AccessTokens
from xinyu.delivery.redis_routes import RedisRoutes
from xinyu.discovery.address import advertised
from xinyu.discovery.registry import Instance, Kind, Registry
from xinyu.discovery.static import StaticRegistry
from xinyu.discovery.zookeeper import ZooKeeperRegistry
from xinyu.gateway.ended_logins import EndedLogins
from xinyu.gateway.listener import bound_port, listen
from xinyu.gateway.ops import OpsServer
from xinyu.gateway.readiness import Readiness
from xinyu.gateway.shared_rate_limit import SharedRateLimit
from xinyu.rpc.call_times import CallTimes
from xinyu.rpc.probe import ProbeServicer
from xinyu.rpc.rock_channel import RockChannel
from xinyu.rpc.rock_server import RockServer
from xinyu.rpc.service_channels import GATEWAYS, ServiceChannels
from xinyu.rpc.servicers import Servicers
from xinyu.storage.local_blobs import LocalBlobs
from xinyu.storage.redis_cache import RedisCache
from xinyu.storage.redis_link import RedisLink
from xinyu.wire.v1 import probe_rpc
from xinyu.wire.v1.user_rpc import UserStub
from xinyu_services.cli.blob_directory import open_blobs
from xinyu_services.cli.failure import CommandError
from xinyu_services.cli.measures import measure_calls
from xinyu_services.user.keys import ServerKeys, load_keys

if TYPE_CHECKING:
    from xinyu.rpc.grpc_server import GrpcServer

log = structlog.get_logger(__name__)

# Callers hear within it that a process drains.
DRAIN_S: Final = 0.5
# Every service is looked for from the start on, so that the first call finds it.
CALLED: Final = (
    "presence",
    "message",
    "contact",
    "user",
    "group",
    "talk",
    "media",
    "emoticon",
    "organize",
    "note",
    GATEWAYS,
)
CALLS_STOP_S: Final = 4.0
ASK_AGAIN_S: Final = 0.5
GATEWAY_STOP_S: Final = 4.0
# Calls of a gateway wait so long for a service that nobody offers: a room that is started again is back by then, or a
# client's next try finds it.
DOOR_PATIENCE_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Ports:
    """Where a process listens. 0 = a free port; None = not at all. `port` is the role's own: Rock for a service, HTTP
    or WebSocket for a gateway; `rpc_port` is the WebSocket gateway's Rock port."""

    host: str
    port: int
    rpc_port: int | None = None
    grpc_port: int | None = None
    ops_port: int | None = None


class RoleProcess:
    """Base of the roles. A role says what it is (`role`), and does its own part in `_build` (before calls are answered)
    and `_open` (after that). `ended` is set when the process must not go on; `failure` then says why."""

    role: str

    def __init__(self, config: Config, ports: Ports) -> None:
        self.config = config
        self.ports = ports
        self.clock = SystemClock()
        self.incarnation = new_incarnation()
        self.servicers = Servicers(max_in_flight=config.rpc.max_in_flight)
        self.readiness = Readiness()
        self.ended = asyncio.Event()
        self.failure = ""
        self.metrics: Metrics
        self.keys: ServerKeys
        self.tokens: AccessTokens
        self.link: RedisLink
        self.cache: RedisCache
        self.routes: RedisRoutes
        self.registry: Registry
        self.channel: ServiceChannels
        self._calls = CallTimes()
        self._started_at = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        self._listening: dict[str, socket.socket] = {}
        self._running = contextlib.AsyncExitStack()
        self._grpc: GrpcServer | None = None

    # ---------------------------------------------------------------- what a role says

    # How long its calls wait for a service that nobody offers.
    patience_s: float = 0.0

    @property
    def rock_port_name(self) -> str:
        """Which of `ports` is that of Rock, "" = it answers no calls."""
        return "port"

    async def _build(self, stack: contextlib.AsyncExitStack) -> None:
        """The role's part, before calls are answered."""

    async def _open(self, stack: contextlib.AsyncExitStack) -> None:
        """The role's part, when calls are answered; it registers what is not Rock."""

    # ---------------------------------------------------------------- life

    @property
    def name(self) -> str:
        """Of this process among others, the same in each life."""
        return f"{self.role}@{self.address('port')}"

    def address(self, port_name: str) -> str:
        """What others are told of one of the ports."""
        port = bound_port(self._listening[port_name])
        return advertised(self.ports.host, port, self.config.rpc.advertise_host)

    def bound(self, port_name: str) -> int | None:
        """The port itself, None where there is none."""
        listening = self._listening.get(port_name)
        return None if listening is None else bound_port(listening)

    async def start(self) -> None:
        """Up when it returns. Raises CommandError, ListenError, KeyFileError, SchemaError or a DatabaseError."""
        async with contextlib.AsyncExitStack() as stack:
            self._listen(stack)
            structlog.contextvars.bind_contextvars(role=self.role, instance=self.address("port"))
            self.metrics = Metrics(version=xinyu.__version__, role=self.role, instance=self.name)
            await self._start_ops(stack)
            self.keys = load_keys(self.config.keys_directory)
            self.tokens = AccessTokens(self.keys.token_secret, self.config.accounts.token_ttl_s, self.clock)
            self._start_redis(stack)
            await self._start_discovery(stack)
            await self._build(stack)
            if self.rock_port_name:
                await self._answer_calls(stack)
            await self._open(stack)
            self._running = stack.pop_all()
        self.readiness.state = "up"

    async def stop(self) -> None:
        """Within 15 s. Idempotent."""
        self.readiness.state = "draining"
        await self._running.aclose()

    def end(self, failure: str) -> None:
        """The process must not go on."""
        self.failure = self.failure or failure
        log.error("process_ends", why=failure)
        self.ended.set()

    async def register(
        self, stack: contextlib.AsyncExitStack, service: str, kind: Kind, port_name: str, grpc_port: int | None = None
    ) -> None:
        """Tells others; they hear that it drains, and that it is gone, when the stack comes to it."""
        address = self.address(port_name)
        registration = await self.registry.register(
            Instance(
                service,
                address,
                kind,
                weight=self.config.discovery.weight,
                version=xinyu.__version__,
                started_at=self._started_at,
                instance_id=address,
                grpc_port=grpc_port,
            )
        )

        async def withdraw() -> None:
            await registration.drain()
            if self._grpc is not None:
                await self._grpc.drain()
            await asyncio.sleep(DRAIN_S)
            await registration.withdraw()

        stack.push_async_callback(withdraw)

    def limit(self, stack: contextlib.AsyncExitStack, name: str, rate_per_s: float, burst: int) -> SharedRateLimit:
        """A rate that all gateways count together."""
        limit = SharedRateLimit(name, rate_per_s, burst, self.clock, self.cache)
        task = asyncio.create_task(limit.run())

        async def end() -> None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        stack.push_async_callback(end)
        return limit

    async def ended_logins(self, stack: contextlib.AsyncExitStack) -> EndedLogins:
        """Kept for as long as the gateway runs. Nobody is let in before the user room has said whom not."""
        ended = EndedLogins(self.tokens, UserStub(self.channel), self.cache, self.clock)
        while True:
            try:
                await ended.load()
                break
            except XinYuError as error:
                log.warning("ended_logins_not_loaded", error=str(error))
                await asyncio.sleep(ASK_AGAIN_S)
        task = asyncio.create_task(ended.run())

        async def end() -> None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        stack.push_async_callback(end)
        return ended

    def open_blobs(self, stack: contextlib.AsyncExitStack) -> LocalBlobs:
        """Closed with the process."""
        blobs = open_blobs(self.config)
        stack.push_async_callback(asyncio.to_thread, blobs.close)
        return blobs

    # ---------------------------------------------------------------- parts

    def _listen(self, stack: contextlib.AsyncExitStack) -> None:
        for name in ("port", "rpc_port", "ops_port"):
            port = getattr(self.ports, name)
            if port is not None and name not in self._listening:
                self._listening[name] = listen(self.ports.host if name != "ops_port" else self.config.ops.host, port)
        for listening in self._listening.values():
            stack.callback(listening.close)

    async def _start_ops(self, stack: contextlib.AsyncExitStack) -> None:
        lag = LoopLag()
        lag.start()
        stack.callback(lag.stop)
        lag.measure(self.metrics)
        measure_calls(self.metrics, self.servicers)
        self._calls.measure(self.metrics, "client")
        if "ops_port" in self._listening:
            server = OpsServer(self.readiness, self.metrics)
            await server.start(self._listening["ops_port"])
            stack.push_async_callback(server.stop)

    def _start_redis(self, stack: contextlib.AsyncExitStack) -> None:
        self.link = RedisLink(self.config.redis, self.clock)
        stack.push_async_callback(self.link.close)
        self.cache = RedisCache(self.link)
        self.routes = RedisRoutes(self.link, self.clock)

    async def _ask_redis(self) -> str:
        await self.cache.get("ready")
        return ""

    async def _start_discovery(self, stack: contextlib.AsyncExitStack) -> None:
        settings = self.config.discovery
        if not settings.zookeeper and not settings.addresses:
            raise CommandError("nobody would be found: set discovery.zookeeper or discovery.addresses")
        zookeeper = ZooKeeperRegistry(settings, consumer=self.address("port")) if settings.zookeeper else None
        try:
            self.registry = StaticRegistry(settings.addresses, zookeeper)
        except ValueError as error:
            raise CommandError(f"discovery.addresses: {error}") from None
        stack.push_async_callback(self.registry.close)
        await self.registry.start()
        self.channel = ServiceChannels(self.registry, self._connect, settings.balance, self.patience_s)
        stack.push_async_callback(self.channel.close)
        for service in CALLED:
            self.channel.service(service)
        self._gateways = self.registry.watch(GATEWAYS)
        stack.callback(self._gateways.close)

    def gateways(self) -> list[str]:
        """The names of all WebSocket gateways that are known."""
        return [instance.instance_id for instance in self._gateways.instances]

    def _connect(self, instance: Instance) -> RockChannel:
        secret = self.config.rpc.secret.encode()
        return RockChannel(
            instance.host,
            instance.port,
            caller=self.name,
            secret=secret,
            settings=self.config.rpc,
            times=self._calls,
        )

    async def _answer_calls(self, stack: contextlib.AsyncExitStack) -> None:
        secret = self.config.rpc.secret.encode()
        self.servicers.serve(probe_rpc.METHODS, ProbeServicer(self.servicers, version=xinyu.__version__))
        server = RockServer(self.servicers, secret=secret, settings=self.config.rpc)
        try:
            await server.start(self._listening[self.rock_port_name])
            if self.ports.grpc_port is not None:
                from xinyu.rpc.grpc_server import GrpcServer  # loads much, and most processes do not need it

                self._grpc = GrpcServer(self.servicers, secret=secret, settings=self.config.rpc)
                await self._grpc.start(self.ports.host, self.ports.grpc_port)
        except ValueError as error:
            raise CommandError(f"{error} (rpc.secret)") from None
        except OSError as error:
            raise CommandError(str(error)) from None

        async def stop() -> None:
            await self.servicers.drain(CALLS_STOP_S)
            await server.stop()
            if self._grpc is not None:
                await self._grpc.stop()

        stack.push_async_callback(stop)

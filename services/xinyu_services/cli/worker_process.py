"""A worker: one WebSocket gateway in a process of its own, started and ended by `xinyu_services.cli.worker_pool`.

The parent hands over a listening socket, and on standard input one line of JSON that says what to do (`Orders`); the
input then stays open, and its end means that the parent wants the worker to stop, or is gone. On standard output the
worker says one line when it can be called (`Ready`); a second line of input, of any text, tells it to accept
connections: from the first one on the rooms can reach it. What it tells people goes to standard error.

A gateway's line to the parent carries its calls to the rooms; when that breaks, the worker ends: its clients come back
to others, and the parent has forgotten their routes here.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from typing import Any, Final

import msgspec
import uvloop

from xinyu_services.cli.failure import CommandError, one_line_failures
from xinyu_services.cli.process import raise_file_limit, settle_memory

CALLS_STOP_S: Final = 1.0
GATEWAY_STOP_S: Final = 4.0


class EchoOrders(msgspec.Struct, tag="echo", frozen=True):
    """Be an echo gateway (`xinyu.gateway.ws.echo`)."""

    in_python: bool
    max_fragments: int


class GatewayOrders(msgspec.Struct, tag="gateway", frozen=True):
    """Be the gateway `instance` of the rooms that answer on 127.0.0.1:`rooms_port`."""

    config: dict[str, Any]
    token_secret: bytes
    rooms_port: int
    cluster_secret: bytes
    instance: str
    incarnation: str
    epoch: str
    ops_port: int  # 0 = none


class RoleOrders(msgspec.Struct, tag="role", frozen=True):
    """Be a WebSocket gateway of the cluster (`xinyu_services.cli.roles`). `ops_port` None = none."""

    config: dict[str, Any]
    host: str
    rpc_port: int
    ops_port: int | None


Work = EchoOrders | GatewayOrders | RoleOrders


class Orders(msgspec.Struct, frozen=True):
    """`descriptor`: of the listening socket."""

    descriptor: int
    log_level: str
    log_format: str
    work: Work


class Ready(msgspec.Struct, frozen=True):
    """`rpc_port`: where the rooms reach this gateway; 0 = they need not."""

    rpc_port: int


def main() -> None:
    from xinyu.base.config import LogSettings
    from xinyu.base.logging import configure_logging

    # Ctrl-C reaches every process of the terminal's group: it is the parent that says when to stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise_file_limit()
    line = sys.stdin.buffer.readline()
    if not line:  # the parent has gone already
        return
    orders = msgspec.json.decode(line, type=Orders)
    instance = orders.work.instance if isinstance(orders.work, GatewayOrders) else ""
    logs = LogSettings(level=orders.log_level, format=orders.log_format)
    role = "gateway-ws" if isinstance(orders.work, RoleOrders) else "worker"
    configure_logging(logs, role=role, instance=instance)
    listening = socket.socket(fileno=orders.descriptor)
    with one_line_failures(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(orders.work, listening))


async def _run(work: Work, listening: socket.socket) -> None:
    parent = _Parent()
    if isinstance(work, EchoOrders):
        await _echo(work, listening, parent)
    elif isinstance(work, RoleOrders):
        await _role(work, listening, parent)
    else:
        await _gateway(work, listening, parent)


class _Parent:
    """What the parent wants."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self._go = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._loop.add_signal_handler(signal.SIGTERM, self._on_stop)
        self._loop.add_reader(0, self._on_input)

    async def may_accept(self, rpc_port: int) -> bool:
        """Says that this worker can be called, and waits for the word. False: it is to stop already."""
        settle_memory()
        sys.stdout.write(msgspec.json.encode(Ready(rpc_port)).decode() + "\n")
        sys.stdout.flush()
        await self._go.wait()
        return not self.stop.is_set()

    def _on_input(self) -> None:
        if os.read(0, 4096):
            self._go.set()
        else:
            self._loop.remove_reader(0)
            self._on_stop()

    def _on_stop(self) -> None:
        self.stop.set()
        self._go.set()


async def _echo(work: EchoOrders, listening: socket.socket, parent: _Parent) -> None:
    from xinyu.gateway.ws.echo import EchoGateway

    gateway = EchoGateway(in_python=work.in_python, max_fragments=work.max_fragments)
    if await parent.may_accept(0):
        gateway.start(listening)
        await parent.stop.wait()
        await gateway.stop()


async def _role(work: RoleOrders, listening: socket.socket, parent: _Parent) -> None:
    from xinyu.base.config import Config
    from xinyu_services.cli.role_process import Ports
    from xinyu_services.cli.roles import run_process
    from xinyu_services.cli.websocket_gateway_process import WebSocketGatewayProcess

    config = Config.model_validate(work.config)
    ports = Ports(work.host, 0, work.rpc_port, None, work.ops_port)
    if await parent.may_accept(0):
        await run_process(WebSocketGatewayProcess(config, ports, listening), parent.stop)


async def _gateway(work: GatewayOrders, listening: socket.socket, parent: _Parent) -> None:
    import xinyu
    from xinyu.base.clock import SystemClock
    from xinyu.base.config import Config
    from xinyu.base.errors import XinYuError
    from xinyu.base.loop_lag import LoopLag
    from xinyu.base.metrics import Metrics
    from xinyu.base.token import AccessTokens
    from xinyu.gateway.credentials import Tickets
    from xinyu.gateway.ended_logins import EndedLogins
    from xinyu.gateway.listener import listen
    from xinyu.gateway.ops import OpsServer
    from xinyu.gateway.origins import AllowedOrigins
    from xinyu.gateway.proxies import TrustedProxies
    from xinyu.gateway.rate_limit import RateLimit
    from xinyu.gateway.readiness import Readiness
    from xinyu.gateway.ws.figures import measure_engine
    from xinyu.gateway.ws.gateway import WebSocketGateway
    from xinyu.rpc.call_times import CallTimes
    from xinyu.rpc.rock_channel import RockChannel
    from xinyu.rpc.rock_server import RockServer
    from xinyu.rpc.servicers import Servicers
    from xinyu.wire.v1 import gateway_rpc, presence_watcher_rpc
    from xinyu.wire.v1.cache_rpc import CacheStub
    from xinyu.wire.v1.message_rpc import MessageStub
    from xinyu.wire.v1.presence_rpc import PresenceStub
    from xinyu.wire.v1.user_rpc import UserStub
    from xinyu_services.cli.doors import client_events
    from xinyu_services.cli.measures import measure_calls
    from xinyu_services.cli.shared_cache import RpcCache

    config, clock = Config.model_validate(work.config), SystemClock()
    calls, readiness, lag = CallTimes(), Readiness(), LoopLag()
    rooms = RockChannel("127.0.0.1", work.rooms_port, caller=work.instance, secret=work.cluster_secret, times=calls)
    try:
        await rooms.connect()
    except XinYuError:
        raise CommandError("the worker cannot reach the rooms of its parent") from None
    tokens, cache = AccessTokens(work.token_secret, config.accounts.token_ttl_s, clock), RpcCache(CacheStub(rooms))
    gateway = WebSocketGateway(
        config.websocket,
        tokens,
        Tickets(cache),
        AllowedOrigins(config.http.allowed_origins),
        PresenceStub(rooms),
        MessageStub(rooms),
        client_events(rooms, config),
        send_limit=RateLimit(config.limits.sends_per_s, config.limits.send_burst, clock),
        clock=clock,
        epoch=work.epoch,
        instance=work.instance,
        incarnation=work.incarnation,
        proxies=TrustedProxies(config.trusted_proxies),
    )
    servicers = Servicers()
    servicers.serve(gateway_rpc.METHODS, gateway)
    servicers.serve(presence_watcher_rpc.METHODS, gateway.watching)
    server = RockServer(servicers, secret=work.cluster_secret)
    await server.start(listen("127.0.0.1", 0))
    metrics = Metrics(version=xinyu.__version__, role="worker", instance=work.instance)
    measure_calls(metrics, servicers)
    calls.measure(metrics, "client")
    measure_engine(metrics, gateway.engine)
    lag.start()
    lag.measure(metrics)
    ops = OpsServer(readiness, metrics)
    if work.ops_port:
        await ops.start(listen(config.ops.host, work.ops_port))
    ended = EndedLogins(tokens, UserStub(rooms), cache, clock)
    ended.on_ended = gateway.end_logins
    try:
        await ended.load()
    except XinYuError:
        raise CommandError("the worker cannot reach the rooms of its parent") from None
    looking = asyncio.create_task(ended.run())
    if await parent.may_accept(server.port):
        gateway.start(listening)
        readiness.state = "up"
        waiting = {asyncio.ensure_future(parent.stop.wait()), asyncio.ensure_future(rooms.lost())}
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        readiness.state = "draining"
        await gateway.stop(GATEWAY_STOP_S)
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)
    await servicers.drain(CALLS_STOP_S)
    await server.stop()
    await rooms.close()
    await ops.stop()
    lag.stop()


if __name__ == "__main__":
    main()

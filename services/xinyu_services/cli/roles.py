"""The roles of the cluster by name (`xinyu run ROLE`), and their life. A process loads only what its own role needs:
that is most of what a start takes."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from xinyu.base.config import Config
from xinyu.gateway.listener import bound_port, listen_shared
from xinyu_services.cli.failure import CommandError
from xinyu_services.cli.process import end_task, settle_memory
from xinyu_services.cli.role_process import Ports, RoleProcess
from xinyu_services.cli.worker_pool import WorkerPool
from xinyu_services.cli.worker_process import RoleOrders

log = structlog.get_logger(__name__)

# What a role listens on unless told otherwise (contract: rock-rpc, "Default ports").
DEFAULT_PORTS: Final = {
    "gateway-http": 8080,
    "gateway-ws": 8081,
    "svc-presence": 8070,
    "svc-message": 8071,
    "svc-contact": 8072,
    "svc-user": 8073,
    "svc-group": 8074,
    "svc-talk": 8075,
    "svc-media": 8076,
    "svc-emoticon": 8077,
    "svc-organize": 8078,
    "svc-note": 8079,
}
DEFAULT_GATEWAY_RPC_PORT: Final = 8060


def make_role(role: str, config: Config, ports: Ports) -> RoleProcess:
    """Not yet started. `role`: one of DEFAULT_PORTS."""
    if role == "gateway-http":
        from xinyu_services.cli.http_gateway_process import HttpGatewayProcess

        return HttpGatewayProcess(config, ports)
    if role == "gateway-ws":
        from xinyu_services.cli.websocket_gateway_process import WebSocketGatewayProcess

        return WebSocketGatewayProcess(config, ports)
    from xinyu_services.cli.room_process import RoomProcess

    return RoomProcess(role.removeprefix("svc-"), config, ports)


async def run_role(role: str, config: Config, ports: Ports, stop: asyncio.Event) -> None:
    """Runs until `stop` is set or the process must not go on; then CommandError says why."""
    await run_process(make_role(role, config, ports), stop)


async def run_process(process: RoleProcess, stop: asyncio.Event) -> None:
    """As `run_role`. A start that waits for other processes ends when `stop` is set."""
    stopping = asyncio.create_task(stop.wait())
    ending = asyncio.create_task(process.ended.wait())
    starting = asyncio.create_task(process.start())
    try:
        await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            settle_memory()
            log.info("up", address=process.address("port"))
            await asyncio.wait((stopping, ending), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (starting, stopping, ending):
            await end_task(task)
        await process.stop()
    if process.failure:
        raise CommandError(process.failure)


async def run_workers(config: Config, ports: Ports, count: int, stop: asyncio.Event) -> None:
    """The WebSocket gateway as several processes behind one port, until `stop` is set. Worker n has the n-th port after
    `rpc_port` and `ops_port`, the first those themselves; 0 = free ones."""
    sockets = listen_shared(ports.host, ports.port, count)
    pool = WorkerPool(
        sockets,
        lambda number: RoleOrders(
            config.model_dump(mode="json"),
            ports.host,
            _nth(ports.rpc_port, number),
            None if ports.ops_port is None else _nth(ports.ops_port, number),
        ),
        config.log,
    )
    await pool.start()
    log.info("up", address=f"{ports.host}:{bound_port(sockets[0])}", workers=pool.pids())
    await stop.wait()
    await pool.stop()


def _nth(port: int | None, number: int) -> int:
    return port + number - 1 if port else 0

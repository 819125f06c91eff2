"""The embedded form's gateways in processes of their own: how the rooms of this process reach them, and they the rooms.

Rooms and workers call each other by Rock on loopback, both ends proving a secret made at the start. A worker's routes
are forgotten when its line is gone and its last call has ended, so none of its own can come after.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from typing import Any

from xinyu.base.config import Config
from xinyu.base.errors import UNAVAILABLE, XinYuError
from xinyu.base.ids import new_incarnation
from xinyu.delivery.routes import Routes
from xinyu.gateway.listener import listen
from xinyu.rpc.rock_channel import RockChannel
from xinyu.rpc.rock_server import RockServer
from xinyu.rpc.servicers import Servicers
from xinyu.wire.v1.method import Channel, Method
from xinyu_services.cli.worker_pool import WorkerPool
from xinyu_services.cli.worker_process import GatewayOrders, Work


class EmbeddedWorkers:
    """`start` when the rooms answer; `stop` while they still do."""

    def __init__(self, config: Config, servicers: Servicers, routes: Routes, token_secret: bytes, epoch: str) -> None:
        self._config = config.model_dump(mode="json")
        self._logs = config.log
        self._ops_port = config.ops.port
        self._routes = routes
        self._token_secret = token_secret
        self._epoch = epoch
        self._cluster_secret = secrets.token_bytes(32)
        self._rooms = RockServer(servicers, secret=self._cluster_secret, on_gone=self._on_gone)
        self._channels: dict[str, RockChannel] = {}
        self._forgetting: set[asyncio.Task[None]] = set()
        self._pool: WorkerPool | None = None
        self._gone = _Gone()
        self._is_stopping = False

    async def start(self, sockets: list[socket.socket]) -> None:
        """Raises CommandError. Keeps the sockets until `stop`."""
        await self._rooms.start(listen("127.0.0.1", 0))
        self._pool = WorkerPool(sockets, self._orders, self._logs, on_ready=self._on_ready)
        await self._pool.start()

    async def stop(self) -> None:
        """Within `worker_pool.STOP_S` and a second. Idempotent, also after a start that failed."""
        self._is_stopping = True
        if self._pool is not None:
            await self._pool.stop()
        for channel in self._channels.values():
            await channel.close()
        await self._rooms.stop()
        await asyncio.gather(*self._forgetting)

    def channel(self, _room: str, instance: str) -> Channel:
        """To the gateway of that name."""
        return self._channels.get(instance) or self._gone

    def _orders(self, number: int) -> GatewayOrders:
        incarnation = new_incarnation()
        return GatewayOrders(
            self._config,
            self._token_secret,
            self._rooms.port,
            self._cluster_secret,
            f"worker-{number}-{incarnation}",
            incarnation,
            self._epoch,
            self._ops_port + number if self._ops_port else 0,
        )

    def _on_ready(self, work: Work, rpc_port: int) -> None:
        assert isinstance(work, GatewayOrders)
        # A life that ended before its first call has left no word of itself (`_on_gone`).
        worker = work.instance.removesuffix(work.incarnation)
        for earlier in [instance for instance in self._channels if instance.startswith(worker)]:
            del self._channels[earlier]
        self._channels[work.instance] = RockChannel(
            "127.0.0.1", rpc_port, caller="embedded", secret=self._cluster_secret
        )

    def _on_gone(self, instance: str) -> None:
        if instance and not self._is_stopping:  # the table of routes goes with this process
            task = asyncio.get_running_loop().create_task(self._forget(instance))
            self._forgetting.add(task)
            task.add_done_callback(self._forgetting.discard)

    async def _forget(self, instance: str) -> None:
        await self._routes.forget_gateway(instance)
        channel = self._channels.pop(instance, None)
        if channel is not None:
            await channel.close()


class _Gone:
    """To a gateway that is no more: a route that was looked up a moment too early."""

    async def call(self, method: Method, request: Any, *, timeout_s: float | None = None, key: str = "") -> Any:
        raise XinYuError(UNAVAILABLE)

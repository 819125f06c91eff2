"""The WebSocket gateway as a process of the cluster."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import structlog

from xinyu.base.config import Config
from xinyu.base.errors import XinYuError
from xinyu.gateway.credentials import Tickets
from xinyu.gateway.origins import AllowedOrigins
from xinyu.gateway.proxies import TrustedProxies
from xinyu.gateway.ws.figures import measure_engine
from xinyu.gateway.ws.gateway import WebSocketGateway
from xinyu.rpc.service_channels import GATEWAYS
from xinyu.wire.v1 import gateway_rpc, options_pb2, presence_watcher_rpc
from xinyu.wire.v1.message_rpc import MessageStub
from xinyu.wire.v1.presence_rpc import PresenceStub
from xinyu.wire.v1.talk_rpc import TalkStub
from xinyu_services.cli.doors import client_events
from xinyu_services.cli.role_process import ASK_AGAIN_S, DOOR_PATIENCE_S, GATEWAY_STOP_S, Ports, RoleProcess

log = structlog.get_logger(__name__)


class WebSocketGatewayProcess(RoleProcess):
    """`gateway-ws`. With `listening` it accepts from that socket (one of several workers on one port)."""

    role = "gateway-ws"
    patience_s = DOOR_PATIENCE_S

    def __init__(self, config: Config, ports: Ports, listening: socket.socket | None = None) -> None:
        super().__init__(config, ports)
        if listening is not None:
            self._listening["port"] = listening
        self.gateway: WebSocketGateway

    @property
    def name(self) -> str:
        # Workers share the port of the WebSocket; each has an RPC port of its own.
        return f"{self.role}@{self.address('rpc_port')}"

    @property
    def rock_port_name(self) -> str:
        return "rpc_port"

    async def _build(self, stack: contextlib.AsyncExitStack) -> None:
        config, limits = self.config, self.config.limits
        self.readiness.add("redis", self._ask_redis)
        self.gateway = WebSocketGateway(
            config.websocket,
            self.tokens,
            Tickets(self.cache),
            AllowedOrigins(config.http.allowed_origins),
            PresenceStub(self.channel),
            MessageStub(self.channel),
            client_events(self.channel, config),
            send_limit=self.limit(stack, "sends", limits.sends_per_s, limits.send_burst),
            clock=self.clock,
            epoch=await self._load_epoch(),
            instance=self.address("rpc_port"),
            incarnation=self.incarnation,
            leased=True,
            proxies=TrustedProxies(config.trusted_proxies),
        )
        self.servicers.serve(gateway_rpc.METHODS, self.gateway)
        self.servicers.serve(presence_watcher_rpc.METHODS, self.gateway.watching)
        measure_engine(self.metrics, self.gateway.engine)

    async def _open(self, stack: contextlib.AsyncExitStack) -> None:
        (await self.ended_logins(stack)).on_ended = self.gateway.end_logins
        # The rooms reach it as long as it has connections.
        await self.register(stack, GATEWAYS, "rock", "rpc_port")
        self.gateway.start(self._listening["port"])
        stack.push_async_callback(self.gateway.stop, GATEWAY_STOP_S)
        await self.register(stack, "ws", "ws", "port")

    async def _load_epoch(self) -> str:
        """Every first event of a connection carries it, so nobody is let in before."""
        talks = TalkStub(self.channel)
        while True:
            try:
                return (await talks.load_epoch(options_pb2.Empty())).epoch
            except XinYuError as error:
                log.warning("epoch_not_loaded", error=str(error))
                await asyncio.sleep(ASK_AGAIN_S)

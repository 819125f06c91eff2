"""The HTTP gateway as a process of the cluster."""

from __future__ import annotations

import contextlib
from pathlib import Path

import xinyu.web
from xinyu.gateway.credentials import Tickets
from xinyu.gateway.http.gateway import HttpGateway
from xinyu.gateway.origins import AllowedOrigins
from xinyu.gateway.proxies import TrustedProxies
from xinyu_services.cli.doors import http_routes
from xinyu_services.cli.role_process import DOOR_PATIENCE_S, GATEWAY_STOP_S, RoleProcess
from xinyu_services.cli.roles import DEFAULT_PORTS
from xinyu_services.media.http import public_files


class HttpGatewayProcess(RoleProcess):
    """`gateway-http`."""

    role = "gateway-http"
    patience_s = DOOR_PATIENCE_S

    @property
    def rock_port_name(self) -> str:
        return ""

    async def _open(self, stack: contextlib.AsyncExitStack) -> None:
        config, limits = self.config, self.config.limits
        self.readiness.add("redis", self._ask_redis)
        entries_per_s = limits.entries_per_minute / 60
        blobs = self.open_blobs(stack)
        gateway = HttpGateway(
            config.http,
            self.tokens,
            Tickets(self.cache),
            AllowedOrigins(config.http.allowed_origins),
            http_routes(self.channel, config, blobs, self.clock),
            blobs=blobs,
            public_files=public_files(),
            send_limit=self.limit(stack, "sends", limits.sends_per_s, limits.send_burst),
            entry_limit=self.limit(stack, "entries", entries_per_s, limits.entries_per_minute),
            page_root=Path(xinyu.web.__file__).parent,
            websocket_port=lambda: DEFAULT_PORTS["gateway-ws"],
            readiness=self.readiness,
            proxies=TrustedProxies(config.trusted_proxies),
        )
        gateway.measure(self.metrics)
        await self.ended_logins(stack)
        await gateway.start(self._listening["port"])
        stack.push_async_callback(gateway.stop, GATEWAY_STOP_S)
        await self.register(stack, "http", "http", "port")

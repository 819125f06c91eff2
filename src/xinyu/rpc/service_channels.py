"""One channel to everything: a call goes to the service of its method, over that service's `ServiceChannel`.

So a stub is made the same way in a cluster as within one process, where one network carries all services.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final

from xinyu.discovery.registry import Instance, Registry
from xinyu.rpc.balancer import PolicyName
from xinyu.rpc.service_channel import InstanceChannel, ServiceChannel
from xinyu.wire.v1.method import Channel, Method

GATEWAYS: Final = "ws-rpc"
# A service is found under the name of its .proto service in lower case, except for these.
_NAMES: Final = {"Gateway": GATEWAYS, "PresenceWatcher": GATEWAYS}


class ServiceChannels:
    """`xinyu.wire.v1.method.Channel`. A service is looked for from its first use on. `balance`: policies by service;
    `least_in_flight` where none is named. `patience_s`: how long a call waits for a service that nobody offers."""

    def __init__(
        self,
        registry: Registry,
        connect: Callable[[Instance], InstanceChannel],
        balance: Mapping[str, PolicyName] | None = None,
        patience_s: float = 0.0,
    ) -> None:
        self._patience_s = patience_s
        self._registry = registry
        self._connect = connect
        self._balance = balance or {}
        self._channels: dict[str, ServiceChannel] = {}
        # By the method's own word for it, which is what a call has at hand.
        self._of_method: dict[str, ServiceChannel] = {}

    def service(self, name: str) -> ServiceChannel:
        channel = self._channels.get(name)
        if channel is None:
            policy = self._balance.get(name, "least_in_flight")
            channel = self._channels[name] = ServiceChannel(
                name, self._registry.watch(name), self._connect, policy, self._patience_s
            )
        return channel

    def gateway(self, instance_id: str) -> Channel:
        """To the WebSocket gateway of this name."""
        return self.service(GATEWAYS).instance_channel(instance_id)

    def call(
        self, method: Method, request: Any, *, timeout_s: float | None = None, key: str = ""
    ) -> Coroutine[Any, Any, Any]:
        return self._of(method).call(method, request, timeout_s=timeout_s, key=key)

    def spread(self, method: Method, keys: Sequence[str]) -> list[list[int]]:
        """`xinyu.rpc.spread.Spread`."""
        return self._of(method).spread(method, keys)

    async def close(self) -> None:
        """The registry is not closed."""
        await asyncio.gather(*(channel.close() for channel in self._channels.values()))

    def _of(self, method: Method) -> ServiceChannel:
        channel = self._of_method.get(method.service)
        if channel is None:
            name = _NAMES.get(method.service, method.service.lower())
            channel = self._of_method[method.service] = self.service(name)
        return channel

"""Fixed addresses of services (`discovery.addresses`), before whatever another registry knows.

A service that has fixed addresses is never looked for elsewhere; all others are asked of the registry behind, where
there is one. An address may name its instance, "ws-1@10.0.0.7:8060": a gateway is called by its name, so a cluster
without ZooKeeper names its gateways here as they call themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from xinyu.discovery.address import join_address, split_address
from xinyu.discovery.registry import Instance, Kind, Registration, Registry, Status, Watch


class StaticRegistry:
    """`xinyu.discovery.registry.Registry`. Raises ValueError for what is no address."""

    def __init__(self, addresses: Mapping[str, Iterable[str]], behind: Registry | None = None) -> None:
        self._fixed = {
            service: [_instance(service, address) for address in listed] for service, listed in addresses.items()
        }
        self._behind = behind

    @property
    def status(self) -> Status:
        return Status(is_connected=True) if self._behind is None else self._behind.status

    async def start(self) -> None:
        if self._behind is not None:
            await self._behind.start()

    async def close(self) -> None:
        if self._behind is not None:
            await self._behind.close()

    async def register(self, instance: Instance) -> Registration:
        return _Untold() if self._behind is None else await self._behind.register(instance)

    def watch(self, service: str) -> Watch:
        if service not in self._fixed and self._behind is not None:
            return self._behind.watch(service)
        watch = Watch(service, lambda _: None)
        watch.tell(self._fixed.get(service, ()))
        return watch


class _Untold:
    """A registration that there is nobody to tell of."""

    async def drain(self) -> None:
        pass

    async def withdraw(self) -> None:
        pass


def _instance(service: str, text: str) -> Instance:
    name, _, address = text.rpartition("@")
    address = join_address(*split_address(address))
    kinds: dict[str, Kind] = {"ws": "ws", "http": "http"}
    return Instance(service, address, kinds.get(service, "rock"), instance_id=name or address)

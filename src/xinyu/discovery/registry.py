"""The contract of discovery: a process says that it is there, and others hear who is (contract: discovery).

    registration = await registry.register(instance)     # after the port listens
    await registration.drain()                           # before it stops: no new calls, please
    await registration.withdraw()

    watch = registry.watch("message")
    watch.instances                                      # the last known list, at once and at any time

Nothing here fails because a registry's server is away: what was last known stays known, what is to be told is told
later, and `status` says so. Tests hold all implementations to this: memory, static, zookeeper.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Literal, Protocol, get_args

from xinyu.discovery.address import split_address

Kind = Literal["rock", "ws", "http"]
State = Literal["up", "draining"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
DEFAULT_WEIGHT: Final = 100
MAX_WEIGHT: Final = 10_000
# One name a service, everywhere. `ws-rpc` is where rooms reach the WebSocket gateways.
SERVICES: Final = (
    "http",
    "ws",
    "ws-rpc",
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
)


@dataclass(frozen=True, slots=True)
class Instance:
    """One process as one service. `address`: "host:port" to be called at. `started_at`: ISO 8601, "" = not told.
    `instance_id` names one of several where a certain one is meant; of one that tells none it is the address.
    `weight` 0 = gets no calls while another is there."""

    service: str
    address: str
    kind: Kind
    weight: int = DEFAULT_WEIGHT
    version: str = ""
    started_at: str = ""
    instance_id: str = ""
    grpc_port: int | None = None
    state: State = "up"

    @property
    def host(self) -> str:
        return split_address(self.address)[0]

    @property
    def port(self) -> int:
        return split_address(self.address)[1]


@dataclass(frozen=True, slots=True)
class Status:
    """How the registry itself fares. `problem` is for people, "" = none."""

    is_connected: bool
    problem: str = ""


class Watch:
    """The instances of one service as far as they are known, ordered by address. `known` is set once there has been an
    answer, be it that nobody is there. `on_change` is called on the loop after `instances` has changed."""

    def __init__(self, service: str, forget: Callable[[Watch], None]) -> None:
        self.service = service
        self.instances: tuple[Instance, ...] = ()
        self.known = asyncio.Event()
        self.on_change: Callable[[], None] | None = None
        self._forget = forget

    def close(self) -> None:
        """Hears of no more changes."""
        self.on_change = None
        self._forget(self)

    def tell(self, instances: Iterable[Instance]) -> None:
        """For registries: the list as it is now."""
        now = tuple(sorted(instances, key=lambda instance: instance.address))
        is_new = now != self.instances or not self.known.is_set()
        self.instances = now
        self.known.set()
        if is_new and self.on_change is not None:
            self.on_change()


class Registration(Protocol):
    """Of one instance. Both methods return when it is done, or after a bounded time when the server is away."""

    async def drain(self) -> None:
        """Asks callers to begin no new calls here."""
        ...

    async def withdraw(self) -> None:
        """The instance is not there any more. Does nothing the second time."""
        ...


class Registry(Protocol):
    @property
    def status(self) -> Status: ...

    async def start(self) -> None:
        """Returns when the server answers, or after a bounded time without it; goes on trying then."""
        ...

    async def close(self) -> None:
        """Whoever is still registered vanishes. Watches keep their last list."""
        ...

    async def register(self, instance: Instance) -> Registration:
        """Replaces what an earlier life may have left at the same address. Returns when others can see it, or after a
        bounded time; goes on trying then."""
        ...

    def watch(self, service: str) -> Watch:
        """One of the caller's own: to be closed by him."""
        ...

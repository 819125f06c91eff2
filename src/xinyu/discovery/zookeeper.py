"""Discovery in ZooKeeper (contract: discovery).

Everything that this process wants of ZooKeeper is a thing that is *kept*: an ephemeral node that should be there with
certain data, or a list of providers that should be known. Each has a task that makes it so whenever there is reason to
doubt it: it is new, a watch fired, a connection was made (watches and perhaps the session are gone then), a try failed,
or `CHECK_EVERY_S` has passed. So no event has to be understood, and none that is lost does harm.

A node of another session at our address was left by an earlier life, and is replaced: it would vanish when that session
ends. A list is one watch on the parent and one on each child, whose data is read when it is new or has changed; what is
no instance is passed over and said once. While ZooKeeper is away lists stay as they are.

With an alias (ours -> theirs) an instance is registered under both names, and both are looked under.
"""

from __future__ import annotations

import asyncio
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

import structlog
from kazoo.exceptions import BadVersionError, ConnectionLoss, NodeExistsError, NoNodeError

from xinyu.base.config import DiscoverySettings
from xinyu.discovery import node
from xinyu.discovery.registry import Instance, Status, Watch
from xinyu.discovery.zookeeper_session import ASK_ERRORS, ZooKeeperSession

log = structlog.get_logger(__name__)

START_WITHIN_S: Final = 5.0
REGISTER_WITHIN_S: Final = 5.0
WITHDRAW_WITHIN_S: Final = 2.0
CHECK_EVERY_S: Final = 60.0
FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 5.0
# Of one service; more are passed over.
MAX_INSTANCES: Final = 2_000
READS_AT_ONCE: Final = 64


class ZooKeeperRegistry:
    """`xinyu.discovery.registry.Registry`. `consumer`: the address under which this process says whom it looks for,
    "" = it does not say so."""

    def __init__(self, settings: DiscoverySettings, *, consumer: str = "") -> None:
        self._settings = settings
        self._consumer = consumer
        self.session = ZooKeeperSession(settings.zookeeper, settings.session_timeout_s, self._doubt_all)
        self._kept: set[_Kept] = set()
        self._services: dict[str, _Service] = {}
        self._checking: asyncio.Task[None] | None = None

    @property
    def status(self) -> Status:
        return self.session.status

    async def start(self) -> None:
        await self.session.start(START_WITHIN_S)
        self._checking = asyncio.get_running_loop().create_task(self._check())

    async def close(self) -> None:
        if self._checking is not None:
            self._checking.cancel()
            await asyncio.gather(self._checking, return_exceptions=True)
        await self.forget(list(self._kept))
        await self.session.close()

    async def register(self, instance: Instance) -> ZooKeeperRegistration:
        nodes = [
            self._keep(_EphemeralNode(self.session, f"{path}/{instance.address}", node.encode(instance)))
            for path in self._paths(node.providers_path, instance.service)
        ]
        registration = ZooKeeperRegistration(self, instance, nodes)
        await registration.wait(REGISTER_WITHIN_S)
        return registration

    def watch(self, service: str) -> Watch:
        known = self._services.get(service)
        if known is None:
            known = self._services[service] = _Service(service)
            for path in self._paths(node.providers_path, service):
                known.providers.append(self._keep(_Providers(self.session, service, path, known.tell)))
            if self._consumer:
                for path in self._paths(node.consumers_path, service):
                    self._keep(_EphemeralNode(self.session, f"{path}/{self._consumer}", b""))
        watch = Watch(service, known.watches.discard)
        known.watches.add(watch)
        if known.is_known:
            watch.tell(known.instances())
        return watch

    async def forget(self, kept: Iterable[_Kept]) -> None:
        for each in kept:
            self._kept.discard(each)
            await each.end()

    def _paths(self, path_of: Callable[[str, str, str], str], service: str) -> list[str]:
        alias = self._settings.aliases.get(service, service)
        return [path_of(self._settings.root, self._settings.domain, name) for name in dict.fromkeys((service, alias))]

    def _keep(self, kept: Any) -> Any:
        self._kept.add(kept)
        kept.begin()
        return kept

    def _doubt_all(self) -> None:
        for kept in self._kept:
            kept.doubt(everything=True)

    async def _check(self) -> None:
        while True:
            await asyncio.sleep(CHECK_EVERY_S * random.uniform(0.75, 1.25))
            self._doubt_all()


class ZooKeeperRegistration:
    """`xinyu.discovery.registry.Registration`: a node, and one more under an alias."""

    def __init__(self, registry: ZooKeeperRegistry, instance: Instance, nodes: list[_EphemeralNode]) -> None:
        self._registry = registry
        self._instance = instance
        self._nodes = nodes

    async def drain(self) -> None:
        data = node.encode(replace(self._instance, state="draining"))
        for each in self._nodes:
            each.change(data)
        await self.wait(WITHDRAW_WITHIN_S)

    async def withdraw(self) -> None:
        for each in self._nodes:
            each.change(None)
        await self.wait(WITHDRAW_WITHIN_S)
        await self._registry.forget(self._nodes)

    async def wait(self, within_s: float) -> None:
        """Until ZooKeeper holds what is wanted, at most `within_s`."""
        try:
            async with asyncio.timeout(within_s):
                for each in self._nodes:
                    await each.settled.wait()
        except TimeoutError:
            log.warning(
                "discovery_not_told", service=self._instance.service, address=self._instance.address, within_s=within_s
            )


class _Kept(ABC):
    """One thing that is to be so in ZooKeeper, or known of it. `settled` while there is no reason to doubt it."""

    def __init__(self, session: ZooKeeperSession, path: str) -> None:
        self.session = session
        self.path = path
        self.settled = asyncio.Event()
        self._doubted = asyncio.Event()
        self._doubted.set()
        self._task: asyncio.Task[None] | None = None

    @abstractmethod
    async def make_so(self) -> None:
        """Raises one of ASK_ERRORS when it must be tried again."""

    def doubt(self, *, everything: bool = False) -> None:
        self.settled.clear()
        self._doubted.set()

    def begin(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def end(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            await self._doubted.wait()
            await self.session.connected.wait()
            self._doubted.clear()
            try:
                await self.make_so()
            except Exception as error:
                self._doubted.set()
                if isinstance(error, ASK_ERRORS):
                    log.info("discovery_tries_again", path=self.path, error=repr(error), pause_s=pause_s)
                else:
                    log.exception("discovery_failed", path=self.path)
                await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))
                pause_s = min(LONGEST_PAUSE_S, pause_s * 2)
                continue
            pause_s = FIRST_PAUSE_S
            if not self._doubted.is_set():
                self.settled.set()


class _EphemeralNode(_Kept):
    """A node with `data` that goes with our session; None = there should be none of ours."""

    def __init__(self, session: ZooKeeperSession, path: str, data: bytes | None) -> None:
        super().__init__(session, path)
        self._data = data

    def change(self, data: bytes | None) -> None:
        self._data = data
        self.doubt()

    async def make_so(self) -> None:
        ask, client, data = self.session.ask, self.session.client, self._data
        session_id = self.session.session_id
        if not session_id:
            raise ConnectionLoss
        stat = await ask(client.exists_async, self.path)
        if stat is not None and stat.ephemeralOwner != session_id:
            if data is None:
                return
            log.warning("discovery_node_replaced", path=self.path, owner=f"{stat.ephemeralOwner:x}")
            await self._delete(stat.version)
            stat = None
        if data is None:
            if stat is not None:
                await self._delete(-1)
        elif stat is None:
            try:
                # makepath: the parents are made on demand, and stay.
                await ask(client.create_async, self.path, data, ephemeral=True, makepath=True)
            except NodeExistsError:
                # In this moment; or by our own try before, whose answer was lost.
                self.doubt()
                await asyncio.sleep(FIRST_PAUSE_S)
        else:
            await ask(client.set_async, self.path, data)

    async def _delete(self, version: int) -> None:
        with suppress(NoNodeError, BadVersionError):
            await self.session.ask(self.session.client.delete_async, self.path, version)


class _Providers(_Kept):
    """The instances below one path. `tell` is called when they have been read."""

    def __init__(self, session: ZooKeeperSession, service: str, path: str, tell: Callable[[], None]) -> None:
        super().__init__(session, path)
        self.instances: dict[str, Instance] = {}
        self.is_known = False
        self._service = service
        self._tell = tell
        self._names: list[str] = []
        self._has_list = False
        # Children as they were read; None = no instance. An event may overtake the answer that set its watch: what it
        # says is kept apart.
        self._read: dict[str, Instance | None] = {}
        self._stale: set[str] = set()
        self._refused: dict[str, str] = {}
        # One object each, so that kazoo holds it once however often the watch is set.
        self._list_watch = session.on_loop(self._on_list)
        self._data_watch = session.on_loop(self._on_data)

    def doubt(self, *, everything: bool = False) -> None:
        if everything:
            self._has_list = False
            self._stale.update(self._read)
        super().doubt()

    def _on_list(self, _event: Any) -> None:
        self._has_list = False
        self.doubt()

    def _on_data(self, event: Any) -> None:
        # An event of a lost connection names no path; all is read again after the next one anyway.
        self._stale.add((event.path or "").rpartition("/")[2])
        self.doubt()

    async def make_so(self) -> None:
        ask, client = self.session.ask, self.session.client
        if not self._has_list:
            self._has_list = True
            try:
                try:
                    names = await ask(client.get_children_async, self.path, watch=self._list_watch)
                except NoNodeError:
                    await ask(client.ensure_path_async, self.path)
                    names = await ask(client.get_children_async, self.path, watch=self._list_watch)
            except ASK_ERRORS:
                self._has_list = False
                raise
            self._names = self._bounded(names)
        unread = [name for name in self._names if name not in self._read or name in self._stale]
        for start in range(0, len(unread), READS_AT_ONCE):
            await _all(self._read_child(name) for name in unread[start : start + READS_AT_ONCE])
        self._read = {name: self._read[name] for name in self._names}
        self._stale.intersection_update(self._names)
        self._refused = {name: why for name, why in self._refused.items() if name in self._names}
        self.instances = {name: instance for name, instance in self._read.items() if instance is not None}
        self.is_known = True
        self._tell()

    def _bounded(self, names: list[str]) -> list[str]:
        if len(names) > MAX_INSTANCES:
            log.error("discovery_too_many_nodes", path=self.path, nodes=len(names), used=MAX_INSTANCES)
        return sorted(names)[:MAX_INSTANCES]

    async def _read_child(self, name: str) -> None:
        self._stale.discard(name)
        try:
            data, _ = await self.session.ask(
                self.session.client.get_async, f"{self.path}/{name}", watch=self._data_watch
            )
        except NoNodeError:  # gone since the list was read: the list's watch says so
            self._read[name] = None
            self._stale.add(name)  # but it may be back on that list
            return
        except ASK_ERRORS:
            self._stale.add(name)
            raise
        try:
            self._read[name] = node.decode(self._service, name, data or b"")
        except node.MalformedNode as error:
            self._read[name] = None
            if self._refused.get(name) != str(error):
                self._refused[name] = str(error)
                log.warning("discovery_node_refused", path=self.path, name=name[:128], error=str(error)[:256])


class _Service:
    """What all watches of one service are told: the instances of its paths, ours before an alias'."""

    def __init__(self, service: str) -> None:
        self.service = service
        self.providers: list[_Providers] = []
        self.watches: set[Watch] = set()

    @property
    def is_known(self) -> bool:
        return all(each.is_known for each in self.providers)

    def instances(self) -> list[Instance]:
        merged: dict[str, Instance] = {}
        for each in reversed(self.providers):
            merged.update(each.instances)
        return list(merged.values())

    def tell(self) -> None:
        if self.is_known:
            for watch in list(self.watches):
                watch.tell(self.instances())


async def _all(reads: Iterable[Coroutine[Any, Any, None]]) -> None:
    """All of them to their end, then the first error of any."""
    for outcome in await asyncio.gather(*reads, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome

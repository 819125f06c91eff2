"""A registry within one process: for tests, and for processes that are composed without any server."""

from __future__ import annotations

from dataclasses import replace

from xinyu.discovery.registry import Instance, Status, Watch


class MemoryRegistry:
    """`xinyu.discovery.registry.Registry`. Changes are told before the call that makes them returns."""

    def __init__(self) -> None:
        self._instances: dict[tuple[str, str], Instance] = {}
        self._watches: set[Watch] = set()

    @property
    def status(self) -> Status:
        return Status(is_connected=True)

    async def start(self) -> None:
        pass

    async def close(self) -> None:
        self._watches.clear()

    async def register(self, instance: Instance) -> MemoryRegistration:
        self.put(instance)
        return MemoryRegistration(self, instance)

    def watch(self, service: str) -> Watch:
        watch = Watch(service, self._watches.discard)
        self._watches.add(watch)
        watch.tell(self._of(service))
        return watch

    def put(self, instance: Instance) -> None:
        """The instance as it is now: new, or changed."""
        self._instances[instance.service, instance.address] = instance
        self._tell(instance.service)

    def remove(self, instance: Instance) -> None:
        if self._instances.pop((instance.service, instance.address), None) is not None:
            self._tell(instance.service)

    def _of(self, service: str) -> list[Instance]:
        return [instance for (of, _), instance in self._instances.items() if of == service]

    def _tell(self, service: str) -> None:
        for watch in list(self._watches):
            if watch.service == service:
                watch.tell(self._of(service))


class MemoryRegistration:
    def __init__(self, registry: MemoryRegistry, instance: Instance) -> None:
        self._registry = registry
        self._instance = instance

    async def drain(self) -> None:
        self._instance = replace(self._instance, state="draining")
        self._registry.put(self._instance)

    async def withdraw(self) -> None:
        self._registry.remove(self._instance)

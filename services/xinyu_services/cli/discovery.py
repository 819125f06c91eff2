"""The registry that the settings ask for, and `xinyu services`: who is there and how each fares."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import typer

from xinyu_services.cli.failure import CommandError, one_line_failures
from xinyu_services.cli.settings import ConfigFile, load

if TYPE_CHECKING:
    from xinyu.base.config import Config, DiscoverySettings, RpcSettings
    from xinyu.discovery.registry import Instance, Registry

KNOWN_WITHIN_S: Final = 5.0
ASKED_AT_ONCE: Final = 32


class ServiceLine(msgspec.Struct, kw_only=True):
    """One instance. `uptime_ms` and `in_flight` are None where it did not say; `problem` is why it did not."""

    service: str
    address: str
    kind: str
    version: str
    weight: int
    state: str
    instance_id: str
    started_at: str
    grpc_port: int | None
    uptime_ms: int | None = None
    in_flight: int | None = None
    problem: str = ""


def registry_of(settings: DiscoverySettings, *, consumer: str = "") -> Registry:
    """To be called on a running loop. `consumer`: the address under which this process says whom it looks for. Raises
    CommandError for addresses that are none."""
    from xinyu.discovery.static import StaticRegistry
    from xinyu.discovery.zookeeper import ZooKeeperRegistry

    try:
        behind = ZooKeeperRegistry(settings, consumer=consumer) if settings.zookeeper else None
    except ValueError as error:
        raise CommandError(f"discovery.zookeeper: {error}") from None
    if behind is not None and not settings.addresses:
        return behind
    try:
        return StaticRegistry(settings.addresses, behind)
    except ValueError as error:
        raise CommandError(f"discovery.addresses: {error}") from None


def services(
    config: ConfigFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: a list of objects.")] = False,
) -> None:
    """Print who is there: version, weight, state, uptime and calls under way of each process of the cluster."""
    with one_line_failures():
        from xinyu.base.config import LogSettings
        from xinyu.base.logging import configure_logging

        settings = load(config, None)
        if not settings.discovery.zookeeper and not settings.discovery.addresses:
            raise CommandError("there is nowhere to look: neither discovery.zookeeper nor discovery.addresses is set")
        configure_logging(LogSettings(level="error"))
        lines = asyncio.run(look(settings))
        if as_json:
            typer.echo(json.dumps(msgspec.to_builtins(lines), indent=2))
        else:
            typer.echo(table(lines))


async def look(config: Config) -> list[ServiceLine]:
    """Every instance that discovery knows, and what it says of itself. Raises CommandError."""
    from xinyu.discovery.registry import SERVICES

    registry = registry_of(config.discovery)
    await registry.start()
    try:
        if not registry.status.is_connected:
            raise CommandError(f"ZooKeeper at {config.discovery.zookeeper} does not answer")
        names = dict.fromkeys((*SERVICES, *config.discovery.addresses, *config.discovery.aliases))
        watches = [registry.watch(name) for name in names]
        try:
            async with asyncio.timeout(KNOWN_WITHIN_S):
                await asyncio.gather(*(watch.known.wait() for watch in watches))
        except TimeoutError:
            raise CommandError(f"ZooKeeper at {config.discovery.zookeeper} does not say who is there") from None
        at_once = asyncio.Semaphore(ASKED_AT_ONCE)
        found = [instance for watch in watches for instance in watch.instances]
        return list(await asyncio.gather(*(_ask(instance, config.rpc, at_once) for instance in found)))
    finally:
        await registry.close()


async def _ask(instance: Instance, settings: RpcSettings, at_once: asyncio.Semaphore) -> ServiceLine:
    from xinyu.base.errors import XinYuError
    from xinyu.rpc.rock_channel import RockChannel
    from xinyu.wire.v1.options_pb2 import Empty
    from xinyu.wire.v1.probe_rpc import ProbeStub

    line = ServiceLine(
        service=instance.service,
        address=instance.address,
        kind=instance.kind,
        version=instance.version,
        weight=instance.weight,
        state=instance.state,
        instance_id=instance.instance_id,
        started_at=instance.started_at,
        grpc_port=instance.grpc_port,
        uptime_ms=_age_ms(instance.started_at),
    )
    if instance.kind != "rock":
        return line
    async with at_once:
        secret = settings.secret.encode()
        channel = RockChannel(instance.host, instance.port, caller="xinyu services", secret=secret, settings=settings)
        try:
            status = await ProbeStub(channel).status(Empty())
        except XinYuError as error:
            line.problem = error.reason
        else:
            line.version, line.uptime_ms, line.in_flight = status.version, status.uptime_ms, status.in_flight
        finally:
            await channel.close()
    return line


def _age_ms(started_at: str) -> int | None:
    try:
        age = datetime.now(UTC) - datetime.fromisoformat(started_at)
    except (ValueError, TypeError):  # no time, or one without a zone
        return None
    return max(0, round(age.total_seconds() * 1000))


def table(lines: list[ServiceLine]) -> str:
    if not lines:
        return "nobody is there"
    titles = ("service", "address", "kind", "version", "weight", "state", "uptime", "in flight", "instance")
    rows: list[list[str]] = [list(titles)]
    for line in lines:
        in_flight: Any = line.problem or ("-" if line.in_flight is None else line.in_flight)
        uptime = "-" if line.uptime_ms is None else span(line.uptime_ms)
        cells = (line.service, line.address, line.kind, line.version or "-", line.weight, line.state, uptime)
        rows.append([*map(str, cells), str(in_flight), line.instance_id])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def span(milliseconds: int) -> str:
    """As people say it: the two largest units."""
    seconds = milliseconds // 1000
    days, hours, minutes = seconds // 86400, seconds // 3600 % 24, seconds // 60 % 60
    if days:
        return f"{days}d {hours}h"
    if hours:
        return f"{hours}h {minutes}m"
    return f"{minutes}m {seconds % 60}s" if minutes else f"{seconds}s"

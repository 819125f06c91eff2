"""The figures of a process put together: everything that its parts count, under one name each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from xinyu.base.metrics import Metrics
from xinyu.rpc.servicers import Servicers

if TYPE_CHECKING:
    from xinyu.delivery.stream_relay import StreamRelay
    from xinyu_services.cli.rooms import Room


def measure_calls(metrics: Metrics, servicers: Servicers) -> None:
    """Of the calls that this process answers."""
    servicers.times.measure(metrics, "server")
    metrics.gauge("xinyu_rpc_server_in_flight", "Calls that are being answered.", lambda: servicers.in_flight)


def measure_rooms(metrics: Metrics, rooms: Sequence[Room]) -> None:
    dispatchers = [room.dispatcher for room in rooms if room.dispatcher is not None]
    metrics.gauges(
        "xinyu_outbox_open_rows",
        "Committed batches of events that are being handed on.",
        ("room",),
        lambda: [((each.outbox.room,), each.outbox.open_count) for each in dispatchers],
    )
    metrics.gauges(
        "xinyu_outbox_age_seconds",
        "How long the oldest of them has been waiting.",
        ("room",),
        lambda: [((each.outbox.room,), each.outbox.oldest_open_s) for each in dispatchers],
    )
    metrics.counters(
        "xinyu_outbox_rows",
        "Batches of events that were committed.",
        ("room",),
        lambda: [((each.outbox.room,), each.outbox.written) for each in dispatchers],
    )
    metrics.counters(
        "xinyu_dispatcher_dropped_batches",
        "Batches whose pushes were dropped because too many waited; their devices see the hole.",
        ("room",),
        lambda: [((each.outbox.room,), each.dropped_batches) for each in dispatchers],
    )
    relays = [(each.outbox.room, each.relay) for each in dispatchers if each.relay is not None]
    if relays:
        _measure_relays(metrics, relays)
    for room in rooms:
        if room.measure is not None:
            room.measure(metrics)


def _measure_relays(metrics: Metrics, relays: Sequence[tuple[str, StreamRelay]]) -> None:
    metrics.counters(
        "xinyu_relay_batches",
        "Batches of events that are in the Redis Stream.",
        ("room",),
        lambda: [((room,), relay.relayed) for room, relay in relays],
    )
    metrics.gauges(
        "xinyu_relay_waiting_batches",
        "Batches that wait for it in memory.",
        ("room",),
        lambda: [((room,), relay.waiting) for room, relay in relays],
    )
    metrics.gauges(
        "xinyu_relay_age_seconds",
        "How long ago the first of them was committed.",
        ("room",),
        lambda: [((room,), relay.oldest_s) for room, relay in relays],
    )
    metrics.counters(
        "xinyu_relay_forgotten_batches",
        "Batches that found no room to wait; they are relayed later, out of order.",
        ("room",),
        lambda: [((room,), relay.forgotten) for room, relay in relays],
    )

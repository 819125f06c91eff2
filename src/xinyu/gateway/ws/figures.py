"""What the connection engine counts (`Engine.stats`), as figures of the process."""

from __future__ import annotations

from typing import Final

from xinyu._fast import engine as fast
from xinyu.base.metrics import Metrics

GAUGES: Final = {
    "connections": "Connections in all states.",
    "open": "Open WebSockets.",
    "handshaking": "Connections whose upgrade is not decided yet.",
    "users": "Users with an open WebSocket.",
    "talks": "Talks that some connection has joined.",
    "backlog_bytes": "Bytes that wait for peers which are behind.",
    "paused": "Open WebSockets that are not read, because too much of theirs is in flight.",
}
COUNTERS: Final = {
    "sockets_accepted": "Sockets taken from the listening ones.",
    "accepted": "Upgrades that were answered with 101.",
    "refused": "Upgrades that were refused.",
    "closed": "WebSockets that have ended.",
    "messages_in": "Messages of clients.",
    "messages_out": "Messages to clients.",
    "bytes_in": "Bytes received.",
    "bytes_out": "Bytes sent.",
    "dropped_ephemeral": "Events that are not stored, dropped for peers which are behind.",
    "dropped_messages": "Messages dropped for peers which are behind, and told so.",
    "closed_slow": "WebSockets closed because their peer did not take what waited.",
    "closed_silent": "WebSockets closed because nothing was heard.",
    "closed_login": "WebSockets closed because no login came.",
    "closed_expired": "WebSockets closed because their login ended.",
    "closed_protocol": "WebSockets closed because their peer broke the protocol.",
    "handshake_timeouts": "Request heads that came too late.",
    "upgrade_timeouts": "Upgrades that were not decided in time.",
    "accept_pauses": "Times that the table of connections was full.",
    "callback_errors": "Mistakes of ours in a callback.",
}


def measure_engine(metrics: Metrics, engine: fast.Engine) -> None:
    """Asks for `stats`, which looks at every connection, once a scrape."""
    metrics.numbers("xinyu_websocket_", engine.stats, GAUGES, COUNTERS)

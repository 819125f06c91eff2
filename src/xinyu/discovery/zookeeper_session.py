"""A session with ZooKeeper, for the event loop: kazoo's threads do the work and never touch an object of ours.

What kazoo has to say comes by `call_soon_threadsafe`: answers through `ask`, changes of the connection through
`on_connected`, watches through callbacks made by `on_loop`. Starting and stopping kazoo blocks, so both run in an
executor. Kazoo connects again by itself for ever, with pauses that grow. It is started anew, with a new session, where
that does not help: when its connection's thread has ended (a peer that is no ZooKeeper), and when it has been away for
`RENEW_AFTER_SESSIONS` sessions' lives: a ZooKeeper that has lost its data refuses a client that has seen more than it
knows.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

import structlog
from kazoo.client import KazooClient
from kazoo.exceptions import KazooException
from kazoo.protocol.states import KazooState, KeeperState
from kazoo.retry import KazooRetry

from xinyu.discovery.registry import Status

log = structlog.get_logger(__name__)

ASK_WITHIN_S: Final = 5.0
CLOSE_WITHIN_S: Final = 5.0
FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 2.0
LOOK_EVERY_S: Final = 1.0
RENEW_AFTER_SESSIONS: Final = 3
# What an `ask` may end with.
ASK_ERRORS: Final = (KazooException, TimeoutError, OSError)


class ZooKeeperSession:
    """Made on a running loop. `hosts`: "host:port[,host:port]"; ValueError where they are not that. `on_connected` is
    called on the loop each time that a connection is there, with the same session or with a new one: watches have to be
    set again either way."""

    def __init__(self, hosts: str, session_timeout_s: float, on_connected: Callable[[], None]) -> None:
        self.hosts = hosts
        self.connected = asyncio.Event()
        self._on_connected = on_connected
        self._loop = asyncio.get_running_loop()
        self._away_since_s = self._loop.time()
        self._renew_after_s = RENEW_AFTER_SESSIONS * session_timeout_s
        self._reviving: asyncio.Task[None] | None = None
        # Kazoo tells each failed try; it is told here once.
        quiet = logging.getLogger("xinyu.discovery.kazoo")
        quiet.setLevel(logging.CRITICAL)
        self.client = KazooClient(
            hosts=hosts,
            timeout=session_timeout_s,
            connection_retry=KazooRetry(
                max_tries=-1, delay=FIRST_PAUSE_S, backoff=2, max_delay=LONGEST_PAUSE_S, max_jitter=0.4
            ),
            logger=quiet,
        )

    @property
    def status(self) -> Status:
        if self.connected.is_set():
            return Status(is_connected=True)
        away_s = self._loop.time() - self._away_since_s
        return Status(False, f"ZooKeeper at {self.hosts} has been away for {away_s:.0f} s; the last list is used")

    @property
    def session_id(self) -> int:
        """0 while there is no connection."""
        known = self.client.client_id
        return int(known[0] or 0) if known is not None else 0

    async def start(self, within_s: float) -> None:
        """Waits for the first connection, at most `within_s`; goes on trying then."""
        self.client.add_listener(self._on_kazoo_state)
        await self._loop.run_in_executor(None, self.client.start_async)
        self._reviving = self._loop.create_task(self._revive())
        try:
            async with asyncio.timeout(within_s):
                await self.connected.wait()
        except TimeoutError:
            log.warning("zookeeper_away_at_start", hosts=self.hosts, waited_s=within_s)

    async def close(self) -> None:
        """The session ends, and its ephemeral nodes with it; where the server is away, they go when it times out."""
        if self._reviving is not None:
            self._reviving.cancel()
            await asyncio.gather(self._reviving, return_exceptions=True)
        self.client.remove_listener(self._on_kazoo_state)
        stopping = self._loop.run_in_executor(None, self._stop)
        _, late = await asyncio.wait({stopping}, timeout=CLOSE_WITHIN_S)
        if late:
            log.warning("zookeeper_slow_to_close", hosts=self.hosts)
        self.connected.clear()

    async def ask(self, begin: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """The answer to one of `client`'s `..._async` methods. Raises kazoo's errors, and TimeoutError past
        `ASK_WITHIN_S`; then it may still be done."""
        answered: asyncio.Future[Any] = self._loop.create_future()

        def settle(result: Any) -> None:
            if answered.done():
                return
            try:
                answered.set_result(result.get_nowait())
            except Exception as error:
                answered.set_exception(error)

        begin(*arguments, **named).rawlink(self.on_loop(settle))
        async with asyncio.timeout(ASK_WITHIN_S):
            return await answered

    def on_loop(self, callback: Callable[[Any], None]) -> Callable[[Any], None]:
        """What kazoo may call from a thread of its own to have `callback` called on the loop."""

        def from_thread(value: Any) -> None:
            try:
                self._loop.call_soon_threadsafe(callback, value)
            except RuntimeError:  # the loop has been closed while kazoo was still ending
                pass

        return from_thread

    # ---------------------------------------------------------------- the connection

    def _on_kazoo_state(self, state: str) -> None:
        self.on_loop(self._on_state)(state)

    def _on_state(self, state: str) -> None:
        if state == KazooState.CONNECTED:
            if not self.client.connected:
                return  # gone again by now: told in a moment
            self.connected.set()
            log.info("zookeeper_connected", hosts=self.hosts, away_s=round(self._loop.time() - self._away_since_s, 3))
            self._on_connected()
            return
        if self.connected.is_set():
            self.connected.clear()
            self._away_since_s = self._loop.time()
            log.warning("zookeeper_lost", hosts=self.hosts, session_expired=state == KazooState.LOST)

    async def _revive(self) -> None:
        renewed_s = self._loop.time()
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            now_s = self._loop.time()
            is_dead = self.client.client_state in (KeeperState.CLOSED, KeeperState.AUTH_FAILED)
            is_due = now_s - max(renewed_s, self._away_since_s) > self._renew_after_s
            if is_dead or (is_due and not self.connected.is_set()):
                log.warning("zookeeper_session_given_up", hosts=self.hosts)
                await self._loop.run_in_executor(None, self._stop)
                await self._loop.run_in_executor(None, self.client.start_async)
                renewed_s = self._loop.time()

    def _stop(self) -> None:
        """In a thread. Kazoo gives its connection at least 10 s to end, and raises then."""
        try:
            self.client.stop()
            self.client.close()
        except Exception as error:
            log.warning("zookeeper_not_closed", hosts=self.hosts, error=repr(error))

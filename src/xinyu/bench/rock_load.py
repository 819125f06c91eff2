"""A generator of Rock calls: one connection, so many calls in flight, each answer checked and timed.

A place in flight has a number of its own, which is the call's sn; its request frame never changes, so it is encoded
once. What is sent in one turn leaves in one write. Cost: about 2 us a call, a tenth of what a server in Python needs.
"""

from __future__ import annotations

import hmac
import secrets
import select
import socket
import time
from collections import deque
from typing import Any

from xinyu._fast import histogram, rock
from xinyu.bench.error import BenchError
from xinyu.rpc import rock_proof

_READ_BYTES = 1 << 18


class RockLoad:
    """`xinyu.bench.drive.Generator`. The answer to each call of `command` must be `expected`. BenchError: nobody
    listens, or the secret is wrong."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        secret: bytes,
        command: int,
        body: bytes,
        expected: bytes,
        in_flight: int,
        latency: histogram.Histogram,
        timeout_s: float,
    ) -> None:
        self._latency = latency
        self._expected = expected
        encoder = rock.Encoder(caller="bench")
        self._frames = [
            encoder.call(place, command, f"{place:032x}", timeout_s, body) for place in range(in_flight)
        ]
        self._begun_ns = [0] * in_flight
        self._free: deque[int] = deque(range(in_flight))
        self._unsent = b""
        self._period_ns = 0.0
        self._next_due_ns = 0.0
        self._left = 0
        self._sent = self._received = self._refused = 0
        self._failure: str | None = None
        self._last_refusal = ""
        self._decoder = rock.Decoder("trace")
        try:
            self._socket = socket.create_connection((host, port), timeout_s)
        except OSError as error:
            raise BenchError(f"{host}:{port} cannot be called: {error.strerror or error}") from None
        try:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if secret:
                self._prove(secret)
        except (OSError, rock.ProtocolError):
            self._socket.close()
            raise BenchError(f"{host}:{port} does not speak Rock") from None
        except BenchError:
            self._socket.close()
            raise
        self._socket.setblocking(False)
        self._poll = select.epoll()
        self._poll.register(self._socket, select.EPOLLIN)
        self._is_watching_writes = False

    def _prove(self, secret: bytes) -> None:
        ours = secrets.token_bytes(rock_proof.NONCE_BYTES)
        answer = self._ask(rock_proof.CHALLENGE, ours)
        theirs, proof = answer[: rock_proof.NONCE_BYTES], answer[rock_proof.NONCE_BYTES :]
        if not hmac.compare_digest(proof, rock_proof.callee(secret, ours, theirs)):
            raise BenchError("the server does not know the cluster secret")
        self._ask(rock_proof.PROVE, rock_proof.caller(secret, ours, theirs))

    def _ask(self, command: int, body: bytes) -> bytes:
        self._socket.sendall(rock.encode_request("trace", 1, command, body))
        while True:
            data = self._socket.recv(_READ_BYTES)
            if not data:
                raise BenchError("the server closed the connection: is the cluster secret right?")
            for frame in self._decoder.feed(data):
                if isinstance(frame, rock.Response):
                    if frame.result != 200:
                        raise BenchError(f"the server refused the cluster secret: {frame.result_str}")
                    return frame.body

    # ---------------------------------------------------------------- load

    def start(self, per_s: float, calls: int | None = None) -> None:
        """`per_s`: 0 = as fast as answers come. `calls`: so many in all, None = until `stop`."""
        self._period_ns = 1e9 / per_s if per_s else 0.0
        self._next_due_ns = float(time.monotonic_ns())
        self._left = 1 << 62 if calls is None else calls
        self._fill()

    def stop(self) -> None:
        """No more calls; what is in flight still comes."""
        self._left = 0

    def step(self, seconds: float, received: int = 0) -> None:
        """Runs for so long, or until so many answers have come in all."""
        ends_s = time.monotonic() + seconds
        while self._failure is None and not (received and self._received >= received):
            left_s = ends_s - time.monotonic()
            if left_s <= 0:
                return
            if self._period_ns and self._left and self._free:
                left_s = min(left_s, max(0.0, (self._next_due_ns - time.monotonic_ns()) / 1e9))
            for _, events in self._poll.poll(left_s):
                if events & ~select.EPOLLOUT:
                    self._read()
            self._fill()

    def _read(self) -> None:
        try:
            data = self._socket.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._failure = f"the connection was lost: {error.strerror}"
            return
        if not data:
            self._failure = "the server closed the connection"
            return
        try:
            frames: Any = self._decoder.feed(data)
        except rock.ProtocolError as error:
            self._failure = f"the server does not speak Rock: {error.reason}"
            return
        now_ns, begun_ns, expected = time.monotonic_ns(), self._begun_ns, self._expected
        record, give_back = self._latency.record, self._free.append
        for frame in frames:
            if not isinstance(frame, rock.Response) or not (0 <= frame.sn < len(begun_ns) and begun_ns[frame.sn]):
                self._failure = "an answer to a call that was not made"
                return
            self._received += 1
            if frame.result != 200 or frame.body != expected:
                self._refused += 1
                self._last_refusal = frame.result_str if frame.result != 200 else "another answer than was asked for"
            record(max(0, now_ns - begun_ns[frame.sn]))
            begun_ns[frame.sn] = 0
            give_back(frame.sn)

    def _fill(self) -> None:
        now_ns = time.monotonic_ns()
        out = [self._unsent] if self._unsent else []
        while self._free and self._left:
            begun_ns = now_ns
            if self._period_ns:
                if self._next_due_ns > now_ns:
                    break
                begun_ns = int(self._next_due_ns)  # a call that was held up has waited since then
                self._next_due_ns += self._period_ns
            place = self._free.popleft()
            self._begun_ns[place] = begun_ns
            out.append(self._frames[place])
            self._left -= 1
            self._sent += 1
        if not out:
            return
        content = b"".join(out)
        try:
            written = self._socket.send(content)
        except BlockingIOError:
            written = 0
        except OSError as error:
            self._failure = f"the connection was lost: {error.strerror}"
            return
        self._unsent = content[written:]
        if bool(self._unsent) != self._is_watching_writes:
            self._is_watching_writes = bool(self._unsent)
            self._poll.modify(self._socket, select.EPOLLIN | (select.EPOLLOUT if self._unsent else 0))

    def stats(self) -> dict[str, int]:
        return {
            "sent": self._sent,
            "received": self._received,
            "refused": self._refused,
            "in_flight": self._sent - self._received,
            "open": int(self._failure is None),
            "lost": int(self._failure is not None),
        }

    def failure(self) -> str | None:
        return self._failure

    def refusal(self) -> str:
        """What the last call that failed was told."""
        return self._last_refusal

    def close(self) -> None:
        self._poll.close()
        self._socket.close()

"""The load generator of `xinyu bench send`: messages through talks, each accounted for, without the GIL.

One thread may use a SendLoad at a time. `step` runs it; nothing happens in between.
"""

from collections.abc import Sequence
from typing import Self, final

from xinyu._fast.histogram import Histogram

@final
class SendLoad:
    """Connections of the dialect xinyu.v1.json, in talks whose every member is connected once.

    connections: places, at most 2**20. run: 8 hexadecimal digits that no other run on this server has used; with the
    sender and a number they make the `msg_id`. text: printable ASCII without quotes and backslashes, at most 64 KiB.
    in_flight: messages a sender may have on their way, each until it is acknowledged and has arrived at every member.
    acknowledged and arrived are recorded into, in ns from the moment of sending (or when it was due): to the
    acknowledgement; to the socket of each member but the sender.

    ValueError: a number out of its range. OSError: the kernel grants no epoll instance or timer.
    """

    def __new__(
        cls,
        acknowledged: Histogram,
        arrived: Histogram,
        *,
        connections: int,
        run: bytes,
        text: bytes,
        in_flight: int = 1,
        mask: bytes = b"\x00\x00\x00\x00",
    ) -> Self: ...
    def add_talk(self, talk_mode: int, members: Sequence[tuple[int, bytes, int]], senders: int) -> None:
        """Take over the connections of a talk's members: (descriptor, bytes that came after the head of the upgrade's
        answer, to_from_id of the talk as this member writes it). The first `senders` of them will send.

        ValueError: more connections than places, or no sender; the descriptors then stay the caller's. OSError: a
        descriptor cannot be watched; those before it are taken over.
        """
    def start(self, per_s: float = 0.0, limit: int = 0) -> None:
        """Let every sender send `in_flight` messages, and another one for each that is done. With per_s: that many a
        second over all senders instead. limit: no more messages than that in all (0: no limit)."""
    def stop(self) -> None:
        """Send no more; what is in flight still arrives."""
    def step(self, seconds: float, received: int = 0) -> None:
        """Run for up to `seconds` (at most 60), or until so many messages are done since the beginning (0: no such
        end). A signal ends it early, and its handler runs: KeyboardInterrupt comes from here."""
    def close(self) -> None:
        """Close all connections."""
    def stats(self) -> dict[str, int]:
        """Connections now: open, ready (the server said session.ready), lost. Messages since the beginning: sent,
        acknowledged, refused, received (done: acknowledged, and at every member); in_flight now. Arrivals since the
        beginning: arrived (once, at a member, the sender's own copy included), doubled, reordered (once, but after one
        of a higher sequence), misdelivered (at somebody who is not a member). Events: sync_required, unexpected (any
        other), pings (answered); paused (senders that wait now because they were told to)."""
    def missing(self) -> tuple[int, int, int]:
        """Of what is in flight now: (acknowledged messages that have not arrived everywhere, the arrivals that these
        lack, messages without an answer)."""
    def refusals(self) -> dict[str, int]:
        """Refused messages by the reason that the server gave. Beyond 16 reasons: "other". A message that was answered
        as not stored (sequence 0) counts as "not_stored"."""
    def failure(self) -> str | None:
        """Why the first connection was lost, without a full stop; None while none was."""

"""The timer wheel beside the timers of event loops: arming and cancelling, and heartbeats.

A server arms a deadline for whatever it waits for, and cancels nearly all of them: that is the cost that counts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final

import uvloop

import xinyu
from benchmarks.side_by_side.comparison import Comparison, Metric
from benchmarks.side_by_side.cpu_time import Work, cpu_ns
from benchmarks.side_by_side.rounds import Contestant, Values
from benchmarks.side_by_side.servers import installed
from xinyu._fast.wheel import Wheel

REFERENCE: Final = "XinYu, in C"
TIMERS: Final = 10_000
SPREAD_TICKS: Final = 300  # 30 s at the engine's 100 ms
HEARTBEATS: Final = 1_000_000
PERIOD_TICKS: Final = 600  # 60 s
LOOP_BEAT_S: Final = 0.001
LOOP_BEATS: Final = 5

EXPLANATION: Final = """\
{timers:,} timers armed with due times spread over 30 s, then all cancelled. In C is how the engine uses its wheel; the same from Python
pays two calls a timer. `call_later` of an event loop makes an object of each; the turn in which uvloop frees what was cancelled is
counted. Heartbeats: what the timers of a million connections take of a core when each fires once in 60 s and is armed again. For the
wheel that is a turn with a million in it, for the loops a million times what one of {timers:,} that fire and arm themselves again
costs. Writing the pings comes on top."""  # noqa: E501


def comparison(budget_s: float) -> Comparison:
    """`budget_s`: CPU time a figure, a contestant and a round."""
    return Comparison(
        title="Timers",
        explanation=EXPLANATION.format(timers=TIMERS),
        contestants=(
            Contestant(REFERENCE, lambda _: wheel_in_c(budget_s), xinyu.__version__),
            Contestant("XinYu, from Python", lambda _: wheel_from_python(budget_s)),
            Contestant("uvloop", lambda _: call_later(uvloop.new_event_loop, budget_s), *installed("uvloop")),
            Contestant("asyncio", lambda _: call_later(asyncio.SelectorEventLoop, budget_s)),
        ),
        reference=REFERENCE,
        ours=(REFERENCE, "XinYu, from Python"),
        metrics=(
            Metric("armed_per_cpu_s", "armed and cancelled a CPU second"),
            Metric("heartbeats_percent", "a million heartbeats at 60 s: % of a core", 3),
        ),
        plots=(),
        describe=lambda values: f"{values['armed_per_cpu_s']:,.0f} timers armed and cancelled a CPU second",
    )


def wheel_in_c(budget_s: float) -> Values:
    few, many = Wheel(TIMERS, 1), Wheel(HEARTBEATS, 1)
    many.arm_all(2, PERIOD_TICKS)

    def arm_and_cancel() -> None:
        few.arm_all(2, SPREAD_TICKS)
        few.cancel_all()

    def beat() -> None:
        """A minute."""
        if many.advance_count(many.now + PERIOD_TICKS, PERIOD_TICKS) != HEARTBEATS:
            raise AssertionError("not every connection had its heartbeat")

    minute_s = cpu_ns(Work(beat), budget_s) / 1e9
    return {
        "armed_per_cpu_s": TIMERS * 1e9 / cpu_ns(Work(arm_and_cancel), budget_s),
        "heartbeats_percent": 100 * minute_s / 60,
    }


def wheel_from_python(budget_s: float) -> Values:
    wheel = Wheel(TIMERS, 1)
    arm, cancel = wheel.arm, wheel.cancel

    def arm_and_cancel() -> None:
        for key in range(TIMERS):
            arm(key, 2 + key % SPREAD_TICKS)
        for key in range(TIMERS):
            cancel(key)

    return {"armed_per_cpu_s": TIMERS * 1e9 / cpu_ns(Work(arm_and_cancel), budget_s)}


def call_later(new_loop: Callable[[], asyncio.AbstractEventLoop], budget_s: float) -> Values:
    loop = new_loop()
    fired = 0

    def never() -> None:
        raise AssertionError("a cancelled timer fired")

    async def arm_and_cancel() -> None:
        handles = [loop.call_later(2 + key % SPREAD_TICKS * 0.1, never) for key in range(TIMERS)]
        for handle in handles:
            handle.cancel()
        await asyncio.sleep(0)  # uvloop frees them in its next turn

    def beat(left: int) -> None:
        nonlocal fired
        fired += 1
        if left > 1:
            loop.call_later(LOOP_BEAT_S, beat, left - 1)
        elif fired == TIMERS * LOOP_BEATS:
            loop.stop()

    def beats() -> None:
        nonlocal fired
        fired = 0
        for _ in range(TIMERS):
            loop.call_later(LOOP_BEAT_S, partial(beat, LOOP_BEATS))
        loop.run_forever()

    try:
        return {
            "armed_per_cpu_s": TIMERS * 1e9 / cpu_ns(Work(lambda: loop.run_until_complete(arm_and_cancel())), budget_s),
            "heartbeats_percent": 100 * HEARTBEATS / 60 * cpu_ns(Work(beats), budget_s) / 1e9 / (TIMERS * LOOP_BEATS),
        }
    finally:
        loop.close()

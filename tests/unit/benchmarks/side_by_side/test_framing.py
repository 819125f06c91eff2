"""Each parser of the framing comparison gives what it was fed, round after round: else its figure means nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import picows
import pytest

from benchmarks.side_by_side import framing
from benchmarks.side_by_side.framing import CASES, Case, Parser

PARSERS = {
    "engine": framing.engine,
    "engine_objects": framing.engine_objects,
    "websockets": framing.websockets,
    "wsproto": framing.wsproto,
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.key)
@pytest.mark.parametrize("parser", PARSERS.values(), ids=PARSERS)
def test_all_frames_come_out(parser: Parser, case: Case) -> None:
    with contextmanager(parser)(replace(case, count=20)) as work:
        for _ in range(3):
            if work.prepare is not None:
                work.prepare()
            work.run()


@pytest.mark.parametrize("parser", PARSERS.values(), ids=PARSERS)
def test_a_frame_that_is_missing_is_noticed(parser: Parser) -> None:
    class Short(Case):
        @property
        def stream(self) -> bytes:
            return super().stream[:-1]

    case = Short(32, 5, CASES[0].opcode)
    with contextmanager(parser)(case) as work:
        if work.prepare is not None:
            work.prepare()
        with pytest.raises(AssertionError, match="4 of 5 frames"):
            work.run()


def test_picows_is_fed_all_frames_too() -> None:
    """Its own listener is empty, so they are counted by one of ours."""
    seen: list[bytes] = []

    class Listener(picows.WSListener):
        def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
            seen.append(frame.get_payload_as_bytes())

    def parser(case: Case) -> Iterator[framing.Work]:
        return framing.picows(case, Listener)

    with contextmanager(parser)(replace(CASES[0], count=20)) as work:
        for _ in range(3):
            assert work.prepare is not None
            work.prepare()
            work.run()
    assert seen == [b"x" * CASES[0].size_bytes] * 60


def test_every_figure_of_the_table_is_measured() -> None:
    comparison = framing.comparison(budget_s=0.0).run(1, lambda line: None)
    assert comparison.names == [each.name for each in comparison.contestants]
    assert comparison.failed == {}
    keys = {metric.key for metric in comparison.metrics}
    assert set(comparison.rounds[0][framing.REFERENCE]) == keys
    for values in comparison.rounds[0].values():
        assert set(values) <= keys
        assert all(value > 0 for value in values.values())

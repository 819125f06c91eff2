"""Numbered ids: no number twice, whoever asks."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.database_storage import SqliteStorage
from xinyu.base.errors import XinYuError
from xinyu.storage import meta
from xinyu.storage.dialect import SQLITE
from xinyu.storage.id_blocks import IdBlocks


async def test_two_processes_never_give_the_same_number(tmp_path: Path) -> None:
    storage = SqliteStorage(tmp_path / "x.db")
    first, second = await storage.open(), await storage.open()
    series = [IdBlocks("talk", database, SQLITE, block_size=5) for database in (first, second)]
    taken = await asyncio.gather(*(series[n % 2].take() for n in range(100)))
    assert len(set(taken)) == 100
    assert min(taken) == 1 and max(taken) <= 105
    assert await IdBlocks("user", first, SQLITE).take() == 1  # a series of its own
    again = await IdBlocks("talk", first, SQLITE).take()
    assert again > max(taken)  # a new life leaves a hole rather than repeat
    await first.close()
    await second.close()


async def test_after_a_restore_numbers_start_far_above(tmp_path: Path) -> None:
    database = await SqliteStorage(tmp_path / "x.db").open()
    assert await IdBlocks("talk", database, SQLITE).take() == 1
    before = await database.read(lambda c: meta.load_epoch(c, SQLITE))
    after = await database.write(lambda c: meta.begin_epoch(c, SQLITE))
    assert before != after == await database.read(lambda c: meta.load_epoch(c, SQLITE))
    assert await IdBlocks("talk", database, SQLITE).take() > 10**9
    await database.close()
    with pytest.raises(XinYuError) as caught:
        await IdBlocks("talk", database, SQLITE).take()
    assert caught.value.reason == "unavailable"

"""The group that the tests of this folder's rules are about."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.database_storage import Storage
from tests.integration.services.group.band import Band
from tests.integration.services.house import open_house


@pytest.fixture
async def band(storage: Storage) -> AsyncIterator[Band]:
    limits = {"max_groups_owned": 3, "max_groups_joined": 5, "max_group_admins": 2, "max_group_members": 10}
    async with open_house(storage, require_friendship=False, **limits) as house:
        yield await Band.of(house)

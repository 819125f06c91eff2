"""Users and talks as sets of connections, beside plain dictionaries."""

from __future__ import annotations

import random
from collections import defaultdict

import pytest

from tests.unit._fast.engine_harness import Client, Harness
from xinyu._fast.engine import encode_frame


def check(h: Harness, users: dict[int, set[int]], talks: dict[int, set[int]]) -> None:
    e = h.engine
    for user, ids in users.items():
        assert set(e.connections_of(user)) == ids
        assert e.user_connection_count(user) == len(ids)
    for talk, ids in talks.items():
        assert set(e.connections_of_talk(talk)) == ids
        assert len(e.connections_of_talk(talk)) == len(ids)
    assert set(e.user_ids()) == {user for user, ids in users.items() if ids}
    stats = e.stats()
    assert stats["users"] == sum(map(bool, users.values()))
    assert stats["talks"] == sum(map(bool, talks.values()))
    assert stats["live_memberships"] == sum(map(len, talks.values()))


@pytest.mark.parametrize("seed", range(5))
def test_random_changes_agree_with_dictionaries(seed: int) -> None:
    chance = random.Random(seed)
    users: dict[int, set[int]] = defaultdict(set)
    talks: dict[int, set[int]] = defaultdict(set)
    with Harness(max_talks=6) as h:
        clients: list[Client] = [h.open() for _ in range(12)]
        for _ in range(400):
            client = chance.choice(clients)
            user, talk = chance.randint(1, 5), chance.randint(1, 9)
            match chance.choice(["bind", "bind", "join", "join", "leave", "end"]):
                case "bind":
                    assert h.engine.bind(client.id, user, 1)
                    for ids in users.values():
                        ids.discard(client.id)
                    users[user].add(client.id)
                case "join":
                    joined = {t for t, ids in talks.items() if client.id in ids}
                    fits = talk in joined or len(joined) < 6
                    assert h.engine.join_talk(client.id, talk) == fits
                    if fits:
                        talks[talk].add(client.id)
                case "leave":
                    assert h.engine.leave_talk(client.id, talk) == (client.id in talks[talk])
                    talks[talk].discard(client.id)
                case "end":
                    if chance.random() < 0.5:
                        h.engine.abort(client.id)
                    else:
                        h.engine.close(client.id)  # out of the sets at once, not when the peer has answered
                        client.socket.close()
                    for ids in (*users.values(), *talks.values()):
                        ids.discard(client.id)
                    clients.remove(client)
                    clients.append(h.open())
            check(h, users, talks)


def test_newest_first() -> None:
    with Harness() as h:
        ids = []
        for _ in range(4):
            client = h.open()
            h.engine.bind(client.id, 7)
            ids.append(client.id)
        assert h.engine.connections_of(7) == ids[::-1]
        assert h.engine.connection_ids() == sorted(ids)


def test_many_users() -> None:
    """More than the table's first size, ids far apart and close together."""
    with Harness() as h:
        clients = [h.open() for _ in range(150)]
        for i, client in enumerate(clients):
            assert h.engine.bind(client.id, (1 << 40) + i * 4096)
        assert len(h.engine.user_ids()) == 150
        assert h.engine.fan_out_users(h.engine.user_ids(), {0: encode_frame(b"x")}) == 150
        for client in clients[::2]:
            h.engine.abort(client.id)
        h.settle()
        for i, client in enumerate(clients):
            assert h.engine.connections_of((1 << 40) + i * 4096) == ([] if i % 2 == 0 else [client.id])


def test_who_is_not_there_has_no_connections() -> None:
    with Harness() as h:
        for nobody in (0, -1, 5, 1 << 63, 1 << 70):
            assert h.engine.connections_of(nobody) == []
            assert h.engine.connections_of_talk(nobody) == []
            assert h.engine.user_connection_count(nobody) == 0
            assert h.engine.fan_out_users([nobody], {0: encode_frame(b"x")}) == 0
            assert h.engine.fan_out_talk(nobody, {0: encode_frame(b"x")}) == 0


@pytest.mark.parametrize("user", [0, -1, 1 << 63])
def test_impossible_users_and_talks(user: int) -> None:
    with Harness() as h:
        client = h.open()
        with pytest.raises(ValueError, match="user_id"):
            h.engine.bind(client.id, user)
        with pytest.raises(ValueError, match="talk_id"):
            h.engine.join_talk(client.id, user)
        assert h.engine.user_of(client.id) == 0

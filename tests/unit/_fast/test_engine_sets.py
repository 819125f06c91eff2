"""Users and talks as sets of connections, beside plain dictionaries."""

from __future__ import annotations

import os
import random
from collections import Counter, defaultdict

import pytest

from tests.unit._fast.engine_harness import Client, Harness
from tests.unit._fast.members_oracle import OracleSet, packed
from xinyu._fast import members
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


def test_bound_sessions_are_those_whose_end_is_still_to_be_told() -> None:
    """The pairs (user, session) at any moment, and those that on_close has named, are all that were ever bound."""
    chance = random.Random(3)
    bound: Counter[tuple[int, int]] = Counter()
    with Harness() as h:
        assert h.engine.bound_sessions() == b""
        clients: list[Client] = []
        for session in range(1, 200):
            match chance.choice(["open", "open", "close", "abort", "export", "settle", "nobody"]):
                case "open":
                    clients.append(h.open())
                    user_id = chance.choice([1, 2, 2**63 - 1])
                    assert h.engine.bind(clients[-1].id, user_id, session)
                    bound[user_id, session] += 1
                case "nobody":
                    clients.append(h.open())
                case "settle":
                    h.settle()
                case do if clients:
                    client = clients.pop(chance.randrange(len(clients)))
                    if do == "export":
                        pair = (h.engine.user_of(client.id), h.engine.session_of(client.id))
                        exported = h.engine.export(client.id)
                        assert exported is not None
                        os.close(exported[0])
                        del bound[pair]
                    else:
                        h.engine.close(client.id) if do == "close" else h.engine.abort(client.id)
            flat = memoryview(h.engine.bound_sessions()).cast("Q")
            pairs = Counter(zip(flat[::2], flat[1::2], strict=True))
            told = Counter((user, session) for _, user, session, _, _ in h.closes if user)
            assert pairs + told == bound
        assert told


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


@pytest.mark.parametrize("others", [3, 60])  # users beside the members: either side is the smaller one
def test_members_are_found_among_the_connected(others: int) -> None:
    rows = [(1, 1, -1), (2, 5, -1), (3, 1, 4), (5, 9, -1), *((user_id, 1, -1) for user_id in range(200, 220))]
    held, oracle = members.MemberSet().updated(packed(rows)), OracleSet().updated(rows, 0)
    with Harness() as h:
        clients = {}
        for user_id in (1, 1, 2, 3, 4, *range(100, 100 + others)):
            client = h.open()
            h.engine.bind(client.id, user_id)
            clients.setdefault(user_id, []).append(client)
        assert h.engine.has_member(held)
        assert not h.engine.has_member(members.MemberSet().updated(packed([(5, 1, -1), (6, 1, 2)])))
        assert h.engine.has_member(members.MemberSet().updated(packed([(3, 1, 2)])))
        sent: dict[int, list[bytes]] = defaultdict(list)
        for audience in (members.MEMBERS, members.READERS, members.SEEING, members.OTHERS):
            for sequence in (3, 6):
                text = b"%d %d" % (audience, sequence)
                wanted = oracle.among(clients, audience, sequence)
                reached = h.engine.fan_out_members(held, audience, sequence, {0: encode_frame(text)})
                assert reached == sum(len(clients[user_id]) for user_id in wanted)
                for user_id in wanted:
                    sent[user_id].append(text)
        for user_id, frames in sent.items():
            for client in clients[user_id]:
                assert [payload for _, payload in client.read_frames(len(frames))] == frames


def test_members_get_the_frame_of_their_codec_or_none() -> None:
    held = members.MemberSet().updated(packed([(1, 1, -1)]))
    with Harness() as h:
        client = h.open()
        h.engine.bind(client.id, 1)
        assert h.engine.fan_out_members(held, members.MEMBERS, 0, {1: encode_frame(b"x")}) == 0
        assert h.engine.fan_out_members(members.MemberSet(), members.MEMBERS, 0, {0: encode_frame(b"x")}) == 0
        with pytest.raises(ValueError, match="audience"):
            h.engine.fan_out_members(held, 4, 0, {0: encode_frame(b"x")})


def test_members_may_leave_by_what_they_are_sent() -> None:
    """Who was picked is looked up again when his turn comes."""
    held = members.MemberSet().updated(packed((user_id, 1, -1) for user_id in range(1, 41)))
    with Harness() as h:
        clients = [h.open() for _ in range(40)]
        for user_id, client in enumerate(clients, 1):
            h.engine.bind(client.id, user_id)
        for client in clients[::2]:
            client.reset_connection()
        frame = encode_frame(b"x" * 100)
        h.engine.fan_out_members(held, members.MEMBERS, 0, {0: frame})
        h.engine.fan_out_members(held, members.MEMBERS, 0, {0: frame})
        for client in clients[1::2]:
            assert len(client.read_frames(2)) == 2
        h.settle()
        assert h.engine.fan_out_members(held, members.MEMBERS, 0, {0: frame}) == 20

"""A server in plain Python for the replica's tests: what the design says a server stores and answers, written as
plainly as possible and with small limits, so that short schedules reach every rule.

Every operation changes the state at once and leaves abstract events in `pending`; `dispatch` turns the oldest one into
pushes, with the recipients and windows of that later moment, as a dispatcher behind an outbox does. `sync`, `range`
and `members` answer requests from the state as it is when they are called.
"""

from __future__ import annotations

import copy
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from xinyu.client.replica import Replica
from xinyu.client.shapes import (
    ROOMS,
    MembersAnswer,
    MembersRequest,
    RangeAnswer,
    RangeRequest,
    SyncAnswer,
    SyncRequest,
    read,
)

Pushed = tuple[int, str, dict[str, Any]]  # user_id, event, payload


@dataclass
class Membership:
    joined: int
    state: str = "in"
    role: int = 3
    left: int | None = None
    sent: int = 0
    read: int = 0
    cleared: int = 0
    own: int = 0
    change: int = 0
    hidden: dict[int, int] = field(default_factory=dict)  # sequence -> own


@dataclass
class Message:
    sender: int
    text: str
    state: str = "whole"  # recalled, void
    change: int = 0


@dataclass
class Talk:
    talk_id: int
    talk_mode: int = 2
    last: int = 0
    change: int = 0
    first: int = 1
    name: str = "group"
    profile_change: int = 0
    messages: dict[int, Message] = field(default_factory=dict)
    members: dict[int, Membership] = field(default_factory=dict)


class OracleServer:
    def __init__(self, *, newest: int = 3, changes: int = 3, talk_page: int = 2, row_page: int = 3) -> None:
        self.newest, self.changes, self.talk_page, self.row_page = newest, changes, talk_page, row_page
        self.epoch = 1
        self.talks: dict[int, Talk] = {}
        self.rows: dict[tuple[int, str], dict[Any, dict[str, Any]]] = {}
        self.versions: dict[tuple[int, str], int] = {}
        self.floors: dict[tuple[int, str], int] = {}
        self.pending: deque[dict[str, Any]] = deque()

    # ---------------------------------------------------------------- operations

    def make_talk(self, talk_id: int, users: list[int], talk_mode: int = 2) -> Talk:
        talk = self.talks[talk_id] = Talk(talk_id, talk_mode)
        for user in users:
            talk.members[user] = Membership(joined=1)
            self.set_talk_row(user, talk_id)
        return talk

    def send(self, talk_id: int, sender: int, text: str = "") -> int:
        talk = self.talks[talk_id]
        talk.last += 1
        talk.messages[talk.last] = Message(sender, text or f"m{talk.last}")
        talk.members[sender].sent = talk.last
        self.pending.append(
            {"kind": "message", "talk": talk_id, "s": talk.last, "record": self.record(talk, talk.last)}
        )
        return talk.last

    def alter(self, talk_id: int, s: int, state: str) -> None:
        """state: edited, recalled, void."""
        talk = self.talks[talk_id]
        message = talk.messages.get(s)
        if message is None or message.state == "void" or (message.state == "recalled" and state != "void"):
            return
        talk.change += 1
        if state == "edited":
            message.text = f"e{talk.change}"
        else:
            message.state = state
        message.change = talk.change
        self.pending.append(
            {"kind": "record", "talk": talk_id, "s": s, "n": talk.change, "record": self.record(talk, s)}
        )

    def read(self, talk_id: int, user: int, s: int) -> None:
        talk, member = self.talks[talk_id], self.talks[talk_id].members[user]
        at = max(member.read, min(s, self.window(talk, member)[1]))
        if at != member.read:
            member.read = at
            self._own(talk, user)

    def clear(self, talk_id: int, user: int) -> None:
        talk, member = self.talks[talk_id], self.talks[talk_id].members[user]
        to = self.window(talk, member)[1]
        if to > member.cleared:
            member.cleared = to
            self._own(talk, user)

    def hide(self, talk_id: int, user: int, s: int) -> None:
        talk, member = self.talks[talk_id], self.talks[talk_id].members[user]
        low, high = self.window(talk, member)
        if low <= s <= high and s not in member.hidden:
            member.hidden[s] = member.own + 1
            self._own(talk, user, voids=[[s, s]])

    def _own(self, talk: Talk, user: int, voids: list[list[int]] | None = None) -> None:
        member = talk.members[user]
        member.own += 1
        payload = {
            "talk_id": talk.talk_id,
            "own": member.own,
            "read_sequence": max(member.read, member.sent),
            "from": self.window(talk, member)[0],
            "voids": voids or [],
        }
        self.pending.append({"kind": "own", "user": user, "payload": payload})

    def retain(self, talk_id: int, first: int) -> None:
        talk = self.talks[talk_id]
        if talk.first < first <= talk.last + 1:
            talk.first = first
            talk.messages = {s: message for s, message in talk.messages.items() if s >= first}
            talk.change += 1
            self.pending.append({"kind": "first", "talk": talk_id, "n": talk.change, "first": first})

    def rename(self, talk_id: int) -> None:
        talk = self.talks[talk_id]
        talk.change += 1
        talk.name, talk.profile_change = f"name{talk.change}", talk.change
        self.pending.append({"kind": "profile", "talk": talk_id, "n": talk.change, "name": talk.name})

    def set_member(self, talk_id: int, user: int, state: str, role: int = 3) -> None:
        talk = self.talks[talk_id]
        member = talk.members.get(user)
        if member is None:
            if state != "in":
                return
            member = talk.members[user] = Membership(joined=talk.last + 1, role=role, state="out")
        if (member.state, member.role) == (state, role):
            return
        talk.change += 1
        if member.state != state and state == "in":
            member.joined, member.left = talk.last + 1, None
        elif member.state == "in" and state != "in":
            member.left = talk.last
        member.state, member.role, member.change = state, role, talk.change
        self.pending.append({"kind": "member", "talk": talk_id, "n": talk.change, "user": user})
        if state == "in":
            row = self.rows.get((user, "talk"), {}).get(talk_id)
            if row is None or row.get("deleted"):
                self.set_talk_row(user, talk_id)

    def set_talk_row(self, user: int, talk_id: int, **columns: Any) -> None:
        talk = self.talks[talk_id]
        old = self.rows.get((user, "talk"), {}).get(talk_id, {})
        row = {
            "talk_id": talk_id,
            "talk_mode": talk.talk_mode,
            "to_from_id": talk_id * 10,
            "is_top": 2,
            "is_disturb": 2,
            "is_robot": 2,
            "hidden_sequence": -1,
            "draft": "",
            "remark": "",
            **{key: value for key, value in old.items() if key != "deleted"},
            **columns,
        }
        self._row(user, "talk", talk_id, row)

    def hide_talk(self, user: int, talk_id: int) -> None:
        talk = self.talks[talk_id]
        self.set_talk_row(user, talk_id, hidden_sequence=self.window(talk, talk.members[user])[1])

    def delete_talk_row(self, user: int, talk_id: int) -> None:
        self._row(user, "talk", talk_id, {"talk_id": talk_id, "deleted": True})

    def set_contact(self, user: int, other: int, deleted: bool = False) -> None:
        row: dict[str, Any] = {"kind": "contact", "user_id": other}
        row |= {"deleted": True} if deleted else {"nickname": f"n{self.versions.get((user, 'contact'), 0)}"}
        self._row(user, "contact", other, row)

    def _row(self, user: int, room: str, key: Any, row: dict[str, Any]) -> None:
        version = self.versions[user, room] = self.versions.get((user, room), 0) + 1
        row = {**row, "version": version}
        self.rows.setdefault((user, room), {})[key] = row
        self.pending.append({"kind": "row", "user": user, "room": room, "version": version, "row": row})

    def purge(self, user: int, room: str) -> None:
        rows = self.rows.get((user, room), {})
        for key in [key for key, row in rows.items() if row.get("deleted")]:
            version = rows.pop(key)["version"]
            self.floors[user, room] = max(self.floors.get((user, room), 0), version)

    def backup(self) -> Any:
        return copy.deepcopy((self.talks, self.rows, self.versions, self.floors))

    def restore(self, backup: Any) -> None:
        """Everything as it was; pushes in flight are gone, and the caller disconnects everybody."""
        self.talks, self.rows, self.versions, self.floors = copy.deepcopy(backup)
        self.epoch += 1
        self.pending.clear()

    # ---------------------------------------------------------------- the store, as one user sees it

    def window(self, talk: Talk, member: Membership) -> tuple[int, int]:
        low = max(member.cleared + 1, member.joined, talk.first)
        return low, talk.last if member.left is None else member.left

    def record(self, talk: Talk, s: int) -> dict[str, Any] | None:
        message = talk.messages.get(s)
        if message is None or message.state == "void":
            return None
        recalled = message.state == "recalled"
        return {
            "talk_id": talk.talk_id,
            "msg_id": f"{talk.talk_id:x}-{s:x}",
            "sequence": s,
            "msg_type": 1,
            "from_id": message.sender,
            "is_revoked": 1 if recalled else 2,
            "sent_at_ms": s,
            "extra": "{}" if recalled else f'{{"content":"{message.text}"}}',
        }

    def visible(self, talk: Talk, user: int, s: int) -> dict[str, Any] | None:
        member = talk.members[user]
        low, high = self.window(talk, member)
        return self.record(talk, s) if low <= s <= high and s not in member.hidden else None

    def unread(self, talk_id: int, user: int) -> int:
        talk = self.talks[talk_id]
        member = talk.members[user]
        low, high = self.window(talk, member)
        return max(0, high - max(member.read, member.sent, low - 1))

    # ---------------------------------------------------------------- dispatch

    def dispatch(self, *, remake: bool = False) -> list[Pushed]:
        """The oldest pending event as pushes. `remake`: made again from the store, as after a crash."""
        event = self.pending.popleft()
        kind = event["kind"]
        if kind == "own":
            return [(event["user"], "talk.own", event["payload"])]
        if kind == "row":
            row = {key: event[key] for key in ("room", "version", "row")}
            return [(event["user"], "row.changed", row)]
        talk = self.talks[event["talk"]]
        pushes: list[Pushed] = []
        record = self.record(talk, event["s"]) if remake and "s" in event else event.get("record")
        for user, member in talk.members.items():
            if member.state != "in" and event.get("user") != user:
                continue
            if kind == "message":
                if event["s"] >= member.joined and record is not None:
                    body = {"talk_id": talk.talk_id, "sequence": event["s"], "body": record}
                    pushes.append((user, "im.message", body))
                continue
            payload: dict[str, Any] = {"talk_id": talk.talk_id, "change": event["n"], "records": [], "voids": []}
            if kind == "record" and event["s"] >= member.joined:
                if record is None:
                    payload["voids"] = [[event["s"], event["s"]]]
                else:
                    payload["records"] = [record]
            elif kind == "first":
                payload["from"] = event["first"]
            elif kind == "profile":
                payload["profile"] = {"name": event["name"], "avatar": "", "mute_all": False}
            elif kind == "member":
                payload["members"] = [self.member(talk, event["user"])]
            pushes.append((user, "talk.changed", payload))
        return pushes

    def member(self, talk: Talk, user: int) -> dict[str, Any]:
        member = talk.members[user]
        return {"user_id": user, "state": member.state, "role": member.role, "muted_until_ms": 0}

    # ---------------------------------------------------------------- requests

    def sync(self, user: int, request: SyncRequest) -> SyncAnswer:
        floors = {room: self.floors.get((user, room), 0) for room in ROOMS}
        begun = dict(zip(ROOMS, map(int, request.next.split(",")), strict=True)) if request.next else {}
        asked = {room: request.versions.of(room) for room in ROOMS}
        named = {talk_id: (s, change, own) for talk_id, s, change, own in request.talks}
        reset = request.epoch != str(self.epoch) or any(
            asked[room] < floors[room] and begun.get(room) != floors[room] for room in ROOMS
        )
        if reset:
            asked, named = dict.fromkeys(ROOMS, 0), {}
        more = False
        rows: dict[str, list[dict[str, Any]]] = {}
        versions: dict[str, int] = {}
        for room in ROOMS:
            newer = sorted(
                (row for row in self.rows.get((user, room), {}).values() if row["version"] > asked[room]),
                key=lambda row: int(row["version"]),
            )
            rows[room], versions[room] = newer[: self.row_page], self.versions.get((user, room), 0)
            if len(newer) > self.row_page:
                more, versions[room] = True, newer[self.row_page - 1]["version"]
        talks = []
        for talk_id in sorted(set(named) | {row["talk_id"] for row in rows["talk"]}):
            talk = self.talks.get(talk_id)
            if talk is None or user not in talk.members:
                continue
            cursors = named.get(talk_id, (0, 0, 0))
            if talk_id in named and cursors == (
                self.window(talk, talk.members[user])[1],
                talk.change,
                talk.members[user].own,
            ):
                continue
            if len(talks) >= self.talk_page:
                more = True
                break
            talks.append(self.talk_answer(talk, user, cursors))
        answer: dict[str, Any] = {
            "epoch": str(self.epoch),
            "reset": reset,
            "versions": versions,
            "rows": rows,
            "talks": talks,
        }
        if more:
            answer["next"] = ",".join(str(floors[room]) for room in ROOMS)
        return read(SyncAnswer, answer)

    def talk_answer(self, talk: Talk, user: int, cursors: tuple[int, int, int]) -> dict[str, Any]:
        s, change, own = cursors
        member = talk.members[user]
        low, last = self.window(talk, member)
        below = {
            number
            for number, message in talk.messages.items()
            if number <= s and message.change > change and low <= number <= last
        }
        below |= {number for number, at in member.hidden.items() if at > own and number <= s}
        stale = len(below) > self.changes
        base = max(0 if stale else s, low - 1, last - self.newest)
        numbers = [n for n in sorted(below) if n <= base and not stale] + list(range(base + 1, last + 1))
        seen = {n: self.visible(talk, user, n) for n in numbers}
        answer: dict[str, Any] = {
            "talk_id": talk.talk_id,
            "last_sequence": last,
            "last_change": talk.change,
            "own": member.own,
            "from": low,
            "base": base,
            "read_sequence": max(member.read, member.sent),
            "records": [record for record in seen.values() if record],
            "voids": [[n, n] for n in numbers if not seen[n]],
            "member": {"state": member.state, "role": member.role, "muted_until_ms": 0},
        }
        if (member.state == "in" and max(talk.profile_change, member.change) > change) or cursors == (0, 0, 0):
            answer["profile"] = {"name": talk.name, "avatar": "", "mute_all": False}
        if stale:
            answer["stale"] = True
        return answer

    def range(self, user: int, request: RangeRequest) -> RangeAnswer:
        talk = self.talks[request.talk_id]
        numbers = range(request.from_sequence, request.to_sequence + 1)
        seen = {n: self.visible(talk, user, n) for n in numbers}
        answer = {
            "change": talk.change,
            "own": talk.members[user].own,
            "records": [record for record in seen.values() if record],
            "voids": [[n, n] for n in numbers if not seen[n]],
        }
        return read(RangeAnswer, answer)

    def members(self, request: MembersRequest) -> MembersAnswer:
        talk = self.talks[request.talk_id]
        changed = [
            self.member(talk, user)
            for user, member in talk.members.items()
            if member.change > request.change or not request.change
        ]
        return read(MembersAnswer, {"change": talk.change, "members": changed})

    # ---------------------------------------------------------------- the end of a test

    def differences(self, user: int, replica: Replica) -> list[str]:
        """How a replica that has caught up and looked at all its history differs from the store."""
        wrong: list[str] = []

        def same(what: str, held: object, stored: object) -> None:
            if held != stored:
                wrong.append(f"{what}: replica {held}, store {stored}")

        same("epoch", replica.epoch, str(self.epoch))
        alive = {key: row for key, row in self.rows.get((user, "talk"), {}).items() if not row.get("deleted")}
        contacts = {k: row for k, row in self.rows.get((user, "contact"), {}).items() if not row.get("deleted")}
        same("contacts", {row["user_id"]: row for row in replica.contact_rows("contact")}, contacts)
        listed = []
        for talk_id, row in alive.items():
            talk = self.talks[talk_id]
            member = talk.members[user]
            low, last = self.window(talk, member)
            view = replica.conversation(talk_id)
            if view is None:
                wrong.append(f"talk {talk_id} is unknown")
                continue
            if last > row["hidden_sequence"]:
                listed.append(talk_id)
            records = [r for n in range(low, last + 1) if (r := self.visible(talk, user, n))]
            held = [(r.sequence, r.is_revoked, r.extra) for r in replica.records(talk_id)]
            same(f"talk {talk_id} records", held, [(r["sequence"], r["is_revoked"], r["extra"]) for r in records])
            same(f"talk {talk_id} unread", view.unread, self.unread(talk_id, user))
            same(f"talk {talk_id} read", view.read_sequence, max(member.read, member.sent))
            same(f"talk {talk_id} pinned", view.is_pinned, row["is_top"] == 1)
            if view.member is not None:
                same(f"talk {talk_id} member", (view.member.state, view.member.role), (member.state, member.role))
            if member.state == "in" and talk.profile_change:
                same(f"talk {talk_id} name", view.name, talk.name)
        same("list", sorted(view.talk_id for view in replica.conversation_list()), sorted(listed))
        return wrong

"""Every call of the user, contact, group and presence rooms, with values that no honest caller sends: an answer or a
refusal out of the table, never `internal`, and afterwards everything still works."""

from __future__ import annotations

import random
from typing import Any

import pytest
from google.protobuf import message_factory
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from tests.database_storage import Storage
from tests.integration.services.house import open_house
from xinyu.base.errors import INTERNAL, XinYuError
from xinyu.wire.v1 import contact_rpc, group_rpc, presence_rpc, user_rpc

METHODS = (*user_rpc.METHODS, *contact_rpc.METHODS, *group_rpc.METHODS, *presence_rpc.METHODS)
ROUNDS = 6

INT64 = (0, 1, 2, 3, -1, 2**53, 2**63 - 1, -(2**63))
INT32 = (0, 1, 2, -1, 2**31 - 1, -(2**31))
TEXT = (
    "", "a", "\x00", "<script>", "' OR 1=1 --", "%s", "?", "好" * 300, "x" * 5_000, "13800000001", "A" * 344,
    "register", "auto", "Y", "2000-01-01", "correct horse",
)  # fmt: skip


def hostile(request_type: type[Message], choose: random.Random) -> Message:
    """A request with each field set, by chance, to something odd or to something that exists; its messages too."""
    request = request_type()

    def value(field: FieldDescriptor) -> Any:
        if field.type == FieldDescriptor.TYPE_INT64:
            return choose.choice(INT64)
        if field.type == FieldDescriptor.TYPE_INT32:
            return choose.choice(INT32)
        if field.type == FieldDescriptor.TYPE_ENUM:
            return choose.choice((0, 1, 2))
        if field.type == FieldDescriptor.TYPE_BOOL:
            return choose.random() < 0.8
        if field.type == FieldDescriptor.TYPE_STRING:
            return choose.choice(TEXT)
        raise AssertionError(f"no values for {field.full_name}")

    for field in request.DESCRIPTOR.fields:
        if choose.random() < 0.15:
            continue
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            inner = getattr(request, field.name)
            for _ in range(choose.choice((0, 1, 3, 40))):
                inner.append(hostile(message_factory.GetMessageClass(field.message_type), choose))
        elif field.is_repeated:
            getattr(request, field.name).extend(value(field) for _ in range(choose.choice((0, 1, 3, 40))))
        else:
            setattr(request, field.name, value(field))
    return request


@pytest.mark.parametrize("seed", range(3))
async def test_no_request_is_an_internal_error(storage: Storage, seed: int) -> None:
    choose = random.Random(seed)
    async with open_house(storage) as house:
        ann = await house.user.register("13800000001", "Ann")
        bob = await house.user.register("13800000002", "Bob")
        await house.befriend(ann, bob)
        await house.post("group/create", ann, name="G", user_ids=[bob])
        # Whom no request names: what is asked for in Ann's and Bob's names may part them.
        await house.user.register("13800000003", "Cat")
        dan = await house.user.register("13800000004", "Dan")
        eve = await house.user.register("13800000005", "Eve")
        await house.befriend(dan, eve)
        channel = house.platform.network.channel("hostile")
        answered = 0
        for _ in range(ROUNDS):
            for method in METHODS:
                request = hostile(method.request_type, choose)
                refusal = None
                try:
                    await channel.call(method, request)
                    answered += 1
                except XinYuError as error:
                    refusal = error.code
                assert refusal is not INTERNAL, (method.name, request)
        assert answered > len(METHODS)  # some of it is taken: the refusals are not all of one kind
        await house.platform.settled()
        assert (await house.post("user/detail", eve))["mobile"] == "13800000005"
        assert eve in [item["user_id"] for item in (await house.post("contact/list", dan))["items"]]

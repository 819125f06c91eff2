"""What all rooms together offer at the doors: no name twice, nothing open that must not be, every number bounded."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from xinyu.base.clock import SystemClock
from xinyu.base.config import Config
from xinyu.base.ids import MAX_SAFE_INTEGER
from xinyu.gateway.http.route import FormRoute, Route
from xinyu.storage.blobs import Blobs
from xinyu_services.cli.doors import client_events, http_routes


class NoChannel:
    async def call(self, *_: object, **__: object) -> object:
        raise AssertionError("nothing is called here")


class NoBlobs(Blobs):
    """Nothing is stored here."""


ALL_ROUTES = http_routes(NoChannel(), Config(), NoBlobs(), SystemClock())
ROUTES = [route for route in ALL_ROUTES if isinstance(route, Route)]
EVENTS = client_events(NoChannel(), Config())
SHAPES = {
    **{route.path: route.request_type for route in ALL_ROUTES if not isinstance(route, FormRoute)},
    **{event.name: event.payload_type for event in EVENTS},
}


def numbers(kind: msgspec.inspect.Type, name: str) -> Iterator[tuple[str, msgspec.inspect.IntType]]:
    """Every integer inside a shape, with where it stands. Fails for a shape that it does not know."""
    inspect = msgspec.inspect
    if isinstance(kind, inspect.IntType):
        yield name, kind
    elif isinstance(kind, inspect.StructType):
        for field in kind.fields:
            yield from numbers(field.type, f"{name}.{field.encode_name}")
    elif isinstance(kind, inspect.UnionType):
        for member in kind.types:
            yield from numbers(member, name)
    elif isinstance(kind, inspect.ListType | inspect.VarTupleType):
        yield from numbers(kind.item_type, f"{name}[]")
    elif isinstance(kind, inspect.TupleType):
        for position, item in enumerate(kind.item_types):
            yield from numbers(item, f"{name}[{position}]")
    elif isinstance(kind, inspect.DictType):
        yield from numbers(kind.value_type, f"{name}{{}}")
    else:
        assert isinstance(
            kind,
            inspect.StrType | inspect.BoolType | inspect.NoneType | inspect.RawType | inspect.LiteralType
            | inspect.FloatType | inspect.AnyType,
        ), (name, kind)  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_every_number_is_one_that_a_call_can_carry(name: str) -> None:
    """An integer without bounds would be refused by the wire types only, as a mistake of ours."""
    for where, kind in numbers(msgspec.inspect.type_info(SHAPES[name]), name):
        assert kind.ge is not None or kind.gt is not None, where
        highest = kind.le if kind.le is not None else kind.lt
        assert highest is not None, where
        assert highest <= MAX_SAFE_INTEGER + 1, where


def test_names_are_unique() -> None:
    assert len({route.path for route in ALL_ROUTES}) == len(ALL_ROUTES)
    assert len({event.name for event in EVENTS}) == len(EVENTS)


def test_only_coming_in_is_open_and_limited_by_address() -> None:
    entries = {
        *("auth/register", "auth/login", "auth/forget", "auth/oauth", "auth/oauth/login", "auth/oauth/bind"),
        *("common/send-sms", "common/send-email", "common/send-test", "common/verify-email"),
    }
    assert {route.path for route in ROUTES if route.open} == entries
    assert {route.path for route in ROUTES if route.limit == "entry"} == entries


def test_defect_19_emoticons_and_organisation_need_a_token() -> None:
    """As `contact/search` and `contact/online-status` do. A form and a download want one always."""
    for start in ("emoticon/", "organize/", "contact/"):
        found = [route for route in ALL_ROUTES if route.path.startswith(start)]
        assert found
        assert not any(isinstance(route, Route) and route.open for route in found)


def test_sends_count_against_the_senders_rate_at_both_doors() -> None:
    assert {route.path for route in ROUTES if route.limit == "send"} >= {"message/send"}
    assert {event.name for event in EVENTS if event.limit == "send"} >= {"im.message.send"}


def test_the_reference_client_may_only_type() -> None:
    assert {event.name for event in EVENTS if event.legacy} == {"im.message.keyboard"}

"""REST routes of votes in groups (contract: http-api, group-vote)."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from xinyu.base.ids import MAX_SAFE_INTEGER
from xinyu.gateway.http.route import HttpCall, Route
from xinyu.wire.v1 import group_pb2
from xinyu.wire.v1.group_rpc import GroupStub
from xinyu_services.group.vote_model import MAX_OPTIONS, MIN_OPTIONS, OPTION_CHARACTERS, TITLE_CHARACTERS

Id = Annotated[int, Meta(ge=1, le=MAX_SAFE_INTEGER)]
Text = Annotated[str, Meta(min_length=1, max_length=OPTION_CHARACTERS)]
Key = Annotated[str, Meta(min_length=1, max_length=1)]
# 0 = the user picked nothing: the first.
Choice = Annotated[int, Meta(ge=0, le=2)]


class Create(msgspec.Struct):
    """`mode`: 1 one, 2 several. `is_anonymous`: 1 open, 2 secret."""

    group_id: Id
    title: Annotated[str, Meta(min_length=1, max_length=TITLE_CHARACTERS)]
    options: Annotated[list[Text], Meta(min_length=MIN_OPTIONS, max_length=MAX_OPTIONS)]
    mode: Choice = 0
    is_anonymous: Choice = 0


class OfVote(msgspec.Struct):
    vote_id: Id


class Detail(msgspec.Struct):
    """`cursor`: of the page of answers before. The reference client asks for the first only."""

    vote_id: Id
    cursor: Annotated[str, Meta(max_length=16)] = ""


class Submit(msgspec.Struct):
    vote_id: Id
    options: Annotated[list[Key], Meta(min_length=1, max_length=MAX_OPTIONS)]


class OfGroup(msgspec.Struct):
    """`cursor`: of the page before, 0 = from the newest."""

    group_id: Id
    cursor: Annotated[int, Meta(ge=0, le=MAX_SAFE_INTEGER)] = 0


def vote_routes(group: GroupStub) -> list[Route]:
    async def create(call: HttpCall, body: Create) -> None:
        request = group_pb2.CreateVoteRequest(
            user_id=call.user_id,
            group_id=body.group_id,
            title=body.title,
            answer_mode=body.mode or 1,
            is_secret=body.is_anonymous == 2,
            options=body.options,
        )
        await group.create_vote(request)

    async def detail(call: HttpCall, body: Detail) -> msgspec.Raw:
        request = group_pb2.VoteRequest(
            user_id=call.user_id, vote_id=body.vote_id, cursor=body.cursor, codec=call.codec  # type: ignore[arg-type]
        )
        return msgspec.Raw((await group.load_vote(request)).vote)

    async def submit(call: HttpCall, body: Submit) -> None:
        request = group_pb2.SubmitVoteRequest(user_id=call.user_id, vote_id=body.vote_id, options=body.options)
        await group.submit_vote(request)

    async def of_group(call: HttpCall, body: OfGroup) -> dict[str, Any]:
        request = group_pb2.ListVotesRequest(
            user_id=call.user_id, group_id=body.group_id, below=body.cursor, codec=call.codec  # type: ignore[arg-type]
        )
        page = await group.list_votes(request)
        shown: dict[str, Any] = {"items": msgspec.Raw(page.items)}
        return shown | {"cursor": page.below} if page.below else shown

    async def finish(call: HttpCall, body: OfVote) -> None:
        await group.finish_vote(group_pb2.VoteRequest(user_id=call.user_id, vote_id=body.vote_id))

    return [
        Route("group-vote/create", Create, create),
        Route("group-vote/detail", Detail, detail),
        Route("group-vote/submit", Submit, submit),
        Route("group-vote/list", OfGroup, of_group),
        Route("group-vote/finish", OfVote, finish),
    ]

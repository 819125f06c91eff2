"""The Group service's calls about votes."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import msgspec

from xinyu.base.errors import INVALID, XinYuError
from xinyu.rpc.context import Context
from xinyu.wire.v1 import group_pb2, options_pb2
from xinyu_services.group import view
from xinyu_services.group.vote_model import AnswerMode
from xinyu_services.group.votes import Votes


class VoteCalls:
    """A part of GroupServicer."""

    _votes: Votes
    _zone: ZoneInfo

    async def create_vote(self, request: group_pb2.CreateVoteRequest, context: Context) -> group_pb2.VoteRef:
        if request.answer_mode not in (AnswerMode.ONE, AnswerMode.SEVERAL):
            raise XinYuError(INVALID, "There is no such mode of a vote.")
        vote_id = await self._votes.create(
            request.user_id,
            request.group_id,
            request.title,
            AnswerMode(request.answer_mode),
            request.is_secret,
            request.options,
            context,
        )
        return group_pb2.VoteRef(vote_id=vote_id)

    async def load_vote(self, request: group_pb2.VoteRequest, context: Context) -> group_pb2.VoteAnswer:
        detail = await self._votes.detail(request.user_id, request.vote_id, request.cursor)
        return group_pb2.VoteAnswer(vote=msgspec.json.encode(view.vote_detail(detail, self._zone)))

    async def submit_vote(self, request: group_pb2.SubmitVoteRequest, context: Context) -> options_pb2.Empty:
        await self._votes.submit(request.user_id, request.vote_id, request.options, context)
        return options_pb2.Empty()

    async def list_votes(self, request: group_pb2.ListVotesRequest, context: Context) -> group_pb2.ListVotesResponse:
        votes, below = await self._votes.of_group(request.user_id, request.group_id, request.below)
        items = [view.vote_item(vote, has_voted, self._zone) for vote, has_voted in votes]
        return group_pb2.ListVotesResponse(items=msgspec.json.encode(items), below=below)

    async def finish_vote(self, request: group_pb2.VoteRequest, context: Context) -> options_pb2.Empty:
        await self._votes.finish(request.user_id, request.vote_id, context)
        return options_pb2.Empty()

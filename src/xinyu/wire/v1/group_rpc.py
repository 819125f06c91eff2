"""Stub and servicer of the Group service. Generated from xinyu/wire/v1/group.proto; never edited."""

from __future__ import annotations

from typing import Any, Protocol

from xinyu.wire.v1 import contact_pb2
from xinyu.wire.v1 import group_pb2
from xinyu.wire.v1 import options_pb2
from xinyu.wire.v1.method import Channel, Method

CREATE = Method("Group", "create", 601, group_pb2.CreateGroupRequest, group_pb2.CreateGroupResponse, 5.0, "/xinyu.wire.v1.Group/Create")
LOAD_DETAIL = Method("Group", "load_detail", 603, group_pb2.GroupRequest, group_pb2.GroupDetail, 3.0, "/xinyu.wire.v1.Group/LoadDetail", repeatable=True)
LIST = Method("Group", "list", 604, group_pb2.GroupListRequest, contact_pb2.ItemsPage, 3.0, "/xinyu.wire.v1.Group/List", repeatable=True)
LIST_MEMBERS = Method("Group", "list_members", 611, group_pb2.ListMembersRequest, group_pb2.ListMembersResponse, 3.0, "/xinyu.wire.v1.Group/ListMembers", repeatable=True)
INVITE = Method("Group", "invite", 612, group_pb2.GroupMembersRequest, options_pb2.Empty, 5.0, "/xinyu.wire.v1.Group/Invite")
REMOVE_MEMBERS = Method("Group", "remove_members", 613, group_pb2.GroupMembersRequest, options_pb2.Empty, 5.0, "/xinyu.wire.v1.Group/RemoveMembers")
LEAVE = Method("Group", "leave", 614, group_pb2.GroupRequest, options_pb2.Empty, 5.0, "/xinyu.wire.v1.Group/Leave")
LOAD_NAMES = Method("Group", "load_names", 629, group_pb2.LoadGroupNamesRequest, group_pb2.GroupNamesPage, 3.0, "/xinyu.wire.v1.Group/LoadNames", repeatable=True)
LIST_INVITABLE = Method("Group", "list_invitable", 630, group_pb2.GroupRequest, contact_pb2.ItemsPage, 3.0, "/xinyu.wire.v1.Group/ListInvitable", repeatable=True)
CREATE_APPLY = Method("Group", "create_apply", 550, group_pb2.CreateGroupApplyRequest, group_pb2.GroupApplyRef, 5.0, "/xinyu.wire.v1.Group/CreateApply", repeatable=True)
AGREE_APPLY = Method("Group", "agree_apply", 551, group_pb2.GroupApplyRequest, options_pb2.Empty, 5.0, "/xinyu.wire.v1.Group/AgreeApply", repeatable=True)
DECLINE_APPLY = Method("Group", "decline_apply", 552, group_pb2.GroupApplyRequest, options_pb2.Empty, 5.0, "/xinyu.wire.v1.Group/DeclineApply", repeatable=True)
DELETE_APPLY = Method("Group", "delete_apply", 553, group_pb2.GroupApplyRequest, options_pb2.Empty, 5.0, "/xinyu.wire.v1.Group/DeleteApply", repeatable=True)
LIST_APPLIES = Method("Group", "list_applies", 554, group_pb2.GroupRequest, contact_pb2.ItemsPage, 3.0, "/xinyu.wire.v1.Group/ListApplies", repeatable=True)
LIST_MANAGED_APPLIES = Method("Group", "list_managed_applies", 555, group_pb2.GroupListRequest, contact_pb2.ItemsPage, 3.0, "/xinyu.wire.v1.Group/ListManagedApplies", repeatable=True)
COUNT_MANAGED_APPLIES = Method("Group", "count_managed_applies", 556, group_pb2.GroupListRequest, group_pb2.GroupApplyCount, 3.0, "/xinyu.wire.v1.Group/CountManagedApplies", repeatable=True)
LIST_OWN_APPLIES = Method("Group", "list_own_applies", 564, group_pb2.GroupListRequest, contact_pb2.ItemsPage, 3.0, "/xinyu.wire.v1.Group/ListOwnApplies", repeatable=True)
EDIT_NOTICE = Method("Group", "edit_notice", 557, group_pb2.EditNoticeRequest, options_pb2.Empty, 5.0, "/xinyu.wire.v1.Group/EditNotice", repeatable=True)
LIST_NOTICE_EDITS = Method("Group", "list_notice_edits", 558, group_pb2.GroupRequest, contact_pb2.ItemsPage, 3.0, "/xinyu.wire.v1.Group/ListNoticeEdits", repeatable=True)
CREATE_VOTE = Method("Group", "create_vote", 559, group_pb2.CreateVoteRequest, group_pb2.VoteRef, 5.0, "/xinyu.wire.v1.Group/CreateVote", repeatable=True)
LOAD_VOTE = Method("Group", "load_vote", 560, group_pb2.VoteRequest, group_pb2.VoteAnswer, 3.0, "/xinyu.wire.v1.Group/LoadVote", repeatable=True)
SUBMIT_VOTE = Method("Group", "submit_vote", 561, group_pb2.SubmitVoteRequest, options_pb2.Empty, 5.0, "/xinyu.wire.v1.Group/SubmitVote", repeatable=True)
LIST_VOTES = Method("Group", "list_votes", 562, group_pb2.ListVotesRequest, group_pb2.ListVotesResponse, 3.0, "/xinyu.wire.v1.Group/ListVotes", repeatable=True)
FINISH_VOTE = Method("Group", "finish_vote", 563, group_pb2.VoteRequest, options_pb2.Empty, 5.0, "/xinyu.wire.v1.Group/FinishVote", repeatable=True)
FORGET_USER = Method("Group", "forget_user", 640, contact_pb2.ForgetUserRequest, contact_pb2.ForgetUserResponse, 5.0, "/xinyu.wire.v1.Group/ForgetUser", repeatable=True)
ASSIGN_ADMIN = Method("Group", "assign_admin", 641, group_pb2.AssignAdminRequest, options_pb2.Empty, 5.0, "/xinyu.wire.v1.Group/AssignAdmin")
DISMISS = Method("Group", "dismiss", 642, group_pb2.GroupRequest, options_pb2.Empty, 5.0, "/xinyu.wire.v1.Group/Dismiss")
HAND_OVER = Method("Group", "hand_over", 643, group_pb2.HandOverRequest, options_pb2.Empty, 5.0, "/xinyu.wire.v1.Group/HandOver")
MUTE_ALL = Method("Group", "mute_all", 644, group_pb2.MuteAllRequest, options_pb2.Empty, 5.0, "/xinyu.wire.v1.Group/MuteAll")
MUTE_MEMBER = Method("Group", "mute_member", 645, group_pb2.MuteMemberRequest, options_pb2.Empty, 5.0, "/xinyu.wire.v1.Group/MuteMember")
PUBLISH = Method("Group", "publish", 646, group_pb2.PublishRequest, options_pb2.Empty, 3.0, "/xinyu.wire.v1.Group/Publish")
LIST_PUBLIC = Method("Group", "list_public", 647, group_pb2.ListPublicRequest, group_pb2.ListPublicResponse, 3.0, "/xinyu.wire.v1.Group/ListPublic", repeatable=True)
SET_VISIT_CARD = Method("Group", "set_visit_card", 648, group_pb2.SetVisitCardRequest, options_pb2.Empty, 3.0, "/xinyu.wire.v1.Group/SetVisitCard", repeatable=True)
CHANGE_PROFILE = Method("Group", "change_profile", 649, group_pb2.ChangeProfileRequest, options_pb2.Empty, 5.0, "/xinyu.wire.v1.Group/ChangeProfile")
CHANGE_RULES = Method("Group", "change_rules", 650, group_pb2.ChangeRulesRequest, options_pb2.Empty, 5.0, "/xinyu.wire.v1.Group/ChangeRules")

SERVICE = "Group"
METHODS = (CREATE, LOAD_DETAIL, LIST, LIST_MEMBERS, INVITE, REMOVE_MEMBERS, LEAVE, LOAD_NAMES, LIST_INVITABLE, CREATE_APPLY, AGREE_APPLY, DECLINE_APPLY, DELETE_APPLY, LIST_APPLIES, LIST_MANAGED_APPLIES, COUNT_MANAGED_APPLIES, LIST_OWN_APPLIES, EDIT_NOTICE, LIST_NOTICE_EDITS, CREATE_VOTE, LOAD_VOTE, SUBMIT_VOTE, LIST_VOTES, FINISH_VOTE, FORGET_USER, ASSIGN_ADMIN, DISMISS, HAND_OVER, MUTE_ALL, MUTE_MEMBER, PUBLISH, LIST_PUBLIC, SET_VISIT_CARD, CHANGE_PROFILE, CHANGE_RULES,)


class GroupStub:
    def __init__(self, channel: Channel) -> None:
        self.channel = channel

    async def create(
        self, request: group_pb2.CreateGroupRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> group_pb2.CreateGroupResponse:
        response: group_pb2.CreateGroupResponse = await self.channel.call(CREATE, request, timeout_s=timeout_s, key=key)
        return response

    async def load_detail(
        self, request: group_pb2.GroupRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> group_pb2.GroupDetail:
        response: group_pb2.GroupDetail = await self.channel.call(LOAD_DETAIL, request, timeout_s=timeout_s, key=key)
        return response

    async def list(
        self, request: group_pb2.GroupListRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> contact_pb2.ItemsPage:
        response: contact_pb2.ItemsPage = await self.channel.call(LIST, request, timeout_s=timeout_s, key=key)
        return response

    async def list_members(
        self, request: group_pb2.ListMembersRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> group_pb2.ListMembersResponse:
        response: group_pb2.ListMembersResponse = await self.channel.call(LIST_MEMBERS, request, timeout_s=timeout_s, key=key)
        return response

    async def invite(
        self, request: group_pb2.GroupMembersRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(INVITE, request, timeout_s=timeout_s, key=key)
        return response

    async def remove_members(
        self, request: group_pb2.GroupMembersRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(REMOVE_MEMBERS, request, timeout_s=timeout_s, key=key)
        return response

    async def leave(
        self, request: group_pb2.GroupRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(LEAVE, request, timeout_s=timeout_s, key=key)
        return response

    async def load_names(
        self, request: group_pb2.LoadGroupNamesRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> group_pb2.GroupNamesPage:
        response: group_pb2.GroupNamesPage = await self.channel.call(LOAD_NAMES, request, timeout_s=timeout_s, key=key)
        return response

    async def list_invitable(
        self, request: group_pb2.GroupRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> contact_pb2.ItemsPage:
        response: contact_pb2.ItemsPage = await self.channel.call(LIST_INVITABLE, request, timeout_s=timeout_s, key=key)
        return response

    async def create_apply(
        self, request: group_pb2.CreateGroupApplyRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> group_pb2.GroupApplyRef:
        response: group_pb2.GroupApplyRef = await self.channel.call(CREATE_APPLY, request, timeout_s=timeout_s, key=key)
        return response

    async def agree_apply(
        self, request: group_pb2.GroupApplyRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(AGREE_APPLY, request, timeout_s=timeout_s, key=key)
        return response

    async def decline_apply(
        self, request: group_pb2.GroupApplyRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(DECLINE_APPLY, request, timeout_s=timeout_s, key=key)
        return response

    async def delete_apply(
        self, request: group_pb2.GroupApplyRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(DELETE_APPLY, request, timeout_s=timeout_s, key=key)
        return response

    async def list_applies(
        self, request: group_pb2.GroupRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> contact_pb2.ItemsPage:
        response: contact_pb2.ItemsPage = await self.channel.call(LIST_APPLIES, request, timeout_s=timeout_s, key=key)
        return response

    async def list_managed_applies(
        self, request: group_pb2.GroupListRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> contact_pb2.ItemsPage:
        response: contact_pb2.ItemsPage = await self.channel.call(LIST_MANAGED_APPLIES, request, timeout_s=timeout_s, key=key)
        return response

    async def count_managed_applies(
        self, request: group_pb2.GroupListRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> group_pb2.GroupApplyCount:
        response: group_pb2.GroupApplyCount = await self.channel.call(COUNT_MANAGED_APPLIES, request, timeout_s=timeout_s, key=key)
        return response

    async def list_own_applies(
        self, request: group_pb2.GroupListRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> contact_pb2.ItemsPage:
        response: contact_pb2.ItemsPage = await self.channel.call(LIST_OWN_APPLIES, request, timeout_s=timeout_s, key=key)
        return response

    async def edit_notice(
        self, request: group_pb2.EditNoticeRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(EDIT_NOTICE, request, timeout_s=timeout_s, key=key)
        return response

    async def list_notice_edits(
        self, request: group_pb2.GroupRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> contact_pb2.ItemsPage:
        response: contact_pb2.ItemsPage = await self.channel.call(LIST_NOTICE_EDITS, request, timeout_s=timeout_s, key=key)
        return response

    async def create_vote(
        self, request: group_pb2.CreateVoteRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> group_pb2.VoteRef:
        response: group_pb2.VoteRef = await self.channel.call(CREATE_VOTE, request, timeout_s=timeout_s, key=key)
        return response

    async def load_vote(
        self, request: group_pb2.VoteRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> group_pb2.VoteAnswer:
        response: group_pb2.VoteAnswer = await self.channel.call(LOAD_VOTE, request, timeout_s=timeout_s, key=key)
        return response

    async def submit_vote(
        self, request: group_pb2.SubmitVoteRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(SUBMIT_VOTE, request, timeout_s=timeout_s, key=key)
        return response

    async def list_votes(
        self, request: group_pb2.ListVotesRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> group_pb2.ListVotesResponse:
        response: group_pb2.ListVotesResponse = await self.channel.call(LIST_VOTES, request, timeout_s=timeout_s, key=key)
        return response

    async def finish_vote(
        self, request: group_pb2.VoteRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(FINISH_VOTE, request, timeout_s=timeout_s, key=key)
        return response

    async def forget_user(
        self, request: contact_pb2.ForgetUserRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> contact_pb2.ForgetUserResponse:
        response: contact_pb2.ForgetUserResponse = await self.channel.call(FORGET_USER, request, timeout_s=timeout_s, key=key)
        return response

    async def assign_admin(
        self, request: group_pb2.AssignAdminRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(ASSIGN_ADMIN, request, timeout_s=timeout_s, key=key)
        return response

    async def dismiss(
        self, request: group_pb2.GroupRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(DISMISS, request, timeout_s=timeout_s, key=key)
        return response

    async def hand_over(
        self, request: group_pb2.HandOverRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(HAND_OVER, request, timeout_s=timeout_s, key=key)
        return response

    async def mute_all(
        self, request: group_pb2.MuteAllRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(MUTE_ALL, request, timeout_s=timeout_s, key=key)
        return response

    async def mute_member(
        self, request: group_pb2.MuteMemberRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(MUTE_MEMBER, request, timeout_s=timeout_s, key=key)
        return response

    async def publish(
        self, request: group_pb2.PublishRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(PUBLISH, request, timeout_s=timeout_s, key=key)
        return response

    async def list_public(
        self, request: group_pb2.ListPublicRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> group_pb2.ListPublicResponse:
        response: group_pb2.ListPublicResponse = await self.channel.call(LIST_PUBLIC, request, timeout_s=timeout_s, key=key)
        return response

    async def set_visit_card(
        self, request: group_pb2.SetVisitCardRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(SET_VISIT_CARD, request, timeout_s=timeout_s, key=key)
        return response

    async def change_profile(
        self, request: group_pb2.ChangeProfileRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(CHANGE_PROFILE, request, timeout_s=timeout_s, key=key)
        return response

    async def change_rules(
        self, request: group_pb2.ChangeRulesRequest, *, timeout_s: float | None = None, key: str = ""
    ) -> options_pb2.Empty:
        response: options_pb2.Empty = await self.channel.call(CHANGE_RULES, request, timeout_s=timeout_s, key=key)
        return response


class GroupServicer(Protocol):
    async def create(self, request: group_pb2.CreateGroupRequest, context: Any) -> group_pb2.CreateGroupResponse: ...

    async def load_detail(self, request: group_pb2.GroupRequest, context: Any) -> group_pb2.GroupDetail: ...

    async def list(self, request: group_pb2.GroupListRequest, context: Any) -> contact_pb2.ItemsPage: ...

    async def list_members(self, request: group_pb2.ListMembersRequest, context: Any) -> group_pb2.ListMembersResponse: ...

    async def invite(self, request: group_pb2.GroupMembersRequest, context: Any) -> options_pb2.Empty: ...

    async def remove_members(self, request: group_pb2.GroupMembersRequest, context: Any) -> options_pb2.Empty: ...

    async def leave(self, request: group_pb2.GroupRequest, context: Any) -> options_pb2.Empty: ...

    async def load_names(self, request: group_pb2.LoadGroupNamesRequest, context: Any) -> group_pb2.GroupNamesPage: ...

    async def list_invitable(self, request: group_pb2.GroupRequest, context: Any) -> contact_pb2.ItemsPage: ...

    async def create_apply(self, request: group_pb2.CreateGroupApplyRequest, context: Any) -> group_pb2.GroupApplyRef: ...

    async def agree_apply(self, request: group_pb2.GroupApplyRequest, context: Any) -> options_pb2.Empty: ...

    async def decline_apply(self, request: group_pb2.GroupApplyRequest, context: Any) -> options_pb2.Empty: ...

    async def delete_apply(self, request: group_pb2.GroupApplyRequest, context: Any) -> options_pb2.Empty: ...

    async def list_applies(self, request: group_pb2.GroupRequest, context: Any) -> contact_pb2.ItemsPage: ...

    async def list_managed_applies(self, request: group_pb2.GroupListRequest, context: Any) -> contact_pb2.ItemsPage: ...

    async def count_managed_applies(self, request: group_pb2.GroupListRequest, context: Any) -> group_pb2.GroupApplyCount: ...

    async def list_own_applies(self, request: group_pb2.GroupListRequest, context: Any) -> contact_pb2.ItemsPage: ...

    async def edit_notice(self, request: group_pb2.EditNoticeRequest, context: Any) -> options_pb2.Empty: ...

    async def list_notice_edits(self, request: group_pb2.GroupRequest, context: Any) -> contact_pb2.ItemsPage: ...

    async def create_vote(self, request: group_pb2.CreateVoteRequest, context: Any) -> group_pb2.VoteRef: ...

    async def load_vote(self, request: group_pb2.VoteRequest, context: Any) -> group_pb2.VoteAnswer: ...

    async def submit_vote(self, request: group_pb2.SubmitVoteRequest, context: Any) -> options_pb2.Empty: ...

    async def list_votes(self, request: group_pb2.ListVotesRequest, context: Any) -> group_pb2.ListVotesResponse: ...

    async def finish_vote(self, request: group_pb2.VoteRequest, context: Any) -> options_pb2.Empty: ...

    async def forget_user(self, request: contact_pb2.ForgetUserRequest, context: Any) -> contact_pb2.ForgetUserResponse: ...

    async def assign_admin(self, request: group_pb2.AssignAdminRequest, context: Any) -> options_pb2.Empty: ...

    async def dismiss(self, request: group_pb2.GroupRequest, context: Any) -> options_pb2.Empty: ...

    async def hand_over(self, request: group_pb2.HandOverRequest, context: Any) -> options_pb2.Empty: ...

    async def mute_all(self, request: group_pb2.MuteAllRequest, context: Any) -> options_pb2.Empty: ...

    async def mute_member(self, request: group_pb2.MuteMemberRequest, context: Any) -> options_pb2.Empty: ...

    async def publish(self, request: group_pb2.PublishRequest, context: Any) -> options_pb2.Empty: ...

    async def list_public(self, request: group_pb2.ListPublicRequest, context: Any) -> group_pb2.ListPublicResponse: ...

    async def set_visit_card(self, request: group_pb2.SetVisitCardRequest, context: Any) -> options_pb2.Empty: ...

    async def change_profile(self, request: group_pb2.ChangeProfileRequest, context: Any) -> options_pb2.Empty: ...

    async def change_rules(self, request: group_pb2.ChangeRulesRequest, context: Any) -> options_pb2.Empty: ...

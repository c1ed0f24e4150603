"""The conversations.* methods of the Web API."""

from __future__ import annotations

from typing import Final

from bot.playground.arguments import ApiError, flag, need, number
from bot.playground.method import Method
from bot.playground.places import channel_of, channel_scope, message_payload, need_scope, user_of
from bot.playground.rates import Tier
from bot.playground.records import BOT_USER_ID, Channel, Json, Message
from bot.playground.workspace import Workspace

READ: Final = ("channels:read", "groups:read", "im:read", "mpim:read")
HISTORY: Final = ("channels:history", "groups:history", "im:history", "mpim:history")


def _shown(channel: Channel) -> Json:
    shown: Json = {
        "id": channel.id,
        "is_channel": not channel.is_im and not channel.is_private,
        "is_group": channel.is_private and not channel.is_im,
        "is_im": channel.is_im,
        "is_private": channel.is_private,
        "is_archived": channel.is_archived,
        "is_member": BOT_USER_ID in channel.members,
    }
    if channel.is_im:
        return shown | {"user": next(iter(channel.members - {BOT_USER_ID}), "")}
    return shown | {"name": channel.name, "name_normalized": channel.name}


def info(workspace: Workspace, args: Json) -> Json:
    """conversations.info."""
    channel = channel_of(workspace, need(args, "channel"))
    need_scope(workspace, channel_scope(channel, "read"))
    shown = _shown(channel)
    if flag(args, "include_num_members"):
        shown["num_members"] = len(channel.members)
    return {"channel": shown}


def members(workspace: Workspace, args: Json) -> Json:
    """conversations.members, in one page."""
    channel = channel_of(workspace, need(args, "channel"))
    need_scope(workspace, channel_scope(channel, "read"))
    return {"members": sorted(channel.members), "response_metadata": {"next_cursor": ""}}


def list_channels(workspace: Workspace, args: Json) -> Json:
    """conversations.list, in one page; private channels only where the bot is."""
    wanted = str(args.get("types") or "public_channel").split(",")
    shown = []
    for channel in workspace.world.channels.values():
        kind = "im" if channel.is_im else "private_channel" if channel.is_private else "public_channel"
        visible = not channel.is_private or BOT_USER_ID in channel.members
        if kind in wanted and visible and not (channel.is_archived and flag(args, "exclude_archived")):
            shown.append(_shown(channel))
    return {"channels": shown, "response_metadata": {"next_cursor": ""}}


def open_dm(workspace: Workspace, args: Json) -> Json:
    """conversations.open, for a direct message with one user."""
    users = [user for user in str(args.get("users") or "").split(",") if user]
    if args.get("channel"):
        return {"channel": {"id": channel_of(workspace, str(args["channel"])).id}, "no_op": True}
    if not users:
        raise ApiError("users_list_not_supplied")
    if len(users) > 1:
        raise ApiError("method_not_supported_for_channel_type")
    user = user_of(workspace, users[0])
    if user.deleted:
        raise ApiError("user_disabled")
    return {"channel": {"id": workspace.world.direct_channel(user.id).id}}


def _page(workspace: Workspace, args: Json, found: list[Message]) -> Json:
    """Cut to oldest, latest and limit; both ends are exclusive unless `inclusive`."""
    oldest, latest = str(args.get("oldest") or "0"), str(args.get("latest") or "9999999999")
    ends = flag(args, "inclusive")
    inside = [
        message
        for message in found
        if float(oldest) < float(message.ts) < float(latest) or (ends and message.ts in (oldest, latest))
    ]
    limit = min(number(args, "limit", 100), 999)
    with_metadata = flag(args, "include_all_metadata")
    shown = [message_payload(workspace, message, with_metadata=with_metadata) for message in inside[:limit]]
    return {"messages": shown, "has_more": len(inside) > limit}


def _readable(workspace: Workspace, args: Json) -> list[Message]:
    channel = channel_of(workspace, need(args, "channel"))
    need_scope(workspace, channel_scope(channel, "history"))
    if BOT_USER_ID not in channel.members:
        raise ApiError("not_in_channel")
    return [message for message in workspace.world.messages(channel.id) if message.ephemeral_for is None]


def history(workspace: Workspace, args: Json) -> Json:
    """conversations.history: newest first, without ephemeral messages and thread replies."""
    found = [m for m in _readable(workspace, args) if m.thread_ts in (None, m.ts)]
    return _page(workspace, args, found[::-1])


def replies(workspace: Workspace, args: Json) -> Json:
    """conversations.replies: a thread, oldest first. Raises `thread_not_found`."""
    ts = need(args, "ts")
    found = [m for m in _readable(workspace, args) if ts in (m.ts, m.thread_ts)]
    if not found:
        raise ApiError("thread_not_found")
    return _page(workspace, args, found)


CONVERSATION_METHODS: Final = (
    Method("conversations.info", info, Tier.THREE, READ),
    Method("conversations.members", members, Tier.FOUR, READ),
    Method("conversations.list", list_channels, Tier.TWO, READ),
    Method("conversations.open", open_dm, Tier.THREE, ("im:write", "mpim:write")),
    Method("conversations.history", history, Tier.THREE, HISTORY),
    Method("conversations.replies", replies, Tier.THREE, HISTORY),
)

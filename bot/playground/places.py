"""Finding channels and messages as a method may see them, and showing messages as the API does.

Refuses with Slack's own codes; it changes nothing.
"""

from __future__ import annotations

from bot.playground.arguments import ApiError, need
from bot.playground.records import APP_ID, BOT_ID, BOT_USER_ID, TEAM_ID, Channel, Json, Message, User
from bot.playground.workspace import Workspace


def channel_of(workspace: Workspace, channel_id: str) -> Channel:
    """The channel with this id; a user's id means the direct message. Raises `channel_not_found`."""
    world = workspace.world
    if channel_id in world.users and channel_id != BOT_USER_ID:
        return world.direct_channel(channel_id)
    channel = world.channels.get(channel_id)
    if channel is None or (channel.is_private and BOT_USER_ID not in channel.members):
        raise ApiError("channel_not_found")
    return channel


def writable_channel(workspace: Workspace, channel_id: str) -> Channel:
    """A channel the bot may write to. Raises `channel_not_found`, `is_archived`, `not_in_channel`."""
    channel = channel_of(workspace, channel_id)
    if channel.is_archived:
        raise ApiError("is_archived")
    may_join_in = "chat:write.public" in workspace.scopes and not channel.is_private
    if BOT_USER_ID not in channel.members and not may_join_in:
        raise ApiError("not_in_channel")
    return channel


def joined_channel(workspace: Workspace, channel_id: str) -> Channel:
    """A channel the bot may share files in, for which `chat:write.public` is not enough. Raises the same."""
    channel = writable_channel(workspace, channel_id)
    if BOT_USER_ID not in channel.members:
        raise ApiError("not_in_channel")
    return channel


def user_of(workspace: Workspace, user_id: str) -> User:
    """The user with this id. Raises `user_not_found`."""
    user = workspace.world.users.get(user_id)
    if user is None:
        raise ApiError("user_not_found")
    return user


def message_of(workspace: Workspace, args: Json, ts_name: str = "ts") -> Message:
    """The message that `channel` and `ts` name. Raises `channel_not_found`, `message_not_found`."""
    channel = channel_of(workspace, need(args, "channel"))
    message = workspace.world.message(channel.id, need(args, ts_name))
    if message is None:
        raise ApiError("message_not_found")
    return message


def need_scope(workspace: Workspace, scope: str) -> None:
    """Raises `missing_scope` when the token does not hold this scope."""
    if scope not in workspace.scopes:
        raise ApiError("missing_scope", needed=scope, provided=",".join(sorted(workspace.scopes)))


def channel_scope(channel: Channel, right: str) -> str:
    """The scope for `read` or `history` of a channel of this kind."""
    if channel.is_im:
        return f"im:{right}"
    return f"groups:{right}" if channel.is_private else f"channels:{right}"


def message_payload(workspace: Workspace, message: Message, *, with_metadata: bool = False) -> Json:
    """The message object of Slack's API."""
    version = message.versions[-1]
    shown: Json = {"type": "message", "user": message.user, "text": version.text, "ts": message.ts}
    shown["team"] = TEAM_ID
    if message.user == BOT_USER_ID:
        shown |= {"bot_id": BOT_ID, "app_id": APP_ID}
    if version.blocks:
        shown["blocks"] = list(version.blocks)
    if message.thread_ts is not None:
        shown["thread_ts"] = message.thread_ts
    if message.edits:
        shown["edited"] = {"user": message.user, "ts": f"{version.at:.6f}"}
    if message.files:
        found = (workspace.files.get(file_id) for file_id in message.files)
        shown["files"] = [file.payload(workspace.base_url) for file in found if file is not None]
    if message.reactions:
        users = [BOT_USER_ID]
        shown["reactions"] = [{"name": name, "count": 1, "users": users} for name in message.reactions]
    if with_metadata and version.metadata is not None:
        shown["metadata"] = version.metadata
    return shown

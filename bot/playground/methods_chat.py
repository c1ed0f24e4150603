"""The chat.* and reactions.* methods of the Web API."""

from __future__ import annotations

from typing import Final

from bot.playground.arguments import ApiError, need
from bot.playground.content import checked_blocks, checked_metadata, checked_text, demand_something
from bot.playground.method import Method
from bot.playground.places import message_of, message_payload, user_of, writable_channel
from bot.playground.rates import Tier
from bot.playground.records import BOT_USER_ID, Draft, Json, Message, Version
from bot.playground.workspace import Workspace

UPDATE_TEXT_LIMIT: Final = 4_000


def draft_from(workspace: Workspace, args: Json, ephemeral_for: str | None = None) -> tuple[Draft, list[str]]:
    """The message that the arguments describe, checked, with warnings. Raises ApiError."""
    channel = writable_channel(workspace, need(args, "channel"))
    text, warnings = checked_text(args)
    blocks = checked_blocks(workspace, args)
    demand_something(args, text, blocks)
    thread_ts = str(args.get("thread_ts") or "") or None
    if thread_ts is not None and workspace.world.message(channel.id, thread_ts) is None:
        raise ApiError("cannot_reply_to_message")
    draft = Draft(
        channel=channel.id,
        user=BOT_USER_ID,
        text=text,
        blocks=blocks,
        metadata=checked_metadata(args),
        thread_ts=thread_ts,
        ephemeral_for=ephemeral_for,
    )
    return draft, warnings


def post_message(workspace: Workspace, args: Json) -> Json:
    """chat.postMessage."""
    draft, warnings = draft_from(workspace, args)
    message = workspace.world.post(draft)
    shown = message_payload(workspace, message, with_metadata=True)
    answer: Json = {"channel": message.channel, "ts": message.ts, "message": shown}
    if warnings:
        answer |= {"warning": ",".join(warnings), "response_metadata": {"warnings": warnings}}
    return answer


def post_ephemeral(workspace: Workspace, args: Json) -> Json:
    """chat.postEphemeral."""
    user = user_of(workspace, need(args, "user"))
    draft, _ = draft_from(workspace, args, ephemeral_for=user.id)
    if user.id not in workspace.world.channels[draft.channel].members:
        raise ApiError("user_not_in_channel")
    return {"message_ts": workspace.world.post(draft).ts}


def _own_message(workspace: Workspace, args: Json, refusal: str) -> Message:
    message = message_of(workspace, args)
    if message.user != BOT_USER_ID or message.ephemeral_for is not None:
        raise ApiError(refusal)
    return message


def update_message(workspace: Workspace, args: Json) -> Json:
    """chat.update: text without blocks removes the blocks, blocks without text leave no text."""
    message = _own_message(workspace, args, "cant_update_message")
    text, _ = checked_text(args)
    if len(text) > UPDATE_TEXT_LIMIT:
        raise ApiError("msg_too_long")
    blocks = checked_blocks(workspace, args)
    demand_something(args, text, blocks)
    metadata = checked_metadata(args) if args.get("metadata") is not None else message.metadata
    workspace.world.edit(message, Version(text=text, blocks=blocks, metadata=metadata))
    shown = message_payload(workspace, message, with_metadata=True)
    return {"channel": message.channel, "ts": message.ts, "text": text, "message": shown}


def delete_message(workspace: Workspace, args: Json) -> Json:
    """chat.delete."""
    message = _own_message(workspace, args, "cant_delete_message")
    workspace.world.delete(message)
    return {"channel": message.channel, "ts": message.ts}


def add_reaction(workspace: Workspace, args: Json) -> Json:
    """reactions.add."""
    message = message_of(workspace, args, "timestamp")
    name = need(args, "name")
    if name in message.reactions:
        raise ApiError("already_reacted")
    workspace.world.react(message, (*message.reactions, name))
    return {}


def remove_reaction(workspace: Workspace, args: Json) -> Json:
    """reactions.remove."""
    message = message_of(workspace, args, "timestamp")
    name = need(args, "name")
    if name not in message.reactions:
        raise ApiError("no_reaction")
    workspace.world.react(message, (one for one in message.reactions if one != name))
    return {}


CHAT_METHODS: Final = (
    Method("chat.postMessage", post_message, Tier.PER_CHANNEL, ("chat:write",)),
    Method("chat.postEphemeral", post_ephemeral, Tier.FOUR, ("chat:write",)),
    Method("chat.update", update_message, Tier.THREE, ("chat:write",)),
    Method("chat.delete", delete_message, Tier.THREE, ("chat:write",)),
    Method("reactions.add", add_reaction, Tier.THREE, ("reactions:write",)),
    Method("reactions.remove", remove_reaction, Tier.TWO, ("reactions:write",)),
)

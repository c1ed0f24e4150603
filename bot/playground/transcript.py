"""The whole conversation as text, for people and for comparing: no times and no ids that change.

Reads the world only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bot.playground.blocktext import block_lines, plain_text
from bot.playground.records import Delivery, Message
from bot.playground.world import World

SHOWN_ALONE = (
    "slash",
    "press",
    "view_submission",
    "block_suggestion",
    "home",
    "shortcut",
    "message_action",
)


def transcript(world: World) -> str:
    """Everything typed, pressed, posted and shown, in the order it happened, messages as they stand now."""
    names = names_of(world)
    happened: list[tuple[int, list[str]]] = [
        (message.order, list(_message_lines(message, names)))
        for message in world.messages(include_deleted=True)
    ]
    happened += [(delivery.order, list(_delivery_lines(delivery, names))) for delivery in world.deliveries]
    happened.sort(key=lambda one: one[0])
    lines = [line for _, some in happened for line in some]
    return "\n".join(lines) if lines else "(nothing happened)"


def names_of(world: World) -> dict[str, str]:
    """Display names of users and channels by id."""
    names = {user.id: user.real_name or user.name for user in world.users.values()}
    return names | {channel.id: channel.name for channel in world.channels.values()}


def _delivery_lines(delivery: Delivery, names: Mapping[str, str]) -> Iterator[str]:
    who, where = names.get(delivery.user, delivery.user), names.get(delivery.channel, "")
    if delivery.kind in SHOWN_ALONE:
        place = f"#{where} " if where else ""
        yield f"{place}{who}> {delivery.summary}{_attempts(delivery)}"
    if delivery.error is not None:
        yield f"    (only visible to {who}) {complaint(delivery)}"


def _attempts(delivery: Delivery) -> str:
    return f" (sent {delivery.attempts} times)" if delivery.attempts > 1 else ""


def complaint(delivery: Delivery) -> str:
    """What the person is told about a delivery that failed."""
    subject = delivery.summary.split(" ")[0] if delivery.kind == "slash" else "That"
    return f"{subject} failed with the error “{delivery.error}”"


def _message_lines(message: Message, names: Mapping[str, str]) -> Iterator[str]:
    indent = "    " if message.thread_ts not in (None, message.ts) else ""
    notes = "".join(_notes(message, names))
    who, where = names.get(message.user, message.user), names.get(message.channel, message.channel)
    lines = list(block_lines(message.blocks, names)) or plain_text(message.text, names).splitlines() or [""]
    yield f"{indent}#{where} {who}: {lines[0]}{notes}"
    for line in lines[1:]:
        yield f"{indent}    {line}"
    for file_id in message.files:
        yield f"{indent}    (file {file_id})"


def _notes(message: Message, names: Mapping[str, str]) -> Iterator[str]:
    if message.ephemeral_for is not None:
        yield f" (only visible to {names.get(message.ephemeral_for, message.ephemeral_for)})"
    if message.edits:
        yield f" (edited {message.edits} time{'s' if message.edits > 1 else ''})"
    if message.deleted:
        yield " (deleted)"

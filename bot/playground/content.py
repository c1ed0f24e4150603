"""What a message may say: text, blocks and metadata checked as Slack checks them.

Used by the chat methods, response URLs and ack payloads alike; it stores nothing.
"""

from __future__ import annotations

import json
from typing import Any, Final

from bot.playground import blockkit
from bot.playground.arguments import ApiError, invalid
from bot.playground.pictures import picture_problems
from bot.playground.records import Json
from bot.playground.views import with_block_ids
from bot.playground.workspace import Workspace

TEXT_CUT: Final = 40_000
METADATA_BYTES: Final = 16_000


def checked_blocks(workspace: Workspace, args: Json) -> tuple[Json, ...]:
    """The `blocks` argument with ids filled in.

    Raises ApiError `invalid_blocks_format`, `invalid_blocks` or `msg_blocks_too_long`.
    """
    blocks: Any = args.get("blocks") or []
    if not isinstance(blocks, list):
        raise ApiError("invalid_blocks_format")
    problems = blockkit.message_problems(blocks) or picture_problems(workspace, blocks, "/blocks")
    if problems:
        raise ApiError("invalid_blocks", errors=problems, response_metadata={"messages": problems})
    if blockkit.too_long_together(blocks):
        raise ApiError("msg_blocks_too_long")
    return tuple(with_block_ids(blocks))


def checked_text(args: Json) -> tuple[str, list[str]]:
    """The `text` argument, cut at 40,000 characters, and the warnings that earns."""
    text = args.get("text")
    if text is not None and not isinstance(text, str):
        raise invalid("invalid_arguments", ["[ERROR] must be a string [json-pointer:/text]"])
    text = text or str(args.get("markdown_text") or "")
    if len(text) > TEXT_CUT:
        return text[:TEXT_CUT], ["message_truncated"]
    return text, []


def checked_metadata(args: Json) -> Json | None:
    """The `metadata` argument. Raises ApiError `invalid_metadata_format` or `metadata_too_large`."""
    metadata = args.get("metadata")
    if metadata is None:
        return None
    good = (
        isinstance(metadata, dict)
        and isinstance(metadata.get("event_type"), str)
        and isinstance(metadata.get("event_payload"), dict)
    )
    if not good:
        raise ApiError("invalid_metadata_format")
    if len(json.dumps(metadata).encode()) > METADATA_BYTES:
        raise ApiError("metadata_too_large")
    return dict(metadata)


def demand_something(args: Json, text: str, blocks: tuple[Json, ...]) -> None:
    """Raises ApiError `no_text` for a message that says nothing, `markdown_text_conflict` for one saying twice."""
    if args.get("markdown_text") and (args.get("text") or blocks):
        raise ApiError("markdown_text_conflict")
    if not text and not blocks and not args.get("attachments"):
        raise ApiError("no_text")

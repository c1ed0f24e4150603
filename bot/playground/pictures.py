"""Whether the files that blocks want to show as pictures can be shown. Reads the workspace only.

Source: the reference of image blocks and of the Slack file object: an uploaded PNG, JPEG or GIF, once it is processed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bot.playground.workspace import Workspace


def picture_problems(workspace: Workspace, blocks: Any, pointer: str) -> list[str]:
    """What is wrong with the pictures of blocks that are good by themselves, in Slack's words."""
    return [
        f"[ERROR] invalid slack file [json-pointer:{at}/slack_file]"
        for at, file_id in _shown(blocks, pointer)
        if not workspace.files.is_showable(file_id)
    ]


def _shown(part: Any, pointer: str) -> Iterator[tuple[str, str]]:
    """Every file that is to be shown by its id, and where."""
    if isinstance(part, list):
        for index, inner in enumerate(part):
            yield from _shown(inner, f"{pointer}/{index}")
    elif isinstance(part, dict):
        source = part.get("slack_file")
        if part.get("type") == "image" and isinstance(source, dict) and "id" in source:
            yield pointer, str(source["id"])
        for key, inner in part.items():
            yield from _shown(inner, f"{pointer}/{key}")

"""Block Kit's blocks, messages and views with their limits, as Slack's servers check them.

Limits are from docs.slack.dev/reference/block-kit/blocks; knows nothing of the methods that carry blocks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

from bot.playground.blockkit_elements import (
    NOT_IN_INPUT,
    TEXT_INPUTS,
    check_element,
    check_image_source,
)
from bot.playground.blockkit_text import (
    PLAIN_ONLY,
    Findings,
    check_optional_text,
    check_text,
)

BLOCKS_PER_MESSAGE: Final = 50
BLOCKS_PER_VIEW: Final = 100
CHARACTERS_PER_MESSAGE: Final = 13_200
MARKDOWN_PER_MESSAGE: Final = 12_000
VIEW_BYTES: Final = 250_000

Block = dict[str, Any]
BlockCheck = Callable[[Findings, Block, str], None]


def message_problems(blocks: list[Any]) -> list[str]:
    """What is wrong with a message's blocks, in Slack's words; empty when they are good."""
    findings = Findings()
    if len(blocks) > BLOCKS_PER_MESSAGE:
        findings.add(f"no more than {BLOCKS_PER_MESSAGE} items allowed", "/blocks")
    _check_blocks(findings, blocks, "/blocks")
    markdown = sum(len(str(b.get("text", ""))) for b in blocks if _is(b, "markdown"))
    if markdown > MARKDOWN_PER_MESSAGE:
        findings.add(f"must be less than {MARKDOWN_PER_MESSAGE + 1} characters", "/blocks")
    return findings.messages


def too_long_together(blocks: list[Any]) -> bool:
    """True when legal blocks are together more than Slack takes (about 13,200 characters of JSON)."""
    return len(json.dumps(blocks, ensure_ascii=False, separators=(",", ":"))) > CHARACTERS_PER_MESSAGE


def view_problems(view: Any) -> list[str]:
    """What is wrong with a modal or Home view, in Slack's words; empty when it is good."""
    findings = Findings()
    if not isinstance(view, dict):
        findings.add("must be a view object", "/view")
        return findings.messages
    findings.one_of(view.get("type"), "/view/type", ("modal", "home"))
    blocks = view.get("blocks")
    if not isinstance(blocks, list):
        findings.add("must be a list of blocks", "/view/blocks")
        blocks = []
    if len(blocks) > BLOCKS_PER_VIEW:
        findings.add(f"no more than {BLOCKS_PER_VIEW} items allowed", "/view/blocks")
    _check_blocks(findings, blocks, "/view/blocks")
    findings.optional_string(view.get("callback_id") or None, "/view/callback_id", 255)
    findings.optional_string(view.get("private_metadata") or None, "/view/private_metadata", 3000)
    if view.get("type") == "modal":
        _check_modal(findings, view, blocks)
    return findings.messages


def view_too_large(view: Any) -> bool:
    """True when a view's JSON is above 250 KB."""
    return len(json.dumps(view).encode()) > VIEW_BYTES


def _check_modal(findings: Findings, view: Block, blocks: list[Any]) -> None:
    check_text(findings, view.get("title"), "/view/title", 24, PLAIN_ONLY)
    check_optional_text(findings, view.get("submit"), "/view/submit", 24)
    check_optional_text(findings, view.get("close"), "/view/close", 24)
    if "submit" not in view and any(_is(block, "input") for block in blocks):
        findings.add("submit is required when an input block is within blocks", "/view/submit")


def _is(block: Any, kind: str) -> bool:
    return isinstance(block, dict) and block.get("type") == kind


def _check_blocks(findings: Findings, blocks: list[Any], pointer: str) -> None:
    seen: set[str] = set()
    for index, block in enumerate(blocks):
        at = f"{pointer}/{index}"
        if not isinstance(block, dict):
            findings.add("must be a block object", at)
            continue
        block_id = block.get("block_id")
        findings.optional_string(block_id, f"{at}/block_id", 255)
        if isinstance(block_id, str):
            if block_id in seen:
                findings.add(f"`block_id` {block_id} already exists", f"{at}/block_id")
            seen.add(block_id)
        _check_block(findings, block, at)


def _check_block(findings: Findings, block: Block, pointer: str) -> None:
    check = BLOCKS.get(str(block.get("type")))
    if check is None:
        findings.add(f"unsupported type: {block.get('type')}", f"{pointer}/type")
        return
    check(findings, block, pointer)
    seen: set[str] = set()
    for action_id in _action_ids(block):
        if action_id in seen:
            findings.add(f"`action_id` {action_id} already exists", f"{pointer}/elements")
        seen.add(action_id)


def _action_ids(block: Block) -> Iterator[str]:
    elements = block.get("elements")
    for element in elements if isinstance(elements, list) else []:
        if isinstance(element, dict) and isinstance(element.get("action_id"), str):
            yield element["action_id"]


def _section(findings: Findings, block: Block, pointer: str) -> None:
    if "text" not in block and "fields" not in block:
        findings.add("missing required field: text or fields", pointer)
    if "text" in block:
        check_text(findings, block["text"], f"{pointer}/text", 3000)
    if "fields" in block:
        for index, field in enumerate(findings.items(block["fields"], f"{pointer}/fields", 10)):
            check_text(findings, field, f"{pointer}/fields/{index}", 2000)
    if "accessory" in block:
        check_element(findings, block["accessory"], f"{pointer}/accessory", TEXT_INPUTS)


def _header(findings: Findings, block: Block, pointer: str) -> None:
    check_text(findings, block.get("text"), f"{pointer}/text", 150, PLAIN_ONLY)


def _context(findings: Findings, block: Block, pointer: str) -> None:
    for index, element in enumerate(findings.items(block.get("elements"), f"{pointer}/elements", 10)):
        at = f"{pointer}/elements/{index}"
        if _is(element, "image"):
            check_element(findings, element, at, frozenset())
        else:
            check_text(findings, element, at, 3000)


def _actions(findings: Findings, block: Block, pointer: str) -> None:
    for index, element in enumerate(findings.items(block.get("elements"), f"{pointer}/elements", 25)):
        check_element(findings, element, f"{pointer}/elements/{index}", TEXT_INPUTS | {"image"})


def _divider(_findings: Findings, _block: Block, _pointer: str) -> None:
    """A divider has nothing to check."""


def _image(findings: Findings, block: Block, pointer: str) -> None:
    check_image_source(findings, block, pointer)
    findings.string(block.get("alt_text"), f"{pointer}/alt_text", 2000)
    check_optional_text(findings, block.get("title"), f"{pointer}/title", 2000)


def _input(findings: Findings, block: Block, pointer: str) -> None:
    check_text(findings, block.get("label"), f"{pointer}/label", 2000, PLAIN_ONLY)
    check_optional_text(findings, block.get("hint"), f"{pointer}/hint", 2000)
    check_element(findings, block.get("element"), f"{pointer}/element", NOT_IN_INPUT)


def _markdown(findings: Findings, block: Block, pointer: str) -> None:
    findings.string(block.get("text"), f"{pointer}/text", MARKDOWN_PER_MESSAGE)


RICH_CONTAINERS: Final = ("rich_text_section", "rich_text_list", "rich_text_preformatted", "rich_text_quote")
RICH_LEAVES: Final = (
    "text",
    "link",
    "user",
    "usergroup",
    "channel",
    "emoji",
    "broadcast",
    "date",
    "color",
)


def _rich_text(findings: Findings, block: Block, pointer: str) -> None:
    for index, element in enumerate(findings.items(block.get("elements"), f"{pointer}/elements", 10_000)):
        _rich_container(findings, element, f"{pointer}/elements/{index}")


def _rich_container(findings: Findings, element: Any, pointer: str) -> None:
    if not isinstance(element, dict) or element.get("type") not in RICH_CONTAINERS:
        findings.add("must be a rich text container", pointer)
        return
    children = element.get("elements")
    if not isinstance(children, list):
        findings.add("must be a list of elements", f"{pointer}/elements")
        return
    if element["type"] == "rich_text_list":
        findings.one_of(element.get("style"), f"{pointer}/style", ("bullet", "ordered"))
        for index, child in enumerate(children):
            _rich_container(findings, child, f"{pointer}/elements/{index}")
        return
    for index, child in enumerate(children):
        at = f"{pointer}/elements/{index}"
        if not isinstance(child, dict) or child.get("type") not in RICH_LEAVES:
            findings.add("must be a rich text element", at)
        elif child["type"] == "text":
            findings.string(child.get("text"), f"{at}/text", 1_000_000)


BLOCKS: Final[dict[str, BlockCheck]] = {
    "section": _section,
    "header": _header,
    "context": _context,
    "actions": _actions,
    "divider": _divider,
    "image": _image,
    "input": _input,
    "rich_text": _rich_text,
    "markdown": _markdown,
}

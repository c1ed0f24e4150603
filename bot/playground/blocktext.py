"""Block Kit and mrkdwn as plain lines for transcripts: what a person would read on the screen.

Pure functions; names of users and channels are given to them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from bot.playground.records import Json

_REFERENCE: Final = re.compile(r"<([^<>]+)>")


def plain_text(text: str, names: Mapping[str, str]) -> str:
    """mrkdwn with mentions by name, links as `label (url)`, dates as their fallback and escapes undone."""
    shown = _REFERENCE.sub(lambda found: _reference(found.group(1), names), text)
    return shown.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _reference(inside: str, names: Mapping[str, str]) -> str:
    target, _, label = inside.partition("|")
    if target.startswith("@"):
        return "@" + names.get(target[1:], label or target[1:])
    if target.startswith("#"):
        return "#" + names.get(target[1:], label or target[1:])
    if target.startswith("!date^"):
        return label
    if target.startswith("!"):
        return "@" + target[1:].partition("^")[0]
    return f"{label} ({target})" if label else target


def block_lines(blocks: Iterable[Json], names: Mapping[str, str]) -> Iterator[str]:
    """The lines a person reads in these blocks; buttons as `[label]`."""
    for block in blocks:
        kind = block.get("type")
        if kind == "header":
            yield f"# {block['text']['text']}"
        elif kind == "divider":
            yield "---"
        elif kind == "section":
            yield from _section(block, names)
        elif kind in ("context", "actions"):
            yield "  ".join(_element(element, names) for element in block["elements"])
        elif kind == "markdown":
            yield from str(block["text"]).splitlines()
        elif kind == "rich_text":
            yield from _rich(block["elements"], names)
        elif kind == "image":
            yield f"(picture: {block['alt_text']})"
        elif kind == "input":
            yield f"{block['label']['text']}: {_element(block['element'], names)}"


def _section(block: Json, names: Mapping[str, str]) -> Iterator[str]:
    if "text" in block:
        yield from _text(block["text"], names).splitlines()
    for field in block.get("fields", []):
        yield _text(field, names).replace("\n", " ")
    if "accessory" in block:
        yield _element(block["accessory"], names)


def _text(value: Json, names: Mapping[str, str]) -> str:
    text = str(value["text"])
    return plain_text(text, names) if value["type"] == "mrkdwn" else text


def _element(element: Json, names: Mapping[str, str]) -> str:
    kind = str(element.get("type"))
    if kind in ("mrkdwn", "plain_text"):
        return _text(element, names)
    if kind == "image":
        return f"(picture: {element['alt_text']})"
    label = element.get("text") or element.get("placeholder") or {}
    return f"[{label.get('text', kind)}]"


def _rich(elements: list[Any], names: Mapping[str, str]) -> Iterator[str]:
    for element in elements:
        if element["type"] == "rich_text_list":
            for index, item in enumerate(element["elements"], 1):
                mark = f"{index}." if element.get("style") == "ordered" else "-"
                yield f"{mark} {' '.join(_rich([item], names))}"
        else:
            yield from "".join(_leaf(leaf, names) for leaf in element["elements"]).splitlines()


def _leaf(leaf: Json, names: Mapping[str, str]) -> str:
    kind = leaf["type"]
    if kind == "text":
        return str(leaf["text"])
    if kind == "link":
        return str(leaf.get("text") or leaf["url"])
    if kind == "emoji":
        return f":{leaf['name']}:"
    if kind == "date":
        return str(leaf.get("fallback", leaf.get("timestamp", "")))
    if kind == "broadcast":
        return f"@{leaf['range']}"
    key = str(leaf.get(f"{kind}_id", ""))
    return ("#" if kind == "channel" else "@") + names.get(key, key)

"""Plain data as YAML text, for the manifest alone: every text is quoted as JSON quotes it, which YAML reads alike."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any


def yaml_text(value: Mapping[str, Any]) -> str:
    """Mappings and lists as blocks, two blanks a level; texts, numbers and truths as in JSON."""
    return "\n".join(_lines(value, "")) + "\n"


def _lines(value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _entry(f"{indent}{key}:", inner, indent + "  ")
    else:
        for inner in value:
            first, *rest = (
                _lines(inner, indent + "  ") if _is_block(inner) else [indent + "  " + _scalar(inner)]
            )
            yield f"{indent}- {first.lstrip()}"
            yield from rest


def _entry(head: str, value: Any, indent: str) -> Iterator[str]:
    if _is_block(value):
        yield head
        yield from _lines(value, indent)
    else:
        yield f"{head} {_scalar(value)}"


def _is_block(value: Any) -> bool:
    """What is empty is written on its line: a block of nothing would read as null."""
    return isinstance(value, Mapping | list | tuple) and bool(value)


def _scalar(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)

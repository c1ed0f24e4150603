"""Nouns of the road to JSON and back, for columns that hold one. Knows no table."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Any

from bot.model import Attachment, Button, Plan, Progress, Reply, Right, Status, Table

LONGEST_LABEL = 75
"""So many characters a button's label has at most: Slack shows no more, and the column takes no more."""

_NO_TEXT = re.compile(r"[\x00\ud800-\udfff]")


def plan_to_json(plan: Plan) -> dict[str, Any]:
    """A plan as plain JSON values."""
    return {**asdict(plan), "binds": dict(plan.binds)}


def plan_from_json(value: dict[str, Any] | None) -> Plan | None:
    """The plan that `plan_to_json` wrote; None stays None."""
    if value is None:
        return None
    return Plan(
        text=value["text"],
        targets=tuple(value["targets"]),
        elsewhere=tuple((host, target) for host, target in value.get("elsewhere", ())),
        steps=tuple(value["steps"]),
        binds=value.get("binds", {}),
        only_looks=value.get("only_looks", False),
        about=tuple(value.get("about", ())),
        right=Right(value["right"]) if value.get("right") else None,
    )


def progress_to_json(progress: Progress) -> dict[str, Any]:
    """Progress as plain JSON values."""
    return asdict(progress)


def progress_from_json(value: dict[str, Any] | None) -> Progress | None:
    """The progress that `progress_to_json` wrote; None stays None."""
    return None if value is None else Progress(**value)


def reply_to_json(reply: Reply) -> dict[str, Any]:
    """A reply as plain JSON values."""
    return {**asdict(reply), "facts": dict(reply.facts), "status": reply.status.value}


def reply_from_json(value: dict[str, Any] | None) -> Reply | None:
    """The reply that `reply_to_json` wrote; None stays None."""
    if value is None:
        return None
    table = value["table"]
    return Reply(
        text=value["text"],
        facts=value["facts"],
        table=table
        and Table(columns=tuple(table["columns"]), rows=tuple(tuple(row) for row in table["rows"])),
        buttons=tuple(Button(**button) for button in value["buttons"]),
        status=Status(value["status"]),
        output=value.get("output", ""),
        is_aloud=value.get("is_aloud", False),
        attachments=tuple(Attachment(**one) for one in value.get("attachments", ())),
    )


def storable(words: str) -> str:
    """No database takes NUL or a lone surrogate: they become U+FFFD, which the command line refuses."""
    return _NO_TEXT.sub("\ufffd", words)


def label_of(button: Button) -> str:
    """The button's label as its column takes it, cut with an ellipsis where it is too long."""
    label = storable(button.label)
    return label if len(label) <= LONGEST_LABEL else f"{label[: LONGEST_LABEL - 1]}…"

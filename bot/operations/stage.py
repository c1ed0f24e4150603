"""The names of what a replacement makes on the engine's machine, for those who do it and those who take it back.

Words only: it must not know engines.
"""

from __future__ import annotations


def stage_of(run_id: str) -> str:
    """The directory, beside what is to be exchanged, in which the new content is made and the old one waits."""
    return f".shipkeeper-{run_id}"


def new_in(stage: str) -> str:
    """Where in the directory the new content is unpacked."""
    return f"{stage}/new"


def aside_in(stage: str) -> str:
    """Where in the directory the old content goes."""
    return f"{stage}/old"


def writer(run_id: str) -> str:
    """The helper that unpacks a backup."""
    return f"shipkeeper-write-{run_id}"


def reader(run_id: str) -> str:
    """The helper that reads back what was unpacked."""
    return f"shipkeeper-compare-{run_id}"


def tool_of(run_id: str) -> str:
    """The tool that looks, renames and removes."""
    return f"shipkeeper-exchange-{run_id}"


def undo_tool(run_id: str) -> str:
    """The tool that takes an exchange back or clears the stage."""
    return f"shipkeeper-undo-{run_id}"


def helpers_of(run_id: str) -> tuple[str, ...]:
    """Every container that may be at work in the stage, the one that undoes not counted."""
    return tool_of(run_id), writer(run_id), reader(run_id)

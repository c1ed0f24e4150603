"""The shortcuts of Slack's own menus, which the manifest declares and the listeners listen for."""

from __future__ import annotations

RUN_COMMAND = "run_command"
COPY_FILE = "copy_file"

SHORTCUTS = (
    {
        "name": "Run a Docker command",
        "type": "global",
        "callback_id": RUN_COMMAND,
        "description": "Choose a command and fill in its form",
    },
    {
        "name": "Copy into a container",
        "type": "message",
        "callback_id": COPY_FILE,
        "description": "Copy this message's file into a container",
    },
)
"""By Slack's manifest reference: a name has at most 24 characters, a description 150."""

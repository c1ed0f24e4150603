"""The Slack app manifest, made from the commands. Source: Slack's manifest reference, schema version 2."""

from __future__ import annotations

import json
from collections.abc import Iterable

from bot.command import Command
from bot.slack.shortcuts import SHORTCUTS

SCOPES = ("app_mentions:read", "chat:write", "commands", "files:read", "files:write", "im:write")
"""What the bot cannot do without."""

OPTIONAL_SCOPES = ("chat:write.public", "channels:history", "groups:history", "im:history")
"""Posting where the bot was not invited; finding a message whose answer was lost, instead of doubling it."""


def manifest_text(commands: Iterable[Command], prefix: str) -> str:
    """The manifest as JSON text for Socket Mode, with a slash command for `docker` and each daily verb."""
    slash = [
        {
            "command": f"/{prefix}docker",
            "description": "Any command of shipkeeper's; `help` lists them",
            "usage_hint": "COMMAND …",
            "should_escape": False,
        }
    ]
    for command in commands:
        if command.slash:
            slash.append(
                {
                    "command": f"/{prefix}{command.name}",
                    "description": command.summary,
                    "usage_hint": command.usage.removeprefix(command.name).strip() or " ",
                    "should_escape": False,
                }
            )
    manifest = {
        "_metadata": {"major_version": 2, "minor_version": 1},
        "display_information": {
            "name": "shipkeeper",
            "description": "Runs Docker's dangerous daily verbs, and calls nothing done that is not proven done",
        },
        "features": {
            "bot_user": {"display_name": "shipkeeper", "always_online": True},
            "slash_commands": slash,
            "shortcuts": list(SHORTCUTS),
        },
        "oauth_config": {"scopes": {"bot": list(SCOPES), "bot_optional": list(OPTIONAL_SCOPES)}},
        "settings": {
            "event_subscriptions": {"bot_events": ["app_mention"]},
            "interactivity": {"is_enabled": True},
            "org_deploy_enabled": False,
            "socket_mode_enabled": True,
            "token_rotation_enabled": False,
        },
    }
    return json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"

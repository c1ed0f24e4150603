"""The Slack app manifest, made from the commands. Source: Slack's manifest reference, schema version 2.

Slack shows what it says to everybody alike, so it is in English.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from bot.command import Command
from bot.slack.shortcuts import SHORTCUTS
from bot.slack.yamltext import yaml_text

SCOPES = (
    "app_mentions:read",
    "chat:write",
    "commands",
    "files:read",
    "files:write",
    "im:write",
    "usergroups:read",
    "users:read",
)
"""What the bot cannot do without."""

OPTIONAL_SCOPES = (
    "chat:write.public",
    "channels:history",
    "groups:history",
    "im:history",
    "channels:read",
    "groups:read",
)
"""Posting where the bot was not invited; finding a message whose answer was lost, instead of doubling it; seeing
whether the bot is in the channels of the settings."""


EVENTS = ("app_home_opened", "app_mention")
"""What the bot wants to be told of."""

PATH = "/slack/events"
"""Where our web door takes everything that Slack sends."""

FORMATS = ("json", "yaml")

_HOME = {
    "home_tab_enabled": True,
    "messages_tab_enabled": True,  # results go there when they cannot be told where they were asked for
    "messages_tab_read_only_enabled": False,  # or else nobody could type a slash command there
}


def manifest_text(
    commands: Iterable[Command], prefix: str, form: str = "json", url: str | None = None
) -> str:
    """The manifest as text, in one of FORMATS."""
    made = manifest(commands, prefix, url)
    return yaml_text(made) if form == "yaml" else json.dumps(made, indent=2, ensure_ascii=False) + "\n"


def manifest(commands: Iterable[Command], prefix: str, url: str | None = None) -> dict[str, Any]:
    """The manifest, with a slash command for `docker` and each daily verb.

    Without `url` it is for Socket Mode; else for signed HTTP, at the address by which Slack reaches our web door.
    """
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
    made: dict[str, Any] = {
        "_metadata": {"major_version": 2, "minor_version": 1},
        "display_information": {
            "name": "shipkeeper",
            "description": "Runs Docker's dangerous daily verbs, and calls nothing done that is not proven done",
        },
        "features": {
            "app_home": _HOME,
            "bot_user": {"display_name": "shipkeeper", "always_online": True},
            "slash_commands": slash,
            "shortcuts": list(SHORTCUTS),
        },
        "oauth_config": {"scopes": {"bot": list(SCOPES), "bot_optional": list(OPTIONAL_SCOPES)}},
        "settings": {
            "event_subscriptions": {"bot_events": list(EVENTS)},
            "interactivity": {"is_enabled": True},
            "org_deploy_enabled": False,
            "socket_mode_enabled": True,
            "token_rotation_enabled": False,
        },
    }
    return made if url is None else _over_http(made, f"{url.rstrip('/')}{PATH}")


def _over_http(made: dict[str, Any], url: str) -> dict[str, Any]:
    """The same, with the address wherever Slack wants one (manifest reference)."""
    settings = made["settings"]
    settings["socket_mode_enabled"] = False
    settings["event_subscriptions"]["request_url"] = url
    settings["interactivity"] |= {"request_url": url, "message_menu_options_url": url}
    for command in made["features"]["slash_commands"]:
        command["url"] = url
    return made

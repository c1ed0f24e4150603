"""The Slack app manifest: the generated file is the true one, and Slack would take it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from slack_bolt import App

import handlers
from bot.cli import main
from bot.slack.dialogues import Dialogues, Rooms
from bot.slack.gate import Gate
from bot.slack.listeners import Listeners
from bot.slack.manifest import manifest_text
from bot.slack.yamltext import yaml_text

ROOT = Path(__file__).parents[2]
COMMANDS = handlers.load()
_NAME = re.compile(r"/[a-z0-9_-]{1,31}")


def _manifest(prefix: str = "") -> dict[str, Any]:
    made: dict[str, Any] = json.loads(manifest_text(COMMANDS.values(), prefix))
    return made


def test_the_file_is_the_generated_one() -> None:
    """deploy/slack-manifest.yaml is what `shipkeeper manifest --format yaml` prints."""
    kept = (ROOT / "deploy" / "slack-manifest.yaml").read_text()
    assert kept == manifest_text(COMMANDS.values(), "", "yaml")


def test_both_formats_say_the_same() -> None:
    """A YAML parser that is none of ours reads from the one what a JSON parser reads from the other."""
    assert yaml.safe_load(manifest_text(COMMANDS.values(), "x-", "yaml")) == _manifest("x-")


_KEYS = st.sampled_from(["name", "bot_events", "description"])
_PLAIN = st.recursive(
    st.one_of(st.booleans(), st.integers(-999, 999), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_KEYS, inner, max_size=4)),
    max_leaves=6,
)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(_KEYS, _PLAIN, min_size=1, max_size=4))
def test_any_text_survives_yaml(made: dict[str, Any]) -> None:
    """Whatever a summary says, with quotes, colons, tabs or line ends, is read back as it was."""
    assume(not any(c in json.dumps(made, ensure_ascii=False) for c in "\x7f\ufeff\ufffe\uffff"))
    assume(not re.search("[\x80-\x9f]", json.dumps(made, ensure_ascii=False)))  # YAML 1.1 has no such letters
    assert yaml.safe_load(yaml_text(made)) == made


@pytest.mark.parametrize(
    "words", [["--format"], ["--format", "toml"], ["--format=toml"], ["yaml"], ["--format", "yaml", "more"]]
)
def test_a_wrong_format_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Anything but a known format is a usage error, and nothing is printed that somebody might install."""
    assert main(["manifest", *words], COMMANDS) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "--format json or yaml" in printed.err


@pytest.mark.parametrize("typed", [["--url", "https://bot.example.com/"], ["--url=https://bot.example.com"]])
def test_for_signed_http_every_address_is_given(typed: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Commands, events, interactions and type-ahead go to the one path of the web door, and Socket Mode is off."""
    assert main(["manifest", *typed], COMMANDS) == 0
    made = json.loads(capsys.readouterr().out)
    url = "https://bot.example.com/slack/events"
    assert {command["url"] for command in made["features"]["slash_commands"]} == {url}
    settings = made["settings"]
    assert settings["socket_mode_enabled"] is False
    assert settings["event_subscriptions"]["request_url"] == url
    assert settings["interactivity"] == {
        "is_enabled": True,
        "request_url": url,
        "message_menu_options_url": url,
    }


@pytest.mark.parametrize("url", ["bot.example.com", "ftp://bot", "https://", "https://a b"])
def test_what_is_no_address_is_refused(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is printed that somebody might install."""
    assert main(["manifest", "--url", url], COMMANDS) == 2
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("prefix", ["", "x-", "sixteen-letters_"])
def test_slack_takes_the_commands(prefix: str) -> None:
    """Names are short, lower case and unique; descriptions and hints are within Slack's limits."""
    slash = _manifest(prefix)["features"]["slash_commands"]
    names = [command["command"] for command in slash]
    assert all(_NAME.fullmatch(name) for name in names), names
    assert len(set(names)) == len(names) <= 50
    for command in slash:
        assert 1 <= len(command["description"]) <= 2_000
        assert 1 <= len(command["usage_hint"]) <= 1_000
        assert command["should_escape"] is False  # the line is read as typed


@pytest.mark.parametrize("prefix", ["", "x-"])
def test_what_is_declared_is_listened_to(prefix: str) -> None:
    """The slash commands and shortcuts of the manifest are those that the listeners register, no more and no fewer."""
    heard: list[str] = []
    shortcuts: list[tuple[str, str]] = []

    class Recording(App):
        def command(self, command: Any, *args: Any, **kwargs: Any) -> Any:
            heard.append(command)
            return super().command(command, *args, **kwargs)

        def global_shortcut(self, callback_id: Any, *args: Any, **kwargs: Any) -> Any:
            shortcuts.append(("global", callback_id))
            return super().global_shortcut(callback_id, *args, **kwargs)

        def message_shortcut(self, callback_id: Any, *args: Any, **kwargs: Any) -> Any:
            shortcuts.append(("message", callback_id))
            return super().message_shortcut(callback_id, *args, **kwargs)

    def refuse(*_: Any) -> Any:
        raise AssertionError("nothing arrives here")

    nothing: Any = refuse
    gate = Gate(nothing, nothing, nothing)
    dialogues = Dialogues(
        gate, Rooms(completion=nothing, opener=nothing, commands={}, hosts=1, is_lost=nothing)
    )
    app = Recording(token="xoxb-1", signing_secret="s", token_verification_enabled=False)
    daily = [name for name, command in COMMANDS.items() if command.slash]
    Listeners(gate, dialogues, nothing, nothing).register(app, daily, prefix)
    declared = [command["command"] for command in _manifest(prefix)["features"]["slash_commands"]]
    assert sorted(declared) == sorted(heard)
    offered = _manifest(prefix)["features"]["shortcuts"]
    assert sorted((one["type"], one["callback_id"]) for one in offered) == sorted(shortcuts)
    assert all(len(one["name"]) <= 24 and len(one["description"]) <= 150 for one in offered)


def test_slack_takes_the_names() -> None:
    """The app's names and description are within the limits of Slack's manifest reference."""
    made = _manifest()
    assert len(made["display_information"]["name"]) <= 35
    assert len(made["display_information"]["description"]) <= 140
    assert re.fullmatch(r"[a-z0-9_.-]{1,80}", made["features"]["bot_user"]["display_name"])


def test_scopes_are_no_more_than_needed() -> None:
    """No scope is asked twice, and none that reads people's profiles or writes as them."""
    scopes = _manifest()["oauth_config"]["scopes"]
    asked = [*scopes["bot"], *scopes["bot_optional"]]
    assert len(set(asked)) == len(asked)
    assert {"commands", "chat:write", "app_mentions:read"} <= set(scopes["bot"])
    assert not [
        scope for scope in asked if scope.startswith(("admin", "users:read.", "users.profile", "users:write"))
    ]
    assert [scope for scope in asked if scope.startswith("files:")] == ["files:read", "files:write"]


def test_socket_mode_needs_no_address() -> None:
    """The manifest is for Socket Mode: it is on, and no address is in it."""
    assert _manifest()["settings"]["socket_mode_enabled"] is True
    assert "http" not in manifest_text(COMMANDS.values(), "")

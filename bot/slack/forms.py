"""Forms: the modal of a command, the one that asks which command, and the one that only says something.

What a form must know later travels in its private metadata. Limits are Block Kit's (reference page of views).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from bot.command import Command, Parameter, parameters
from bot.completion import Candidate
from bot.language import say
from bot.model import Place
from bot.slack.fields import Block, fields, option, plain_text
from bot.slack.mrkdwn import cut, escape
from bot.sources import Source

FORM = "command_form"
"""The callback id of a command's form."""

CHOOSER = "choose_command"
"""That of the form which asks for the command; its two inputs are called as below."""

COMMAND, CHANNEL = "command", "channel"

View = dict[str, Any]

_TITLE = 24
_METADATA = 3_000
_CONTEXT = 3_000
_MOST_OPTIONS = 100


@dataclass(frozen=True, kw_only=True)
class Opened:
    """What a form remembers: the command, empty while it is being chosen, and where its answer belongs."""

    place: Place
    command: str = ""

    def to_metadata(self) -> str:
        """As text for the view; without the response URL where that would be too long."""
        for place in (self.place, replace(self.place, response_url=None)):
            text = json.dumps(
                {
                    "command": self.command,
                    "channel": place.channel,
                    "thread_ts": place.thread_ts,
                    "response_url": place.response_url,
                    "files": list(place.files),
                }
            )
            if len(text) <= _METADATA:
                break
        return text

    @classmethod
    def from_metadata(cls, text: str, user: str) -> Opened:
        """What the view of that person remembers; raises ValueError or KeyError for what is not ours."""
        kept = json.loads(text)
        place = Place(
            channel=kept["channel"],
            user=user,
            thread_ts=kept["thread_ts"],
            response_url=kept["response_url"],
            files=tuple(kept["files"]),
        )
        return cls(place=place, command=kept["command"])


def shown_parameters(command: Command, hosts: int, given: Mapping[str, Any]) -> tuple[Parameter, ...]:
    """Those that a form asks for; which host, only where there are several."""
    return tuple(
        one
        for one in parameters(command)
        if one.sources != (Source.HOST,) or hosts > 1 or one.required or given.get(one.name)
    )


def command_form(
    command: Command, opened: Opened, given: Mapping[str, Any], *, hosts: int, note: str = ""
) -> View:
    """The form of a command, with what was `given` filled in already."""
    inputs = fields(command, shown_parameters(command, hosts, given), given)
    said = [_context(_what_it_does(command, opened.place))]
    return {
        "type": "modal",
        "callback_id": FORM,
        "private_metadata": replace(opened, command=command.name).to_metadata(),
        "title": plain_text(command.name.replace("-", " ").capitalize(), _TITLE),
        "submit": plain_text(say("Run"), _TITLE),
        "close": plain_text(say("Cancel"), _TITLE),
        "blocks": [*said, *([_context(note)] if note else []), *inputs],
    }


def chooser(usable: Iterable[Command], opened: Opened) -> View:
    """The form that asks which command, and where its answer belongs."""
    options = [option(Candidate(value=one.name, about=say(one.summary))) for one in usable][:_MOST_OPTIONS]
    which: Block = {
        "type": "input",
        "block_id": COMMAND,
        "label": plain_text(say("Command"), _TITLE),
        "element": {
            "type": "static_select",
            "action_id": COMMAND,
            "placeholder": plain_text(say("Choose a command"), _CONTEXT),
            "options": options,
        },
    }
    hint = say(
        "Whether you may use the command is decided as if you had typed it there. Without a channel the answer comes "
        "as a direct message."
    )
    where: Block = {
        "type": "input",
        "block_id": CHANNEL,
        "optional": True,
        "label": plain_text(say("Where to tell the result"), _CONTEXT),
        "hint": plain_text(hint, _CONTEXT),
        "element": {
            "type": "conversations_select",
            "action_id": CHANNEL,
            "default_to_current_conversation": True,
            "filter": {"include": ["public", "private"]},
        },
    }
    return {
        "type": "modal",
        "callback_id": CHOOSER,
        "private_metadata": opened.to_metadata(),
        "title": plain_text(say("Run a Docker command"), _TITLE),
        "submit": plain_text(say("Next"), _TITLE),
        "close": plain_text(say("Cancel"), _TITLE),
        "blocks": [which, where],
    }


def notice(title: str, text: str) -> View:
    """A form without anything to fill in."""
    return {
        "type": "modal",
        "title": plain_text(title, _TITLE),
        "close": plain_text(say("Close"), _TITLE),
        "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": cut(escape(text), _CONTEXT)}}],
    }


def _what_it_does(command: Command, place: Place) -> str:
    runs = say("This runs `{usage}`.", usage=escape(command.usage))
    if command.only_looks:
        told = say("Only you see the answer, which comes {where}.", where=_where(place))
    else:
        told = say("The plan and the result are told {where}.", where=_where(place))
    return f"*{escape(say(command.summary))}.*\n{runs} {told}"


def _where(place: Place) -> str:
    if place.channel[:1] in "DU":
        return say("in your direct messages")
    channel = f"<#{place.channel}>"
    return (
        say("in the thread in {channel}", channel=channel)
        if place.thread_ts
        else say("in {channel}", channel=channel)
    )


def _context(text: str) -> Block:
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": cut(text, _CONTEXT)}]}

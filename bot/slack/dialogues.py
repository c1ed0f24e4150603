"""What people do with forms: ask for one, type into it, send it off. Pure translations, as all listeners are.

Permission is asked before a form opens and before anything is offered in it; the road asks it again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from bot.command import Command, parameters
from bot.commandline import split
from bot.completion import Asking, Completion
from bot.errors import UsageError
from bot.language import later, say
from bot.misuse import ArgumentError, MissingArgument, Misused
from bot.model import Actor, Invocation, Origin, Place
from bot.parsing import find, for_help, parse
from bot.slack.fields import FILL, block_id_of
from bot.slack.filled import Values, words_of, written, wrong_in
from bot.slack.forms import (
    CHANNEL,
    COMMAND,
    Opened,
    View,
    chooser,
    command_form,
    notice,
    shown_parameters,
)
from bot.slack.gate import Answer, Gate, Payload, actor_of, team_of
from bot.slack.mrkdwn import cut
from bot.slack.opening import FormOpener, Opening
from bot.slack.options import within_a_frame

_ERROR = 1_000
_NO_FILE = later(
    "That message has no file. Nothing was changed. Choose this on a message that a file is attached to, or type "
    "`cp` with the file’s id."
)


@dataclass(frozen=True, kw_only=True)
class Rooms:
    """What dialogues work with; `hosts` is how many there are.

    `is_lost` tells of a run whether it ended without ever being begun, as Slack learned of it too late.
    """

    completion: Completion
    opener: FormOpener
    commands: Mapping[str, Command]
    hosts: int
    is_lost: Callable[[str], bool]


class Dialogues:
    """The translations of everything that is about forms."""

    def __init__(self, gate: Gate, rooms: Rooms) -> None:
        self._gate = gate
        self._completion = rooms.completion
        self._opener = rooms.opener
        self._commands = rooms.commands
        self._hosts = rooms.hosts
        self._is_lost = rooms.is_lost

    # ---- asking for one --------------------------------------------------------------------------

    def answer(self, invocation: Invocation, trigger_id: str | None, note: str = "") -> Answer:
        """A form, when all that a permitted command lacks is an argument; else it is stored to run."""
        lacking = self._lacking(invocation.line)
        place = invocation.place
        if lacking is None or place is None or not trigger_id:
            return self._gate.stored(invocation)
        command, given = lacking
        asking = _asking(invocation.actor, place, command)
        if not self._completion.may_use(asking):
            return self._gate.stored(invocation)
        opened = Opened(place=place)
        opening = Opening(
            trigger_id=trigger_id,
            make=lambda: command_form(command, opened, given, hosts=self._hosts, note=note),
            otherwise=replace(invocation, token=None),
            may_open=lambda: self._completion.may_use(asking),
        )
        return Answer() if self._offered(opening) else self._gate.stored(opening.otherwise)

    def _lacking(self, line: str) -> tuple[Command, Mapping[str, Any]] | None:
        try:
            words = for_help(split(line))
            command = find(self._commands, words)
            parse(command, words[1:])
        except MissingArgument as missing:
            return command, missing.given
        except UsageError:  # the road says what is wrong
            return None
        return None

    def _offered(self, opening: Opening) -> bool:
        self._completion.warm()
        return self._opener.offer(opening)

    def run_command(self, body: Payload) -> Answer:
        """The global shortcut: a form that asks which command."""
        actor = actor_of(body["user"])
        place = Place(channel=actor.id, user=actor.id)
        usable = self._completion.usable_somewhere  # asked where the form is opened, as it may ask Slack
        return self._open_or_run(body, place, "help", lambda: chooser(usable(actor), Opened(place=place)))

    def copy_file(self, body: Payload) -> Answer:
        """The message shortcut: `cp` with the message's file in it."""
        message, actor = body["message"], actor_of(body["user"])
        files = tuple(str(file["id"]) for file in message.get("files") or () if file.get("id"))
        place = Place(
            channel=body["channel"]["id"],
            user=actor.id,
            thread_ts=message.get("thread_ts"),
            response_url=body.get("response_url"),
            files=files,
        )
        if not files:
            return self._open_or_run(
                body, place, "help cp", lambda: notice(say("Copy a file"), say(_NO_FILE))
            )
        note = (
            say("The message has {number} files; this is the first of them.", number=len(files))
            if len(files) > 1
            else ""
        )
        asked = self._invocation(body, place, f"cp {files[0]}")
        return self.answer(asked, body["trigger_id"], note)

    def _open_or_run(self, body: Payload, place: Place, line: str, make: Callable[[], View]) -> Answer:
        asked = self._invocation(body, place, line)
        opening = Opening(trigger_id=body["trigger_id"], make=make, otherwise=asked)
        return Answer() if self._offered(opening) else self._gate.stored(asked)

    def _invocation(self, body: Payload, place: Place, line: str) -> Invocation:
        key = f"slack:{team_of(body)}:{body['trigger_id']}"
        return self._gate.invocation(line=line, actor=actor_of(body["user"]), key=key, place=place)

    # ---- typing into it --------------------------------------------------------------------------

    def suggest(self, body: Payload) -> Answer:
        """What could stand in the field that somebody types into."""
        view, actor = body["view"], actor_of(body["user"])
        _, name, field = str(body["action_id"]).split(":", 2)
        command = self._commands.get(name)
        opened = _opened(view, actor)
        found = [one for one in parameters(command) if one.name == field] if command else []
        if command is None or opened is None or not found:
            return Answer(ack={"options": []})
        values = (view.get("state") or {}).get("values") or {}
        host = (
            ((values.get("host") or {}).get(f"{FILL}:{name}:host") or {}).get("selected_option") or {}
        ).get("value")
        asking = replace(_asking(actor, opened.place, command), host=host)
        offers = self._completion.offers(asking, found[0], body.get("value") or "")
        return Answer(ack={"options": within_a_frame(offers)})

    # ---- sending it off --------------------------------------------------------------------------

    def submit(self, body: Payload) -> Answer:
        """The command line that the form stands for, stored; or what is wrong, at its field."""
        view, actor = body["view"], actor_of(body["user"])
        opened = _opened(view, actor)
        command = self._commands.get(opened.command) if opened else None
        if command is None or opened is None:
            return _instead(_gone())
        try:
            words = words_of(command, view["state"]["values"])
            wrong = wrong_in(command, words)
            line = written(command, words)
            if not wrong:
                parse(command, split(line)[1:])
        except ArgumentError as error:
            wrong = {error.parameter: error.sentence}
        except UsageError as error:
            wrong = {"": error.sentence if isinstance(error, Misused) else str(error)}
        if wrong:
            return _refused(command, view, wrong)
        return self._stored(body, opened.place, line)

    def choose(self, body: Payload) -> Answer:
        """The form of the command that was chosen, in the place of the one that asked for it."""
        view, actor = body["view"], actor_of(body["user"])
        values: Values = view["state"]["values"]
        name = (values[COMMAND][COMMAND].get("selected_option") or {}).get("value")
        command = self._commands.get(str(name))
        if command is None:
            return _instead(_gone())
        chosen = values[CHANNEL][CHANNEL].get("selected_conversation")
        place = Place(channel=chosen or actor.id, user=actor.id)
        if not self._completion.may_use(_asking(actor, place, command)):
            said = say(
                "You may not use {command} from there. Nothing was changed. Choose another channel or command.",
                command=command.name,
            )
            return Answer(ack={"response_action": "errors", "errors": {COMMAND: said}})
        if not shown_parameters(command, self._hosts, {}):
            return self._stored(body, place, command.name)
        self._completion.warm()
        return _instead(command_form(command, Opened(place=place), {}, hosts=self._hosts))

    def _stored(self, body: Payload, place: Place, line: str) -> Answer:
        """Once a form, whatever Slack made of the answer. It stays open where that came too late: sent off again, it is
        told to be spent."""
        view = body["view"]
        key = f"view:{team_of(body)}:{view['id']}"
        answer = self._gate.stored(
            self._gate.invocation(line=line, actor=actor_of(body["user"]), key=key, place=place)
        )
        if answer.run_id is None or not self._is_lost(answer.run_id):
            return answer
        said = say(
            "Slack learned too late that this form had been sent, so nothing was run, and it cannot be sent again. "
            "Close it, and ask for the command anew."
        )
        return Answer(ack={"response_action": "errors", "errors": {_first_input(view): said}})


def _asking(actor: Actor, place: Place, command: Command) -> Asking:
    return Asking(actor=actor, origin=Origin.SLACK, channel=place.channel, command=command)


def _opened(view: Payload, actor: Actor) -> Opened | None:
    try:
        return Opened.from_metadata(view.get("private_metadata") or "", actor.id)
    except (ValueError, KeyError, TypeError, RecursionError):  # what is not ours may hold anything
        return None


def _instead(view: View) -> Answer:
    return Answer(ack={"response_action": "update", "view": view})


def _gone() -> View:
    sentence = say(
        "That command is not here any more. Nothing was changed. Close this, and ask for it again."
    )
    return notice(say("Not here any more"), sentence)


def _refused(command: Command, view: Payload, wrong: Mapping[str, str]) -> Answer:
    """Each at its field; what belongs to none stands at the first."""
    known = {one.name: one for one in parameters(command)}
    first = _first_input(view)
    errors = {}
    for name, sentence in wrong.items():
        block_id = block_id_of(known[name], view["blocks"]) if name in known else None
        errors[block_id or first] = cut(sentence.replace("`", ""), _ERROR)
    return Answer(ack={"response_action": "errors", "errors": errors})


def _first_input(view: Payload) -> str:
    return next(str(block["block_id"]) for block in view["blocks"] if block["type"] == "input")

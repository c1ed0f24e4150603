"""The shell's face: `shipkeeper serve`, `shipkeeper demo`, or any command line of the bot's.

A command line is stored like one from Slack. A living bot executes it; without one, this process does.
"""

from __future__ import annotations

import logging
import os
import re
import shlex
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from bot import settings as settings_room
from bot import terminal, usage
from bot.command import Command
from bot.completion.shells import MODES
from bot.environment import shell_user
from bot.errors import BotError, StoreError, UsageError
from bot.language import later, of_environment, say, speaking, spoken
from bot.model import Actor, Invocation, Origin, Outcome, Status
from bot.settings import SettingsError
from bot.signals import OnSignal

if TYPE_CHECKING:
    from bot.app import App

_DOCTOR = "check"
_OF_THE_SHELL = {
    "--key": later("--key needs a value: the same one always means the same run. Nothing was done."),
    "--files": later("--files needs a directory, for the files that come with an answer. Nothing was done."),
}

Commands = Mapping[str, Command]


def main(argv: Sequence[str], commands: Commands) -> int:
    """Do what the words say, in the language of the shell; the exit code."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    with speaking(of_environment(os.environ)):
        try:
            return _done(argv, commands)
        except (
            KeyboardInterrupt
        ):  # a second Ctrl-C: whoever called sees by what it ended, and nobody a traceback
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            signal.raise_signal(signal.SIGINT)
            raise


def _done(argv: Sequence[str], commands: Commands) -> int:
    if argv[:1] == [usage.VERSION]:
        print(usage.version_told())
        return 0
    if not argv or usage.HELP.intersection(argv[: 2 if argv[0] in _MODES else 1]):
        print(usage.told())
        return 0 if argv else terminal.exit_code(Status.REJECTED)
    try:
        return _MODES.get(argv[0], _command_line)(list(argv), commands)
    except UsageError as error:
        print(error, file=sys.stderr)
        return terminal.exit_code(Status.REJECTED)
    except (SettingsError, BotError) as error:
        if argv[0] == _DOCTOR and isinstance(error, SettingsError | StoreError):
            return _examined(list(argv), error)
        print(error, file=sys.stderr)
        return 1


def _verified_offline(words: Sequence[str]) -> Outcome | None:
    """What came of verifying a file; None where the words name none, but mean the log itself."""
    from bot import offline  # it needs the stores' libraries

    if not offline.names_a_file(words):
        return None
    began = datetime.now(UTC)
    reply = offline.verified(words, settings_room.audit_key())
    times = {"started_at": began, "ended_at": datetime.now(UTC)}
    return Outcome(run_id="", command="audit", status=reply.status, reply=reply, **times)


def _examined(argv: list[str], error: SettingsError | StoreError) -> int:
    """The doctor, of a house that cannot be built: that is what it is asked about."""
    from bot.unbuilt import examined

    outcome = examined(error)
    _print(outcome, (), as_json=_options(argv)[1].as_json)
    return terminal.exit_code(outcome.status)


def _serve(argv: list[str], commands: Commands) -> int:
    from bot.serve import serve  # Slack's libraries would double the time that a shell command takes to start
    from bot.slack.connection import SlackRefused

    _no_more(argv)
    logging.getLogger("bot").setLevel(logging.INFO)
    try:
        return serve(settings_room.read(), commands)
    except SlackRefused as error:
        raise SettingsError(str(error)) from error


def _demo(argv: list[str], commands: Commands) -> int:
    from bot.demo import demo  # the stand-in's libraries are needed here only

    return demo(argv[1:], commands)


def _manifest(argv: list[str], commands: Commands) -> int:
    from bot.slack.manifest import FORMATS, manifest_text

    words = [part for word in argv[1:] for part in (word.split("=", 1) if word.startswith("--") else [word])]
    given = dict(zip(words[::2], words[1::2], strict=False))
    form, url = given.pop("--format", "json"), given.pop("--url", None)
    is_url = url is None or re.fullmatch(r"https?://[^\s/]+(/\S*)?", url)
    if given or len(words) % 2 or form not in FORMATS or not is_url:
        raise UsageError(
            say(
                "`shipkeeper manifest` takes --format {formats}, for signed HTTP --url https://HOST by which "
                "Slack reaches the bot's web door, and no more words. Nothing was done.",
                formats=say(" or ").join(FORMATS),
            )
        )
    prefix = settings_room.read().slack.command_prefix
    print(manifest_text(commands.values(), prefix, form, url), end="")
    return 0


def _example_settings(argv: list[str], _commands: Commands) -> int:
    _no_more(argv)
    print(settings_room.example(), end="")
    return 0


def _completion(argv: list[str], _commands: Commands) -> int:
    shells = MODES["completion"][1]
    if len(argv) != 2 or argv[1] not in shells:
        sentence = later(
            "`shipkeeper completion` takes one of {shells}, and no more words. Nothing was done."
        )
        raise UsageError(say(sentence, shells=", ".join(shells)))
    print((Path(__file__).parent / "shells" / argv[1]).read_text(), end="")
    return 0


def _reference(argv: list[str], commands: Commands) -> int:
    from bot.manual import commands_manual  # nobody else needs it

    about = argv[1] if len(argv) == 2 else ""
    if about == "commands":
        print(commands_manual(commands.values()), end="")
    elif about == "settings":
        print(settings_room.manual(), end="")
    else:
        sentence = later(
            "`shipkeeper reference` takes `commands` or `settings`, and no more words. Nothing was done."
        )
        raise UsageError(say(sentence))
    return 0


def _state(argv: list[str], _commands: Commands) -> int:
    from bot import statefile  # the stores' libraries are needed here only

    reply = statefile.done(argv[1:], settings_room.read(), shell_user())
    print(reply.text)
    return terminal.exit_code(reply.status)


_MODES: dict[str, Callable[[list[str], Commands], int]] = {
    "serve": _serve,
    "demo": _demo,
    "manifest": _manifest,
    "example-settings": _example_settings,
    "completion": _completion,
    "reference": _reference,
    "state": _state,
}


def _no_more(argv: list[str]) -> None:
    if len(argv) > 1:
        raise UsageError(
            say(
                "`shipkeeper {mode}` takes no more words; “{word}” is one too many. Nothing was done.",
                mode=argv[0],
                word=argv[1],
            )
        )


def _command_line(argv: list[str], commands: Commands) -> int:
    line, face = _options(argv)
    if line[:2] == ["audit", "verify"] and (outcome := _verified_offline(line[2:])) is not None:
        _print(outcome, (), as_json=face.as_json)
        return terminal.exit_code(outcome.status)
    from bot.app import build  # the whole house, which the other modes need in part or not at all
    from bot.following import carried

    settings = settings_room.read()
    app = build(settings, commands)
    try:
        outcome = carried(app, _invocation(app, line, face.key))
        files, trouble = _handed_over(app, outcome, face)
        _print(outcome, files, as_json=face.as_json)
        if trouble:
            print(trouble, file=sys.stderr)
    finally:
        # Ending may wait for the questions of other shells: a second Ctrl-C is for those who cannot.
        with OnSignal(lambda: None):
            app.end()
    is_half = trouble and outcome.status is Status.SUCCEEDED
    return terminal.exit_code(Status.PARTIAL if is_half else outcome.status)


def _print(outcome: Outcome, files: tuple[str, ...], *, as_json: bool) -> None:
    if as_json:
        print(terminal.as_json(outcome, files), flush=True)
    else:
        terminal.show(outcome, terminal.console(sys.stdout), files)


def _handed_over(app: App, outcome: Outcome, face: _Face) -> tuple[tuple[str, ...], str]:
    """Write the files that came with the answer into the directory: the paths of those that are there, and what failed.

    With a key the same run may be asked for again, so its files stay for a week.
    """
    outgoing, run_id, paths = app.services.outgoing, outcome.run_id, list[str]()
    for file in outcome.reply.attachments:
        try:
            paths.append(str(outgoing.hand_over(run_id, file, face.directory)))
            if face.key is None:
                outgoing.remove(run_id, file)
            outgoing.remove_old()
        except StoreError as error:
            over = say("Run {run_id} is over: do not send the command again.", run_id=run_id)
            at = outgoing.kept_at(run_id, file)
            where = say("Its file is kept for seven days: {path}", path=at) if at else ""
            return tuple(paths), f"{error} {over} {where}".rstrip()
    return tuple(paths), ""


@dataclass(frozen=True, kw_only=True)
class _Face:
    """What concerns only the shell: `--json`, `--key KEY`, and where files that come with an answer go."""

    as_json: bool
    key: str | None
    directory: Path


def _options(argv: list[str]) -> tuple[list[str], _Face]:
    """The command line without what concerns only this face: `--json`, `--key KEY` and `--files DIRECTORY`."""
    rest: list[str] = []
    as_json, given = False, dict.fromkeys(_OF_THE_SHELL, "")
    left = list(argv)
    while left:
        word = left.pop(0)
        flag, equals, value = word.partition("=")
        if word == "--":
            rest += [word, *left]
            break
        if word == "--json":
            as_json = True
        elif flag in given:
            if not equals and not left:
                raise UsageError(say(_OF_THE_SHELL[flag]))
            given[flag] = value if equals else left.pop(0)
        else:
            rest.append(word)
    directory = Path.cwd() / given["--files"]
    if not directory.is_dir():
        raise UsageError(say("There is no directory {path}. Nothing was done.", path=directory))
    return rest, _Face(as_json=as_json, key=given["--key"] or None, directory=directory)


def _invocation(app: App, line: list[str], key: str | None) -> Invocation:
    user = shell_user()
    command = app.services.commands.get(line[0]) if line else None
    if command is not None and command.at_home is not None:
        line = command.at_home(line, Path.cwd())
    return Invocation(
        line=shlex.join(line),
        actor=Actor(id=f"cli:{user}", name=user),
        origin=Origin.CLI,
        at=app.services.clock(),
        key=f"cli:{key}" if key else None,
        language=spoken(),
    )

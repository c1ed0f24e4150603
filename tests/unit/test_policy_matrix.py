"""The whole matrix of person, command, target, channel, host and surface, against an oracle that knows no policy.

The oracle is written from the words of the settings' descriptions. It shares nothing with the policy but the rights
that commands declare: the patterns, the standing, groups and shells are decided here once more.
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

import pytest

import handlers
from bot.command import Command, Takes, arg
from bot.kinds import HostName, TargetName
from bot.model import Actor, Invocation, Origin, Place, Reply, Status
from bot.permissions import Policy, Request
from bot.wiring import rules
from tests.fakes import FakeEngine
from tests.support.effort import examples
from tests.support.house import at_work, settings
from tests.support.people import FakePeople

COMMANDS = handlers.load()
MOST = int(os.environ.get("SHIPKEEPER_DECISIONS", "600"))
"""So many questions are drawn for each surface, with the same lot each time, and asked of each book of roles."""

_RANK = {"none": 0, "view": 1, "operate": 2, "admin": 3}


@dataclass(frozen=True)
class _Role:
    """A role as the settings have it."""

    members: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    right: str = ""
    commands: tuple[str, ...] = ()
    targets: tuple[str, ...] = ("*",)
    channels: tuple[str, ...] = ("*",)
    hosts: tuple[str, ...] = ("*",)

    def toml(self, name: str) -> str:
        """Its lines in the settings file."""
        lines = [f"[roles.{name}]"]
        for key in ("members", "groups", "commands", "targets", "channels", "hosts"):
            value = getattr(self, key)
            if value:
                lines.append(f"{key} = [{', '.join(repr(one) for one in value)}]")
        if not self.members and not self.groups:
            lines.append("members = []")
        if self.right:
            lines.append(f'right = "{self.right}"')
        return "\n".join(lines)


BOOK = {
    "keepers": _Role(members=("U0ANN", "U0GUEST", "U0GONE", "U0APP", "U0ELSE", "U0DARK"), right="admin"),
    "ops": _Role(groups=("S0OPS", "S0DOWN"), right="operate", targets=("volume:shop-*", "container:web-?")),
    "viewers": _Role(
        members=("W0VAL", "U0BOB"), groups=("S0VIEW",), right="view", channels=("C0OPS", "D0ME")
    ),
    "backers": _Role(members=("U0BOB",), commands=("backup*", "re*e"), hosts=("prod-*",)),
    "both": _Role(members=("U0SUE",), groups=("S0OPS",), right="view"),
    "one": _Role(
        members=("U0ONE",), right="operate", targets=("volume:pgdata",), channels=("C0DEV",), hosts=("local",)
    ),
    "empty": _Role(right="admin"),
}
SHELLS = {
    "roots": _Role(members=("cli:root",), right="admin"),
    "night": _Role(members=("cli:eve",), commands=("backup",), targets=("volume:*",)),
}
SHELL_USERS = {"ann": "U0ANN", "gus": "U0GUEST", "sue": "U0SUE", "dan": "U0DARK", "oli": "U0OLI"}
GROUPS: dict[str, set[str] | None] = {
    "S0OPS": {"U0SUE", "U0OLI", "U0GUEST", "U0DARK"},
    "S0VIEW": {"U0OLI", "U0APP"},
    "S0DOWN": None,
}
BARRED = {"U0GUEST": "guest", "U0GONE": "deleted", "U0APP": "bot", "U0ELSE": "stranger"}
UNKNOWN = {"U0DARK"}
SLACK = (
    "U0ANN",
    "U0BOB",
    "W0VAL",
    "U0SUE",
    "U0OLI",
    "U0ONE",
    "U0NEW",
    *BARRED,
    *UNKNOWN,
    "u0ann",
    "cli:root",
)
SHELL = ("cli:root", "cli:eve", "cli:ann", "cli:gus", "cli:sue", "cli:dan", "cli:oli", "cli:new", "U0ANN")
TARGETS: tuple[tuple[str, ...], ...] = (
    (),
    ("volume:pgdata",),
    ("volume:shop-db",),
    ("container:web-1",),
    ("container:web-12",),
    ("volume:shop-db", "volume:pgdata"),
)
PLACES = (
    ("C0OPS", "local"),
    ("C0DEV", "local"),
    ("C0OPS", "prod-1"),
    (None, "prod-1"),
    (None, None),
    ("D0ME", None),
)
SURFACES = ("slack", "type-ahead", "cold type-ahead", "schedule", "shell")
"""Slash commands, mentions, buttons and forms are one to the policy; Home asks as Slack without a channel."""


def _fits(text: str, pattern: str) -> bool:
    """Whether the pattern, in which `*` is any letters and `?` is one, is all of the text."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(_fits(text[n:], pattern[1:]) for n in range(len(text) + 1))
    return bool(text) and pattern[0] in ("?", text[0]) and _fits(text[1:], pattern[1:])


@dataclass(frozen=True)
class _Question:
    who: str
    command: str
    targets: tuple[str, ...]
    channel: str | None
    host: str | None
    surface: str


def _oracle(asked: _Question, book: dict[str, _Role]) -> bool:
    """What the settings promise."""
    right = COMMANDS[asked.command].right.value
    if right == "none":
        return True
    is_of_machine = asked.surface == "shell" or (asked.surface == "schedule" and asked.who.startswith("cli:"))
    shells_are_named = any(one.startswith("cli:") for role in book.values() for one in role.members)
    if is_of_machine and not shells_are_named:
        return True
    if asked.who.startswith("cli:") and not is_of_machine:
        return False
    account = SHELL_USERS.get(asked.who[4:], "") if asked.who.startswith("cli:") else asked.who
    is_cold = asked.surface == "cold type-ahead"
    if account in BARRED and not is_cold:
        return False
    known = bool(account) and account in SLACK and account not in UNKNOWN | {"u0ann"} and not is_cold
    if asked.surface == "schedule" and account and not known:
        return False
    groups = {
        name for name, members in GROUPS.items() if known and members is not None and account in members
    }
    return any(_grants(role, {asked.who, account}, groups, asked, right) for role in book.values())


def _grants(role: _Role, ids: set[str], groups: set[str], asked: _Question, right: str) -> bool:
    if not (ids & set(role.members) or groups & set(role.groups)):
        return False
    if role.right:
        if _RANK[role.right] < _RANK[right]:
            return False
    elif not any(_fits(asked.command, one) for one in role.commands):
        return False
    for target in asked.targets:
        if not any(_fits(target, one) for one in role.targets):
            return False
    if role.channels != ("*",) and asked.channel not in role.channels:
        return False
    return asked.host is None or any(_fits(asked.host, one) for one in role.hosts)


def _people(*, is_remembered: bool = True) -> FakePeople:
    people = FakePeople(groups=GROUPS, is_remembered=is_remembered)
    for one in SLACK:
        if one not in UNKNOWN | {"u0ann", "cli:root"}:
            people.put(one, BARRED.get(one, ""))
    return people


def _policy(tmp_path: Path, book: dict[str, _Role], people: FakePeople) -> Policy:
    toml = "\n".join(role.toml(name) for name, role in book.items())
    return Policy(rules(settings(tmp_path / "state", toml=toml + _shell_users())), people)


def _shell_users() -> str:
    return "\n[shell_users]\n" + "".join(f'{name} = "{one}"\n' for name, one in SHELL_USERS.items())


def _questions(surface: str) -> list[_Question]:
    people = {"shell": SHELL, "schedule": (*SLACK, *SHELL)}.get(surface, SLACK)
    every = list(product(sorted(set(people)), COMMANDS, TARGETS, PLACES))
    drawn = random.Random(f"{surface} 1").sample(every, MOST)
    return [_Question(who, command, targets, *place, surface) for who, command, targets, place in drawn]


_ORIGINS = {"schedule": Origin.SCHEDULE, "shell": Origin.CLI}


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("book", [BOOK, BOOK | SHELLS], ids=["shells are trusted", "shells are asked"])
def test_every_decision_is_the_one_that_the_settings_promise(
    tmp_path: Path, surface: str, book: dict[str, _Role]
) -> None:
    """Five thousand of each surface, each against the oracle; an explanation says the same as the check."""
    policy = _policy(tmp_path, book, _people(is_remembered="cold" not in surface))
    if "type-ahead" in surface:
        policy = policy.by_memory()
    questions = _questions(surface)
    wrong = []
    for asked in questions:
        request = Request(
            actor=Actor(id=asked.who, name="ann"),
            origin=_ORIGINS.get(surface, Origin.SLACK),
            channel=asked.channel,
            command=COMMANDS[asked.command],
            targets=asked.targets,
            host=asked.host,
        )
        expected = _oracle(asked, book)
        if policy.allows(request) is not expected or policy.explain(request).is_allowed is not expected:
            wrong.append((asked, expected))
    assert wrong == []


def test_the_oracle_says_both() -> None:
    """On every surface some are allowed and some denied: an oracle of one word would prove nothing."""
    for surface in SURFACES:
        said = [_oracle(asked, BOOK | SHELLS) for asked in _questions(surface)]
        assert 0.02 < sum(said) / len(said) < 0.9, surface


# ---- the same on the road ---------------------------------------------------------------------------------

ON_THE_ROAD = examples(60, 120)
"""So many more of each surface go the whole road, from the invocation to the ending."""


@dataclass(frozen=True)
class _Arguments:
    targets: tuple[TargetName, ...] = arg("what it is about", default=(), positional=True, takes=Takes.MANY)
    host: HostName | None = arg("the Docker host", default=None)


def _probes() -> dict[str, Command]:
    """Commands with the names and rights of ours that are about whatever they are told to be about, and do nothing."""
    return {
        name: Command(
            name=name,
            summary=name,
            right=command.right,
            arguments=_Arguments,
            run=lambda *_: Reply(text="Nothing was done."),
            targets=lambda arguments, _: tuple(arguments.targets),
        )
        for name, command in COMMANDS.items()
    }


@pytest.mark.parametrize("surface", ["slack", "schedule", "shell"])
def test_the_road_decides_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, surface: str) -> None:
    """Denied is who is to be denied, and nobody else, whatever else becomes of the run."""
    monkeypatch.setattr("bot.app.people", lambda *_: _people())
    book = BOOK | SHELLS
    toml = "\n".join(role.toml(name) for name, role in book.items()) + _shell_users()
    asked = [one for one in _questions(surface) if one.host and len(one.targets) < 2][:ON_THE_ROAD]
    engines = {"local": FakeEngine(), "prod-1": FakeEngine()}
    with at_work(settings(tmp_path / "state", toml=toml), engines, commands=_probes()) as house:
        runs = [(one, house.accept(_invocation(one))) for one in asked]
        said = {one: house.ending(run_id).status is not Status.DENIED for one, run_id in runs}
    assert {one: may for one, may in said.items() if may is not _oracle(one, book)} == {}
    assert len(set(said.values())) == 2


def _invocation(asked: _Question) -> Invocation:
    return Invocation(
        line=" ".join((asked.command, *asked.targets, "--host", asked.host or "")),
        actor=Actor(id=asked.who, name="ann"),
        origin=_ORIGINS.get(asked.surface, Origin.SLACK),
        at=datetime.now(UTC),
        place=Place(channel=asked.channel, user=asked.who) if asked.channel else None,
    )

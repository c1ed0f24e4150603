"""Groups, shells and standing: who counts as a member of what, who is barred, and how soon a change has effect."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import Any

import pytest

import handlers
from bot import environment
from bot.errors import PermissionDenied
from bot.language import speaking
from bot.model import Actor, Origin, Right
from bot.people import BOT, DELETED, GUEST, STRANGER, Standing
from bot.permissions import Policy, Request, Role, Rules
from bot.settings import SettingsError
from bot.slack.people import SlackPeople
from tests.support.house import settings
from tests.support.people import FakePeople

COMMANDS = handlers.load()
OPS = Role(name="ops", groups=("S0OPS",), right=Right.OPERATE)
KEEPERS = Role(name="keepers", members=frozenset({"U0ANN", "U0BOB"}), right=Right.ADMIN)


@pytest.fixture
def people() -> FakePeople:
    """Ann, Bob and Cat, all of them active; Ann and Cat are in the group."""
    made = FakePeople(groups={"S0OPS": {"U0ANN", "U0CAT"}})
    for one in ("U0ANN", "U0BOB", "U0CAT"):
        made.put(one)
    return made


def _actor(user: str) -> Actor:
    return Actor(id=user, name=user.lower())


def _request(user: str, command: str = "backup", origin: Origin = Origin.SLACK) -> Request:
    return Request(
        actor=_actor(user),
        origin=origin,
        channel="C0OPS",
        command=COMMANDS[command],
        targets=("volume:pgdata",),
        host="local",
    )


def test_who_is_in_a_group_has_its_role(people: FakePeople) -> None:
    """And says by which group; who is not in it has not, and who left it has not any more."""
    policy = Policy([OPS], people)
    assert [policy.allows(_request(one)) for one in ("U0ANN", "U0BOB", "U0CAT")] == [True, False, True]
    assert policy.memberships(_actor("U0CAT")) == ((OPS, "S0OPS"),)
    assert policy.has_role(_actor("U0CAT"), "ops")
    people.groups["S0OPS"] = {"U0ANN"}
    assert not policy.allows(_request("U0CAT"))
    assert not policy.has_role(_actor("U0CAT"), "ops")
    assert policy.roles_of(_actor("U0CAT")) == ()


def test_a_group_that_cannot_be_learned_gives_nothing(people: FakePeople) -> None:
    """The refusal says so; whoever a role names by their own id is served."""
    policy = Policy([OPS, KEEPERS], people)
    people.groups["S0OPS"] = None
    assert policy.allows(_request("U0ANN"))
    with pytest.raises(PermissionDenied, match="does not say now who is in S0OPS"):
        policy.check(_request("U0CAT"))
    assert policy.explain(_request("U0CAT")).unlearned == ("S0OPS",)


@pytest.mark.parametrize(
    ("why", "said"),
    [
        (DELETED, "deactivated"),
        (BOT, "is an app"),
        (GUEST, "is a guest"),
        (STRANGER, "another Slack workspace"),
    ],
)
@pytest.mark.parametrize("origin", [Origin.SLACK, Origin.SCHEDULE])
def test_who_is_barred_may_nothing_but_help(people: FakePeople, why: str, said: str, origin: Origin) -> None:
    """Whatever roles name them, by id or by group; the refusal says what bars them, in any language."""
    policy = Policy([OPS, KEEPERS], people)
    people.put("U0ANN", why)
    allowed = {name for name in COMMANDS if policy.allows(_request("U0ANN", name, origin))}
    assert allowed == {"help", "whoami"}
    with pytest.raises(PermissionDenied, match=said):
        policy.check(_request("U0ANN", origin=origin))
    assert not policy.has_role(_actor("U0ANN"), "keepers")
    explained = policy.explain(_request("U0ANN", origin=origin))
    assert (explained.is_barred, explained.is_allowed, explained.roles) == (True, False, ())
    with speaking("ko"), pytest.raises(PermissionDenied, match="U0ANN"):
        policy.check(_request("U0ANN", origin=origin))


def test_of_whom_nothing_is_known_only_their_own_id_counts(people: FakePeople) -> None:
    """Slack signs for who sends; nobody signs for a clock, nor for who is in a group."""
    policy = Policy([OPS, KEEPERS], people)
    del people.people["U0ANN"], people.people["U0CAT"]
    assert policy.allows(_request("U0ANN"))
    assert not policy.allows(_request("U0CAT"))
    assert not policy.allows(_request("U0ANN", origin=Origin.SCHEDULE))
    with pytest.raises(PermissionDenied, match="must be known of whoever a schedule"):
        policy.check(_request("U0ANN", origin=Origin.SCHEDULE))
    assert policy.allows(_request("U0BOB", origin=Origin.SCHEDULE))


def test_shells_are_asked_once_a_role_names_one() -> None:
    """Until then whoever has a shell is an administrator; from then on each needs a role."""
    shell = [f"cli:{name}" for name in ("root", "eve")]
    trusting = Policy([KEEPERS])
    asking = Policy([KEEPERS, Role(name="roots", members=frozenset({"cli:root"}), right=Right.OPERATE)])
    for origin in (Origin.CLI, Origin.SCHEDULE):
        assert [trusting.allows(_request(one, origin=origin)) for one in shell] == [True, True]
        assert [asking.allows(_request(one, origin=origin)) for one in shell] == [True, False]
        assert not asking.allows(_request("cli:root", "prune", origin))
    assert not asking.allows(_request("cli:root"))
    assert trusting.is_administrator(_actor("cli:eve"), Origin.CLI)
    assert not asking.is_administrator(_actor("cli:root"), Origin.CLI)
    assert not trusting.has_role(_actor("cli:root"), "keepers")


def test_a_shell_user_is_the_person_that_the_settings_say(people: FakePeople) -> None:
    """With that person's roles, by id and by group; barred as they are; and one identity for both."""
    roots = Role(name="roots", members=frozenset({"cli:root"}), right=Right.ADMIN)
    policy = Policy(Rules(roles=(OPS, KEEPERS, roots), shell_users={"ann": "U0ANN", "cat": "U0CAT"}), people)
    assert policy.identity(_actor("cli:ann")) == policy.identity(_actor("U0ANN")) == "U0ANN"
    assert policy.identity(_actor("cli:eve")) == "cli:eve"
    assert policy.has_role(_actor("cli:ann"), "keepers")
    assert [policy.allows(_request(one, origin=Origin.CLI)) for one in ("cli:ann", "cli:cat", "cli:eve")] == [
        True,
        True,
        False,
    ]
    assert policy.memberships(_actor("cli:cat")) == ((OPS, "S0OPS"),)
    people.put("U0ANN", DELETED)
    assert not policy.allows(_request("cli:ann", origin=Origin.CLI))
    assert policy.allows(_request("cli:root", origin=Origin.CLI))
    assert policy.person(_actor("cli:root")).standing is Standing.ACTIVE


def test_memory_counts_only_what_is_known(people: FakePeople) -> None:
    """A listener asks nobody: whoever is only in a group is refused there, and the ordinary road asks."""
    people.is_remembered = False
    policy = Policy([OPS, KEEPERS], people)
    by_memory = policy.by_memory()
    assert (by_memory.allows(_request("U0ANN")), policy.allows(_request("U0ANN"))) == (True, True)
    assert (by_memory.allows(_request("U0CAT")), policy.allows(_request("U0CAT"))) == (False, True)
    policy.replace(Rules())
    assert not by_memory.allows(_request("U0ANN"))


class _Workspace:
    """Slack's answers, which tests change."""

    def __init__(self) -> None:
        self.account: dict[str, Any] = {}
        self.members = ["U0CAT"]

    def users_info(self, *, user: str, include_locale: bool) -> Any:
        del include_locale
        return {"user": {"id": user, **self.account}}

    def usergroups_users_list(self, *, usergroup: str) -> Any:
        del usergroup
        return {"users": self.members}


@pytest.mark.parametrize(
    "change", ["leaves the group", "is deactivated", "becomes a guest", "loses the role"]
)
def test_a_change_has_effect_within_a_minute(change: str) -> None:
    """However often and whenever somebody was asked about before: no second of the minute makes it longer."""
    for asked_at in range(0, 60, 7):
        slack, now = _Workspace(), [0.0]
        policy = Policy([OPS], SlackPeople(slack, "en", lambda: now[0]))  # type: ignore[arg-type] # noqa: B023
        assert policy.allows(_request("U0CAT"))
        now[0] = float(asked_at)
        assert policy.allows(_request("U0CAT"))
        if change == "leaves the group":
            slack.members = []
        elif change == "loses the role":
            policy.replace(Rules())
        else:
            slack.account = {"deleted": True} if change == "is deactivated" else {"is_restricted": True}
        for second in range(asked_at, asked_at + 61):
            now[0] = float(second)
            allowed = policy.allows(_request("U0CAT"))
        assert not allowed
        assert not policy.has_role(_actor("U0CAT"), "ops")


def test_settings_say_what_is_wrong_with_a_role(tmp_path: Path) -> None:
    """Unknown keys with the nearest name, wrong types and wrong ids, each at its place, and nothing is taken."""

    def refused(toml: str) -> str:
        with pytest.raises(SettingsError) as found:
            settings(tmp_path / "state", toml=toml)
        return str(found.value)

    assert "roles.r.group: there is no such key; did you mean groups?" in refused(
        "[roles.r]\ngroup = ['S0OPS']\nmembers = []\nright = 'view'"
    )
    assert "shell_user: there is no such key; did you mean shell_users?" in refused(
        "[shell_user]\nann = 'U0ANN'"
    )
    assert "roles.r.groups: Input should be a valid tuple" in refused(
        "[roles.r]\ngroups = 'S0OPS'\nright = 'view'"
    )
    assert "'U0ANN' is not the id of a Slack user group" in refused(
        "[roles.r]\ngroups = ['U0ANN']\nright = 'view'"
    )
    assert "groups go to `groups`" in refused("[roles.r]\nmembers = ['S0OPS']\nright = 'view'")
    assert "give `members`, `groups` or both" in refused("[roles.r]\nright = 'view'")
    assert "'cli:' is not a Slack user id" in refused("[roles.r]\nmembers = ['cli:']\nright = 'view'")
    assert "'ann' is not a Slack user id" in refused("[shell_users]\nroot = 'ann'")
    assert "leave `cli:` away" in refused("[shell_users]\n'cli:root' = 'U0ANN'")
    assert "shell_users.root: Input should be a valid string" in refused("[shell_users]\nroot = 5")


def test_a_shell_user_is_who_the_machine_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables that anybody may set name nobody; of root it is who called sudo."""
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME", "SUDO_USER"):
        monkeypatch.setenv(name, "ann")
    nobody = pwd.getpwnam("nobody")
    monkeypatch.setattr(os, "getuid", lambda: nobody.pw_uid)
    assert environment.shell_user() == "nobody"
    monkeypatch.setattr(os, "getuid", lambda: 3_999_999)
    assert environment.shell_user() == "3999999"
    monkeypatch.setattr(os, "getuid", lambda: 0)
    assert environment.shell_user() == "ann"
    monkeypatch.delenv("SUDO_USER")
    assert environment.shell_user() == "root"

"""Who may do what: the whole matrix, from no policy at all to patterns and channels."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import handlers
from bot.errors import PermissionDenied
from bot.model import Actor, Origin, Right
from bot.permissions import Part, Policy, Request, Role

COMMANDS = handlers.load()
ANN = Actor(id="U0ANN", name="ann")


def _request(command: str, *targets: str, channel: str | None = "C0OPS", **changes: object) -> Request:
    made: dict[str, object] = {
        "actor": ANN,
        "origin": Origin.SLACK,
        "channel": channel,
        "command": COMMANDS[command],
        "targets": targets,
    }
    return Request(**{**made, **changes})  # type: ignore[arg-type]


def _role(**changes: object) -> Role:
    return Role(**{"name": "r", "members": frozenset({"U0ANN"}), **changes})  # type: ignore[arg-type]


def _allowed(policy: Policy, **changes: object) -> set[str]:
    return {name for name in COMMANDS if policy.allows(_request(name, **changes))}  # type: ignore[arg-type]


VIEW = {"alarms", "audit", "backups", "check", "details", "digest", "help", "retry", "runs", "whoami", "why"}
VIEW |= {"approve", "break-glass", "close-review", "deny"}
VIEW |= {"pause", "resume", "run-now", "schedules", "unschedule"}
VIEW |= {"builds", "containers", "hosts", "images", "registries", "runbooks", "snapshots", "tags", "volumes"}
OPERATE = VIEW | {
    "create-volume",
    "exec",
    "login",
    "pull",
    "push",
    "tag",
    "backup",
    "cancel",
    "diff",
    "drill",
    "hold",
    "release",
    "restore",
    "snapshot",
    "undo",
    "verify",
}
OPERATE |= {"build", "cp", "schedule"}


@pytest.mark.parametrize("origin", [Origin.SLACK, Origin.SCHEDULE])
def test_an_empty_policy_leaves_help_whoami_and_why(origin: Origin) -> None:
    """Without roles, of all commands only `help` and `whoami` are left."""
    assert _allowed(Policy(()), origin=origin) == {"help", "whoami"}


def test_every_command_states_its_right() -> None:
    """Only `help` and `whoami` need no right; what changes something needs more than to view."""
    assert {name for name, command in COMMANDS.items() if command.right is Right.NONE} == {
        "help",
        "whoami",
    }
    for name, command in COMMANDS.items():
        assert command.targets is None or command.right.includes(Right.OPERATE), name


@pytest.mark.parametrize(
    ("right", "allowed"),
    [(Right.VIEW, VIEW), (Right.OPERATE, OPERATE), (Right.ADMIN, set(COMMANDS))],
)
def test_a_right_includes_the_lesser_ones(right: Right, allowed: set[str]) -> None:
    """A role's right grants every command that needs no more."""
    assert _allowed(Policy([_role(right=right)])) == allowed


def test_a_role_is_for_its_members() -> None:
    """Another id gets nothing from the role, whatever its name."""
    policy = Policy([_role(right=Right.ADMIN)])
    for stranger in (
        Actor(id="U0EVE", name="ann"),
        Actor(id="U0EVE", name="U0ANN"),
        Actor(id="u0ann", name=""),
    ):
        assert _allowed(policy, actor=stranger) == {"help", "whoami"}


def test_the_shell_is_an_administrator() -> None:
    """Whoever has a shell on the machine may use every command."""
    shell = Actor(id="cli:root", name="root")
    assert _allowed(Policy(()), actor=shell, origin=Origin.CLI) == set(COMMANDS)


def test_a_shell_like_id_from_slack_is_nobody() -> None:
    """It is the origin that makes an administrator, not how the id looks."""
    assert _allowed(Policy(()), actor=Actor(id="cli:root", name="root")) == {"help", "whoami"}


@pytest.mark.parametrize(
    ("patterns", "allowed"),
    [
        (("backup",), {"help", "whoami", "backup"}),
        (("backup*",), {"help", "whoami", "backup", "backups"}),
        (("*",), set(COMMANDS)),
        (("BACKUP",), {"help", "whoami"}),
        ((), {"help", "whoami"}),
    ],
)
def test_commands_are_granted_by_name(patterns: tuple[str, ...], allowed: set[str]) -> None:
    """A role may name its commands, also by pattern; letters count as they are."""
    assert _allowed(Policy([_role(commands=patterns)])) == allowed


@pytest.mark.parametrize(
    ("patterns", "targets", "allowed"),
    [
        (("*",), ("volume:pgdata",), True),
        (("volume:shop-*",), ("volume:shop-db",), True),
        (("volume:shop-*",), ("volume:shop-",), True),
        (("volume:shop-*",), ("volume:pgdata",), False),
        (("volume:shop-*",), ("volume:my-shop-db",), False),
        (("volume:shop-*",), ("container:shop-db",), False),
        (("volume:shop-*",), ("volume:shop-a", "volume:shop-b"), True),
        (("volume:shop-*",), ("volume:shop-a", "volume:pgdata"), False),
        (("volume:a", "volume:b"), ("volume:b", "volume:a"), True),
        ((), ("volume:a",), False),
    ],
)
def test_targets_are_granted_by_pattern(
    patterns: tuple[str, ...], targets: tuple[str, ...], allowed: bool
) -> None:
    """A role reaches the targets of its patterns, and a command all of whose targets it reaches."""
    policy = Policy([_role(right=Right.OPERATE, targets=patterns)])
    assert policy.allows(_request("backup", *targets)) is allowed


def test_two_halves_make_no_whole() -> None:
    """Two roles that each reach one target do not together allow a command on both."""
    halves = [_role(right=Right.OPERATE, targets=(f"volume:{name}",)) for name in "ab"]
    policy = Policy(halves)
    assert policy.allows(_request("backup", "volume:a"))
    assert not policy.allows(_request("backup", "volume:a", "volume:b"))


@pytest.mark.parametrize(
    ("channels", "channel", "allowed"),
    [
        (("*",), "C0OPS", True),
        (("*",), None, True),
        (("C0OPS",), "C0OPS", True),
        (("C0OPS",), "C0DEV", False),
        (("C0OPS",), None, False),
        (("C0*",), "C0OPS", False),
    ],
)
def test_channels_are_granted_by_id(channels: tuple[str, ...], channel: str | None, allowed: bool) -> None:
    """A role counts in its channels only; ids are whole, only `*` alone means all."""
    policy = Policy([_role(right=Right.OPERATE, channels=channels)])
    assert policy.allows(_request("backup", "volume:a", channel=channel)) is allowed


def test_a_refusal_says_who_may() -> None:
    """The refusal names what was asked, that nothing was changed, and the roles that have the command."""
    policy = Policy([_role(name="keepers", members=frozenset({"U0BOB"}), right=Right.OPERATE)])
    with pytest.raises(PermissionDenied) as refused:
        policy.check(_request("backup", "volume:pgdata"))
    said = str(refused.value)
    assert "`backup` on volume:pgdata" in said
    assert "Nothing was changed" in said
    assert "Roles that have `backup`: keepers" in said
    with pytest.raises(PermissionDenied, match="No role has it"):
        Policy(()).check(_request("backup"))
    policy.check(_request("help"))


@pytest.mark.parametrize(
    ("host", "may"), [("prod-1", True), ("prod-", True), ("dev", False), ("xprod-1", False), (None, True)]
)
def test_a_role_reaches_the_hosts_of_its_patterns(host: str | None, may: bool) -> None:
    """What is about another host is denied; what is about no host is not asked for one."""
    policy = Policy([_role(right=Right.OPERATE, hosts=("prod-*",))])
    request = _request("backup", "volume:pgdata", host=host)
    assert policy.allows(request) is may
    if not may:
        with pytest.raises(PermissionDenied, match=f"on volume:pgdata, host {host}"):
            policy.check(request)


_WORDS = st.sampled_from(
    ["*", "volume:*", "volume:a", "volume:b", "C0OPS", "C0DEV", "prod-*", "prod-1", "backup", "back*"]
)
_PATTERNS = st.lists(_WORDS, max_size=3).map(tuple)
_ROLES = st.builds(
    Role,
    name=st.sampled_from(["keepers", "others"]),
    members=st.sets(st.sampled_from(["U0ANN", "U0BOB"])).map(frozenset),
    right=st.sampled_from(list(Right)),
    commands=_PATTERNS,
    targets=_PATTERNS,
    channels=_PATTERNS,
    hosts=_PATTERNS,
)


@given(
    st.lists(_ROLES, max_size=4),
    st.sampled_from(sorted(COMMANDS)),
    st.lists(st.sampled_from(["volume:a", "volume:b", "image:a"]), max_size=2),
    st.sampled_from(["C0OPS", None]),
    st.sampled_from(["prod-1", "dev", None]),
    st.sampled_from(list(Origin)),
)
def test_an_explanation_agrees_with_the_check(
    roles: list[Role], command: str, targets: list[str], channel: str | None, host: str | None, origin: Origin
) -> None:
    """Whatever the roles, it explains an allowance exactly when the check does not refuse, and by the right roles."""
    policy = Policy(roles)
    request = _request(command, *targets, channel=channel, host=host, origin=origin)
    explained = policy.explain(request)
    try:
        policy.check(request)
        is_allowed = True
    except PermissionDenied:
        is_allowed = False
    assert explained.is_allowed is is_allowed is policy.allows(request)
    assert [role for role, _ in explained.roles] == [role for role in roles if "U0ANN" in role.members]
    for role, missed in explained.roles:
        assert (role in explained.granted_by) is (not missed)
        alone = Policy([role]).allows(replace(request, origin=Origin.SLACK))
        assert alone is (not missed or request.command.right is Right.NONE)


@pytest.mark.parametrize(
    ("changes", "request_changes", "missed"),
    [
        ({"right": Right.VIEW}, {}, {Part.COMMAND}),
        ({"targets": ("volume:b",)}, {}, {Part.TARGET}),
        ({"channels": ("C0DEV",)}, {}, {Part.CHANNEL}),
        ({"hosts": ("prod-*",)}, {}, {Part.HOST}),
        ({"hosts": ("prod-*",)}, {"host": None}, set()),
        ({"targets": (), "channels": ()}, {}, {Part.TARGET, Part.CHANNEL}),
    ],
)
def test_an_explanation_names_what_does_not_match(
    changes: dict[str, object], request_changes: dict[str, object], missed: set[Part]
) -> None:
    """Each part of a request that a role does not match is named, and no other."""
    policy = Policy([_role(**{"right": Right.OPERATE, **changes})])
    request = _request("backup", "volume:a", **{"host": "dev", **request_changes})  # type: ignore[arg-type]
    ((_, found),) = policy.explain(request).roles
    assert set(found) == missed

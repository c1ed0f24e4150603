"""Who may act at all, and who is in which group, by what Slack says: at every door, and while Slack is slow or down."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from bot.model import Status
from bot.playground import Fault, UserGroup
from bot.slack import people
from tests.slack.forming import answered, form_of, no_form, offered
from tests.slack.homes import be_swift, opened
from tests.slack.reading import words_of
from tests.slack.workplace import LONGEST_ACK_SECONDS, Workplace
from tests.support.house import wait_for

pytestmark = pytest.mark.slack
both_doors = pytest.mark.parametrize("closed", ["socket", "http"], indirect=True)

GROUP_ROLE = '[roles.ops]\ngroups = ["S0OPS"]\nright = "operate"\ntargets = ["volume:other*"]\n'
BARRED = {
    "deactivated": {"deleted": True},
    "is an app": {"is_bot": True},
    "is a guest": {"is_restricted": True},
    "another Slack workspace": {"team_id": "T0ELSE"},
}


@pytest.fixture
def grouped(closed: Workplace) -> Iterator[Workplace]:
    """A workplace with a role for a group that Bob is in."""
    closed.more_toml = GROUP_ROLE
    closed.playground.add_group(UserGroup(id="S0OPS", handle="ops", users=("U0BOB",)))
    closed.open()
    try:
        yield closed
        closed.refuse_untrue()
    finally:
        closed.close()


def _become(work: Workplace, account: dict[str, object], user: str = "U0ADA") -> None:
    work.playground.add_user(replace(work.world.users[user], **account))  # type: ignore[arg-type]


@both_doors
@pytest.mark.parametrize("said", BARRED)
def test_who_is_barred_is_denied_at_every_door(
    work: Workplace, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By slash command, mention, button, form and Home, though a role names them; `whoami` says why."""
    be_swift(monkeypatch)
    done = work.told(work.slash("/docker", "volumes"), Status.SUCCEEDED)
    listed = work.told(work.slash("/backup", "pgdata"), Status.SUCCEEDED)
    _become(work, BARRED[said])
    refused = work.told(work.slash("/docker", "volumes", user="U0ADA"), Status.DENIED)
    assert said in words_of(refused)
    assert said in words_of(work.told(work.mention("backup pgdata", user="U0ADA"), Status.DENIED))
    work.told(work.press(listed, "Verify", user="U0ADA"), Status.DENIED)
    work.told(work.slash("/backup", user="U0ADA"), Status.DENIED)
    assert no_form(work, "U0ADA")
    me = work.told(work.slash("/docker", "whoami", user="U0ADA"), Status.SUCCEEDED)
    assert said in words_of(me)
    home = opened(work, "U0ADA")
    assert said in home
    assert "pgdata" not in home
    assert "pgdata" in words_of(done)


def test_a_first_form_of_somebody_barred_does_not_open(work: Workplace) -> None:
    """Nobody has asked about them yet: it is asked before the form opens."""
    _become(work, {"is_ultra_restricted": True, "is_restricted": True})
    delivery = work.slash("/backup", user="U0ADA")
    wait_for(lambda: work.runs_of(delivery), saying="the run that stands for it")
    work.told(delivery, Status.DENIED)
    assert no_form(work, "U0ADA")


@both_doors
def test_a_group_has_its_role_at_every_door(grouped: Workplace) -> None:
    """A first form needs the road, which asks who is in the group; from then on memory knows."""
    first = grouped.slash("/backup", user="U0BOB")
    grouped.told(first, Status.REJECTED)
    grouped.slash("/backup", user="U0BOB")
    form = form_of(grouped, "U0BOB")
    offers = wait_for(lambda: offered(grouped, form, "source", user="U0BOB"), saying="the volumes")
    assert set(offers) == {"other1", "other2", "other3"}
    grouped.told(grouped.slash("/backup", "other1", user="U0BOB"), Status.SUCCEEDED)
    grouped.told(grouped.slash("/backup", "pgdata", user="U0BOB"), Status.DENIED)
    me = grouped.told(grouped.slash("/docker", "whoami", user="U0BOB"), Status.SUCCEEDED)
    assert "ops (by group S0OPS)" in words_of(me)
    why = grouped.told(grouped.slash("/docker", "why backup other1", user="U0BOB"), Status.SUCCEEDED)
    assert "ops (by group S0OPS)" in words_of(why)


def test_the_chooser_knows_groups_at_once(grouped: Workplace) -> None:
    """It opens on a thread that may ask, so that nobody finds it empty the first time."""
    answered(grouped.playground.shortcut("run_command", user="U0BOB"))
    shown = json.dumps(form_of(grouped, "U0BOB").body)
    assert '"backup"' in shown
    assert '"prune"' not in shown


def test_who_leaves_the_group_loses_its_role(grouped: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    """As soon as what was learned is too old; here that is a moment, in earnest less than a minute."""
    monkeypatch.setattr(people, "GOOD_SECONDS", 0.2)
    grouped.told(grouped.slash("/backup", "other1", user="U0BOB"), Status.SUCCEEDED)
    grouped.playground.add_group(UserGroup(id="S0OPS", handle="ops", users=("U0CAT",)))

    def is_denied() -> bool:
        run = grouped.slash("/docker", "volumes", user="U0BOB")
        wait_for(lambda: grouped.runs_of(run), saying="the run")
        wait_for(lambda: grouped.run_of(run).status.is_ending, saying="the ending")
        return grouped.run_of(run).status is Status.DENIED

    wait_for(is_denied, saying="the loss")


def test_a_group_that_slack_does_not_tell_of_has_no_members(grouped: Workplace) -> None:
    """Denied with a sentence; whoever a role names is served."""
    grouped.playground.faults.next("usergroups.users.list", Fault.error("missing_scope"), times=99)
    refused = grouped.told(grouped.slash("/backup", "other1", user="U0BOB"), Status.DENIED)
    assert "does not say now who is in S0OPS" in words_of(refused)
    grouped.told(grouped.slash("/backup", "other2"), Status.SUCCEEDED)


@pytest.mark.parametrize("fault", [Fault.error("missing_scope"), Fault.status(503), Fault.slow(3)], ids=str)
def test_while_nothing_is_known_of_people_roles_by_id_count(grouped: Workplace, fault: Fault) -> None:
    """Slack signs for who sends; those in a group wait until it says who they are. No ack waits for it."""
    grouped.playground.faults.next("users.info", fault, times=99)
    grouped.told(grouped.slash("/backup", "other1"), Status.SUCCEEDED)
    grouped.told(grouped.mention("backup other2"), Status.SUCCEEDED)
    grouped.told(grouped.slash("/backup", "other3", user="U0BOB"), Status.DENIED)


def test_a_slow_slack_holds_up_no_acknowledgement(grouped: Workplace) -> None:
    """Groups and accounts are asked for elsewhere: commands, forms and presses are acknowledged at once."""
    for method in ("users.info", "usergroups.users.list"):
        grouped.playground.faults.next(method, Fault.slow(3), times=4)
    said = [grouped.slash("/backup", "other1", user=user) for user in ("U0BOB", "U0ANN", "U0CAT")]
    said += [grouped.slash("/backup", user=user) for user in ("U0BOB", "U0CAT")]
    for delivery in said:
        assert delivery.took is not None
        assert delivery.took < LONGEST_ACK_SECONDS
    grouped.wait_until_quiet()

"""What an approval is bound to: its digest, the rules that ask for it, and what is said when things changed."""

from __future__ import annotations

import json
import os
import pwd
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot import environment
from bot.approvals import binding
from bot.consent import Rule, Vote
from bot.errors import PermissionDenied
from bot.language import LANGUAGES
from bot.model import Actor, Invocation, Origin, Outcome, Plan, Status
from bot.reference import parse
from bot.settings import SettingsError
from bot.stores.locks import hold
from bot.stores.runrow import Run
from tests.fakes import FakeEngine
from tests.support.approving import RULES, TWO, asked_of, let_a_day_pass, waits
from tests.support.house import House, at_work, built, from_slack, invocation, refuse_untrue, settings

ROLES = """
[roles.operators]
members = ["U0ANN", "U0ADA", "U0CAT"]
right = "admin"
"""


@pytest.fixture
def engine() -> FakeEngine:
    """Two volumes, a container that uses one, an image."""
    made = FakeEngine()
    made.add_volume("pgdata", {"a": b"1"})
    made.add_volume("other", {"a": b"1"})
    made.add_container("db", ["pgdata"])
    made.add_image("web:1")
    made.add_image("web:2")
    return made


@pytest.fixture
def house(tmp_path: Path, engine: FakeEngine) -> Iterator[House]:
    """Where it is pgdata, db or a name of an image, somebody else has to approve it."""
    with at_work(settings(tmp_path / "state", toml=ROLES + RULES), {"local": engine}) as made:
        yield made
        refuse_untrue(made.app)


def asked_for(house: House, line: str) -> Run:
    """Ann asks, and it waits."""
    return waits(house.app, house.accept(from_slack(line)))


def approved(house: House, run: Run) -> Outcome:
    """Ada approves; what comes of the run."""
    said = house.say(from_slack(f"approve {run.id}", user="U0ADA"))
    assert said.status is Status.SUCCEEDED, said.reply.text
    return house.ending(run.id)


def plan(**changes: object) -> Plan:
    """A plan like many."""
    values: dict[str, object] = {
        "text": "Back up.",
        "targets": ("volume:a", "container:b"),
        "binds": {"container:b": "1" * 64},
    }
    return Plan(**{**values, **changes})  # type: ignore[arg-type]


def bound(made: Plan) -> dict[str, object]:
    """What an approval of it is given for."""
    return binding.bound(made, command="backup", host="local", line="backup a")


def test_the_digest_is_that_of_canonical_json() -> None:
    """It hangs on no order and survives being stored; it is SHA-256 in hex."""
    made = bound(plan())
    turned = dict(reversed(list(made.items())))
    assert binding.digest(made) == binding.digest(turned) == binding.digest(json.loads(json.dumps(made)))
    assert len(binding.digest(made)) == 64


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"binds": {"container:b": "2" * 64}},
            "container b was made anew: it was 111111111111 and is 222222222222",
        ),
        ({"binds": {"container:b": ""}}, "container b is not there"),
        (
            {"binds": {"container:b": "1" * 64, "backup:v/1": "3" * 64}},
            "backup v/1 is there, or part of it, now",
        ),
        ({"targets": ("volume:a", "container:b", "container:c")}, "container c is part of it now"),
        ({"targets": ("container:b",)}, "volume a is not part of it any more"),
        ({"text": "Back it up."}, "the plan was “Back up.” and is “Back it up.” now"),
        ({"steps": ("stop",)}, "and is “Back up. · stop” now"),
    ],
)
def test_what_differs_is_named(changes: dict[str, object], words: str) -> None:
    """Another digest, and a sentence about just what changed."""
    before, now = bound(plan()), bound(plan(**changes))
    assert binding.digest(before) != binding.digest(now)
    (told,) = binding.differences(before, now)
    assert words in told
    assert binding.differences(before, bound(plan())) == ()


def test_the_digest_is_the_same_in_every_language(house: House) -> None:
    """Asked for in Korean and in English it is the same plan."""
    digests = set()
    for language in LANGUAGES:
        made = from_slack("backup pgdata")
        run = waits(house.app, house.accept(invocation(made.line, **_like(made), language=language)))
        digests.add(asked_of(house.app, run.id).digest)
        house.say(from_slack(f"cancel {run.id}"))
    assert len(digests) == 1


def _like(made: object) -> dict[str, object]:
    return {name: getattr(made, name) for name in ("actor", "origin", "place")}


@pytest.mark.parametrize(
    ("command", "host", "targets", "covered"),
    [
        ("restore", "prod-1", ("volume:pgdata",), True),
        ("restore", "prod-1", ("volume:other", "volume:pgdata"), True),
        ("restore", "prod-1", ("volume:other",), False),
        ("restore", "test", ("volume:pgdata",), False),
        ("backup", "prod-1", ("volume:pgdata",), False),
    ],
)
def test_which_runs_a_rule_covers(command: str, host: str, targets: tuple[str, ...], covered: bool) -> None:
    """Command and host must match, and one of the targets."""
    rule = Rule(
        name="r", commands=("restore", "prune"), targets=("volume:pg*",), hosts=("prod-*",), approvers="leads"
    )
    assert rule.covers(command, host, targets) is covered


_PROD = '[approvals.prod]\ncommands = ["restore"]\napprovers = "leads"\n'
_LEADS = '[roles.leads]\nmembers = ["U0BOB"]\nright = "admin"\n'


@pytest.mark.parametrize("section", [_PROD + "{}" + _LEADS, _PROD + _LEADS + "{}"])
@pytest.mark.parametrize(
    ("pattern", "meant"),
    [
        ("pg*", "volume:pg*"),
        ("volumes:pg*", "volume:pg*"),
        ("Container:db", "container:db"),
        ("C012ABCDEF", "volume:C012ABCDEF"),
        ("", "volume:*"),
        ("image", "image:*"),
    ],
)
def test_a_target_without_its_kind_is_refused(tmp_path: Path, section: str, pattern: str, meant: str) -> None:
    """No run would ever be covered by it, and so nobody be asked; the right pattern is proposed, for roles alike."""
    with pytest.raises(SettingsError) as refused:
        settings(tmp_path, toml=section.format(f'targets = ["volume:a", "{pattern}"]\n'))
    assert f".targets: no target is called '{pattern}': give its kind, too; did you mean {meant}?" in str(
        refused.value
    )


@pytest.mark.parametrize(
    "pattern", ["*", "volume:*", "*:pg*", "*pg*", "[vp]*:x", "image:h:1/web:*", "registry:a/*"]
)
def test_a_target_of_a_kind_is_taken(tmp_path: Path, pattern: str) -> None:
    """Also where the kind itself is a pattern."""
    made = settings(tmp_path, toml=_PROD + f'targets = ["{pattern}"]\n' + _LEADS)
    assert made.approvals["prod"].targets == (pattern,)


def test_each_rule_wants_its_own_people(house: House) -> None:
    """An approval counts for the rules whose role it was given in, and that of whoever asked for none."""
    run = asked_for(house, "backup pgdata")
    asked = asked_of(house.app, run.id)
    at = asked.requested_at
    two = Rule(name="two", commands=("*",), approvers="others", count=2)
    votes = [
        Vote(person=person, actor=Actor(id=person, name=person), roles=roles, at=at)
        for person, roles in (("U1", ("leads",)), ("U2", ("others",)), ("U0ANN", ("leads", "others")))
    ]
    both = type(asked)(**{**vars(asked), "rules": (*asked.rules, two), "votes": tuple(votes)})
    assert [(rule.name, missing) for rule, missing in both.lacking()] == [("two", 1)]
    assert [rule.name for rule, _ in both.lacking({"U1": ()})] == ["prod", "two"]
    house.say(from_slack(f"cancel {run.id}"))


def _anew(engine: FakeEngine) -> None:
    engine.remove_container("db")
    engine.add_container("db", ["pgdata"])


def _one_more(engine: FakeEngine) -> None:
    engine.add_container("db2", ["pgdata"])


def _volume_anew(engine: FakeEngine) -> None:
    engine.remove_container("db")
    engine.remove_volume("pgdata")
    engine.add_volume("pgdata", {"a": b"other"})
    engine.add_container("db", ["pgdata"])


def _another_image(engine: FakeEngine) -> None:
    engine.tag(engine.image("web:2").id, parse("web:1").tagged)


@pytest.mark.parametrize(
    ("line", "act", "words"),
    [
        ("backup pgdata", _anew, "container db was made anew"),
        ("backup pgdata", _one_more, "container db2 is there, or part of it, now"),
        ("backup pgdata", _volume_anew, "volume pgdata was made anew"),
        ("backup pgdata --quiesce pause", _anew, "container db was made anew"),
        ("snapshot db", _anew, "container db was made anew"),
        ("tag web:1 web:stable", _another_image, "image web:1 is another one"),
    ],
)
def test_what_changed_after_the_request_is_not_done(
    house: House, engine: FakeEngine, line: str, act: Callable[[FakeEngine], None], words: str
) -> None:
    """Approved or not, it is not executed, and whoever asked is told what is another one now."""
    run = asked_for(house, line)
    act(engine)
    outcome = approved(house, run)
    assert outcome.status is Status.REJECTED
    assert words in outcome.reply.text
    assert "Nothing was run" in outcome.reply.text
    kinds = [line.event.kind for line in house.app.services.audit.lines(limit=9, run_id=run.id)]
    assert kinds == ["rejected", "approved", "approval-requested"]


@pytest.mark.parametrize(
    "line", ["backup pgdata", "backup pgdata --quiesce pause", "snapshot db", "tag web:1 web:x"]
)
def test_what_did_not_change_is_done(house: House, line: str) -> None:
    """The same plan, made a second time and later, has the same digest."""
    assert approved(house, asked_for(house, line)).status is Status.SUCCEEDED


def _backed_up(house: House) -> str:
    """The id of a backup of pgdata."""
    run = asked_for(house, "backup pgdata")
    assert approved(house, run).status is Status.SUCCEEDED
    return run.id


def test_another_backup_of_the_same_name_is_not_restored(house: House) -> None:
    """Whose bytes are others than those that were approved is not put anywhere."""
    backup = _backed_up(house)
    run = asked_for(house, f"restore {backup} --replace")
    (found,) = house.app.services.archive.backups()
    kept, manifest = found.files.manifest.read_text(), found.manifest
    other = replace(manifest, raw=replace(manifest.raw, sha256="0" * 64))
    found.files.manifest.write_text(other.to_json())
    outcome = approved(house, run)
    found.files.manifest.write_text(kept)
    assert outcome.status is Status.REJECTED
    assert f"backup pgdata/{found.id} is another one" in outcome.reply.text


def test_a_backup_that_is_gone_is_not_restored(house: House) -> None:
    """The run ends rejected, in the archive's own words."""
    backup = _backed_up(house)
    run = asked_for(house, f"restore {backup} --into pgcopy")
    house.app.services.archive.remove(house.app.services.archive.find(backup))
    assert approved(house, run).status is Status.REJECTED


def test_a_volume_that_appeared_is_named(house: House, engine: FakeEngine) -> None:
    """Where a new volume was to be made there is one now."""
    run = asked_for(house, f"restore {_backed_up(house)} --into pgcopy")
    engine.add_volume("pgcopy", {})
    outcome = approved(house, run)
    assert outcome.status is Status.REJECTED
    assert "volume pgcopy is there, or part of it, now" in outcome.reply.text


def test_looking_needs_no_approval(house: House) -> None:
    """What changes nothing, and what no rule covers, begins at once."""
    backup = _backed_up(house)
    for line in (f"restore {backup} --replace --dry-run", "prune pgdata --dry-run", "backup other"):
        assert house.say(from_slack(line)).status is Status.SUCCEEDED


def test_nothing_is_held_while_it_waits(house: House) -> None:
    """Others may work on the target, and no worker waits."""
    run = asked_for(house, "backup pgdata")
    assert house.app.dispatcher._claims.targets_of(run.id) == ()
    assert house.app.queue.workers() == ()
    assert approved(house, run).status is Status.SUCCEEDED


def test_a_role_without_members_is_enough_for_nobody(tmp_path: Path, engine: FakeEngine) -> None:
    """Two people are wanted, and the second one is whoever asked: it waits."""
    toml = ROLES + TWO.replace('"U0ANN", "U0ADA", "U0CAT"', '"U0ANN", "U0ADA"')
    with at_work(settings(tmp_path / "state", toml=toml), {"local": engine}) as house:
        run = asked_for(house, "backup pgdata")
        house.say(from_slack(f"approve {run.id}", user="U0ADA"))
        assert house.say(from_slack(f"approve {run.id}")).status is Status.DENIED
        assert house.run(run.id).status is Status.WAITING


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('approvers = "leads"', 'approvers = "lead"', "there is no role 'lead'; did you mean leads?"),
        ('break_glass = "firemen"', 'break_glass = "nobody"', "there is no role 'nobody'"),
        ('owners = "C0RANDOM"', 'owners = "#owners"', "no id of a Slack channel"),
        ('"backup", "restore"', '"backup", "restor"', "did you mean restore?"),
        ('approvers = "leads"', "approver = 3", "did you mean approvers?"),
    ],
)
def test_rules_that_would_ask_for_nothing_are_refused(
    tmp_path: Path, engine: FakeEngine, old: str, new: str, words: str
) -> None:
    """A slip in a rule's names would let everything pass unseen, so the bot does not start with one."""
    with pytest.raises(SettingsError) as error:
        _begin(tmp_path, engine, ROLES + RULES.replace(old, new))
    assert words in str(error.value)


def _begin(tmp_path: Path, engine: FakeEngine, toml: str) -> None:
    with built(settings(tmp_path / "state", toml=toml), {"local": engine}):
        pass


def test_a_shell_is_who_the_machine_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Environment variables that anybody can set do not make a shell somebody else's."""
    for name in ("USER", "LOGNAME", "SUDO_USER"):
        monkeypatch.setenv(name, "ada")
    assert environment.shell_user() == ("ada" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name)
    monkeypatch.setattr(os, "getuid", lambda: pwd.getpwnam("nobody").pw_uid)
    assert environment.shell_user() == "nobody"


PEOPLE = {"ann": "U0ANN", "ada": "U0ADA"}


def know(house: House, **people: str) -> None:
    """From now on the settings know these shell users."""
    policy = house.app.services.policy
    policy.replace(replace(policy.rules, shell_users=people))


def from_shell(line: str, user: str) -> Invocation:
    """Typed in a shell of that user."""
    return invocation(line, actor=Actor(id=f"cli:{user}", name=user))


def test_whoever_asked_in_slack_does_not_approve_in_a_shell(house: House) -> None:
    """The shell user is the same person."""
    know(house, **PEOPLE)
    run = asked_for(house, "backup pgdata")
    refused = house.say(from_shell(f"approve {run.id}", "ann"))
    assert refused.status is Status.DENIED
    assert "You asked for run" in refused.reply.text
    assert house.say(from_shell(f"approve {run.id}", "ada")).status is Status.SUCCEEDED
    assert house.ending(run.id).status is Status.SUCCEEDED


def test_whoever_asked_in_a_shell_does_not_approve_in_slack(house: House) -> None:
    """Nor after the settings say that the shell user is somebody else, or nobody."""
    know(house, **PEOPLE)
    run = waits(house.app, house.accept(from_shell("backup pgdata", "ann")))
    for known in ({"ann": "U0ANN"}, {"ann": "U0BOB"}, {}):
        know(house, **known)
        refused = house.say(from_slack(f"approve {run.id}"))
        assert refused.status is Status.DENIED
        assert "You asked for run" in refused.reply.text
    assert approved(house, run).status is Status.SUCCEEDED


def test_whom_the_settings_call_the_requester_now_does_not_approve(house: House) -> None:
    """A mapping that comes later counts, too: neither of the two people may."""
    run = waits(house.app, house.accept(from_shell("backup pgdata", "ann")))
    know(house, ann="U0ADA")
    assert house.say(from_slack(f"approve {run.id}", user="U0ADA")).status is Status.DENIED
    house.say(from_slack(f"cancel {run.id}"))


def test_one_person_on_two_surfaces_counts_once(tmp_path: Path, engine: FakeEngine) -> None:
    """Ada in Slack and Ada in a shell are one approval."""
    with at_work(settings(tmp_path / "state", toml=ROLES + TWO), {"local": engine}) as house:
        know(house, **PEOPLE)
        run = asked_for(house, "backup pgdata")
        assert house.say(from_shell(f"approve {run.id}", "ada")).status is Status.SUCCEEDED
        again = house.say(from_slack(f"approve {run.id}", user="U0ADA"))
        assert "one person counts once" in again.reply.text
        assert house.run(run.id).status is Status.WAITING


def test_whoever_lost_the_role_after_approving_does_not_count(
    house: House, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Roles are asked again when it would begin: it ends denied, and nothing is run."""
    run = asked_for(house, "backup pgdata")
    policy = house.app.services.policy
    has_role, demoted = policy.has_role, threading.Event()
    monkeypatch.setattr(
        policy, "has_role", lambda actor, role: not demoted.is_set() and has_role(actor, role)
    )
    engine.faults.before["volume"] = [lambda _: demoted.set()]
    outcome = approved(house, run)
    assert outcome.status is Status.DENIED
    assert "not enough may still do so" in outcome.reply.text
    assert not house.app.services.archive.backups()


def test_an_approved_run_waits_for_its_target(house: House) -> None:
    """Somebody holds the volume just then: the approvals are not lost, it begins when the volume is free."""
    other, run = house.say("help").run_id, asked_for(house, "backup pgdata")
    with house.app.database.write() as connection:
        hold(connection, [("local", "volume:pgdata")], run_id=other, at=run.created_at)
    assert house.say(from_slack(f"approve {run.id}", user="U0ADA")).status is Status.SUCCEEDED
    assert house.ending(run.id).status is Status.SUCCEEDED  # the housekeeper frees what ended runs hold


def test_what_was_cancelled_while_it_was_planned_asks_nobody(house: House, engine: FakeEngine) -> None:
    """Docker may take its time over a plan; whoever cancelled meanwhile leaves no question to approvers behind."""
    asked: list[str] = []

    def cancel(_: object) -> None:
        (run,) = (run for run in house.app.services.runs.newest(limit=1) if run.id not in asked)
        asked.append(run.id)
        house.app.dispatcher.cancel(run, run.invocation.actor)

    engine.faults.before["users_of"] = [cancel]
    outcome = house.say(from_slack("backup pgdata"))
    assert outcome.status is Status.CANCELLED
    assert asked == [outcome.run_id]
    assert house.app.services.approvals.of(outcome.run_id) is None


def test_after_days_away_owners_are_reminded_once(house: House) -> None:
    """A bot that comes back when several reminders would have been due gives one, and the next a day later."""
    run = asked_for(house, "backup pgdata")
    assert house.say(from_slack(f"break-glass {run.id} it burns")).status is Status.SUCCEEDED
    assert house.ending(run.id).status is Status.SUCCEEDED
    let_a_day_pass(house.app, run.id, days=3)
    for _ in range(3):
        house.app.services.break_glass.tidy()
    lines = house.app.services.audit.lines(limit=100, run_id=run.id)
    assert [line.event.kind for line in lines].count("review-reminded") == 1


def test_only_a_person_breaks_the_glass(tmp_path: Path, engine: FakeEngine) -> None:
    """Neither a clock, whoever owns it, nor a shell user whom nobody knows, though a role names both."""
    rules = RULES.replace('members = ["U0ANN"]', 'members = ["U0ANN", "cli:tester"]')
    with at_work(settings(tmp_path / "state", toml=ROLES + rules), {"local": engine}) as house:
        run = asked_for(house, "backup pgdata")
        line = f"break-glass {run.id} it burns"
        by_shell = house.say(line)
        assert by_shell.status is Status.DENIED
        assert "Nobody knows which person" in by_shell.reply.text
        clock = replace(from_slack(line), origin=Origin.SCHEDULE, place=None)
        with pytest.raises(PermissionDenied, match="Only a person can decide"):
            house.app.services.break_glass.do(run.id, clock, "it burns")
        assert house.run(run.id).status is Status.WAITING
        assert house.say(from_slack(line)).status is Status.SUCCEEDED
        assert house.ending(run.id).status is Status.SUCCEEDED
        refuse_untrue(house.app)

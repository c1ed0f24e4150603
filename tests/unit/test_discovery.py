"""Labels that ask for schedules: proposed once, or followed where the settings say so, and nothing else is touched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

import handlers
from bot.app import App, build
from bot.commandline import split
from bot.engine import Volume
from bot.errors import EngineError
from bot.model import Actor, Status
from bot.operations.labelled import LABEL, labelled
from bot.schedules.discovery import Discovery, DiscoveryRules
from bot.stores.outbox import Message
from bot.stores.proposals import Proposals
from bot.stores.runs import Terms
from bot.stores.schedules import Kept
from bot.times.words import found
from tests.fakes import FakeEngine
from tests.support.archives import Clock
from tests.support.house import ROLES, House, settings, wait_for
from tests.support.schedules import due, put, scheduled, waiting

SETTINGS = Actor(id="cli:settings", name="settings")
RULES = DiscoveryRules(
    apply=False, owner=SETTINGS, zone="Asia/Seoul", every=timedelta(minutes=10), quiet=True, prune=False
)
FOLLOW = replace(RULES, apply=True)
HOSTS = "".join(f'[hosts.{name}]\naddress = "unix:///{name}.sock"\n' for name in ("local", "far"))


class Place:
    """An app whose clock moves when told, its hosts, and how discovery is asked to look."""

    def __init__(self, app: App, hosts: Mapping[str, FakeEngine], clock: Clock) -> None:
        self.app = app
        self.hosts = hosts
        self.engine = hosts["local"]
        self.clock = clock
        self.channel = "C0OPS"

    def look(self, rules: DiscoveryRules = RULES) -> list[Message]:
        """Ten minutes later, as another process would: what people are told by it."""
        self.clock.now += timedelta(minutes=10)
        services = self.app.services
        before = {message.run.id for message in self.app.outbox.behind(100)}
        proposals = Proposals(self.app.database, services.audit, self.clock)
        Discovery(services, proposals, rules, lambda: self.channel).look()
        return [one for one in self.app.outbox.behind(100) if one.run.id not in before]

    def said(self, rules: DiscoveryRules = RULES) -> str:
        """The one message of a look."""
        (message,) = self.look(rules)
        assert message.run.reply is not None
        return message.run.reply.text

    def label(self, volume: str, words: str | None, host: str = "local") -> None:
        """Put the label on a volume, which is made for it, or take it off."""
        engine = self.hosts[host]
        labels = {} if words is None else {LABEL: words}
        engine.kept_volumes.pop(volume, None)
        engine.make_volume(Volume(name=volume, driver="local", labels=labels))

    def schedules(self) -> dict[str, tuple[str, str]]:
        """Line and words of each, by name."""
        return {one.name: (one.line, one.when.text) for one in self.app.services.schedules.all()}

    def audited(self) -> list[tuple[str, str]]:
        """What the audit log says of schedules, oldest first."""
        lines = self.app.services.audit.lines(limit=1000)
        return [(one.event.kind, one.event.line) for one in reversed(lines) if "schedule" in one.event.kind]


def _place(tmp_path: Path, hosts: Mapping[str, FakeEngine], toml: str) -> Iterator[Place]:
    clock = Clock()
    app = build(settings(tmp_path / "state", toml=toml), handlers.load(), engines=hosts, clock=clock)
    yield Place(app, hosts, clock)
    assert app.services.audit.check_chain().broken_at is None
    app.end()


@pytest.fixture
def place(tmp_path: Path, fake_engine: FakeEngine) -> Iterator[Place]:
    """One host with the volume pgdata, which db uses."""
    yield from _place(tmp_path, {"local": fake_engine}, ROLES)


@pytest.fixture
def two(tmp_path: Path, fake_engine: FakeEngine) -> Iterator[Place]:
    """Two hosts."""
    yield from _place(tmp_path, {"local": fake_engine, "far": FakeEngine("far")}, ROLES + HOSTS)


# ---- what labels say --------------------------------------------------------------------------------------


def test_whose_label_counts(fake_engine: FakeEngine) -> None:
    """A container's is for its named volumes; the first container's by name; a volume's own wins, also by `off`."""
    for name in ("own", "off", "both", "a" * 64):
        fake_engine.add_volume(name, labels="x")
    fake_engine.kept_volumes["own"] = replace(fake_engine.volume("own"), labels={LABEL: "  hourly "})
    fake_engine.kept_volumes["off"] = replace(fake_engine.volume("off"), labels={LABEL: "Off"})
    fake_engine.add_container("b", ["own", "off", "both", "a" * 64], labels={LABEL: "daily"})
    fake_engine.add_container("a", ["both"], labels={LABEL: "weekly"})
    assert [(one.volume, one.words) for one in labelled(fake_engine)] == [
        ("both", "weekly"),
        ("own", "hourly"),
    ]


def test_names_fit_and_differ(place: Place) -> None:
    """However long a volume's name is, its schedule has a name that can be typed, and no other's."""
    place.label("v" * 200, "daily")
    (one,) = labelled(place.engine)
    assert len(one.name(["local"], ())) == 64
    assert one.name(["local"], ()) != replace(one, volume="v" * 199 + "w").name(["local"], ())
    short = replace(one, volume="pgdata")
    assert short.name(["local"], ()) == "label-pgdata"
    assert short.name(["local"], ["label-pgdata"]).startswith("label-pgdata-")
    assert short.name(["local", "far"], ()) == "label-local-pgdata"
    assert short.line(["local", "far"]) == "backup pgdata --host local"


# ---- proposing --------------------------------------------------------------------------------------------


def test_a_label_is_proposed_once(place: Place) -> None:
    """With a button and the command, and in the zone that labels mean; a new wording is a new proposal."""
    place.label("pgdata", "daily at 03:00")
    (message,) = place.look()
    assert (message.channel, message.run.invocation.actor.id) == ("C0OPS", "shipkeeper")
    (button,) = message.buttons
    assert button.label == "Schedule pgdata"
    assert button.line == "schedule pgdata-daily --zone Asia/Seoul daily at 03:00 backup pgdata"
    when, rest = found(split(button.line)[4:], "Asia/Seoul", place.clock.now)
    assert (when.text, rest) == ("daily at 03:00", ("backup", "pgdata"))
    assert place.look() == []
    place.label("pgdata", "daily at 04:00")
    assert "asks for a schedule for 1 volume" in place.said()
    assert place.schedules() == {}


def test_many_are_proposed_in_one_message(place: Place) -> None:
    """Five have a button, all stand in the list with what to type."""
    for number in range(8):
        place.label(f"vol{number}", "weekly")
    (message,) = place.look()
    assert len(message.buttons) == 5
    reply = message.run.reply
    assert reply is not None
    assert reply.table is not None
    assert [row[3] for row in reply.table.rows][7] == (
        "schedule vol7-weekly --zone Asia/Seoul weekly backup vol7"
    )
    assert "buttons for the first 5" in reply.text


def test_a_label_that_is_gone_and_comes_back_is_proposed_again(place: Place) -> None:
    """But only when its host said that it was gone."""
    place.label("pgdata", "daily")
    assert place.look()
    place.engine.faults.failing["volumes"] = EngineError("Host local is away.")
    assert place.look() == []
    place.engine.faults.failing.clear()
    assert place.look() == []
    place.label("pgdata", None)
    assert place.look() == []
    place.label("pgdata", "daily")
    assert place.look()


def test_what_has_a_schedule_is_not_proposed(place: Place) -> None:
    """Whoever keeps it and with whatever flags: it is looked at what is backed up."""
    place.label("pgdata", "daily")
    put(place.app, scheduled("mine", "backup --quiesce stop pgdata", "weekly"))
    put(place.app, scheduled("other", "prune pgdata"))
    assert place.look() == []
    assert place.look(FOLLOW) == []
    assert place.schedules()["mine"] == ("backup --quiesce stop pgdata", "weekly")


def test_a_label_that_says_no_time_is_told_once_with_the_reason(place: Place) -> None:
    """Also what is never due."""
    place.label("pgdata", "now and then")
    place.label("logs", "0 0 31 2 *")
    said = place.said()
    assert "of volume pgdata on host local: “now and then” is no time" in said
    assert "of volume logs on host local: “0 0 31 2 *” is never due" in said
    assert place.look(FOLLOW) == []
    assert place.schedules() == {}


@pytest.mark.parametrize(
    "words", ["\0 daily", "d" * 5000, "daily\ud800", "'daily", "every 99999999h", "<!channel>"]
)
def test_whatever_a_label_says_it_is_told_once(place: Place, words: str) -> None:
    """Also what no database takes as it stands, and what no command line could hold."""
    place.label("pgdata", words)
    assert len(place.look(FOLLOW)) == 1
    assert place.look(FOLLOW) == []
    assert place.schedules() == {}


def test_without_a_channel_nobody_was_told(place: Place) -> None:
    """So it is proposed as soon as there is one."""
    place.channel = ""
    place.label("pgdata", "daily")
    assert place.look() == []
    place.channel = "C0OPS"
    assert len(place.look()) == 1


# ---- following --------------------------------------------------------------------------------------------


def test_labels_are_followed(place: Place) -> None:
    """Added, changed and removed with the label, each told once and written down."""
    place.label("pgdata", "daily at 03:00")
    assert "Schedule label-pgdata was made of a label: `backup pgdata`, daily at 03:00" in place.said(FOLLOW)
    (made,) = place.app.services.schedules.all()
    assert (made.kept, made.owner, made.channel, made.quiet) == (Kept.LABEL, SETTINGS, "C0OPS", True)
    assert (made.when.zone, made.created_at) == ("Asia/Seoul", place.clock.now)
    assert place.look(FOLLOW) == []
    assert place.app.services.schedules.all() == (made,)
    place.label("pgdata", "every 6h")
    assert "label-pgdata follows its label: `backup pgdata`, now every 6h" in place.said(FOLLOW)
    assert place.look(FOLLOW) == []
    (after,) = place.app.services.schedules.all()
    assert (after.revision, after.when.every) == (made.revision + 1, timedelta(hours=6))
    place.label("pgdata", None)
    assert "label-pgdata (`backup pgdata`) was removed, for its label is gone" in place.said(FOLLOW)
    assert place.look(FOLLOW) == []
    assert [kind for kind, _ in place.audited()] == ["schedule-added", "schedule-changed", "schedule-removed"]


def test_what_has_not_begun_does_not_begin_without_its_label(place: Place) -> None:
    """A run that waits for its jitter ends with the schedule that made it."""
    place.label("pgdata", "daily at 03:00")
    place.look(FOLLOW)
    run_id = waiting(place.app, "label-pgdata", place.clock.now + timedelta(hours=1))
    place.label("pgdata", None)
    place.look(FOLLOW)
    assert place.app.services.runs.get(run_id).status is Status.CANCELLED


def test_a_host_that_does_not_answer_loses_no_schedule(two: Place) -> None:
    """Its labels may well be there; the other host's are followed meanwhile."""
    two.label("app", "daily", "far")
    two.label("pgdata", "daily")
    two.look(FOLLOW)
    assert set(two.schedules()) == {"label-far-app", "label-local-pgdata"}
    two.hosts["far"].faults.failing["list_containers"] = EngineError("Host far is away.")
    two.label("pgdata", None)
    two.look(FOLLOW)
    assert two.schedules() == {"label-far-app": ("backup app --host far", "daily")}


def test_a_host_that_is_not_in_the_settings_takes_its_schedules_along(place: Place) -> None:
    """They could only fail, and nobody could remove them in chat."""
    put(place.app, scheduled("label-x", "backup x1 --host old", kept=Kept.LABEL))
    put(place.app, scheduled("by-hand", "backup x1 --host old"))
    assert "its host is not in the settings any more" in place.said(FOLLOW)
    assert set(place.schedules()) == {"by-hand"}


def test_a_label_that_becomes_nonsense_keeps_its_schedule(place: Place) -> None:
    """A slip of the pen takes nobody's backups away."""
    place.label("pgdata", "daily")
    place.look(FOLLOW)
    place.label("pgdata", "dayly")
    assert "Schedule label-pgdata stays as it was." in place.said(FOLLOW)
    assert place.schedules() == {"label-pgdata": ("backup pgdata", "daily")}


def test_a_name_that_people_took_is_theirs(place: Place) -> None:
    """A schedule of that name that does something else is not touched."""
    put(place.app, scheduled("label-pgdata", "backup logs"))
    place.label("pgdata", "daily")
    place.look(FOLLOW)
    names = place.schedules()
    assert names.pop("label-pgdata") == ("backup logs", "daily at 03:00")
    ((name, what),) = names.items()
    assert name.startswith("label-pgdata-")
    assert what == ("backup pgdata", "daily")


def test_what_was_made_of_labels_follows_them_even_when_nothing_new_is_made(place: Place) -> None:
    """Else, without `apply`, they would stay for ever and nobody could change them."""
    place.label("pgdata", "daily")
    place.look(FOLLOW)
    place.label("pgdata", "weekly")
    place.label("logs", "daily")
    said = place.said()
    assert "now weekly" in said
    assert "asks for a schedule for 1 volume" in said
    place.label("pgdata", None)
    assert "was removed" in place.said()


def test_other_settings_are_taken_over(place: Place) -> None:
    """A new owner in the settings is whose right is asked from then on; a pause of a person's stays."""
    place.label("pgdata", "daily")
    place.look(FOLLOW)
    (made,) = place.app.services.schedules.all()
    put(place.app, replace(made, paused_by="ann", suspended="cli:settings may not any more"))
    assert place.look(replace(FOLLOW, owner=Actor(id="U0ANN", name="U0ANN"), quiet=False)) == []
    (after,) = place.app.services.schedules.all()
    assert (after.owner.id, after.quiet, after.paused_by, after.suspended) == ("U0ANN", False, "ann", None)


def test_another_owner_makes_up_for_nothing(place: Place) -> None:
    """While it was suspended it was due, and that is over; while it was on, what is behind stays to be dealt with."""
    place.label("pgdata", "daily")
    place.look(FOLLOW)
    (made,) = place.app.services.schedules.all()
    put(place.app, replace(made, suspended="cli:settings may not any more"))
    place.clock.now += timedelta(days=3)
    place.look(replace(FOLLOW, owner=Actor(id="U0ANN", name="U0ANN")))
    (after,) = place.app.services.schedules.all()
    assert (after.suspended, after.dealt_with_at) == (None, place.clock.now)
    place.look(replace(FOLLOW, owner=Actor(id="U0ADA", name="U0ADA")))
    (later,) = place.app.services.schedules.all()
    assert (later.owner.id, later.dealt_with_at) == ("U0ADA", after.dealt_with_at)


def test_a_schedule_of_the_path_where_it_is_mounted_is_enough(place: Place) -> None:
    """Once it ran: its backups lie under the volume's name, so no second schedule is proposed or made."""
    place.label("pgdata", "daily")
    owner = Actor(id="cli:tester", name="tester")
    path = put(place.app, scheduled("mine", "backup db:/v0", owner=owner))
    assert place.app.sole.take("serve")
    place.app.begin()
    terms = Terms(host="local", released=True)
    run_id, _ = place.app.services.runs.take_in(due(path, place.clock.now), terms)
    assert House(place.app).ending(run_id).status is Status.SUCCEEDED
    assert place.look(FOLLOW) == []
    assert [*place.schedules()] == ["mine"]


def test_the_thread_looks_by_itself_and_ends(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """It begins when it is told to, outlives a database or host that is away, and ends at once."""
    monkeypatch.setattr("bot.schedules.discovery._FIRST_SECONDS", 0.01)
    place.label("pgdata", "daily")
    services = place.app.services
    proposals = Proposals(place.app.database, services.audit, place.clock)
    looking = Discovery(services, proposals, FOLLOW, lambda: "")
    looking.start()
    wait_for(place.schedules, saying="the schedule")
    looking.stop()
    looking.stop()
    never = Discovery(services, proposals, replace(RULES, every=timedelta(0)), lambda: "")
    never.start()
    never.stop()

"""What could be named where a command asks for something: the best first, of what may be touched, from memory alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import handlers
from bot.command import parameters
from bot.completion import MOST, Asking, Candidate, Completion, inventory
from bot.completion.candidates import best_first
from bot.completion.inventory import Shelf
from bot.errors import EngineError
from bot.language import speaking, spoken
from bot.model import Actor, Origin
from bot.sources import Source
from tests.fakes import FakeEngine
from tests.support.house import House, at_work, from_slack, settings, wait_for

COMMANDS = handlers.load()
ROLES = """
[hosts.dev]
address = "unix:///dev.sock"
default = true
[hosts.prod]
address = "unix:///prod.sock"
[roles.keepers]
members = ["U0ANN"]
right = "admin"
[roles.of-some]
members = ["U0CAT"]
right = "operate"
targets = ["volume:web-*", "container:web*", "image:docker.io/team/*", "runbook:tidy"]
hosts = ["dev"]
[roles.from-there]
members = ["U0BOB"]
right = "operate"
channels = ["C0THERE"]
[runbooks.tidy]
summary = "Tidy up"
command = ["tidy"]
containers = ["*"]
[runbooks.shut]
summary = "Shut it down"
command = ["halt"]
containers = ["*"]
right = "admin"
"""


@pytest.fixture
def dev() -> FakeEngine:
    """The default host."""
    engine = FakeEngine("dev")
    for name in ("pgdata", "web-data", "web-logs", "old-web", "spiderweb"):
        engine.add_volume(name, {"file": name.encode()})
    engine.add_container("web", ["web-data"])
    engine.add_container("db", ["pgdata"], state="exited")
    for name in ("team/web:1", "team/web:2", "secret/key:1"):
        engine.add_image(f"docker.io/{name}")
    return engine


@pytest.fixture
def prod() -> FakeEngine:
    """Another one."""
    engine = FakeEngine("prod")
    engine.add_volume("web-prod")
    return engine


@pytest.fixture
def house(tmp_path: Path, dev: FakeEngine, prod: FakeEngine) -> Iterator[House]:
    """Two hosts, and roles for some of what they have."""
    with at_work(settings(tmp_path / "state", toml=ROLES), {"dev": dev, "prod": prod}) as made:
        yield made


@pytest.fixture
def completion(house: House, monkeypatch: pytest.MonkeyPatch) -> Iterator[Completion]:
    """It has looked around once, and does so again whenever it is asked."""
    monkeypatch.setattr(inventory, "FRESH_SECONDS", 0.0)
    monkeypatch.setattr(inventory, "_SHARE", 0)
    made = Completion(house.app.services)
    made.start()
    wait_for(lambda: values(made, "U0ANN", "backup source", host="prod"), saying="a first look")
    wait_for(lambda: values(made, "U0ANN", "backup source"), saying="a first look")
    yield made
    made.stop()


def asking(user: str, command: str, *, channel: str = "C0OPS", host: str | None = None) -> Asking:
    """Somebody in a channel, for that command."""
    return Asking(
        actor=Actor(id=user, name=user),
        origin=Origin.SLACK,
        channel=channel,
        command=COMMANDS[command],
        host=host,
    )


def offers(
    completion: Completion,
    user: str,
    place: str,
    letters: str = "",
    *,
    channel: str = "C0OPS",
    host: str | None = None,
) -> tuple[Candidate, ...]:
    """What is offered at a place such as `backup source`."""
    command, _, name = place.partition(" ")
    named = {one.name: one for one in parameters(COMMANDS[command])}
    return completion.offers(asking(user, command, channel=channel, host=host), named[name], letters)


def values(
    completion: Completion,
    user: str,
    place: str,
    letters: str = "",
    *,
    channel: str = "C0OPS",
    host: str | None = None,
) -> list[str]:
    """The words of it."""
    return [one.value for one in offers(completion, user, place, letters, channel=channel, host=host)]


def test_the_best_come_first() -> None:
    """What begins with the letters, then a word of which does, then what holds them; case does not matter."""
    names = ("spiderweb", "old-web", "WEB-data", "pgdata", "web.logs", "oldweb-web")
    found = best_first([Candidate(value=name) for name in names], "Web")
    assert [one.value for one in found] == ["WEB-data", "web.logs", "old-web", "oldweb-web", "spiderweb"]


def test_things_are_found_by_what_they_are_of() -> None:
    """A backup has no speaking name: its volume finds it."""
    backup = Candidate(value="7f3a2c1b", also="pgdata 20270131T020000Z-7f3a2c1b")
    assert list(best_first([backup], "pgd")) == list(best_first([backup], "7f3a")) == [backup]


def test_what_is_said_of_a_thing_is_said_to_whoever_asks() -> None:
    """It was found on a thread that speaks to nobody, and is told where it is offered."""
    found = Candidate(value="web", tell=spoken)
    with speaking("ko"):
        assert found.told.about == "ko"
    assert found.told.about == "en"


def test_everything_of_a_host_is_offered(completion: Completion) -> None:
    """Volumes and containers with how they are, of the default host unless another one was named."""
    found = {one.value: one.about for one in offers(completion, "U0ANN", "backup source")}
    assert found["web-data"] == "in use · local"
    assert found["old-web"] == "not in use · local"
    assert values(completion, "U0ANN", "backup source", host="prod") == ["web-prod"]
    assert {one.value: one.about for one in offers(completion, "U0ANN", "snapshot container")} == {
        "db": "exited",
        "web": "running",
    }
    assert values(completion, "U0ANN", "push image") == ["secret/key:1", "team/web:1", "team/web:2"]
    assert values(completion, "U0ANN", "tags repository") == ["secret/key", "team/web"]
    assert values(completion, "U0ANN", "backup host") == ["dev", "prod"]


def test_only_what_may_be_touched_is_offered(completion: Completion) -> None:
    """By the same policy as ever: command, target, host and channel."""
    assert values(completion, "U0CAT", "backup source") == ["web-data", "web-logs"]
    assert values(completion, "U0CAT", "backup source", host="prod") == []
    assert values(completion, "U0CAT", "snapshot container") == ["web"]
    assert values(completion, "U0CAT", "push image") == ["team/web:1", "team/web:2"]
    assert values(completion, "U0CAT", "tags repository") == ["team/web"]
    assert values(completion, "U0CAT", "backup host") == ["dev"]
    assert values(completion, "U0CAT", "exec runbook") == ["tidy"]
    assert values(completion, "U0CAT", "remove-volume volume", "web-data") == []
    assert values(completion, "U0BOB", "backup source") == []
    assert "pgdata" in values(completion, "U0BOB", "backup source", channel="C0THERE")
    assert values(completion, "U0EVE", "backup source", "pgdata") == []


def test_commands_are_those_that_may_be_used(completion: Completion) -> None:
    """`help` completes to what the person may use from there."""
    assert values(completion, "U0EVE", "help command") == ["help", "whoami"]
    assert "remove-volume" in values(completion, "U0ANN", "help command")
    assert "remove-volume" not in values(completion, "U0CAT", "help command")
    assert [one.name for one in completion.usable(asking("U0EVE", "help"))] == ["help", "whoami"]
    assert "backup" in [one.name for one in completion.usable_somewhere(Actor(id="U0BOB", name="bob"))]


def test_backups_and_runs_are_offered_to_whom_they_concern(house: House, completion: Completion) -> None:
    """A backup to those who may touch its volume; a run also to whoever asked for it."""
    mine = house.say(from_slack("backup web-data", user="U0CAT"))
    other = house.say(from_slack("backup pgdata"))
    wait_for(lambda: len(values(completion, "U0ANN", "verify backup")) == 2, saying="both backups")
    assert values(completion, "U0ANN", "verify backup", "pgd") == [other.run_id]
    assert values(completion, "U0CAT", "verify backup") == [mine.run_id]
    both = {mine.run_id, other.run_id}
    wait_for(lambda: set(values(completion, "U0ANN", "cancel run")) == both, saying="both runs")
    assert values(completion, "U0CAT", "cancel run") == [mine.run_id]
    shown = offers(completion, "U0CAT", "verify backup")[0]
    assert shown.label == f"{mine.run_id} · web-data"
    assert shown.about.endswith("· ok")


def test_what_was_typed_is_offered_where_it_could_be_meant(completion: Completion) -> None:
    """A new name, or a path, can be chosen although nobody listed it; what is no such word cannot."""
    assert values(completion, "U0ANN", "restore into", "brand-new") == ["brand-new"]
    assert values(completion, "U0ANN", "backup source", "web:/etc") == ["web:/etc"]
    assert values(completion, "U0ANN", "backup source", "no such thing!") == []
    assert values(completion, "U0ANN", "backup source", "pgdata") == ["pgdata"]


def test_no_more_than_slack_takes(completion: Completion, dev: FakeEngine) -> None:
    """A hundred at most, and what was typed is among them."""
    for number in range(2 * MOST):
        dev.add_volume(f"many-{number:03}")
    found = wait_for(
        lambda: (now := values(completion, "U0ANN", "backup source", "many")) and len(now) == MOST and now,
        saying="the new volumes",
    )
    assert found[0] == "many-000"
    assert found[-1] == "many"


def test_a_host_that_does_not_answer_keeps_what_was_known(
    completion: Completion, dev: FakeEngine, prod: FakeEngine
) -> None:
    """The other hosts are looked at as before, and the silent one is not asked again and again meanwhile."""
    go_on, asked = threading.Event(), []

    def be_silent(_engine: object) -> None:
        asked.append(threading.current_thread().name)
        go_on.wait(20)

    prod.faults.before["list_containers"] = [be_silent] * 100
    try:
        wait_for(
            lambda: values(completion, "U0ANN", "backup source", host="prod") and asked, saying="silence"
        )
        dev.add_volume("brand-new")
        wait_for(lambda: "brand-new" in values(completion, "U0ANN", "backup source"), saying="the other host")
        for _ in range(200):
            assert values(completion, "U0ANN", "backup source", host="prod") == ["web-prod"]
        assert asked == ["inventory-prod"]
    finally:
        prod.faults.before.clear()
        go_on.set()


def test_a_host_that_fails_keeps_what_was_known(completion: Completion, dev: FakeEngine) -> None:
    """An error while looking changes nothing of what is offered, and the next look is made as ever."""
    dev.faults.failing["list_containers"] = EngineError("It is away. Nothing was changed.")
    assert "pgdata" in values(completion, "U0ANN", "backup source")
    dev.add_volume("brand-new")
    dev.faults.failing.clear()
    wait_for(lambda: "brand-new" in values(completion, "U0ANN", "backup source"), saying="the next look")


def test_looks_do_not_pile_up() -> None:
    """However often somebody wants to know, there is one look at a time, and no other one before it is old."""
    looks = []

    def look() -> Iterator[tuple[Source, tuple[Candidate, ...]]]:
        looks.append(1)
        yield Source.VOLUME, (Candidate(value="pgdata"),)

    shelf = Shelf("test", look)
    shelf.start()
    wait_for(lambda: shelf.of(Source.VOLUME), saying="the first look")
    wait_for(lambda: shelf._again_at, saying="its end")
    for _ in range(1_000):
        shelf.want()
    shelf.stop()
    shelf.stop()
    assert len(looks) == 1


def test_an_asking_has_the_command_in_its_request() -> None:
    """What the policy is asked first is about nothing in particular."""
    asked = replace(asking("U0ANN", "backup"), host="prod").request
    assert (asked.targets, asked.host, asked.command.name) == ((), None, "backup")

"""Several hosts: each has locks, workers and directories of its own, and one that is mute keeps nobody from another."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.engine import Volume
from bot.errors import EngineError
from bot.model import Status
from tests.fakes import FakeEngine
from tests.support.approving import RULES, waits
from tests.support.house import House, at_work, from_slack, refuse_untrue, settings, wait_for

HOSTS = """
[hosts.dev]
address = "unix:///dev.sock"
[hosts.prod-1]
address = "unix:///prod.sock"
[roles.everything]
members = ["U0ADA"]
right = "admin"
[roles.production]
members = ["U0ANN"]
right = "admin"
hosts = ["prod-*"]
"""


class MuteEngine(FakeEngine):
    """A host that can be told to answer nothing until it is woken."""

    def __init__(self, host: str) -> None:
        super().__init__(host)
        self.woken = threading.Event()
        self.woken.set()
        self.creating = threading.Event()
        self.creating.set()
        self.asked_to_create = threading.Event()

    def volume(self, name: str) -> Volume:
        """As always, unless it is mute."""
        self._wait()
        return super().volume(name)

    def container(self, reference: str):  # type: ignore[no-untyped-def]
        """As always, unless it is mute."""
        self._wait()
        return super().container(reference)

    def create_volume(self, volume: Volume) -> None:
        """As always, unless it is to wait with that."""
        self.asked_to_create.set()
        assert self.creating.wait(20)
        super().create_volume(volume)

    def _wait(self) -> None:
        if not self.woken.wait(20):
            raise EngineError("It is mute. Nothing was changed.")


@pytest.fixture
def mute() -> MuteEngine:
    """The host `prod-1`."""
    return MuteEngine("prod-1")


@pytest.fixture
def house(tmp_path: Path, mute: MuteEngine) -> Iterator[House]:
    """Two hosts with a volume and a container of the same name each."""
    dev = FakeEngine("dev")
    for engine in (dev, mute):
        engine.add_volume("pgdata", {"PG_VERSION": engine.host.encode()})
        engine.add_container("db", ["pgdata"])
    with at_work(settings(tmp_path / "state", toml=HOSTS), {"dev": dev, "prod-1": mute}) as made:
        yield made
        mute.woken.set()
        mute.creating.set()
        refuse_untrue(made.app)


def test_names_of_hosts_are_in_paths_and_in_the_record(house: House) -> None:
    """The same volume on two hosts is two things: in the archive, in the run, and in the audit log."""
    runs = {host: house.say(f"backup pgdata --host {host}").run_id for host in ("dev", "prod-1")}
    assert {path.name for path in house.app.settings.archive_path.iterdir() if path.is_dir()} == {
        "dev",
        "prod-1",
    }
    for host, run_id in runs.items():
        assert house.run(run_id).host == host
        lines = [
            line.event for line in house.app.services.audit.lines(limit=99) if line.event.run_id == run_id
        ]
        assert {(event.host, event.targets[0]) for event in lines} == {(host, "container:db")} or {
            event.host for event in lines
        } == {host}


def test_an_unknown_host_is_refused(house: House) -> None:
    """The nearest name is told, and nothing is run."""
    ended = house.say("backup pgdata --host prod1")
    assert ended.status is Status.REJECTED
    assert "did you mean prod-1?" in ended.reply.text


def test_a_target_held_on_one_host_is_free_on_the_other(house: House, mute: MuteEngine) -> None:
    """Locks are on a host and a target; the other host's volume of that name is another one."""
    mute.woken.clear()
    held = house.accept("backup pgdata --host prod-1")
    assert house.say("backup pgdata --host dev", seconds=5).status is Status.SUCCEEDED
    mute.woken.set()
    assert house.ending(held).status is Status.SUCCEEDED


@pytest.mark.parametrize("line", ["restore {} --host prod-1", "drill pgdata --backup {} --host prod-1"])
def test_a_backup_that_is_read_for_another_host_is_not_pruned(
    house: House, mute: MuteEngine, line: str
) -> None:
    """Whoever works with a backup holds it where it was taken, so prune and the like say who that is."""
    backup = house.say("backup pgdata --host dev").run_id
    mute.creating.clear()
    held = house.accept(line.format(backup))
    wait_for(mute.asked_to_create.is_set, saying="the new volume")
    refused = [house.say(other) for other in ("prune pgdata --host dev", f"hold {backup}")]
    mute.creating.set()
    assert {(one.status, f"held by run {held}" in one.reply.text) for one in refused} == {
        (Status.REJECTED, True)
    }
    assert house.ending(held).status is Status.SUCCEEDED
    assert house.say(f"hold {backup}").status is Status.SUCCEEDED


def test_backups_of_two_hosts_are_held_on_both_while_they_are_compared(house: House) -> None:
    """A comparison is work on the first one's host, and the other backup is held where it was taken, too."""
    one, other = (house.say(f"backup pgdata --host {host}").run_id for host in ("dev", "prod-1"))
    plan = house.run(house.say(f"diff {one} {other}").run_id).plan
    assert plan is not None
    assert plan.targets == ("volume:pgdata",)
    assert plan.elsewhere == (("dev", "volume:pgdata"), ("prod-1", "volume:pgdata"))


def test_a_mute_host_starves_no_other_host(house: House, mute: MuteEngine) -> None:
    """However many commands wait for a host that is mute, in either lane, another host's are carried out."""
    mute.woken.clear()
    deciding = [house.accept("backup db:/x --host prod-1") for _ in range(20)]
    working = [house.accept("backup pgdata --host prod-1 --wait") for _ in range(8)]
    wait_for(lambda: len(house.app.queue.workers()) >= 8, saying="the mute host's workers")
    began = time.monotonic()
    assert house.say("backup pgdata --host dev", seconds=8).status is Status.SUCCEEDED
    assert house.say("runs", seconds=8).status is Status.SUCCEEDED
    assert time.monotonic() - began < 8
    mute.woken.set()
    for run_id in (*deciding, *working):
        assert house.ending(run_id).status.is_ending


def test_a_role_for_some_hosts_is_held_to_them(house: House) -> None:
    """Who may work on production hosts only is denied on the default one, named or not."""
    assert house.say(from_slack("backup pgdata --host prod-1")).status is Status.SUCCEEDED
    for line in (
        "backup pgdata",
        "backup pgdata --host dev",
        "backup nothing --host dev",
        "backups --host dev",
    ):
        assert house.say(from_slack(line)).status is Status.DENIED, line
    assert house.say(from_slack("backup pgdata", user="U0ADA")).status is Status.SUCCEEDED


def test_a_backup_of_another_host_is_judged_by_its_host(house: House) -> None:
    """A command that finds its host through a backup is denied or allowed by that host."""
    on_dev = house.say("backup pgdata --host dev").run_id
    on_prod = house.say("backup pgdata --host prod-1").run_id
    assert house.say(from_slack(f"verify {on_prod}")).status is Status.SUCCEEDED
    assert house.say(from_slack(f"verify {on_dev}")).status is Status.DENIED
    assert house.say(from_slack("verify 00000000")).status is Status.REJECTED


def test_what_waited_while_another_host_became_the_default_is_not_done_there(tmp_path: Path) -> None:
    """It was typed, and shown, for the one that was the default then: on neither anything is done."""
    engines = {"dev": FakeEngine("dev"), "prod-1": FakeEngine("prod-1")}
    for engine in engines.values():
        engine.add_volume("pgdata", {"a": b"1"})
    state, other = tmp_path / "state", HOSTS.replace('prod.sock"', 'prod.sock"\ndefault = true')
    with at_work(settings(state, toml=HOSTS + RULES), engines) as house:
        run, named = (
            waits(house.app, house.accept(from_slack(line, user="U0ADA")))
            for line in ("backup pgdata", "backup pgdata --host dev --note x")
        )
        assert run.host == "dev"
    with at_work(settings(state, toml=other + RULES), engines) as house:
        for one in (run, named):
            assert house.say(from_slack(f"approve {one.id}")).status is Status.SUCCEEDED
        outcome = house.ending(run.id)
        assert outcome.status is Status.REJECTED
        assert (
            "it meant host dev, and now, by the settings or the archive, it means prod-1"
            in outcome.reply.text
        )
        assert house.ending(named.id).status is Status.SUCCEEDED
        assert [backup.host for backup in house.app.services.archive.backups()] == ["dev"]
        refuse_untrue(house.app)

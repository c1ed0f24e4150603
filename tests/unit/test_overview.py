"""What a person may see of everything, and what becomes of hosts that do not answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot import overview as overview_room
from bot.overview import Overviews
from bot.seen import Overview
from bot.stores.activity import Activity
from tests.fakes import FakeEngine
from tests.support.house import House, at_work, from_slack, settings, wait_for

TOML = """
[roles.keepers]
members = ["U0ANN"]
right = "admin"
[roles.few]
members = ["U0CAT"]
right = "operate"
targets = ["volume:other*"]
hosts = ["local"]
[roles.lookers]
members = ["U0VAL"]
right = "view"
[roles.channel]
members = ["U0DAN"]
right = "admin"
channels = ["C0OPS"]
"""


@pytest.fixture
def engines() -> dict[str, FakeEngine]:
    """Two hosts with a volume each that has the same name, and one more."""
    made = {name: FakeEngine(name) for name in ("local", "beta")}
    for engine in made.values():
        engine.add_volume("pgdata", {"a": b"1"})
    made["local"].add_container("db", ["pgdata"])
    made["local"].add_volume("other1", {"a": b"1"})
    return made


@pytest.fixture
def house(tmp_path: Path, engines: dict[str, FakeEngine]) -> Iterator[House]:
    """Both hosts at work."""
    with at_work(settings(tmp_path / "state", toml=TOML), engines) as made:
        yield made


def _seen(house: House, user: str) -> Overview:
    overviews = Overviews(house.app.services, Activity(house.app.database))
    return overviews.of(user, overviews.survey())


def _volumes(seen: Overview) -> dict[str, list[str]]:
    return {host.name: [volume.name for volume in host.volumes] for host in seen.hosts}


def test_everybody_sees_what_their_roles_reach(house: House) -> None:
    """Hosts, volumes and buttons are those that the policy grants from no channel at all."""
    assert _volumes(_seen(house, "U0ANN")) == {"local": ["pgdata", "other1"], "beta": ["pgdata"]}
    assert _volumes(_seen(house, "U0CAT")) == {"local": ["other1"]}
    looker = _seen(house, "U0VAL")
    assert _volumes(looker) == {"local": ["pgdata", "other1"], "beta": ["pgdata"]}
    assert not [volume.back_up for host in looker.hosts for volume in host.volumes if volume.back_up]
    for user in ("U0DAN", "U0EVE"):
        assert _volumes(_seen(house, user)) == {}
        assert _seen(house, user).may == ()
    assert (_seen(house, "U0DAN").has_role, _seen(house, "U0EVE").has_role) == (True, False)


def test_a_button_names_its_host(house: House) -> None:
    """Where there are several hosts, the line of a button says which one is meant."""
    seen = _seen(house, "U0ANN")
    lines = [volume.back_up.line for host in seen.hosts for volume in host.volumes if volume.back_up]
    assert lines == ["backup pgdata --host local", "backup other1 --host local", "backup pgdata --host beta"]
    assert house.say(from_slack(lines[2])).status.value == "succeeded"
    seen = _seen(house, "U0ANN")
    (protected,) = next(host for host in seen.hosts if host.name == "beta").volumes
    assert protected.backed_up_at is not None
    assert protected.back_up is None


def test_the_worst_comes_first(house: House, engines: dict[str, FakeEngine]) -> None:
    """Unprotected volumes in use, then unused ones, then protected ones with the oldest backup first."""
    for name in ("a-old", "b-young", "c-none"):
        engines["local"].add_volume(name, {"a": b"1"})
    for name in ("a-old", "b-young"):
        house.say(f"backup {name}")
    assert _volumes(_seen(house, "U0ANN"))["local"] == ["pgdata", "c-none", "other1", "a-old", "b-young"]


def test_a_host_that_does_not_answer_is_named(
    house: House, engines: dict[str, FakeEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is mute costs its time limit, is named to those who may see it, and keeps nobody's volumes away."""
    monkeypatch.setattr(overview_room, "_PATIENCE", timedelta(seconds=0.5))
    go_on = threading.Event()
    engines["beta"].faults.before["list_containers"] = [lambda _: go_on.wait(30)]
    began = time.monotonic()
    seen = _seen(house, "U0ANN")
    assert time.monotonic() - began < 5
    go_on.set()
    assert [host.name for host in seen.hosts] == ["local", "beta"]
    assert "beta did not answer within 0.5 seconds" in seen.hosts[1].trouble
    assert [volume.name for volume in seen.hosts[0].volumes] == ["pgdata", "other1"]
    engines["beta"].faults.down = True
    assert "“beta” does not answer" in _seen(house, "U0ANN").hosts[1].trouble
    assert [host.name for host in _seen(house, "U0CAT").hosts] == ["local"]


def test_the_only_host_may_be_away(tmp_path: Path, fake_engine: FakeEngine) -> None:
    """Then the page says so, instead of failing."""
    fake_engine.faults.down = True
    with at_work(settings(tmp_path / "state", toml=TOML), {"local": fake_engine}) as house:
        (host,) = _seen(house, "U0ANN").hosts
        assert "does not answer" in host.trouble


def test_runs_are_seen_and_ended_by_those_who_may(house: House, engines: dict[str, FakeEngine]) -> None:
    """A run at work is seen by those who may list runs of its targets; its button is for who may cancel it."""
    engines["local"].faults.stall_at_byte = 512
    run_id = house.accept(from_slack("backup pgdata"))
    assert engines["local"].faults.stalled.wait(10)
    wait_for(lambda: house.run(run_id).plan, saying="the plan")
    keeper, looker, few = (_seen(house, user) for user in ("U0ANN", "U0VAL", "U0CAT"))
    assert [one.run.id for one in keeper.at_work] == [one.run.id for one in looker.at_work] == [run_id]
    assert keeper.at_work[0].cancel is not None
    assert looker.at_work[0].cancel is None
    assert few.at_work == ()
    held = {volume.name: volume for volume in keeper.hosts[0].volumes}
    assert held["pgdata"].is_at_work
    assert held["pgdata"].back_up is None
    assert held["other1"].back_up is not None
    house.app.services.cancel(house.run(run_id), house.run(run_id).invocation.actor)
    assert _seen(house, "U0ANN").at_work[0].cancel is None or house.run(run_id).status.is_ending
    engines["local"].faults.stall_at_byte = None
    engines["local"].faults.go_on.set()
    house.ending(run_id)
    assert _seen(house, "U0ANN").at_work == ()


def test_trouble_is_seen_by_those_who_may(house: House, engines: dict[str, FakeEngine]) -> None:
    """A failed run stands there for those whom it concerns, and somebody's first run ends the welcome."""
    assert _seen(house, "U0ANN").is_new
    engines["local"].faults.cut_at_byte = 600
    house.say(from_slack("backup pgdata"))
    assert [run.invocation.line for run in _seen(house, "U0ANN").troubled] == ["backup pgdata"]
    assert _seen(house, "U0CAT").troubled == ()
    assert not _seen(house, "U0ANN").is_new
    assert _seen(house, "U0CAT").is_new
    assert not _seen(house, "U0ANN").figures


def test_trends_are_of_what_one_may_see(house: House) -> None:
    """Backups make a picture, with their ages, for those who may list them."""
    for line in ("backup pgdata", "backup pgdata", "backup other1", "backup other1"):
        house.say(line)
    assert {trend.source for trend in _seen(house, "U0ANN").figures.trends} == {"pgdata", "other1"}
    assert {trend.source for trend in _seen(house, "U0CAT").figures.trends} == {"other1"}
    assert {age.source for age in _seen(house, "U0ANN").figures.ages} == {"pgdata", "other1"}
    (age,) = _seen(house, "U0CAT").figures.ages
    assert (age.source, age.seconds, age.limit) == ("other1", 0.0, 8 * 86_400.0)
    (trend,) = _seen(house, "U0CAT").figures.trends
    assert [point.size_bytes > 0 for point in trend.points] == [True, True]
    assert trend.points[0].at <= trend.points[1].at

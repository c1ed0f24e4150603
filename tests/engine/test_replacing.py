"""`restore --replace` and `undo` over the whole road on a real engine, seen by a walker of the tests' own."""

from __future__ import annotations

import os
import shutil
import uuid
from pathlib import Path
from typing import Any

import pytest

from bot.engine.real import DockerEngine
from bot.errors import EngineError
from bot.model import Outcome, Status
from tests.support.busybox import HEEDING
from tests.support.corpus import Seen, build, differences, walk
from tests.support.house import House
from tests.support.process import until
from tests.support.yard import Yard

pytestmark = pytest.mark.engine
NOT_KEPT = {b"specials/socket", b"at/old", b"attributes/empty-value", b"attributes/odd=name"}
"""What the corpus has that no restore can put back (engine facts 10 and 11)."""


class Workload:
    """A volume with one content in a backup and another one now, a user that runs and one that does not."""

    def __init__(
        self, house: House, yard: Yard, script: str = "mkdir d && echo old > d/a && ln d/a b"
    ) -> None:
        self.house, self.yard = house, yard
        self.volume = yard.volume("replace", f"{script} && chown 70:70 . && chmod 2750 .")
        self.place = yard.mountpoint(self.volume)
        os.setxattr(self.place / "d", "user.why", b"because") if (self.place / "d").exists() else None
        self.saved = walk(self.place)
        self.backup = done(house.say(f"backup {self.volume}")).run_id
        (self.place / "new").write_text("in no backup")
        shutil.rmtree(self.place / "d", ignore_errors=True)
        self.place.chmod(0o700)
        self.present = walk(self.place)
        self.running, self.idle = yard.user("db", self.volume), yard.user("idle", self.volume)
        yard.bench.api.stop(self.idle, timeout=0)

    def refuse_half(self, wanted: dict[bytes, Seen]) -> None:
        """Fail unless the volume is that, its users are as they were, and nothing lies beside its files."""
        assert differences(wanted, walk(self.place)) == {}
        assert [path.name for path in self.place.parent.iterdir()] == ["_data"]
        assert (self.yard.state(self.running), self.yard.state(self.idle)) == ("running", "exited")


def done(outcome: Outcome, status: Status = Status.SUCCEEDED) -> Outcome:
    """The outcome, which must be that."""
    assert outcome.status is status, outcome.reply.text
    return outcome


@pytest.fixture
def workload(house: House, yard: Yard) -> Workload:
    """The workload, in a house of its own."""
    return Workload(house, yard)


def test_a_replacement_and_its_undo_and_the_undo_of_that(house: House, workload: Workload) -> None:
    """Each brings the one content or the other back as it was to the nanosecond, with the volume's own root."""
    replaced = done(house.say(f"restore {workload.backup} --replace"))
    workload.refuse_half(workload.saved)
    assert isinstance(replaced.reply.facts["downtime_seconds"], float)
    undone = done(house.say(f"undo {replaced.run_id}"))
    workload.refuse_half(workload.present)
    done(house.say(f"undo {undone.run_id}"))
    workload.refuse_half(workload.saved)


def test_users_see_the_new_content(house: House, workload: Workload, yard: Yard) -> None:
    """A user that was stopped and started again mounts what stands there now."""
    done(house.say(f"restore {workload.backup} --replace"))

    def seen() -> list[bytes]:
        made = yard.bench.api.exec_create(workload.running, ["/bin/sh", "-c", "cat /v0/d/a; ls -a /v0"])
        return yard.bench.api.exec_start(made["Id"]).split()

    # Docker 20.10 sometimes loses what a program wrote that ended at once: then it is asked again.
    assert until(seen, saying="an answer from the user") == [b"old", b".", b"..", b"b", b"d"]


def test_a_damaged_backup_leaves_the_volume_untouched(house: House, workload: Workload) -> None:
    """Byte for byte and time for time, the root included; the user was not even stopped."""
    (backup,) = house.app.services.archive.backups()
    started = workload.yard.bench.api.inspect_container(workload.running)["State"]["StartedAt"]
    whole = backup.files.tar.read_bytes()
    data = bytearray(whole)
    data[len(data) // 2] ^= 1
    backup.files.tar.chmod(0o600)
    backup.files.tar.write_bytes(data)
    outcome = done(house.say(f"restore {workload.backup} --replace"), Status.FAILED)
    assert "damaged" in outcome.reply.text
    workload.refuse_half(workload.present)
    assert workload.yard.bench.api.inspect_container(workload.running)["State"]["StartedAt"] == started
    backup.files.tar.write_bytes(whole)


@pytest.mark.parametrize("verb", ["write_volume", "exchange"])
def test_an_engine_that_fails_leaves_the_old_content(
    house: House, workload: Workload, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    """Whether the stage cannot be filled or the exchange fails when it is done, everything is as it was."""
    carry_out = getattr(DockerEngine, verb)
    calls: list[str] = []

    def failing(engine: DockerEngine, *given: Any, **named: Any) -> None:
        calls.append(verb)
        carry_out(engine, *given, **named)
        if verb == "exchange" or len(calls) == 2:  # the first writing makes the stage
            raise EngineError("The engine does not answer.")

    with monkeypatch.context() as patch:
        patch.setattr(DockerEngine, verb, failing)
        done(house.say(f"restore {workload.backup} --replace"), Status.FAILED)
    assert calls
    workload.refuse_half(workload.present)


def test_one_directory_is_replaced(house: House, workload: Workload) -> None:
    """`--path` brings a directory back that is gone, and leaves everything else; its undo has nothing to bring."""
    done(house.say(f"restore {workload.backup} --replace --path d"))
    now = walk(workload.place)
    assert now[b"d"].attributes == workload.saved[b"d"].attributes
    assert now[b"d"].mtime_ns == workload.saved[b"d"].mtime_ns
    assert (workload.place / "d/a").read_text() == "old\n"
    assert (workload.place / "new").read_text() == "in no backup"
    assert [path.name for path in workload.place.parent.iterdir()] == ["_data"]


def test_everything_a_volume_may_hold_is_exchanged(house: House, yard: Yard) -> None:
    """The whole corpus, with links that lead out of the volume, comes back over another content."""
    volume = yard.volume("corpus")
    place = yard.mountpoint(volume)
    build(place)
    before = walk(place)
    saved = done(house.say(f"backup {volume}"))
    shutil.rmtree(place / "names")
    (place / "added").mkdir(mode=0o700)
    os.removexattr(place, "user.root")
    done(house.say(f"restore {saved.run_id} --replace"))
    assert set(differences(before, walk(place))) <= NOT_KEPT


def test_a_bind_mounted_directory_is_replaced(house: House, yard: Yard, tmp_path: Path) -> None:
    """What a container mounts from the host is exchanged in its parent directory, and seen by its user."""
    site = tmp_path / "host" / "site"
    site.mkdir(parents=True)
    (site / "app.conf").write_text("saved")
    user = f"bound-{uuid.uuid4().hex[:8]}"
    with _bound(yard, user, site):
        backup = done(house.say(f"backup {user}:/srv")).run_id
        before = walk(site)
        (site / "app.conf").write_text("newer")
        (site / "more").write_text("x")
        present = walk(site)
        replaced = done(house.say(f"restore {backup} --replace"))
        assert differences(before, walk(site)) == {}
        assert [path.name for path in site.parent.iterdir()] == ["site"]
        made = yard.bench.api.exec_create(user, ["/bin/sh", "-c", "cat /srv/app.conf"])
        assert yard.bench.api.exec_start(made["Id"]) == b"saved"
        done(house.say(f"undo {replaced.run_id}"))
        assert differences(present, walk(site)) == {}


class _bound:
    """A running container that binds a directory of the host at /srv, while the body runs."""

    def __init__(self, yard: Yard, name: str, directory: Path) -> None:
        self._api, self._name, self._image = yard.bench.api, name, yard.bench.image
        host = self._api.create_host_config(binds=[f"{directory}:/srv"], network_mode="none")
        made = self._api.create_container(self._image, list(HEEDING), name=name, host_config=host)
        self._api.start(made["Id"])

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        self._api.remove_container(self._name, force=True)


@pytest.mark.parametrize(("content", "status"), [("old", Status.SUCCEEDED), ("none", Status.PARTIAL)])
def test_a_user_with_a_health_check_is_waited_for(
    house: House, yard: Yard, content: str, status: Status
) -> None:
    """Healthy on the new content, all is well; otherwise the result is partial and says who is ill."""
    workload = Workload(house, yard, f"mkdir d && echo {content} > d/a && ln d/a b")
    name = f"checked-{uuid.uuid4().hex[:8]}"
    api = yard.bench.api
    host = api.create_host_config(binds=[f"{workload.volume}:/v0"], network_mode="none")
    check = {"test": ["CMD", "/bin/sh", "-c", "test $(cat /v0/b) != none"], "interval": 10**9, "retries": 1}
    made = api.create_container(
        yard.bench.image, list(HEEDING), name=name, host_config=host, healthcheck=check
    )
    (workload.place / "b").write_text("fine")
    api.start(made["Id"])
    try:
        outcome = done(house.say(f"restore {workload.backup} --replace"), status)
        workload.refuse_half(workload.saved)
        assert (name in outcome.reply.text) == (status is Status.PARTIAL)
        assert outcome.reply.buttons[0].line == f"undo {outcome.run_id}"
    finally:
        api.remove_container(name, force=True)

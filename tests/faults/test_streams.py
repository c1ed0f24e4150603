"""Streams that break, stall, shrink or end early, and disks that are full: never `succeeded`, nothing left behind."""

from __future__ import annotations

import io
import os
import signal
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bot.playground import Delivery, Playground
from tests.support.cutting_proxy import CuttingProxy
from tests.support.disks import fill, small_disk
from tests.support.engine_available import require_private_engine
from tests.support.engine_script import dockerd_pid, environment_of, private_engine, run_script
from tests.support.house import House, at_work, settings
from tests.support.process import Site, until
from tests.support.yard import Yard, refuse_anything_untrue, refuse_untrue_of

pytestmark = [pytest.mark.faults, pytest.mark.engine]

STALL_SECONDS = 3
MEBIBYTE = 1 << 20


@contextmanager
def house_on(url: str, yard: Yard, state: Path, archive: Path | None = None) -> Iterator[House]:
    """The whole road in this process over the engine at that address; afterwards nothing may be left half done."""
    toml = f'[hosts.local]\naddress = "{url}"\n[limits]\nstall = {STALL_SECONDS}\n'
    made = settings(state, toml=toml, SHIPKEEPER_ARCHIVE=str(archive or state / "archive"))
    with at_work(made, {}) as house:
        yield house
        refuse_untrue_of(house.app, yard)


def nothing_is_listed(house: House) -> bool:
    """No backup, and no file of one."""
    archive = house.app.services.archive
    return not archive.backups() and not [path for path in archive.root.rglob("*") if path.is_file()]


# ---- a daemon that dies, or says nothing ---------------------------------------------------------


@pytest.fixture(scope="module")
def own_engine() -> Iterator[Path]:
    """An engine that may be killed and frozen."""
    require_private_engine()
    with private_engine() as directory:
        yield directory


@pytest.fixture(scope="module")
def own_yard(own_engine: Path) -> Iterator[Yard]:
    """A place in that engine."""
    made = Yard(environment_of(own_engine)["DOCKER_HOST"])
    yield made
    made.close()


@pytest.fixture(scope="module")
def own_volume(own_yard: Yard) -> str:
    """A volume in that engine, of which more comes than any buffer holds."""
    return own_yard.volume(
        "busy", "dd if=/dev/urandom of=big bs=1048576 count=60 2>/dev/null && echo last > z"
    )


@pytest.fixture(scope="module")
def own_user(own_yard: Yard, own_volume: str) -> str:
    """A running container that uses that volume and comes back after a crash of the engine."""
    return own_yard.user("user", own_volume, restart="always")


def test_a_silent_daemon_ends_the_run_within_the_limit(
    own_engine: Path, own_yard: Yard, own_volume: str, own_user: str, tmp_path: Path, short_path: Path
) -> None:
    """dockerd is frozen in mid-copy: the run fails, and what could not be taken back is once dockerd speaks again."""
    pid = dockerd_pid(own_engine)
    with (
        CuttingProxy(own_yard.url, short_path / "docker.sock") as proxy,
        house_on(proxy.url, own_yard, tmp_path / "state") as house,
    ):
        proxy.hold_at = MEBIBYTE
        run_id = house.accept(f"backup {own_volume} --quiesce pause")
        assert proxy.held.wait(20)
        os.kill(pid, signal.SIGSTOP)
        try:
            proxy.go_on.set()
            outcome = house.ending(run_id, seconds=60)
            assert outcome.status.value == "failed", outcome
            assert f"sent nothing for {STALL_SECONDS} seconds" in outcome.reply.text
            assert "Not everything could be taken back yet" in outcome.reply.text
            assert nothing_is_listed(house)
        finally:
            os.kill(pid, signal.SIGCONT)
        until(lambda: "By now everything was taken back" in house.ending(run_id).reply.text, seconds=30)
        assert own_yard.state(own_user) == "running"
        assert own_yard.helpers() == []


def test_a_killed_daemon_ends_the_run_and_leaves_nothing_when_it_is_back(
    own_engine: Path, own_yard: Yard, own_volume: str, own_user: str, tmp_path: Path, short_path: Path
) -> None:
    """dockerd is killed in mid-copy: the run fails; when it is back the helper goes and the container is awake."""
    with (
        CuttingProxy(own_yard.url, short_path / "docker.sock") as proxy,
        house_on(proxy.url, own_yard, tmp_path / "state") as house,
    ):
        proxy.hold_at = MEBIBYTE
        run_id = house.accept(f"backup {own_volume} --quiesce pause")
        assert proxy.held.wait(20)
        os.kill(dockerd_pid(own_engine), signal.SIGKILL)
        proxy.go_on.set()
        outcome = house.ending(run_id, seconds=60)
        assert outcome.status.value == "failed", outcome
        assert "broke off" in outcome.reply.text
        assert nothing_is_listed(house)
        up = run_script("up", str(own_engine))
        assert up.returncode == 0, up.stderr
        until(lambda: "By now everything was taken back" in house.ending(run_id).reply.text, seconds=30)
        until(lambda: own_yard.state(own_user) == "running", saying="the container's return")
        assert own_yard.helpers() == []


# ---- a stream that is not whole ------------------------------------------------------------------


def cuts_of(tar: bytes) -> list[int]:
    """Before, at and after every entry's header, inside every body, and inside the end marker."""
    with tarfile.open(fileobj=io.BytesIO(tar)) as members:
        entries = members.getmembers()
    end = max(entry.offset_data + -(-entry.size // 512) * 512 for entry in entries)
    boundaries = {entry.offset for entry in entries} | {end}
    bodies = {entry.offset_data + entry.size // 2 for entry in entries if entry.size}
    headers = {entry.offset + 100 for entry in entries}
    return sorted(boundaries | bodies | headers | {end + 100, end + 512})


def test_a_stream_that_ends_properly_but_early_never_succeeds(
    yard: Yard, tmp_path: Path, short_path: Path
) -> None:
    """The engine's answer is cut at every entry boundary and inside bodies, and ended as if it were whole."""
    volume = yard.volume(
        "small",
        "mkdir d && dd if=/dev/zero of=d/zeros bs=1024 count=4 2>/dev/null && echo one > a && ln a hard",
    )
    user = yard.user("user", volume)
    with (
        CuttingProxy(yard.url, short_path / "docker.sock") as proxy,
        house_on(proxy.url, yard, tmp_path / "state") as house,
    ):
        archive = house.app.services.archive
        assert house.say(f"backup {volume}").status.value == "succeeded"
        (whole,) = archive.backups()
        tar = b"".join(archive.open(whole))
        assert len(tar) == proxy.passed
        cuts = cuts_of(tar)
        assert len(cuts) > 12
        for cut in cuts:
            proxy.cut_at = cut
            outcome = house.say(f"backup {volume} --quiesce pause")
            assert outcome.status.value == "failed", f"cut at {cut}: {outcome}"
            assert "whole" in outcome.reply.text or "cut" in outcome.reply.text
        assert [backup.id for backup in archive.backups()] == [whole.id]
        assert yard.state(user) == "running"


def test_a_file_that_shrinks_while_it_is_read_never_succeeds(
    yard: Yard, volume: str, user: str, tmp_path: Path, short_path: Path
) -> None:
    """The engine answers 200 and ends as usual; the run fails, nothing is listed, the container runs."""
    if os.geteuid() != 0:
        pytest.skip("writing into a volume from outside needs root")
    big = yard.mountpoint(volume) / "big"
    size = big.stat().st_size
    with (
        CuttingProxy(yard.url, short_path / "docker.sock") as proxy,
        house_on(proxy.url, yard, tmp_path / "state") as house,
    ):
        proxy.hold_at = MEBIBYTE
        run_id = house.accept(f"backup {volume} --quiesce pause")
        assert proxy.held.wait(20)
        os.truncate(big, size - 20 * MEBIBYTE)
        proxy.go_on.set()
        outcome = house.ending(run_id)
        assert outcome.status.value == "failed", outcome
        assert "was cut after" in outcome.reply.text
        assert nothing_is_listed(house)
        assert yard.state(user) == "running"


# ---- disks that are full -------------------------------------------------------------------------


def test_a_full_archive_is_a_failed_run_that_names_the_bytes(
    yard: Yard, volume: str, user: str, tmp_path: Path
) -> None:
    """It is found out before anybody sleeps; the sentence names what is missing, and nothing is left."""
    with (
        small_disk(tmp_path / "disk", 20) as disk,
        house_on(yard.url, yard, tmp_path / "state", archive=disk / "archive") as house,
    ):
        outcome = house.say(f"backup {volume} --quiesce pause")
        assert outcome.status.value == "failed", outcome
        assert outcome.reply.facts["reason"] == "disk-full"
        assert "There is no room" in outcome.reply.text
        assert "B are missing" in outcome.reply.text
        assert nothing_is_listed(house)
        assert yard.state(user) == "running"


def settled(delivery: Delivery) -> bool:
    """Slack knows whether it arrived."""
    return delivery.acked_at is not None or delivery.error is not None


def test_a_full_state_directory_executes_nothing_that_it_cannot_record(
    yard: Yard, slack: Playground, tmp_path: Path
) -> None:
    """What Slack shows as failed made no backup, and what was acknowledged has one true ending afterwards."""
    small = yard.volume("small", "echo rows > table")
    with (
        small_disk(tmp_path / "disk", 8) as disk,
        Site(disk / "state", docker_host=yard.url, slack=slack, archive=tmp_path / "archive") as site,
    ):
        bot = site.serve().connected()
        first = bot.backing_up(small)
        until(lambda: site.has_ended(first))
        ballast = fill(disk)
        asked = [slack.slash("/backup", small) for _ in range(4)]
        until(lambda: all(settled(one) for one in asked), saying="an answer to each")
        assert [one for one in asked if one.error], "the disk was not full enough to refuse anything"
        shell = site.say("backup", small)
        assert shell.returncode == 1, shell.stdout
        assert "Nothing was changed" in shell.stderr
        ballast.unlink()
        until(lambda: not site.rows("SELECT id FROM runs WHERE ended_at IS NULL"), seconds=40)
        rows = site.rows("SELECT id FROM runs WHERE status = 'succeeded'")
        assert len(rows) == len(site.files(".manifest.json"))
        assert len(rows) <= 1 + sum(one.error is None for one in asked)
        again = bot.backing_up(small)
        until(lambda: site.has_ended(again))
        assert site.status_of(again) == "succeeded"
        assert bot.stop() == 0
        refuse_anything_untrue(site, yard)

"""Two processes on one state directory: exactly one executes, and a shell always tells the truth."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.cutting_proxy import CuttingProxy
from tests.support.process import Site, finished, outcome, until
from tests.support.yard import Yard, refuse_anything_untrue

pytestmark = [pytest.mark.faults, pytest.mark.engine]

# Far below the stall limit of 60 s, however busy the machine: a cancel does not wait for the engine.
_SOON_SECONDS = 30


def paused_by(
    site: Site, yard: Yard, volume: str, user: str, *words: str
) -> tuple[subprocess.Popen[str], str]:
    """A shell that backs the volume up, in the middle of it; and the run's id."""
    shell = site.start("backup", volume, "--quiesce", "pause", *words)
    until(lambda: yard.state(user) == "paused", seconds=60, saying="the pause")
    return shell, site.holds(f"volume:{volume}")


def test_a_second_bot_refuses_and_the_first_goes_on(site: Site, yard: Yard) -> None:
    """The second ends with exit code 1 and a sentence that names the first; the first still answers."""
    small = yard.volume("small", "echo rows > table")
    bot = site.serve().connected()
    second = site.say("serve")
    assert second.returncode == 1
    assert f"serves from {site.state} already (process {bot.process.pid})" in second.stderr
    assert "Nothing was changed" in second.stderr
    run_id = bot.backing_up(small)
    until(lambda: site.told(run_id).startswith("✅"), saying="the first bot's answer")
    assert bot.stop() == 0
    refuse_anything_untrue(site, yard)


def test_a_living_bot_executes_what_the_shell_asks_and_a_lonely_shell_executes_itself(
    site: Site, yard: Yard
) -> None:
    """The row names the process that did it; the shell prints the outcome and exits 0 either way."""
    small = yard.volume("small", "echo rows > table")
    bot = site.serve().connected()
    done = site.say("backup", small, "--json")
    assert done.returncode == 0, done.stderr
    assert outcome(done)["status"] == "succeeded"
    assert site.owner_of(outcome(done)["run_id"]) == bot.process.pid
    assert bot.stop() == 0
    shell = site.start("backup", small, "--json")
    alone = finished(shell)
    assert alone.returncode == 0, alone.stderr
    assert site.owner_of(outcome(alone)["run_id"]) == shell.pid
    assert len(site.files(".manifest.json")) == 2
    refuse_anything_untrue(site, yard)


def test_shell_takes_over_when_the_bot_dies_under_it(site: Site, yard: Yard, volume: str, user: str) -> None:
    """The bot is killed in mid-copy: the shell that follows wakes the container and tells that it was cut."""
    bot = site.serve().connected()
    shell, run_id = paused_by(site, yard, volume, user, "--json")
    assert site.owner_of(run_id) == bot.process.pid
    bot.kill()
    done = finished(shell)
    assert done.returncode == 1, done.stderr
    assert (outcome(done)["run_id"], outcome(done)["status"]) == (run_id, "interrupted")
    assert yard.state(user) == "running"
    site.refuse_loose_ends()
    refuse_anything_untrue(site, yard)


def test_of_two_shells_on_one_volume_the_bot_serves_one(
    site: Site, yard: Yard, volume: str, user: str, short_path: Path
) -> None:
    """The second is rejected and learns who holds it; with --wait it comes after the first, never beside it."""
    with CuttingProxy(yard.url, short_path / "docker.sock") as proxy:
        proxy.hold_at = 1 << 20
        site.environment["DOCKER_HOST"] = proxy.url
        bot = site.serve().connected()
        first, run_id = paused_by(site, yard, volume, user)
        refused = site.say("backup", volume, "--json")
        assert refused.returncode == 2, refused.stdout
        assert f"is held by run {run_id}" in outcome(refused)["text"]
        waiting = site.start("backup", volume, "--wait", "--json")
        until(lambda: len(site.rows("SELECT id FROM runs")) == 3, saying="the third run")
        proxy.go_on.set()
        assert finished(first).returncode == 0
        queued = finished(waiting)
        assert queued.returncode == 0, queued.stdout
        assert site.run(outcome(queued)["run_id"])["ended_at"] > site.run(run_id)["ended_at"]
        assert bot.stop() == 0
    refuse_anything_untrue(site, yard)


def test_a_lonely_shell_answers_the_others_and_they_come_one_after_the_other(
    site: Site, yard: Yard, volume: str, user: str, short_path: Path
) -> None:
    """Without a bot the shell at work says “busy” to the next and shows it the runs; one that waits learns for whom."""
    with CuttingProxy(yard.url, short_path / "docker.sock") as proxy:
        proxy.hold_at = 1 << 20
        site.environment["DOCKER_HOST"] = proxy.url
        first, run_id = paused_by(site, yard, volume, user)
        waiting = site.start("backup", volume, "--wait", "--json")
        refused, listed = site.start("backup", volume, "--json"), site.start("runs", "--json")
        busy, runs = finished(refused), finished(listed)
        assert (busy.returncode, runs.returncode) == (2, 0), busy.stderr
        assert f"is held by run {run_id}" in outcome(busy)["text"]
        assert run_id in [row["run"] for row in outcome(runs)["rows"]]
        assert site.owner_of(outcome(busy)["run_id"]) == first.pid
        assert waiting.stderr is not None
        assert (
            f"waits for its turn: run {run_id} (`backup {volume} --quiesce pause`"
            in waiting.stderr.readline()
        )
        assert not site.has_ended(run_id)
        proxy.go_on.set()
        after = finished(waiting)
        assert (finished(first).returncode, after.returncode) == (0, 0)
        assert site.run(outcome(after)["run_id"])["ended_at"] > site.run(run_id)["ended_at"]
        assert site.owner_of(outcome(after)["run_id"]) == waiting.pid
    refuse_anything_untrue(site, yard)


@pytest.mark.parametrize("is_mute", [False, True], ids=["in mid-stream", "before the stream"])
def test_a_lonely_shell_is_cancelled_from_another(
    site: Site, yard: Yard, volume: str, user: str, short_path: Path, is_mute: bool
) -> None:
    """`cancel` beside it ends its run at once, wherever the engine keeps it waiting; the shell that ends answers it."""
    with CuttingProxy(yard.url, short_path / "docker.sock") as proxy:
        proxy.hold_at, proxy.is_mute = 1 << 20, is_mute
        site.environment["DOCKER_HOST"] = proxy.url
        shell, run_id = paused_by(site, yard, volume, user, "--json")
        assert proxy.held.wait(60)
        asked = site.say("cancel", run_id, "--json")
        done = finished(shell, seconds=_SOON_SECONDS)
    assert (done.returncode, outcome(done)["status"]) == (1, "cancelled")
    assert (asked.returncode, outcome(asked)["status"]) == (0, "succeeded")
    assert yard.state(user) == "running"
    site.refuse_loose_ends()
    refuse_anything_untrue(site, yard)


def test_what_a_killed_shell_left_is_taken_back_by_the_next(
    site: Site, yard: Yard, volume: str, user: str
) -> None:
    """kill -9 of a shell in mid-copy: the next command, whatever it is, wakes the container and ends the run."""
    shell, run_id = paused_by(site, yard, volume, user)
    shell.kill()
    shell.wait()
    assert yard.state(user) == "paused"
    assert site.say("runs").returncode == 0
    assert site.status_of(run_id) == "interrupted"
    assert yard.state(user) == "running"
    site.refuse_loose_ends()
    refuse_anything_untrue(site, yard)


@pytest.mark.parametrize("with_bot", [False, True])
def test_interrupting_the_shell_cancels_its_run(
    site: Site, yard: Yard, volume: str, user: str, with_bot: bool
) -> None:
    """Ctrl-C ends the run, whoever executes it, takes back what it began, and exits 1."""
    bot = site.serve().connected() if with_bot else None
    shell, run_id = paused_by(site, yard, volume, user, "--json")
    shell.send_signal(signal.SIGINT)
    done = finished(shell)
    assert done.returncode == 1, done.stderr
    assert (outcome(done)["run_id"], outcome(done)["status"]) == (run_id, "cancelled")
    assert yard.state(user) == "running"
    assert not site.files(".tar.zst")
    assert bot is None or bot.stop() == 0
    site.refuse_loose_ends()
    refuse_anything_untrue(site, yard)


def test_the_same_key_is_the_same_run(site: Site, yard: Yard) -> None:
    """A repeated command line with the same key gets the first outcome, word for word; even at the same time."""
    small = yard.volume("small", "echo rows > table")
    words = ("backup", small, "--json", "--key", "nightly-1")
    twice = [finished(shell) for shell in (site.start(*words), site.start(*words))]
    bot = site.serve().connected()
    again = site.say(*words)
    assert [done.returncode for done in (*twice, again)] == [0, 0, 0], twice
    assert twice[0].stdout == twice[1].stdout == again.stdout
    assert len(site.files(".manifest.json")) == 1
    assert len(site.rows("SELECT id FROM runs")) == 1
    assert bot.stop() == 0
    refuse_anything_untrue(site, yard)


def test_a_bot_waits_for_a_shell_before_it_serves(
    site: Site, yard: Yard, volume: str, user: str, short_path: Path
) -> None:
    """Started while a lonely shell is at work, it opens no door before that shell's run has ended."""
    with CuttingProxy(yard.url, short_path / "docker.sock") as proxy:
        proxy.hold_at = 1 << 20
        site.environment["DOCKER_HOST"] = proxy.url
        shell, run_id = paused_by(site, yard, volume, user, "--json")
        bot = site.serve()
        until(lambda: f"waiting for process {shell.pid}" in site.log, saying="the bot's waiting")
        assert not site.has_ended(run_id)
        proxy.go_on.set()
        bot.connected()
        assert site.has_ended(run_id)
        done = finished(shell)
        assert (done.returncode, outcome(done)["run_id"]) == (0, run_id)
        assert site.owner_of(run_id) == shell.pid
        assert bot.stop() == 0
    refuse_anything_untrue(site, yard)

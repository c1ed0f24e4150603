"""kill -9 of the process in which a run waits for approval: it still waits in the next one, and can be approved."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bot.model import Status
from tests.fakes import FakeEngine
from tests.support.approving import RULES, asked_of, let_time_pass, waits
from tests.support.house import ROLES, at_work, from_slack, refuse_untrue, settings

pytestmark = pytest.mark.faults

TOML = ROLES + RULES.replace('"U0CAT"', '"U0BOB"')


def engine() -> FakeEngine:
    """The same Docker for each process."""
    made = FakeEngine()
    made.add_volume("pgdata", {"a": b"1"})
    made.add_container("db", ["pgdata"])
    return made


def ask_and_die(state: Path, line: str) -> None:
    """What the first process does: accept, wait for approval, be killed."""
    with at_work(settings(state, toml=TOML), {"local": engine()}) as house:
        run = waits(house.app, house.accept(from_slack(line)))
        print(run.id, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)


def killed_while_waiting(state: Path, line: str = "backup pgdata") -> str:
    """The id of the run that waits; its process is dead."""
    program = [sys.executable, "-m", "tests.faults.test_kill_waiting", str(state), line]
    died = subprocess.run(program, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr
    return died.stdout.strip()


def test_it_still_waits_and_can_be_approved(tmp_path: Path) -> None:
    """Nothing was held or changed by then; approved, it is done, once."""
    run_id = killed_while_waiting(tmp_path / "state")
    with at_work(settings(tmp_path / "state", toml=TOML), {"local": engine()}) as house:
        assert house.run(run_id).status is Status.WAITING
        assert house.say(from_slack(f"approve {run_id}")).status is Status.DENIED
        assert house.say(from_slack(f"approve {run_id}", user="U0ADA")).status is Status.SUCCEEDED
        assert house.ending(run_id).status is Status.SUCCEEDED
        assert len(house.app.services.archive.backups()) == 1
        refuse_untrue(house.app)


def test_what_changed_between_two_processes_is_noticed(tmp_path: Path) -> None:
    """The digest is on the disk: a container that was made anew meanwhile is named."""
    run_id = killed_while_waiting(tmp_path / "state")
    other = engine()
    other.remove_container("db")
    other.add_container("db", ["pgdata"])
    with at_work(settings(tmp_path / "state", toml=TOML), {"local": other}) as house:
        house.say(from_slack(f"approve {run_id}", user="U0ADA"))
        ended = house.ending(run_id)
        assert ended.status is Status.REJECTED
        assert "container db was made anew" in ended.reply.text
        refuse_untrue(house.app)


def test_what_expired_while_no_process_lived_ends_so(tmp_path: Path) -> None:
    """The next process ends it, and nobody can approve it any more."""
    run_id = killed_while_waiting(tmp_path / "state")
    with at_work(settings(tmp_path / "state", toml=TOML), {"local": engine()}) as house:
        assert asked_of(house.app, run_id).decision is None
        let_time_pass(house.app, run_id)
        assert house.ending(run_id).status is Status.EXPIRED
        assert house.say(from_slack(f"approve {run_id}", user="U0ADA")).status is Status.REJECTED
        assert not house.app.services.archive.backups()
        refuse_untrue(house.app)


if __name__ == "__main__":
    ask_and_die(Path(sys.argv[1]), sys.argv[2])

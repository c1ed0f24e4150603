"""`shipkeeper` at a real terminal: bars and tables that fit; plain where nothing may be steered; what a Ctrl-C does."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from rich.cells import cell_len

from tests.support.at_terminal import AtTerminal
from tests.support.migrated import put_database

_ROOT = Path(__file__).parents[2]
_STEERS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class _Shell:
    """A state directory, and what is typed there."""

    def __init__(self, state: Path) -> None:
        state.mkdir()
        self.state = state
        put_database(state / "shipkeeper.db")
        self._go_on = state / "go-on"
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(state),
            "TERM": "xterm-256color",
            "LC_ALL": "C.UTF-8",
            "PYTHONPATH": str(_ROOT),
            "SHIPKEEPER_STATE": str(state),
            "GO_ON": str(self._go_on),
        }

    def types(self, line: str, *, columns: int = 100, **more: str) -> AtTerminal:
        """Begin the command line at a terminal."""
        program = [sys.executable, "-m", "tests.support.shell_alone", *line.split()]
        return AtTerminal(program, {**self.environment, **more}, columns=columns)

    def pipes(self, line: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Carry out the command line where its output goes to a program."""
        program = [sys.executable, "-m", "tests.support.shell_alone", *line.split()]
        environment = {**self.environment, **more}
        return subprocess.run(
            program, env=environment, capture_output=True, text=True, timeout=120, check=False, cwd=_ROOT
        )

    def go_on(self) -> None:
        """Let the reading of volumes go on."""
        self._go_on.touch()


@pytest.fixture
def shell(tmp_path: Path) -> _Shell:
    """A shell where no bot serves."""
    return _Shell(tmp_path / "state")


def _widest(shown: str) -> int:
    return max(cell_len(line) for line in re.split(r"[\r\n]+", shown))


@pytest.mark.parametrize("columns", [40, 60, 80, 100])
def test_a_bar_shows_step_bytes_and_time(shell: _Shell, columns: int) -> None:
    """One line that fits, drawn again and again, and gone once the result is there."""
    with shell.types("backup pgdata", columns=columns, SLOW_AT="2000000") as terminal:
        terminal.shows("copying")
        terminal.shows("2 MB")
        if columns >= 80:
            terminal.shows("MB/s")
        terminal.shows("1.0 s")
        shell.go_on()
        assert terminal.ends() == 0
        assert "\x1b[?25l" in terminal.raw  # the cursor was hidden
        assert terminal.raw.rstrip().rfind("\x1b[?25h") > terminal.raw.rfind("\x1b[?25l")
        result = terminal.seen[terminal.seen.index("✅") :]
        assert "copying" not in result
        drawn = terminal.seen[: terminal.seen.index("✅")]
        assert _widest(drawn) <= columns


@pytest.mark.parametrize("more", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_lines_where_nothing_may_be_steered(shell: _Shell, more: dict[str, str]) -> None:
    """A line for each step, then the result, and no control character at all."""
    with shell.types("backup pgdata", SLOW_AT="2000000", **more) as terminal:
        terminal.shows("copying (run ")
        shell.go_on()
        assert terminal.ends() == 0
        assert not _STEERS.search(terminal.raw.replace("\r\n", "\n"))
        assert sum("copying (run " in line for line in terminal.raw.splitlines()) == 1
    with shell.types("volumes", **more) as terminal:
        assert terminal.ends() == 0
        assert not _STEERS.search(terminal.raw.replace("\r\n", "\n"))


def test_plain_lines_into_a_pipe(shell: _Shell) -> None:
    """The result alone, each row of a table one line; JSON is exact."""
    done = shell.pipes("backup pgdata")
    assert (done.returncode, done.stderr) == (0, "")
    assert not _STEERS.search(done.stdout.replace("\n", ""))
    listed = shell.pipes("volumes")
    assert len([line for line in listed.stdout.splitlines() if "a-volume-with-a-very-long-name" in line]) == 1
    as_json = shell.pipes("volumes --json", FORCE_COLOR="1")
    assert as_json.stderr == ""
    assert {row["volume"] for row in json.loads(as_json.stdout)["rows"]} >= {"pgdata", "web-data"}


@pytest.mark.parametrize("columns", [30, 60, 140])
def test_a_table_fits(shell: _Shell, columns: int) -> None:
    """In columns where there is room, row by row where there is not; nothing is cut off."""
    with shell.types("volumes", columns=columns) as terminal:
        assert terminal.ends() == 0
        table = terminal.seen[terminal.seen.rindex("pgdata") - 200 :]
        assert _widest(table[: table.index("run ")]) <= columns
        if columns < 100:  # below the heading, in one piece
            whole = re.sub(r"\s+", "", terminal.seen)
            assert "a-volume-with-a-very-long-name-that-no-narrow-terminal-has-room-for" in whole


def test_ctrl_c_cancels_and_says_so(shell: _Shell) -> None:
    """What it began is taken back, and the ending is told; the terminal is as it was."""
    with shell.types("backup pgdata", SLOW_AT="2000000") as terminal:
        terminal.shows("2 MB")
        terminal.says("\x03", until="is being cancelled")
        assert terminal.ends() == 1
        assert "🚫" in terminal.seen
        assert "taken back" in terminal.seen
        assert terminal.raw.rfind("\x1b[?25h") > terminal.raw.rfind("\x1b[?25l")


def test_a_second_ctrl_c_waits_for_a_limited_time(shell: _Shell) -> None:
    """It ends by the signal and without a traceback, and the next shipkeeper takes back what was left."""
    settings = shell.state / "settings.toml"
    settings.write_text("[limits]\ngrace = 0\n")
    with shell.types("backup pgdata", MUTE="1", SHIPKEEPER_SETTINGS=str(settings)) as terminal:
        terminal.shows("listing")
        terminal.says("\x03", until="Another Ctrl-C waits for a limited time only")
        terminal.says("\x03", until="")
        assert terminal.ends() == -signal.SIGINT
        assert "Traceback" not in terminal.raw
        assert terminal.raw.rfind("\x1b[?25h") > terminal.raw.rfind("\x1b[?25l")
    assert shell.pipes("whoami").returncode == 0
    runs = json.loads(shell.pipes("runs --json").stdout)["rows"]
    assert [row["status"] for row in runs if row["line"] == "backup pgdata"] == ["interrupted"]

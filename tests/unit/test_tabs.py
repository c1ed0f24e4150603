"""What a shell is offered: the same things as in Slack, to the same people, and nothing is touched for it."""

from __future__ import annotations

import os
import pwd
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

import handlers
from bot import cli
from bot.completion.shells import MODES
from bot.lookout import offered
from bot.model import Status
from bot.tabdoor import TabDoor, asked
from tests.fakes import FakeEngine
from tests.support.house import House, at_work, settings, wait_for
from tests.support.tabs import answering, with_the_program

COMMANDS = handlers.load()
ROLES = """
[hosts.dev]
address = "unix:///dev.sock"
default = true
[hosts.prod]
address = "unix:///prod.sock"
[runbooks.tidy]
summary = "Tidy up"
command = ["tidy"]
containers = ["*"]
"""
ONLY_WEB = (
    ROLES
    + """
[roles.of-some]
members = ["cli:cat"]
right = "operate"
targets = ["volume:web-*"]
hosts = ["dev"]
"""
)


@pytest.fixture
def engines() -> dict[str, FakeEngine]:
    """Two hosts."""
    dev, prod = FakeEngine("dev"), FakeEngine("prod")
    for name in ("pgdata", "web-data", "web-logs", "old-web"):
        dev.add_volume(name, {"file": name.encode()})
    dev.add_container("web", ["web-data"])
    dev.add_container("db", ["pgdata"], state="exited")
    prod.add_volume("web-prod")
    return {"dev": dev, "prod": prod}


class _Looked:
    """Presses the key where no bot serves."""

    def __init__(self, state: Path, engines: dict[str, FakeEngine], toml: str = ROLES) -> None:
        self.settings = settings(state, toml=toml)
        self.engines = engines

    def __call__(self, line: str, user: str = "tester") -> dict[str, str]:
        """Words, with what is said about them; the line ends at the cursor."""
        return {word: about for word, _, about in (one.partition("\t") for one in self.lines(line, user)[1:])}

    def files(self, line: str) -> str:
        """Which files could be meant."""
        return self.lines(line)[0]

    def lines(self, line: str, user: str = "tester") -> list[str]:
        """All that the shell is told."""
        return offered(self.settings, COMMANDS, line.split(" "), user, self.engines).splitlines()


@pytest.fixture
def press(tmp_path: Path, engines: dict[str, FakeEngine]) -> _Looked:
    """No bot serves, and nobody has asked for anything yet."""
    return _Looked(tmp_path / "state", engines)


def test_commands_and_modes_come_first(press: _Looked) -> None:
    """Each with what it does; flags of the program where one was begun."""
    found = press("")
    assert set(COMMANDS) | set(MODES) <= set(found)
    assert found["hosts"] == COMMANDS["hosts"].summary
    assert list(press("rest")) == ["restore"]
    assert list(press("--v")) == ["--version"]


def test_every_mode_of_the_program_is_offered() -> None:
    """None is forgotten where one is added."""
    assert set(cli._MODES) == set(MODES)


def test_volumes_containers_and_hosts(press: _Looked) -> None:
    """What fits, with how it is; of the host that was named before."""
    assert press("backup web") == {"web-data": "in use · local", "web-logs": "not in use · local"}
    assert list(press("backup --host prod ")) == ["web-prod"]
    assert list(press("backup --host=prod w")) == ["web-prod"]
    assert press("snapshot ") == {"db": "exited", "web": "running"}
    assert list(press("volumes --host ")) == ["dev", "prod"]
    assert list(press("volumes --host=p")) == ["--host=prod"]
    assert list(press("exec web t")) == ["tidy"]


def test_flags_and_choices(press: _Looked) -> None:
    """Those that were not given yet, and the words that a flag takes."""
    assert list(press("backup pgdata --q")) == ["--quiesce"]
    assert list(press("backup pgdata --quiesce ")) == ["none", "pause", "stop"]
    assert list(press("backup pgdata --quiesce=p")) == ["--quiesce=pause"]
    assert "--quiesce" not in press("backup pgdata --quiesce stop --")
    assert {"--json", "--key", "--files"} <= set(press("backup pgdata --"))
    assert list(press("--json backup pgd")) == ["pgdata"]
    assert list(press("--key backup backup pgd")) == ["pgdata"]
    assert press("backup pgdata --note ") == {}
    assert press("backup pgdata x") == {}
    assert list(press("completion ")) == ["bash", "zsh", "fish"]
    assert list(press("manifest --format y")) == ["yaml"]


def test_files_are_for_the_shell(press: _Looked) -> None:
    """It is told that files or directories could be meant."""
    assert press.files("backup pgd") == "none"
    assert press.files("--files ") == press.files("--files=/t") == "directories"
    assert press.files("audit verify /tmp/x") == "files"
    assert press.lines("cp we") == ["files", "web:/\trunning"]


def test_a_quote_that_is_still_open(press: _Looked) -> None:
    """What is typed is understood as the program will get it."""
    assert list(press("backup 'pgd")) == list(press('backup "pgd')) == ["pgdata"]


def test_backups_and_runs(press: _Looked, engines: dict[str, FakeEngine]) -> None:
    """A backup by its id, or by what it is of; a run by its id."""
    with at_work(press.settings, engines) as house:
        run_id = house.say("backup pgdata").run_id
        house.say("backup web-data")
    assert press(f"verify {run_id[:4]}")[run_id].startswith("pgdata · ")
    assert list(press("verify pgd")) == [f"pgdata/{run_id}"]
    assert "backup pgdata" in press("undo ")[run_id]


def test_schedules_and_what_they_carry_out(press: _Looked, engines: dict[str, FakeEngine]) -> None:
    """Names of schedules; behind the words that say when, a command line of its own."""
    with at_work(press.settings, engines) as house:
        assert house.say("schedule nightly daily at 03:00 backup pgdata").status is Status.SUCCEEDED
    assert "daily at 03:00" in press("pause n")["nightly"]
    assert list(press("schedule web-nightly daily at 03:00 back")) == ["backup", "backups"]
    assert list(press("schedule web-nightly daily at 03:00 backup web")) == ["web-data", "web-logs"]
    assert list(press("schedule web-nightly daily at 03:00 backup pgdata --quiesce=s")) == ["--quiesce=stop"]
    assert list(press("schedule --quiet w 'daily at 03:00' approve ")) == []
    assert press("schedule w ") == {}


def test_the_policy_is_asked(tmp_path: Path, engines: dict[str, FakeEngine]) -> None:
    """Once roles name users of the shell, each is offered what they may touch."""
    press = _Looked(tmp_path / "state", engines, ONLY_WEB)
    assert list(press("backup ", "cat")) == ["web-data", "web-logs"]
    assert press("backup --host prod ", "cat") == {}
    assert press("backup ", "eve") == {}
    assert set(press("", "eve")) == {"help", "whoami", *MODES}


def test_a_mute_host_costs_little(press: _Looked, engines: dict[str, FakeEngine]) -> None:
    """What it has is missing, and the others are offered as ever."""
    go_on = threading.Event()
    engines["dev"].faults.before["list_containers"] = [lambda _: go_on.wait(20)]
    try:
        began = time.monotonic()
        assert press("backup ") == {}
        assert time.monotonic() - began < 5
        assert list(press("backup --host prod ")) == ["web-prod"]
    finally:
        go_on.set()


def test_nothing_can_steer_the_terminal(press: _Looked, engines: dict[str, FakeEngine]) -> None:
    """Neither a name nor what is said about it."""
    engines["dev"].add_volume("evil\x1b[2J")
    engines["dev"].add_volume("two\nlines")
    assert press("backup e") == press("backup t") == {}


def test_nothing_is_written(tmp_path: Path, engines: dict[str, FakeEngine]) -> None:
    """No directory, no database, no run, no line in the audit log."""
    state = tmp_path / "state"
    press = _Looked(state, engines)
    (state / "shipkeeper.db").unlink()
    before = sorted(tmp_path.rglob("*"))
    assert press("backup pgd")
    assert press("undo ") == {}
    assert sorted(tmp_path.rglob("*")) == before


def test_a_database_is_left_as_it_is(press: _Looked, engines: dict[str, FakeEngine]) -> None:
    """Byte by byte, and without a file beside it."""
    with at_work(press.settings, engines) as house:
        house.say("backup pgdata")
    state = press.settings.state
    before = {path: path.read_bytes() for path in state.rglob("*") if path.is_file()}
    assert press("undo ")
    assert {path: path.read_bytes() for path in state.rglob("*") if path.is_file()} == before


@pytest.fixture
def house(tmp_path: Path, engines: dict[str, FakeEngine]) -> Iterator[House]:
    """A house that answers shells."""
    with at_work(settings(tmp_path / "state", toml=ROLES), engines) as made, answering(made):
        yield made


def test_a_bot_that_serves_answers(house: House) -> None:
    """From what it knows, and to the user that the kernel names, unless that is root."""
    state = house.app.settings.state
    told = asked(state, ["backup", "web"], "tester", "en")
    assert told is not None
    assert told.splitlines() == ["none", "web-data\tin use · local", "web-logs\tnot in use · local"]
    korean = asked(state, ["snapshot", ""], "tester", "ko")
    assert korean is not None
    assert "running" not in korean
    assert (state / "complete.sock").stat().st_mode & 0o777 == 0o600


def test_only_root_may_be_somebody_else(tmp_path: Path) -> None:
    """Who asks is who the kernel says; root says for whom sudo runs."""
    users: list[str] = []

    def answer(_words: object, user: str, _language: str) -> str:
        users.append(user)
        return "none\n"

    door = TabDoor(tmp_path, answer)
    door.start()
    try:
        assert asked(tmp_path, [""], "ada", "en") == "none\n"
        assert users == ["ada" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name]
    finally:
        door.stop()
        door.stop()
    assert not list(tmp_path.iterdir())


def test_where_no_bot_is_nobody_answers(tmp_path: Path) -> None:
    """Also where a dead one left its socket, and the next bot takes that place."""
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    assert asked(deep, [""], "ada", "en") is None
    assert asked(tmp_path / "nowhere", [""], "ada", "en") is None
    (deep / "complete.sock").touch()
    assert asked(deep, [""], "ada", "en") is None
    door = TabDoor(deep, lambda _words, _user, _language: "none\n")
    door.start()
    assert asked(deep, [""], "ada", "en") == "none\n"
    door.stop()


def test_a_mute_bot_is_given_up(tmp_path: Path) -> None:
    """Within a second, and nothing is said."""
    go_on = threading.Event()

    def answer(*_: object) -> str:
        go_on.wait(20)
        return "none\n"

    door = TabDoor(tmp_path, answer)
    door.start()
    try:
        with pytest.raises(TimeoutError):
            asked(tmp_path, [""], "ada", "en")
    finally:
        go_on.set()
        door.stop()


def test_nonsense_does_not_stop_the_door(house: House) -> None:
    """Whatever comes in, the next one is answered."""
    state = house.app.settings.state
    for nonsense in (b"", b"{}", b"[1]", b"\xff", b'{"words": 5}', b"x" * 100_000):
        with socket.socket(socket.AF_UNIX) as wire:
            wire.connect(str(state / "complete.sock"))
            with suppress(BrokenPipeError):
                wire.sendall(nonsense)
    assert asked(state, ["whoa"], "ada", "en") is not None


def test_the_program_loads_nothing_to_ask_a_bot(house: House, tmp_path: Path) -> None:
    """Neither the commands nor the libraries of database, Docker and settings: that alone is most of a second."""
    environment = with_the_program(tmp_path / "bin", house.app.settings.state)
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "bot", "complete", "--", "backup", "pgd"],
        env=environment | {"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.splitlines() == ["none", "pgdata\tin use · local"]
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert not loaded & {"sqlalchemy", "docker", "pydantic", "rich", "handlers"}


def test_nothing_goes_on_looking(press: _Looked) -> None:
    """Whoever looks in a process that lives on leaves no thread behind that would look again and again."""
    press("backup ")
    looking = lambda: [one for one in threading.enumerate() if one.name.startswith("inventory-")]  # noqa: E731
    wait_for(lambda: not looking(), saying="the end of the looks")

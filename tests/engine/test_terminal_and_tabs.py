"""A person's terminal on a real engine: a bar while a backup is made, and completion over what is really there."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.at_terminal import AtTerminal
from tests.support.engine_available import require_engine
from tests.support.process import Site
from tests.support.tabs import said_by, with_the_program
from tests.support.yard import Yard, refuse_anything_untrue

pytestmark = pytest.mark.engine
_SCRIPT = Path(__file__).parents[2] / "bot" / "shells" / "bash"


@pytest.fixture(scope="module")
def yard() -> Iterator[Yard]:
    """A place in the engine that answers."""
    made = Yard(require_engine())
    yield made
    made.close()


@pytest.fixture(scope="module")
def site(yard: Yard, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A state directory without a bot."""
    with Site(tmp_path_factory.mktemp("terminal") / "state", docker_host=yard.url) as made:
        yield made
        refuse_anything_untrue(made, yard)


def test_a_backup_shows_a_bar(site: Site, yard: Yard) -> None:
    """Steps with bytes, then the result, and the cursor is back."""
    volume = yard.volume(
        "pgdata", "for n in 1 2 3 4 5 6; do dd if=/dev/urandom of=$n bs=1M count=25 2>/dev/null; done"
    )
    environment = {**site.environment, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
    program = [sys.executable, "-m", "bot", "backup", volume]
    with AtTerminal(program, environment | {"PYTHONPATH": str(Path(__file__).parents[2])}) as terminal:
        terminal.shows("copying")
        terminal.shows("MB/s")
        assert terminal.ends(seconds=120) == 0
        assert f"✅ Volume {volume} is backed up and proven" in terminal.seen
        assert terminal.raw.rfind("\x1b[?25h") > terminal.raw.rfind("\x1b[?25l")


def test_bash_completes_volumes_and_backups(site: Site, yard: Yard, tmp_path: Path) -> None:
    """Of the engine and of the archive, without a bot and without a trace."""
    volume = yard.volume("tabbed", "echo one > a")
    done = site.say("backup", volume, "--json")
    assert done.returncode == 0
    before = {path: path.read_bytes() for path in site.state.rglob("*") if path.is_file()}
    environment = {**site.environment, **with_the_program(tmp_path / "bin", site.state)}
    assert _bash(f"shipkeeper backup {volume[:-1]}", environment) == [volume]
    (reference,) = _bash(f"shipkeeper verify {volume}", environment)
    assert reference.startswith(f"{volume}/")
    assert {path: path.read_bytes() for path in site.state.rglob("*") if path.is_file()} == before


def _bash(line: str, environment: dict[str, str]) -> list[str]:
    words = line.split()
    script = (
        f"source {_SCRIPT}; compopt() {{ :; }}; COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}; "
        f"COMP_LINE='{line}'; COMP_POINT={len(line)}; COMP_TYPE=9; _shipkeeper; "
        f"printf '%s\\n' \"${{COMPREPLY[@]}}\""
    )
    return said_by(["bash", "--norc", "-c"], script, environment).splitlines()

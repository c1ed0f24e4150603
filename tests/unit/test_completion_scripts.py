"""The scripts by which bash, zsh and fish complete, in those shells themselves, against a house that answers."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes import FakeEngine
from tests.support.at_terminal import AtTerminal
from tests.support.house import House, at_work, settings
from tests.support.tabs import answering, said_by, with_the_program

_SCRIPTS = Path(__file__).parents[2] / "bot" / "shells"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Volumes, containers, and a backup of a path that a shell would take for a command."""
    engine = FakeEngine("local")
    for name in ("pgdata", "web-data", "web-logs"):
        engine.add_volume(name, {"file": name.encode()})
    engine.add_container("web", ["web-data"])
    made = settings(tmp_path_factory.mktemp("tabs") / "state")
    with at_work(made, {"local": engine}) as house, answering(house):
        house.say("backup web-data")
        yield house


@pytest.fixture(scope="module")
def environment(house: House, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """That of a shell whose program asks that house."""
    return with_the_program(tmp_path_factory.mktemp("home") / "bin", house.app.settings.state)


def _bash(line: str, environment: dict[str, str], kind: int = 9) -> list[str]:
    """What bash would offer at the end of the line, whose words it breaks as it does by itself."""
    words = [part for part in re.split(r"(\s+|[:=]+)", line) if part and not part.isspace()]
    if not line or line[-1].isspace():
        words.append("")
    quoted = " ".join("'" + word.replace("'", "'\\''") + "'" for word in words)
    script = (
        f"source {_SCRIPTS / 'bash'}; compopt() {{ :; }}; COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; "
        f"COMP_LINE='{line}'; COMP_POINT={len(line)}; COMP_TYPE={kind}; "
        f"COMP_WORDBREAKS=$' \\t\\n\"\\'><=;|&(:'; _shipkeeper; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    )
    return [one for one in said_by(["bash", "--norc", "-c"], script, environment).splitlines() if one]


def test_bash_is_given_words(environment: dict[str, str]) -> None:
    """One fits: it is written out. Several: each with what is said about it."""
    assert _bash("shipkeeper backup pg", environment) == ["pgdata"]
    assert _bash("shipkeeper backup web", environment) == [
        "web-data  (in use · local)",
        "web-logs  (not in use · local)",
    ]
    assert _bash("shipkeeper backup web", environment, kind=37) == ["web-data", "web-logs"]
    assert _bash("shipkeeper back", environment)[0].startswith("backup  (Back up")
    assert _bash("shipkeeper nonsense ", environment) == []


def test_bash_breaks_words_at_equals_signs_and_colons(environment: dict[str, str]) -> None:
    """What stands before the break is not repeated."""
    assert _bash("shipkeeper backup pgdata --quiesce=p", environment) == ["pause"]
    assert len(_bash("shipkeeper backup pgdata --quiesce=", environment)) == 3
    assert _bash("shipkeeper backup --host=lo", environment) == ["local"]
    assert _bash("shipkeeper cp we", environment) == ["web:/"]


def test_bash_completes_files_itself(environment: dict[str, str], tmp_path: Path) -> None:
    """Where a path of this machine is meant."""
    (tmp_path / "export.jsonl").touch()
    found = _bash(f"shipkeeper audit verify {tmp_path}/ex", environment)
    assert found == [f"{tmp_path}/export.jsonl"]


def test_bash_of_a_person_at_a_terminal(environment: dict[str, str]) -> None:
    """The key itself: one word is written out and its run begins with nothing but that line."""
    with AtTerminal(["bash", "--norc", "--noprofile", "-i"], environment) as bash:
        bash.says("PS1='> '; source <(shipkeeper completion bash); echo rea''dy\n", until="ready")
        assert "pgdata " in bash.says("echo A; shipkeeper backup pg\t", until="pgdata ")
        bash.says("\x15", until="")
        assert "web-logs  (not in use" in bash.says(
            "shipkeeper backup web\t\t\t", until="web-logs  (not in use"
        )


@pytest.mark.skipif(shutil.which("fish") is None, reason="needs fish")
def test_fish_is_given_words(environment: dict[str, str]) -> None:
    """By its own command that completes a line."""

    def fish(line: str) -> list[str]:
        script = f"source {_SCRIPTS / 'fish'}; complete -C '{line}'"
        return said_by(["fish", "--no-config", "-c"], script, environment).splitlines()

    assert fish("shipkeeper backup web") == ["web-data\tin use · local", "web-logs\tnot in use · local"]
    assert "pause" in "".join(fish("shipkeeper backup pgdata --quiesce=p"))
    assert fish("shipkeeper cp we")[-1] == "web:/\trunning"


@pytest.mark.skipif(shutil.which("zsh") is None, reason="needs zsh")
def test_zsh_is_given_words(environment: dict[str, str]) -> None:
    """At a terminal, for its completion lives in its line editor alone."""
    with AtTerminal(["zsh", "-f", "-i"], environment) as zsh:
        zsh.says(
            "PS1='> '; autoload -U compinit; compinit -D -u; source <(shipkeeper completion zsh); echo rea''dy\n",
            until="ready\r\n",
        )
        assert "pgdata" in zsh.says("shipkeeper backup pg\t", until="pgdata")
        zsh.says("\x15", until="")
        assert "web-logs  -- not in use" in zsh.says(
            "shipkeeper backup web\t\t", until="web-logs  -- not in use"
        )


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_scripts_are_sound(shell: str) -> None:
    """As far as the shell itself says so without running them."""
    if shutil.which(shell) is None:
        pytest.skip(f"needs {shell}")
    subprocess.run([shell, "-n", _SCRIPTS / shell], check=True, timeout=20)

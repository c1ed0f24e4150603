"""What is asked of git about a build's context: the commit, and no program that the checkout names."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from bot.errors import BuildFailed
from bot.operations import checkout
from bot.operations.checkout import checkout_of

_KNOWN = ("-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "protocol.file.allow=always")


def _git(place: Path, *words: str) -> None:
    subprocess.run(["git", "-C", place, *_KNOWN, *words], check=True, capture_output=True)


def _committed(place: Path) -> Path:
    """A checkout with one file, whose attributes give it to the filter `x`."""
    place.mkdir()
    (place / "app").write_bytes(b"code")
    (place / ".gitattributes").write_text("app filter=x\n")
    _git(place, "init", "--quiet")
    _git(place, "add", ".")
    _git(place, "commit", "--quiet", "-m", "first")
    return place


@pytest.fixture
def web(tmp_path: Path) -> Path:
    """A checkout."""
    return _committed(tmp_path / "web")


def _touched(file: Path) -> None:
    """Its time differs from what git remembers, so git has to read it."""
    os.utime(file, (1, 1))


def _spying(tmp_path: Path) -> tuple[str, Path]:
    """A program that leaves a file with its environment, and that file."""
    seen, program = tmp_path / "seen", tmp_path / "spy"
    program.write_text(f"#!/bin/sh\nenv >> '{seen}'\ncat\n")
    program.chmod(0o755)
    return str(program), seen


@pytest.mark.parametrize("key", ["filter.x.clean", "filter.x.process", "core.fsmonitor"])
def test_no_program_of_the_checkout_runs(tmp_path: Path, web: Path, key: str) -> None:
    """Neither a filter nor a monitor that its own configuration names, so the commit is clean as it is."""
    program, seen = _spying(tmp_path)
    _git(web, "config", key, program)
    _git(web, "config", "filter.x.required", "true")
    _touched(web / "app")
    found = checkout_of(web)
    assert found is not None
    assert not found.dirty
    assert not seen.exists()


def test_no_program_of_a_submodule_runs(tmp_path: Path, web: Path) -> None:
    """Its configuration is another file, and what was changed in it makes the context differ all the same."""
    _git(web, "submodule", "--quiet", "add", str(_committed(tmp_path / "part")), "part")
    _git(web, "commit", "--quiet", "-m", "second")
    program, seen = _spying(tmp_path)
    _git(web / "part", "config", "filter.x.clean", program)
    _git(web / "part", "config", "core.fsmonitor", program)
    _touched(web / "part" / "app")
    found = checkout_of(web)
    assert found is not None
    assert not found.dirty
    (web / "part" / "app").write_bytes(b"changed")
    found = checkout_of(web)
    assert found is not None
    assert found.dirty
    assert not seen.exists()


def test_git_gets_no_secret(tmp_path: Path, web: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A filter that the bot's own user set up may run, and finds none of the bot's secrets."""
    program, seen = _spying(tmp_path)
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(f'[filter "x"]\n\tclean = {program}\n')
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-not-for-git")
    _touched(web / "app")
    assert checkout_of(web) is not None
    told = seen.read_text()
    assert f"HOME={home}\n" in told
    assert "xoxb" not in told


def test_a_filter_that_no_option_can_name_is_told(web: Path) -> None:
    """It cannot be switched off, so nothing is built."""
    _git(web, "config", "filter.x=y.clean", "true")
    with pytest.raises(BuildFailed, match=r"its filter “filter\.x=y” cannot be switched off"):
        checkout_of(web)


def test_git_that_does_not_answer_is_told(tmp_path: Path, web: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sentence says so, as where the checkout lies on a disk of the network that is away."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "git").write_text("#!/bin/sh\nexec tail -f /dev/null\n")
    (programs / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setattr(checkout, "_SECONDS", 0.2)
    with pytest.raises(BuildFailed, match=r"git did not answer within 0\.2 seconds\. Nothing was built"):
        checkout_of(web)

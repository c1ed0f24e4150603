"""Asks git which commit a directory is at. Only looks: takes no lock, and runs no program that the checkout names.

Whoever may write into the checkout decides what is built from it, but not what the bot's user runs: its filters,
hooks and monitors are switched off, nothing is fetched, and git gets none of the bot's secrets.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from bot.entry import printable
from bot.errors import BuildFailed
from bot.language import say

_SECONDS = 60
_LONGEST_REASON = 300
_KEPT = ("PATH", "HOME", "XDG_CONFIG_HOME")
"""Where git is, and where its user keeps what he trusts."""

_QUIET = {
    "LC_ALL": "C",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ALLOW_PROTOCOL": "none",  # what a partial clone lacks is not fetched, by whatever program
    "GIT_NO_LAZY_FETCH": "1",
}
_SAFE = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")
_OFF = ("clean=", "smudge=", "process=", "required=false")
_FOUND_NONE = 1
_IS_SUBMODULE = "160000 "


@dataclass(frozen=True, kw_only=True)
class Checkout:
    """The git checkout that a context lies in: its commit, and whether anything in the context differs from it."""

    commit: str
    dirty: bool


def checkout_of(context: Path) -> Checkout | None:
    """What git says of the directory; None outside any checkout. Raises BuildFailed when git cannot tell."""
    if not any((place / ".git").exists() for place in (context, *context.parents)):
        return None
    if shutil.which("git") is None:
        raise BuildFailed(
            say(
                "{directory} is a git checkout, and the program git is missing here. Nothing was built.",
                directory=context,
            )
        )
    commit = _git(context, "rev-parse", "--verify", "HEAD").strip()
    return Checkout(commit=commit, dirty=_is_dirty(context))


def _is_dirty(directory: Path) -> bool:
    """Submodules are asked one by one, for git itself would ask them by their own configuration."""
    status = ("status", "--porcelain", "--no-renames", "--ignore-submodules=dirty", "--", ".")
    if _git(directory, *_without_filters(directory), *status):
        return True
    return any(_is_dirty(place) for place in _submodules(directory))


def _without_filters(directory: Path) -> Iterator[str]:
    """Options that switch off the programs that the checkout's own configuration would give its files to."""
    listed = _git(directory, "config", "-z", "--show-scope", "--name-only", "--get-regexp", r"^filter\.")
    words = listed.split("\0")
    own = (key for scope, key in zip(words[::2], words[1::2], strict=False) if scope in ("local", "worktree"))
    for name in sorted({key.rpartition(".")[0] for key in own}):
        if "=" in name:  # no option can name it
            raise _cannot(directory, say("its filter “{name}” cannot be switched off", name=printable(name)))
        yield from chain.from_iterable(("-c", f"{name}.{setting}") for setting in _OFF)


def _submodules(directory: Path) -> Iterator[Path]:
    """Those that are checked out."""
    for line in _git(directory, "ls-files", "--stage", "-z", "--", ".").split("\0"):
        place = directory / line.partition("\t")[2]
        if line.startswith(_IS_SUBMODULE) and (place / ".git").exists():
            yield place


def _git(directory: Path, *words: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(directory), *_SAFE, *words],
            env={name: os.environ[name] for name in _KEPT if name in os.environ} | _QUIET,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        late = say("{program} did not answer within {seconds:g} seconds", program="git", seconds=_SECONDS)
        raise _cannot(directory, late) from error
    except OSError as error:
        failed = say("{program} cannot be run ({reason})", program="git", reason=error.strerror)
        raise _cannot(directory, failed) from error
    if done.returncode != 0 and not (words[0] == "config" and done.returncode == _FOUND_NONE):
        raise _cannot(directory, printable(" ".join(done.stderr.split()))[:_LONGEST_REASON])
    return done.stdout


def _cannot(directory: Path, reason: str) -> BuildFailed:
    return BuildFailed(
        say(
            "git cannot tell which commit {directory} is at: {reason}. Nothing was built.",
            directory=directory,
            reason=reason,
        )
    )

"""Runs shell commands of the product in processes that end by kill -9 at the n-th point of a run.

A point is the moment before or after a call that changes something: of the engine, the journal, the archive's
files, the database. As a program it reads one job a line from its standard input, forks for each (imports are paid
for once), and answers with a line. It must not know what a command does.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_ROOT = Path(__file__).parents[2]
_ENGINE = (
    "create_volume", "remove_volume", "pause", "unpause", "stop", "start", "create_helper", "remove_helper",
    "read_volume", "write_volume", "create_tool", "inventory", "free_bytes", "exchange", "exchange_back",
    "remove_tree", "execute", "users_of", "commit", "snapshots", "remove_snapshot", "run_clone", "remove_clone",
    "tag", "untag", "push", "pull", "link_in", "remove_in",
)  # fmt: skip


class Points:
    """Counts the points that a run passes, writes down their names, and dies at the one it was told."""

    def __init__(self, trace: Path, die_at: int) -> None:
        self._trace = trace.open("a")
        self._die_at = die_at
        self._passed = 0
        self.is_counting = False

    def cross(self, name: str) -> None:
        """Pass a point."""
        if not self.is_counting:
            return
        self._passed += 1
        print(name, file=self._trace, flush=True)
        if self._passed == self._die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, owner: Any, name: str, *, begins: bool = False, ends: bool = False) -> None:
        """Make the call a point before and one after; the first such call may begin the counting, the last end it."""
        original: Callable[..., Any] = getattr(owner, name)
        label = f"{owner.__name__.lower()}.{name}"

        @functools.wraps(original)
        def wrapped(*arguments: Any, **named: Any) -> Any:
            self.is_counting = self.is_counting or begins
            self.cross(f"before {label}")
            made = original(*arguments, **named)
            self.cross(f"after {label}")
            self.is_counting = self.is_counting and not ends
            return made

        setattr(owner, name, wrapped)


def _instrument(points: Points) -> None:
    from bot.engine.real import DockerEngine
    from bot.stores.archive import Archive, Draft
    from bot.stores.claims import Claims
    from bot.stores.journal import Journal

    for verb in _ENGINE:
        points.around(DockerEngine, verb)
    for owner, names in {
        Journal: ("write", "settle"),
        Draft: ("__enter__", "seal", "publish"),
        Path: ("rename", "unlink"),
    }.items():
        for name in names:
            points.around(owner, name)
    points.around(Archive, "mark")
    points.around(Claims, "start", begins=True)
    points.around(Claims, "finish", ends=True)


def _carry_out(job: Mapping[str, Any]) -> int:
    import handlers
    from bot.cli import main

    nothing = os.open(os.devnull, os.O_RDWR)
    output = os.open(job["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ.clear()
    os.environ.update(job["environment"])
    _instrument(Points(Path(job["trace"]), job["die_at"]))
    return main(job["words"], handlers.load())


def _serve_jobs() -> None:
    import handlers

    for name in ("bot.cli", "bot.app", "bot.following"):
        importlib.import_module(name)
    handlers.load()
    for line in sys.stdin:
        child = os.fork()
        if not child:
            code = _carry_out(json.loads(line))
            sys.stdout.flush()
            os._exit(code)
        _, status = os.waitpid(child, 0)
        print(
            json.dumps({"killed": os.WIFSIGNALED(status), "code": os.waitstatus_to_exitcode(status)}),
            flush=True,
        )


class Nursery:
    """The program above, as tests use it."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.dying"],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()

    def carry_out(
        self,
        environment: Mapping[str, str],
        scratch: Path,
        *words: str,
        die_at: int = 0,
        may_fail: bool = False,
    ) -> tuple[bool, list[str]]:
        """Run the words; whether it was killed, and the names of the points that it passed."""
        trace = scratch / "trace"
        trace.write_text("")
        job = {
            "environment": dict(environment),
            "words": words,
            "trace": str(trace),
            "output": str(scratch / "output"),
            "die_at": die_at,
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(job), file=self._process.stdin, flush=True)
        answer = json.loads(self._process.stdout.readline())
        if not answer["killed"] and answer["code"] and not may_fail:
            raise AssertionError(f"{words} ended with {answer['code']}: {(scratch / 'output').read_text()}")
        return bool(answer["killed"]), trace.read_text().splitlines()


if __name__ == "__main__":
    _serve_jobs()

"""The right to be the one process that executes runs. The kernel frees it when the process dies.

A file lock on the state directory serves SQLite; a PostgreSQL database is guarded by a lock of its own too.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from bot.errors import StoreError
from bot.language import say
from bot.stores.database import Database, SoleHolder

_SERVE = "serve"
_NAME = re.compile(r"shipkeeper (?P<role>serve|shell) (?P<pid>[0-9]+) (?P<machine>\S+)")


@dataclass(frozen=True, kw_only=True)
class HolderProcess:
    """Who executes runs now: its process id and what it is (`serve`, or a command line).

    `machine` is where, of one that has not our state directory but our database; empty for one that has.
    """

    pid: int
    role: str
    machine: str = ""

    def in_the_way(self, state: Path) -> StoreError:
        """What is said to a second bot."""
        if self.machine:
            return StoreError(
                say(
                    "A shipkeeper serves with this database already (process {process} on {machine}). Nothing was "
                    "changed. Stop that one, or give this one its own SHIPKEEPER_DATABASE_URL.",
                    process=self.pid,
                    machine=self.machine,
                )
            )
        return StoreError(
            say(
                "A shipkeeper serves from {state} already (process {process}). "
                "Nothing was changed. Stop that one, or give this one its own SHIPKEEPER_STATE.",
                state=state,
                process=self.pid,
            )
        )


class Sole:
    """Take it with `take`, give it back with `free` or by dying."""

    def __init__(self, state: Path, database: Database) -> None:
        self._path = state / "shipkeeper.lock"
        self._database = database
        self._server_side = None if database.is_sqlite else SoleHolder(database)
        self._file: int | None = None
        self._is_elsewhere = False

    def take(self, role: str) -> bool:
        """Try; False when another living process has it. Raises StoreError when it cannot be tried."""
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(
                say(
                    "The state directory {directory} cannot be written ({reason}). Nothing was "
                    "changed. Give this user the directory, or name another one with SHIPKEEPER_STATE.",
                    directory=self._path.parent,
                    reason=error.strerror,
                )
            ) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            self._is_elsewhere = False
            return False
        if self._server_side is not None and not self._server_side.take(_name(role)):
            os.close(file)
            self._is_elsewhere = True
            return False
        os.ftruncate(file, 0)
        os.pwrite(file, json.dumps({"pid": os.getpid(), "role": role}).encode(), 0)
        self._file = file
        return True

    def keep(self) -> bool:
        """To be called now and then: whether it is still ours, or ours again, after a lost connection.

        The kernel never takes the file lock away; a database does when the connection breaks. Raises StoreError
        while the database does not answer.
        """
        return self._server_side is None or self._server_side.keep()

    def holder(self) -> HolderProcess | None:
        """Who has what `take` missed, as far as that is known; meaningful only while `take` fails.

        Of our state directory, it is who wrote itself into the lock file last.
        """
        if self._is_elsewhere and self._server_side is not None:
            return _named(self._server_side.holder())
        return _written(self._path)

    def free(self) -> None:
        """Give it back. May be called twice."""
        if self._file is not None:
            os.ftruncate(self._file, 0)
            os.close(self._file)
            self._file = None
        if self._server_side is not None:
            self._server_side.free()


def _name(role: str) -> str:
    """How a database's server knows us; it keeps 63 letters."""
    machine = os.uname().nodename.encode("ascii", "replace").decode()
    return f"shipkeeper {role if role == _SERVE else 'shell'} {os.getpid()} {machine}"[:63]


def _named(name: str) -> HolderProcess | None:
    """Who has such a name; None for others, as older versions of ours have."""
    found = _NAME.fullmatch(name)
    return (
        HolderProcess(pid=int(found["pid"]), role=found["role"], machine=found["machine"]) if found else None
    )


def _written(path: Path) -> HolderProcess | None:
    try:
        words = json.loads(path.read_bytes())
        return HolderProcess(pid=words["pid"], role=words["role"])
    except (OSError, ValueError, KeyError):
        return None


def serving(state: Path) -> bool:
    """Whether a bot of this state directory lives now; touches nothing. The lock is looked at for a moment."""
    path = state / "shipkeeper.lock"
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False  # closing gives it back
    except BlockingIOError:
        holder = _written(path)
        return holder is not None and holder.role == _SERVE
    finally:
        os.close(file)

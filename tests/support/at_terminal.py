"""A program at a terminal of its own (pty(7)): keys go in, what a person sees comes out. Must not know the program."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Mapping, Sequence

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|\x1b[=>]|\x1b\][^\x07]*\x07")


class AtTerminal:
    """One program, from its start to its end; killed on leaving, if it still lives."""

    def __init__(self, program: Sequence[str], environment: Mapping[str, str], *, columns: int = 100) -> None:
        self._pid, self._master = pty.fork()
        if self._pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
            os.execvpe(program[0], list(program), dict(environment))
        self._code: int | None = None
        self.raw = ""

    def __enter__(self) -> AtTerminal:
        return self

    def __exit__(self, *_: object) -> None:
        if self._code is None:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
        os.close(self._master)

    @property
    def seen(self) -> str:
        """All that was shown so far, without what steers the terminal."""
        return _CONTROL.sub("", self.raw)

    def says(self, keys: str, *, until: str, seconds: float = 60.0) -> str:
        """Press the keys; what is shown from then on, up to that."""
        before = len(self.raw)
        os.write(self._master, keys.encode())
        deadline = time.monotonic() + seconds
        while until not in _CONTROL.sub("", self.raw[before:]):
            assert time.monotonic() < deadline, f"{until!r} is not shown: {self.raw!r}"
            assert self._read() or until in _CONTROL.sub("", self.raw[before:]), f"it ended: {self.raw!r}"
        return _CONTROL.sub("", self.raw[before:])

    def shows(self, what: str, *, seconds: float = 60.0) -> None:
        """Wait until it has shown that at some time."""
        deadline = time.monotonic() + seconds
        while what not in self.seen:
            assert time.monotonic() < deadline, f"{what!r} is not shown: {self.raw!r}"
            assert self._read() or what in self.seen, f"it ended without {what!r}: {self.raw!r}"

    def ends(self, *, seconds: float = 60.0) -> int:
        """Wait for its end; its exit code, negative for a signal."""
        deadline = time.monotonic() + seconds
        while self._read():
            assert time.monotonic() < deadline, f"it does not end: {self.raw!r}"
        self._code = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        return self._code

    def _read(self) -> bool:
        """Whether it may still show something."""
        if select.select([self._master], [], [], 0.05)[0]:
            try:
                data = os.read(self._master, 1 << 16)
            except OSError:  # the other side is closed
                return False
            self.raw += data.decode(errors="replace")
            return bool(data)
        return True

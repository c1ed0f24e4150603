"""A command of the product in a process of its own, and what it took: wall clock, processor time, peak of memory.

Linux only: it reads proc(5) while the process lives. Must not know what the command does.
"""

from __future__ import annotations

import os
import re
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.process import Site, outcome

_TICKS = os.sysconf("SC_CLK_TCK")
_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)
_LOOK_SECONDS = 0.02


@dataclass(frozen=True, kw_only=True)
class Took:
    """Seconds from its start to its end, seconds of work in user and kernel mode, and the most bytes resident."""

    wall: float
    work: float
    peak: float
    outcome: dict[str, Any]


def carried_out(site: Site, *words: str) -> Took:
    """Run `shipkeeper WORDS… --json` to its end, which must be a good one. What Docker's daemon does is not counted."""
    pause, peak, began = threading.Event(), 0, time.monotonic()
    process = site.start(*words, "--json")
    while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
        peak = max(peak, _peak(process.pid))
        pause.wait(_LOOK_SECONDS)
    wall, work = time.monotonic() - began, _worked(process.pid)
    said, errors = process.communicate()
    assert process.returncode == 0, f"{words}: {said[-2000:]} {errors[-2000:]}"
    made = outcome(subprocess.CompletedProcess(words, process.returncode, said, errors))
    assert made["status"] == "succeeded", made
    return Took(wall=wall, work=work, peak=float(peak), outcome=made)


def _peak(pid: int) -> int:
    """Bytes; nothing of a process that has just ended."""
    found = _PEAK.search(Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) * 1024 if found else 0


def _worked(pid: int) -> float:
    """Of a process that has ended, and that nobody has waited for yet, all of it."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS

"""Runs the suite in several processes; the few tests that failed then are run once more, alone.

Beside five others a test on two cores may wait longer than it gives itself. Such a failure is a defect of the test and
is printed with its name at the very end, but it says nothing about the product. What fails alone, too, or more than a
few failures, is the suite's answer.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

PROCESSES = 6
MOST_TRIED_AGAIN = 3
_SOME_FAILED = 1
_CACHE = Path("build") / "side-by-side"


def main() -> int:
    """Run everything; returns what pytest would."""
    (_CACHE / "v/cache/lastfailed").unlink(missing_ok=True)
    several = ("-n", str(PROCESSES), "--dist", "loadfile", "--no-loadscope-reorder")
    status = _pytest(*several, "-m", "not bench", "--ignore=tests/bench")
    failed = _failed()
    if status != _SOME_FAILED or not 0 < len(failed) <= MOST_TRIED_AGAIN:
        return status
    print(f"\nOnce more, alone: {', '.join(failed)}", flush=True)
    status = _pytest(*failed)
    if status == 0:
        print(f"FAILED BESIDE OTHERS, PASSED ALONE, TO BE MENDED: {', '.join(failed)}", flush=True)
    return status


def _pytest(*arguments: str) -> int:
    command = (sys.executable, "-m", "pytest", "-o", f"cache_dir={_CACHE}", *arguments)
    return subprocess.run(command, check=False).returncode


def _failed() -> list[str]:
    """What did not pass, by pytest's own notes."""
    notes = _CACHE / "v/cache/lastfailed"
    return sorted(json.loads(notes.read_text())) if notes.exists() else []


if __name__ == "__main__":
    sys.exit(main())

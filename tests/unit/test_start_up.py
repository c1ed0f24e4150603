"""What a start of the program loads: not what it does not need, for whoever waits for a shell waits for that."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_HEAVY = {
    "alembic",
    "apscheduler",
    "docker",
    "handlers",
    "PIL",
    "pydantic",
    "rich",
    "slack_bolt",
    "slack_sdk",
} | {
    "sqlalchemy",
    "starlette",
    "uvicorn",
}
_LOADED = """
import sys
from bot.__main__ import main
sys.argv[1:] = {words}
main()
print("loaded", *sorted(sys.modules), file=sys.stderr)
"""


def _loaded(state: Path, *words: str) -> set[str]:
    """The modules that are there when these words were carried out."""
    done = subprocess.run(
        [sys.executable, "-c", _LOADED.format(words=list(words))],
        cwd=Path(__file__).parents[2],
        env={"PATH": "/usr/bin:/bin", "HOME": str(state), "SHIPKEEPER_STATE": str(state)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return set(done.stderr.partition("loaded ")[2].split())


@pytest.mark.parametrize("word", ["--help", "-h", "--version"])
def test_who_asks_how_it_is_used_waits_for_nothing(tmp_path: Path, word: str) -> None:
    """No library but Python's own, and no command."""
    loaded = _loaded(tmp_path, word)
    assert "bot.usage" in loaded
    assert _HEAVY & loaded == set()
    assert not list(tmp_path.iterdir())


def test_a_command_line_loads_neither_slack_nor_charts_nor_postgresql(tmp_path: Path) -> None:
    """Once its tables are there it needs what a command needs, and nothing of what serves."""
    _loaded(tmp_path, "whoami")
    loaded = _loaded(tmp_path, "whoami")
    assert "bot.app" in loaded
    unwanted = _HEAVY - {"docker", "handlers", "pydantic", "rich", "sqlalchemy"}
    assert (unwanted | {"sqlalchemy.dialects.postgresql", "bot.serve", "bot.demo"}) & loaded == set()

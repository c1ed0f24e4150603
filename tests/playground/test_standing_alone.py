"""The stand-in stands alone: it shares no code with the bot and with Slack's libraries."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

import bot.playground

pytestmark = pytest.mark.slack

ALLOWED = {"starlette", "uvicorn", "websockets"}


def imported(source: Path) -> set[str]:
    """The full names that a module imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


def test_it_imports_only_its_own_modules_and_three_libraries() -> None:
    """Neither slack_sdk nor slack_bolt nor another room of the bot: else it would confirm their mistakes."""
    folder = Path(bot.playground.__file__).parent
    names = set().union(*(imported(source) for source in folder.glob("*.py")))
    strangers = {
        name
        for name in names
        if name.split(".")[0] not in sys.stdlib_module_names | ALLOWED
        and not name.startswith("bot.playground")
    }
    assert strangers == set()

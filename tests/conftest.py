"""What all tests share: a house with a fake engine, checked by the product's own verifier afterwards."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from tests.fakes import FakeEngine
from tests.support import canaries
from tests.support.house import House, at_work, refuse_untrue, settings
from tests.support.memory import fast_place

for _proxy in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
    os.environ.pop(_proxy, None)  # Slack's websocket client would use them even on loopback


os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(fast_place()))  # below it is every `tmp_path`

if "SHIPKEEPER_SEED" in os.environ:  # two runs of one commit try the same
    hypothesis.settings.register_profile("same", derandomize=True)
    hypothesis.settings.load_profile("same")

_watch = canaries.Watch()


def pytest_sessionstart() -> None:
    """From the first test on, no log line may hold a secret."""
    logging.getLogger().addHandler(_watch)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """When a test is over, no secret that was planted may stand in what it logged or left in its directory."""
    yield
    leaks = _watch.taken()
    directory = getattr(item, "funcargs", {}).get("tmp_path")
    if directory is not None:
        leaks += [str(path) for path in canaries.files_with_one(directory)]
    assert not leaks, f"a secret that was planted appears in: {leaks}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    """Nor in what it printed."""
    report: Any = yield
    printed = [name for name, text in report.sections if canaries.is_in(text)]
    if printed and report.passed:
        report.outcome, report.longrepr = "failed", f"a secret that was planted appears in: {printed}"
    return report


_LONGEST_FIRST = ("faults", "engine", "browser", "slack", "playground", "stores", "unit")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes minutes, so that the many quick ones fill the end and no core idles there."""
    root = Path(__file__).parent
    rooms = {room: number for number, room in enumerate(_LONGEST_FIRST)}
    items.sort(key=lambda item: rooms.get(item.path.relative_to(root).parts[0], len(rooms)))


@pytest.fixture
def fake_engine() -> FakeEngine:
    """A Docker host in memory with the volume `pgdata`, which the running container `db` uses."""
    engine = FakeEngine()
    engine.add_volume("pgdata", {"base/1/table": b"rows" * 1000, "PG_VERSION": b"15\n"})
    engine.add_container("db", ["pgdata"])
    return engine


@pytest.fixture
def house(tmp_path: Path, fake_engine: FakeEngine) -> Iterator[House]:
    """The whole road over the fake engine, at work; afterwards nothing may be left half done."""
    with at_work(settings(tmp_path / "state"), {"local": fake_engine}) as made:
        yield made
        refuse_untrue(made.app)

"""What all tests share: a house with a fake engine, checked by the product's own verifier afterwards."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes import FakeEngine
from tests.support.house import House, at_work, refuse_untrue, settings

for _proxy in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
    os.environ.pop(_proxy, None)  # Slack's websocket client would use them even on loopback


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

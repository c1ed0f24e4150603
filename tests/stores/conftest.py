"""What the tests of the stores share: every one of them meets SQLite and a real PostgreSQL."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.stores.database import Database
from tests.stores.bench import Bench
from tests.support.migrated import put_database
from tests.support.postgres import Cluster, cluster

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """A private PostgreSQL whose database `migrated` holds our empty tables."""
    with cluster() as server:
        made = Database(server.create("migrated"))
        made.migrate()
        made.close()
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def dialect(request: pytest.FixtureRequest) -> str:
    """Each of the two databases in turn."""
    return str(request.param)


@pytest.fixture
def empty_url(dialect: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """The address of a database without tables."""
    if dialect == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    server: Cluster = request.getfixturevalue("postgres")
    return server.create(f"test_{next(_numbers)}")


@pytest.fixture
def database_url(dialect: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """The address of a database with our tables."""
    if dialect == "sqlite":
        put_database(tmp_path / "shipkeeper.db")
        return f"sqlite:///{tmp_path / 'shipkeeper.db'}"
    server: Cluster = request.getfixturevalue("postgres")
    return server.create(f"test_{next(_numbers)}", template="migrated")


@pytest.fixture
def bench(database_url: str) -> Iterator[Bench]:
    """Every store over one database."""
    made = Bench(database_url)
    yield made
    made.close()

"""An empty SQLite database with the product's tables, made once a process: migrating takes a quarter of a second.

And databases of older versions, as their own migrations made them.
"""

from __future__ import annotations

import functools
import os
import tempfile
from pathlib import Path

from alembic import command as alembic
from alembic.config import Config

from bot.stores import database as database_room
from bot.stores.database import Database


@functools.cache
def _content() -> bytes:
    with tempfile.TemporaryDirectory(prefix="skm-") as directory:
        path = Path(directory) / "shipkeeper.db"
        database = Database(f"sqlite:///{path}")
        database.migrate()
        database.close()
        return path.read_bytes()


def put_database(path: Path) -> None:
    """Let it stand at the path, unless something does."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(descriptor, "wb") as file:
        file.write(_content())


def make_older(url: str, revision: str) -> None:
    """Make the tables in that empty database as the version of that revision had them."""
    database, config = Database(url), Config()
    config.set_main_option("script_location", str(Path(database_room.__file__).parent / "migrations"))
    with database.write() as connection:
        config.attributes["connection"] = connection
        alembic.upgrade(config, revision)
    database.close()

"""Opens a database so that no wait for it lasts for ever; only `database` uses it.

It must not know what is stored.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from bot.errors import StoreError
from bot.language import say

_PATIENCE = {
    "connect_timeout": 4,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""Without these libpq waits for as long as TCP does (PostgreSQL's manual, "Parameter Key Words"): minutes for an
address where nobody is, two hours for a server that lost its power while a query was on its way."""

_LIMITS = ("lock_timeout = '15s'", "idle_in_transaction_session_timeout = '60s'")
"""Whoever stands still inside a transaction, as a shell after Ctrl-Z, must not stop everybody for good."""


def engine_for(url: str, *, only_looks: bool) -> Engine:
    """The engine for a database's URL; raises StoreError for one that cannot be used. Connects to nothing yet."""
    is_sqlite = url.startswith("sqlite")
    engine = _engine(url, is_sqlite, only_looks)
    if not is_sqlite:
        event.listen(engine, "connect", _prepare_postgresql)
        return engine
    if not only_looks:
        event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _engine(url: str, is_sqlite: bool, only_looks: bool) -> Engine:
    try:
        options = _engine_options(is_sqlite)
        return create_engine(url, **(options | _that_only_look(url, is_sqlite) if only_looks else options))
    except (ArgumentError, ImportError, ValueError) as error:  # its text may repeat the address: not shown
        raise StoreError(
            say(
                "SHIPKEEPER_DATABASE_URL cannot be used ({error}). Nothing was changed. Give "
                "sqlite:///PATH, or postgresql+psycopg://… with the `postgresql` extra installed.",
                error=type(error).__name__,
            )
        ) from None


def _engine_options(is_sqlite: bool) -> dict[str, Any]:
    options: dict[str, Any] = {"hide_parameters": True}  # errors are logged, and rows hold response URLs
    if is_sqlite:
        return options | {"connect_args": {"timeout": 10, "check_same_thread": False}}
    return options | {
        "connect_args": _PATIENCE,
        "pool_pre_ping": True,
        "pool_size": 10,
        "isolation_level": "READ COMMITTED",
    }


def _that_only_look(url: str, is_sqlite: bool) -> dict[str, Any]:
    if not is_sqlite:
        only_reads = {"options": "-c default_transaction_read_only=on", "connect_timeout": 2}
        return {"connect_args": _PATIENCE | only_reads}
    path = make_url(url).database or ""

    def connect() -> sqlite3.Connection:
        # Without a write-ahead log nobody has it open, and looking as usual would make one (SQLite's manual, "WAL").
        mode = "mode=ro" if Path(f"{path}-wal").exists() else "mode=ro&immutable=1"
        return sqlite3.connect(
            f"file:{quote(path)}?{mode}", uri=True, timeout=0, check_same_thread=False, isolation_level=None
        )

    return {"creator": connect}


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves; pysqlite would say it too late
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=10000", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _prepare_postgresql(connection: Any, _record: object) -> None:
    with connection.cursor() as cursor:
        for limit in _LIMITS:
            cursor.execute(f"SET {limit}")
    connection.commit()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

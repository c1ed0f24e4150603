"""How SQLite carries out what a store asks: the plan of each statement of a call, in its own words.

PostgreSQL plans by what a table holds, so that an empty one says nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import event

from bot.stores.database import Database


def plans(database: Database, call: Callable[[], object]) -> list[str]:
    """The plan of each SELECT that the call sends, in order."""
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_more: Any) -> None:
        asked.append((statement, parameters))

    engine = database._engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        call()
    finally:
        event.remove(engine, "before_cursor_execute", note)
    with database.read() as connection:
        return [
            " / ".join(str(row[3]) for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {one}", values))
            for one, values in asked
            if one.startswith(("SELECT", "WITH"))
        ]

"""The one door to the database, and the only module that knows which database it is.

What SQLite and PostgreSQL do differently is here, locking and append-only triggers, and in `connecting`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Executable, inspect, text
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from bot.errors import StoreError
from bot.language import say
from bot.stores.connecting import engine_for
from bot.stores.turns import Turns

_log = logging.getLogger(__name__)
_MIGRATIONS = Path(__file__).parent / "migrations"
_AFTER_COMMIT = "after_commit"
_AS_WRITER = {"writes": True}
_AT_ONE_MOMENT = {"isolation_level": "REPEATABLE READ"}  # SQLite's transactions are like that anyway
_WRITE_LOCK_KEY = 0x5348_4950  # "SHIP": PostgreSQL's advisory locks take a number


Transaction = Connection
"""An open transaction, for rooms that only hand one on."""


class Database:
    """A database by URL: `sqlite:///path` (default) or `postgresql+psycopg://…`.

    `write()` is one transaction that no other writer overlaps; `read()` sees one moment. Both raise
    StoreError when the database fails. Unique-key violations pass through as SQLAlchemy's IntegrityError.
    One that `only_looks` makes no file and changes none, not even the tables' own.
    """

    def __init__(self, url: str, *, only_looks: bool = False) -> None:
        self.is_sqlite = url.startswith("sqlite")
        # Waiting here is instant; SQLite's own busy handler sleeps and may starve a thread.
        self._writing = Turns()
        self._engine = engine_for(url, only_looks=only_looks)

    @contextmanager
    def write(self, *, hurry: bool = False) -> Iterator[Connection]:
        """A transaction that commits on leaving, and rolls back on any error. In a `hurry` it goes before others."""
        with self._writing.taken(hurry=hurry), _as_store_error(), self._engine.connect() as connection:
            writer = connection.execution_options(**_AS_WRITER)
            writer.info.pop(_AFTER_COMMIT, None)  # left by a transaction of this connection that failed
            with writer.begin():
                yield writer
            for call in writer.info.pop(_AFTER_COMMIT, ()):
                call()

    def after_commit(self, connection: Connection, call: Callable[[], None]) -> None:
        """Call it once this transaction has committed; never, if it does not."""
        connection.info.setdefault(_AFTER_COMMIT, []).append(call)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A look that changes nothing."""
        with _as_store_error(), self._engine.connect() as connection:
            yield connection if self.is_sqlite else connection.execution_options(**_AT_ONE_MOMENT)

    @contextmanager
    def as_they_lie(self, query: Executable, *, damaged: bool = False) -> Iterator[Iterator[Sequence[Any]]]:
        """The rows of a long answer, one by one; if `damaged`, text that is not UTF-8 comes with lone surrogates.

        Only SQLite can hold such text. Without `damaged` it raises StoreError, and is twice as fast.
        """
        with self.read() as connection, _as_store_error():
            if not (damaged and self.is_sqlite):
                yield iter(connection.execution_options(yield_per=1000).execute(query))
                return
            driver: Any = connection.connection.driver_connection
            driver.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
            try:
                yield iter(connection.execution_options(yield_per=1000).execute(query))
            finally:
                driver.text_factory = str

    def serialise(self, connection: Connection) -> None:
        """Let no other process do what must happen in line (audit chain, migrations) in this transaction.

        SQLite has one writer anyway; PostgreSQL takes a transaction-wide advisory lock.
        """
        if not self.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _WRITE_LOCK_KEY})

    def migrate(self) -> None:
        """Bring the tables to the newest revision; refuses a database from a newer program."""
        known = _known()
        with self.write() as connection:
            self.serialise(connection)
            now = _revision(connection)
            if now == known[-1]:
                return
            if now is not None and now not in known:
                raise StoreError(
                    say(
                        "The database was made by a newer shipkeeper (schema {now}). Nothing was changed. "
                        "Install that version, or give another SHIPKEEPER_DATABASE_URL.",
                        now=now,
                    )
                )
            _upgrade(connection)

    def is_current(self) -> bool:
        """Whether its tables are as this program makes them."""
        with self.read() as connection:
            return _revision(connection) == _known()[-1]

    def prove_writable(self) -> str:
        """Write the newest revision once more, so that it is on the disk; that revision. Raises StoreError."""
        with self.write() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = version_num"))
            return str(_revision(connection))

    def close(self) -> None:
        """Give back all connections. May be called twice."""
        self._engine.dispose()


class SoleHolder:
    """The right to be the one process that executes runs of a PostgreSQL database.

    It is a session's advisory lock: the server frees it when the process, or its connection, dies. So a
    connection that broke under a living process has lost it, and `keep` must be called now and then.
    """

    def __init__(self, database: Database) -> None:
        self._engine: Engine = database._engine
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._session: int | None = None
        self._name = ""

    def keep(self) -> bool:
        """Take it again if our connection broke; False while another one has it. Raises StoreError.

        May be called from any thread.
        """
        with self._lock:
            if self._connection is not None:
                try:
                    with _as_store_error():
                        self._connection.execute(text("SELECT 1"))
                        self._connection.commit()
                    return True
                except StoreError:
                    self.free()
            self._end_former_session()
            return self.take(self._name)

    def _end_former_session(self) -> None:
        """The server may not have noticed yet that our former connection is dead, and keep the lock for it."""
        end = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE pid = :pid AND objid::bigint = :key"
        with _as_store_error(), self._engine.begin() as connection:
            connection.execute(text(end), {"pid": self._session, "key": _WRITE_LOCK_KEY + 1})

    def take(self, name: str) -> bool:
        """Try; False when another process has it. The server tells others the name, in ASCII, of who has it."""
        self._name = name
        with _as_store_error():
            connection = self._engine.connect()
            got = connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": _WRITE_LOCK_KEY + 1})
            if got.scalar_one():
                self._session = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
                connection.execute(
                    text("SELECT set_config('application_name', :name, false)"), {"name": name}
                )
                connection.commit()
                self._connection = connection
                return True
            connection.close()
            return False

    def holder(self) -> str:
        """The name of who has it; empty for nobody, and for one whose name the server does not tell."""
        query = (
            "SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid) "
            "WHERE locktype = 'advisory' AND granted AND objid::bigint = :key AND datname = current_database()"
        )
        with _as_store_error(), self._engine.begin() as connection:
            found = connection.execute(text(query), {"key": _WRITE_LOCK_KEY + 1}).scalars().first()
        return found or ""

    def free(self) -> None:
        """Give it back. May be called twice."""
        if self._connection is not None:
            self._connection.invalidate()
            self._connection.close()
            self._connection = None


def _known() -> list[str]:
    """The migrations of this program, oldest first."""
    return sorted(path.name.partition("_")[0] for path in _MIGRATIONS.glob("versions/[0-9]*.py"))


def _revision(connection: Connection) -> str | None:
    """The newest migration that the database has had; None for one without tables."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


def _upgrade(connection: Connection) -> None:
    from alembic import command as alembic  # a quarter of a shell command's start, and needed once a version
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    alembic.upgrade(config, "head")


@contextmanager
def _as_store_error() -> Iterator[None]:
    try:
        yield
    except IntegrityError:
        raise
    except DBAPIError as error:
        _log.error("database: %s", error)
        raise StoreError(
            say(
                "The database does not answer as it should ({error}). Nothing was changed "
                "by this step. Look at the log, and at the disk that holds it.",
                error=type(error.orig).__name__,
            )
        ) from error
    except SQLAlchemyError as error:
        _log.error("database: %s", error)
        raise StoreError(
            say("The database cannot be used; the log says why. Nothing was changed.")
        ) from error


def append_only(table: str, dialect: str) -> tuple[str, ...]:
    """The statements that make a table refuse every UPDATE and DELETE, for migrations."""
    if dialect == "sqlite":
        return tuple(
            f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} only grows'); END"
            for verb in ("UPDATE", "DELETE")
        )
    return (
        f"CREATE FUNCTION {table}_only_grows() RETURNS trigger AS $$ "
        f"BEGIN RAISE EXCEPTION '{table} only grows'; END $$ LANGUAGE plpgsql",
        f"CREATE TRIGGER {table}_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_only_grows()",
    )

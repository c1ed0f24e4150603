"""The door to the database: migrations, transactions, and what happens when it goes away."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import insert, inspect, select, text
from sqlalchemy.exc import IntegrityError

from bot.errors import StoreError
from bot.stores import database as database_room
from bot.stores.database import Database
from bot.stores.schema import metadata, run_targets
from tests.stores.bench import VOLUME, Bench, all_at_once
from tests.support.black_hole import BlackHole
from tests.support.house import invocation
from tests.support.migrated import make_older
from tests.support.postgres import Cluster, cluster


def _newest() -> str | None:
    return ScriptDirectory(str(Path(database_room.__file__).parent / "migrations")).get_current_head()


def test_migrating_twice_changes_nothing(empty_url: str) -> None:
    """The second migration finds the tables at their newest revision and leaves them."""
    for _ in range(2):
        database = Database(empty_url)
        database.migrate()
        with database.read() as connection:
            assert MigrationContext.configure(connection).get_current_revision() == _newest()
        database.close()


def test_a_database_of_the_first_version_is_brought_up_with_what_is_in_it(bench: Bench) -> None:
    """An open entry of a journal that knew nothing of kept steps is there afterwards, and can be settled."""
    claim = bench.started(bench.submit("backup pgdata"), VOLUME)
    entry = bench.write_down(claim, container="1")
    bench.execute(
        "ALTER TABLE journal DROP COLUMN kept",
        "ALTER TABLE messages DROP COLUMN files",
        "DROP TABLE uploads",
        "DROP INDEX buttons_by_home",
        "ALTER TABLE buttons DROP COLUMN home_of",
        "DROP TABLE homes",
        "DROP TABLE pictures",
        "ALTER TABLE runs DROP COLUMN language",
        "DROP INDEX runs_by_schedule",
        "DROP INDEX runs_by_actor",
        "ALTER TABLE runs DROP COLUMN schedule",
        "ALTER TABLE messages DROP COLUMN quiet",
        *(f"DROP TABLE {name}" for name in ("schedules", "alarms", "proposals")),
        *(f"DROP TABLE {name}" for name in ("votes", "approvals", "reviews")),
        "DROP INDEX audit_by_targets",
        *(
            f"DROP INDEX audit_by_{one}"
            for one in ("actor_id", "actor_name", "command", "kind", "host", "at")
        ),
        "ALTER TABLE audit DROP COLUMN format",
        "ALTER TABLE audit DROP COLUMN facts",
        "UPDATE alembic_version SET version_num = '0001'",
    )
    bench.database.migrate()
    assert [one.id for one in bench.journal.open_entries()] == [entry.id]
    for statement in ("UPDATE audit SET detail = ''", "DELETE FROM audit"):
        with pytest.raises((StoreError, IntegrityError)):
            bench.execute(statement)
    bench.journal.settle(entry.id, at=bench.now, kept=True)
    assert bench.journal.kept(claim.run.id, "unpause") is not None


def test_a_migration_that_fails_leaves_every_table_as_it_was(empty_url: str) -> None:
    """An upgrade is all of it or nothing: the version of before goes on with what is there."""
    make_older(empty_url, "0007")
    database = Database(empty_url)
    with database.write() as connection:
        connection.execute(text("CREATE TABLE proposals (in_the_way INTEGER)"))

    def tables() -> dict[str, list[str]]:
        with database.read() as connection:
            found = inspect(connection)
            return {
                name: [one["name"] for one in found.get_columns(name)] for name in found.get_table_names()
            }

    before = tables()
    with pytest.raises(StoreError):
        database.migrate()
    assert tables() == before
    assert not database.is_current()
    with database.write() as connection:
        connection.execute(text("DROP TABLE proposals"))
    database.migrate()
    assert database.is_current()
    database.close()


def test_a_migration_is_called_as_its_file_is_numbered() -> None:
    """So the newest one is known without loading Alembic, and the last file is the newest revision."""
    script = ScriptDirectory(str(Path(database_room.__file__).parent / "migrations"))
    numbers = {Path(one.path).name.partition("_")[0]: one.revision for one in script.walk_revisions()}
    assert all(number == revision for number, revision in numbers.items())
    assert script.get_current_head() == max(numbers)


def test_many_processes_may_migrate_at_once(empty_url: str) -> None:
    """Programs that start together on an empty database make the tables once and all go on."""
    databases = [Database(empty_url) for _ in range(4)]
    all_at_once([database.migrate for database in databases])
    for database in databases:
        database.close()


def test_the_schema_is_what_the_migrations_make(bench: Bench) -> None:
    """Tables as the code sees them and tables as the migrations made them do not differ."""
    with bench.database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        found = compare_metadata(context, metadata)
        # The one index that is made differently on each database.
        assert [one for one in found if getattr(one[1], "name", None) != "audit_by_targets"] == []


def test_a_newer_database_is_refused(bench: Bench) -> None:
    """A database that a newer program made is left alone, with a sentence that says so."""
    bench.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match=r"newer shipkeeper \(schema 9999\)"):
        bench.database.migrate()


def test_a_failed_transaction_leaves_nothing(bench: Bench) -> None:
    """Whatever ends a transaction with an error takes everything in it back, and its calls are not made."""
    called: list[str] = []
    run = bench.submit("backup pgdata")

    def write_and_fail() -> None:
        with bench.database.write() as connection:
            bench.database.after_commit(connection, lambda: called.append("failed"))
            connection.execute(
                insert(run_targets).values(host="local", target=VOLUME, run_id=run.id, since=bench.now)
            )
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError):
        write_and_fail()
    with bench.database.write() as connection:
        assert connection.execute(select(run_targets)).all() == []
        bench.database.after_commit(connection, lambda: called.append("done"))
        assert called == []
    assert called == ["done"]


def test_a_look_sees_one_moment(bench: Bench, database_url: str) -> None:
    """Two questions of one look get answers from the same moment, whatever is written in between."""
    other = Database(database_url)
    with bench.database.read() as connection:
        before = connection.execute(text("SELECT count(*) FROM runs")).scalar_one()
        with other.write() as writer:
            writer.execute(
                text(
                    "INSERT INTO runs (id, origin, actor_id, actor_name, line, host, lane, status, epoch, "
                    "revision, created_at) VALUES ('00000001', 'cli', 'a', 'a', 'help', 'local', 'front', "
                    "'queued', 0, 0, '2026-11-24 12:00:00')"
                )
            )
        assert connection.execute(text("SELECT count(*) FROM runs")).scalar_one() == before
    other.close()


def test_unique_keys_pass_through(bench: Bench) -> None:
    """A broken unique key is told from a broken database: it is no StoreError."""
    run = bench.submit("backup pgdata")

    def hold() -> None:
        with bench.database.write() as connection:
            connection.execute(
                insert(run_targets).values(host="local", target=VOLUME, run_id=run.id, since=bench.now)
            )

    hold()
    with pytest.raises(IntegrityError):
        hold()


def test_a_broken_statement_is_a_store_error(bench: Bench) -> None:
    """What the database refuses reaches people as a sentence, not as SQL."""
    with pytest.raises(StoreError, match="Nothing was changed") as caught:
        bench.execute("SELECT * FROM no_such_table")
    assert "no_such_table" not in str(caught.value)


def test_an_unusable_address_is_a_store_error() -> None:
    """A database address that means nothing is refused with a sentence that does not repeat its password."""
    for url in ("nonsense", "mysql://ann:hunter2@here/x", "postgresql+nothing://ann:hunter2@here/x"):
        with pytest.raises(StoreError, match="SHIPKEEPER_DATABASE_URL") as caught:
            Database(url)
        assert "hunter2" not in str(caught.value)


def test_a_sqlite_file_that_is_none_is_a_store_error(tmp_path: Path) -> None:
    """A file that holds something else is refused, and is still the same afterwards."""
    file = tmp_path / "shipkeeper.db"
    file.write_bytes(b"this is a letter to my aunt " * 100)
    before = file.read_bytes()
    database = Database(f"sqlite:///{file}")
    with pytest.raises(StoreError):
        database.migrate()
    database.close()
    assert file.read_bytes() == before


def test_a_postgresql_that_dies_is_a_store_error() -> None:
    """When the server is killed, asking and storing raise StoreError."""
    with cluster() as server:
        url = server.create("away")
        Database(url).migrate()
        bench = Bench(url)
        run = bench.submit("backup pgdata")
        server.kill()
        with pytest.raises(StoreError):
            bench.runs.get(run.id)
        with pytest.raises(StoreError):
            bench.runs.submit(invocation("backup other"), host="local", released=True)
        bench.close()


def test_connections_that_were_cut_are_made_anew(postgres: Cluster) -> None:
    """After the server ended every connection, the next question gets its answer."""
    bench = Bench(postgres.create("cut", template="migrated"))
    run = bench.submit("backup pgdata")
    other = Database(postgres.url("migrated"))
    with other.write() as connection:
        connection.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'cut'")
        )
    other.close()
    assert bench.runs.get(run.id).id == run.id
    bench.close()


@pytest.mark.parametrize("only_looks", [False, True], ids=["writes", "looks"])
def test_no_wait_for_postgresql_is_for_ever(postgres: Cluster, only_looks: bool) -> None:
    """Not for a lock that a process holds which stands still, nor for a server that lost its power."""
    database = Database(
        postgres.create(f"patient{int(only_looks)}", template="migrated"), only_looks=only_looks
    )
    with database.read() as connection:
        shown = {
            name: connection.execute(text(f"SHOW {name}")).scalar_one()
            for name in ("lock_timeout", "idle_in_transaction_session_timeout", "tcp_keepalives_idle")
        }
        parameters = connection.connection.driver_connection.info.get_parameters()  # type: ignore[union-attr]
    database.close()
    assert shown["lock_timeout"] == "15s"
    assert shown["idle_in_transaction_session_timeout"] == "1min"
    assert {"keepalives_idle", "tcp_user_timeout", "connect_timeout"} <= set(parameters)


def test_a_lock_that_is_not_given_back_is_a_store_error(postgres: Cluster) -> None:
    """Whoever waits for it is told, and the lock inside our own process is free again for the next."""
    url = postgres.create("held", template="migrated")
    ours, frozen = Database(url), Database(url)
    with frozen.write() as holding:
        frozen.serialise(holding)
        with pytest.raises(StoreError):
            _in_line(ours, wait="50ms")
    _in_line(ours)
    for one in (ours, frozen):
        one.close()


def _in_line(database: Database, wait: str = "10s") -> None:
    """Have the lock that keeps writers of all processes in line, for a moment."""
    with database.write() as connection:
        connection.execute(text(f"SET LOCAL lock_timeout = '{wait}'"))
        database.serialise(connection)


def test_errors_do_not_repeat_what_rows_hold(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """Rows hold response URLs, which let anybody post: the log of a failed statement must not."""
    with pytest.raises(StoreError), bench.database.write() as connection:
        connection.execute(text("INSERT INTO nowhere VALUES (:url)"), {"url": "https://hooks.test/secret"})
    assert "nowhere" in caplog.text
    assert "secret" not in caplog.text


def test_it_is_proven_that_it_can_be_written_to(bench: Bench) -> None:
    """By writing what stands there already: the revision, which is the newest."""
    assert bench.database.prove_writable() == _newest()
    bench.database.migrate()
    assert bench.database.prove_writable() == _newest()


def test_a_mute_postgresql_is_not_waited_for_long() -> None:
    """It takes the connection and says nothing, as behind a firewall; that ends in a sentence within seconds."""
    with BlackHole(1) as hole:
        hole.swallow()
        database = Database(f"postgresql+psycopg://bot@127.0.0.1:{hole.port}/bot")
        began = time.monotonic()
        with pytest.raises(StoreError):
            database.migrate()
        database.close()
    assert time.monotonic() - began < 10

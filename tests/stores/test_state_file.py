"""`shipkeeper state backup` and `state restore`: whole or not at all, verified, and nothing is done a second time."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bot import cli, statefile
from bot.errors import StoreError, UsageError
from bot.model import Reply, Status
from bot.settings import Settings
from bot.stores.heads import Heads
from bot.stores.sqlitefile import made_whole
from tests.fakes import FakeEngine
from tests.stores.bench import VOLUME, Bench
from tests.support.house import at_work, built, refuse_untrue, settings
from tests.support.migrated import make_older

KEY = "a key of the audit log that is long enough"


def _settings(state: Path, **environment: str) -> Settings:
    """Settings of a state directory in which nothing is yet."""
    state.mkdir()
    return settings(state, SHIPKEEPER_DATABASE_URL=f"sqlite:///{state / 'shipkeeper.db'}", **environment)


def _do(made: Settings, verb: str, file: Path) -> Reply:
    return statefile.done([verb, str(file)], made, "ann")


def _rows(file: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(f"file:{file}?mode=ro&immutable=1", uri=True)) as found:
        return found.execute(query).fetchall()


@pytest.fixture
def lived_in(tmp_path: Path) -> Settings:
    """A state in which some commands were carried out."""
    made = settings(tmp_path / "lived-in")
    with at_work(made, {"local": FakeEngine()}) as house:
        for line in ("whoami", "runs", "audit"):
            assert house.say(line).status is Status.SUCCEEDED
    return made


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    """Where the backup goes; beside it nothing is left."""
    (tmp_path / "kept").mkdir()
    yield tmp_path / "kept" / "state.db"
    assert [one.name for one in (tmp_path / "kept").iterdir()] in ([], ["state.db"])


def test_a_state_comes_back_as_it_was(lived_in: Settings, tmp_path: Path, file: Path) -> None:
    """Runs, schedules and the audit log are there again, and the restoration is its newest entry."""
    assert _do(lived_in, "backup", file).status is Status.SUCCEEDED
    assert file.stat().st_mode & 0o777 == 0o600
    other = _settings(tmp_path / "other")
    assert _do(other, "restore", file).status is Status.SUCCEEDED
    for table in ("runs", "run_targets", "messages", "schedules"):
        with closing(sqlite3.connect(other.state / "shipkeeper.db")) as there:
            assert there.execute(f"SELECT * FROM {table}").fetchall() == _rows(file, f"SELECT * FROM {table}")
    with built(other, {"local": FakeEngine()}) as app:
        refuse_untrue(app)
        (newest,) = app.services.audit.lines(limit=1)
        assert (newest.event.kind, newest.event.actor.id) == (statefile.RESTORED, "cli:ann")
        assert app.services.audit.verify().problem is None
    assert (other.state / "shipkeeper.db").stat().st_mode & 0o777 == 0o600
    assert not list(other.state.glob("*.part*"))


def test_it_is_of_one_moment_while_the_bot_serves(tmp_path: Path, file: Path) -> None:
    """Commands go on being carried out meanwhile; the copy has a run exactly when its log has how it ended."""
    made = settings(tmp_path / "state")
    over = threading.Event()
    with at_work(made, {"local": FakeEngine()}) as house:
        assert house.say("whoami").status is Status.SUCCEEDED

        def work() -> None:
            while not over.is_set():
                house.say("whoami")

        worker = threading.Thread(target=work)
        worker.start()
        try:
            for number in range(5):
                one = file.with_name(f"{number}.db")
                assert _do(made, "backup", one).status is Status.SUCCEEDED
                odd = _rows(
                    one,
                    "SELECT r.id FROM runs r LEFT JOIN audit a ON a.run_id = r.id AND a.kind = 'succeeded' "
                    "GROUP BY r.id HAVING (r.status = 'succeeded') <> (count(a.seq) = 1)",
                )
                assert odd == []
                one.unlink()
        finally:
            over.set()
            worker.join()


def test_what_is_there_is_never_written_over(lived_in: Settings, tmp_path: Path, file: Path) -> None:
    """Neither a file by a backup, nor a state by a restoration."""
    assert _do(lived_in, "backup", file).status is Status.SUCCEEDED
    before = file.read_bytes()
    with pytest.raises(StoreError, match="there already"):
        _do(lived_in, "backup", file)
    assert file.read_bytes() == before
    state = (lived_in.state / "shipkeeper.db").read_bytes()
    with pytest.raises(StoreError, match="there already"):
        _do(lived_in, "restore", file)
    assert (lived_in.state / "shipkeeper.db").read_bytes() == state
    with pytest.raises(StoreError, match="There is no file"):
        _do(_settings(tmp_path / "other"), "restore", tmp_path / "nowhere.db")


@pytest.mark.parametrize("ending", ["-wal", "-shm", "-journal"])
def test_a_log_of_another_database_is_in_the_way(
    lived_in: Settings, tmp_path: Path, file: Path, ending: str
) -> None:
    """SQLite would replay it into what was restored and verified; it is named, and stays as it was."""
    assert _do(lived_in, "backup", file).status is Status.SUCCEEDED
    other = _settings(tmp_path / "other")
    log = other.state / f"shipkeeper.db{ending}"
    log.write_bytes(b"of a database that was moved away without it")
    with pytest.raises(StoreError, match=f"shipkeeper.db{ending} is there already"):
        _do(other, "restore", file)
    assert not (other.state / "shipkeeper.db").exists()
    assert log.read_bytes() == b"of a database that was moved away without it"
    log.rename(tmp_path / "elsewhere")
    assert _do(other, "restore", file).status is Status.SUCCEEDED


def test_a_database_whose_log_was_not_written_back_is_not_whole(file: Path) -> None:
    """As on a full disk: what is in the log alone would be missing, so nothing stands there."""

    def write() -> None:
        with made_whole(file) as part:
            part.write_bytes(b"a database")
            part.with_name(f"{part.name}-wal").write_bytes(b"and its newest entries")

    with pytest.raises(OSError, match="No space left") as caught:
        write()
    assert str(caught.value.filename).endswith("-wal")
    assert list(file.parent.iterdir()) == []


def test_nothing_is_restored_under_a_bot_that_is_at_work(
    lived_in: Settings, tmp_path: Path, file: Path
) -> None:
    """Also where its database lies elsewhere."""
    assert _do(lived_in, "backup", file).status is Status.SUCCEEDED
    elsewhere = tmp_path / "elsewhere.db"
    made = settings(lived_in.state, SHIPKEEPER_DATABASE_URL=f"sqlite:///{elsewhere}")
    with at_work(lived_in, {"local": FakeEngine()}), pytest.raises(StoreError, match="at work in"):
        _do(made, "restore", file)
    assert not elsewhere.exists()


def test_a_damaged_database_gives_no_backup(lived_in: Settings, file: Path) -> None:
    """Whether a page is torn or the file is none, nothing stands there that looks like a backup."""
    database = lived_in.state / "shipkeeper.db"
    whole = database.read_bytes()
    database.write_bytes(whole[: 4096 * 4] + b"\xff" * 4096 * 20 + whole[4096 * 24 :])
    with pytest.raises(StoreError):
        _do(lived_in, "backup", file)
    database.write_bytes(b"a letter to my aunt " * 500)
    with pytest.raises(StoreError):
        _do(lived_in, "backup", file)
    database.unlink()
    with pytest.raises(StoreError, match="no state"):
        _do(lived_in, "backup", file)
    assert not database.exists()


def test_what_a_killed_backup_left_is_no_hindrance(lived_in: Settings, file: Path) -> None:
    """Its half-written file goes, and the whole one comes."""
    file.with_name("state.db.part").write_bytes(b"half")
    file.with_name("state.db.part-journal").write_bytes(b"half")
    assert _do(lived_in, "backup", file).status is Status.SUCCEEDED


def test_a_disk_that_refuses_is_told(lived_in: Settings, tmp_path: Path) -> None:
    """In a sentence, and nothing is left."""
    for name in ("no/such/directory/state.db", f"{'x' * 300}.db"):
        with pytest.raises(StoreError, match="cannot be read or written"):
            _do(lived_in, "backup", tmp_path / name)


def test_an_audit_log_that_was_changed_is_copied_but_not_restored(
    lived_in: Settings, tmp_path: Path, file: Path
) -> None:
    """The copy is evidence and says what is wrong; it never becomes a state."""
    with closing(sqlite3.connect(lived_in.state / "shipkeeper.db")) as there, there:
        there.execute("DROP TRIGGER audit_no_update")
        there.execute("UPDATE audit SET actor_id = 'U0EVE' WHERE seq = 2")
    made = _do(lived_in, "backup", file)
    assert (made.status, file.exists()) == (Status.PARTIAL, True)
    assert "Entry 2 was changed" in made.text
    other = _settings(tmp_path / "other")
    with pytest.raises(StoreError, match="Entry 2 was changed"):
        _do(other, "restore", file)
    assert not (other.state / "shipkeeper.db").exists()


def test_without_the_key_a_sealed_log_is_not_vouched_for(tmp_path: Path, file: Path) -> None:
    """The copy is made all the same; restoring asks for the key."""
    made = settings(tmp_path / "state", SHIPKEEPER_AUDIT_KEY=KEY)
    with at_work(made, {"local": FakeEngine()}) as house:
        house.say("whoami")
    told = _do(settings(tmp_path / "state"), "backup", file)
    assert told.status is Status.PARTIAL
    assert "SHIPKEEPER_AUDIT_KEY" in told.text
    with pytest.raises(StoreError, match="SHIPKEEPER_AUDIT_KEY"):
        _do(_settings(tmp_path / "keyless"), "restore", file)
    other = _settings(tmp_path / "other", SHIPKEEPER_AUDIT_KEY=KEY)
    assert _do(other, "restore", file).status is Status.SUCCEEDED


def test_what_was_under_way_is_ended_and_not_done_again(tmp_path: Path, file: Path) -> None:
    """Queued and running runs are interrupted, the journal is struck off, and no target is held."""
    made = settings(tmp_path / "state")
    bench = Bench(made.database_url)
    queued, working = bench.submit("remove-volume pgdata"), bench.asked_in_slack("backup pgdata")
    bench.write_down(bench.started(working, VOLUME), container="1")
    bench.close()
    assert _do(made, "backup", file).status is Status.SUCCEEDED
    other = _settings(tmp_path / "other")
    restored = _do(other, "restore", file)
    assert restored.facts["ended"] == 2
    engine = FakeEngine()
    with at_work(other, {"local": engine}) as house:
        for run in (queued, working):
            assert house.run(run.id).status is Status.INTERRUPTED
        refuse_untrue(house.app)
        assert house.app.services.audit.verify().problem is None


def test_a_state_of_an_older_version_is_brought_up_to_date(tmp_path: Path, file: Path) -> None:
    """It is backed up as it is, and restored as this version wants it."""
    made = _settings(tmp_path / "state")
    make_older(made.database_url, "0007")
    told = _do(made, "backup", file)
    assert (told.status, "older version" in told.text) == (Status.SUCCEEDED, True)
    assert _rows(file, "SELECT version_num FROM alembic_version") == [("0007",)]
    other = _settings(tmp_path / "other")
    assert _do(other, "restore", file).status is Status.SUCCEEDED
    with built(other, {"local": FakeEngine()}) as app:
        assert app.database.is_current()


def test_a_state_of_a_newer_version_is_refused(lived_in: Settings, tmp_path: Path, file: Path) -> None:
    """An older bot neither starts on it nor restores it, and leaves every byte: roll back with a backup of before."""
    database = lived_in.state / "shipkeeper.db"
    with closing(sqlite3.connect(database)) as there, there:
        there.execute("UPDATE alembic_version SET version_num = '9999'")
    before = database.read_bytes()
    with pytest.raises(StoreError, match="newer shipkeeper"), built(lived_in, {"local": FakeEngine()}):
        pass
    assert database.read_bytes() == before
    assert _do(lived_in, "backup", file).status is Status.SUCCEEDED
    other = _settings(tmp_path / "other")
    with pytest.raises(StoreError, match="newer shipkeeper"):
        _do(other, "restore", file)
    assert not (other.state / "shipkeeper.db").exists()


def test_entries_that_are_lost_are_told(lived_in: Settings, tmp_path: Path, file: Path) -> None:
    """A published head that lies behind the backup is named, for the log is shorter than people were told."""
    assert _do(lived_in, "backup", file).status is Status.SUCCEEDED
    with at_work(lived_in, {"local": FakeEngine()}) as house:
        house.say("whoami")
        head = house.app.services.audit.head()
    assert head is not None
    other = _settings(tmp_path / "other")
    Heads(other.heads_path).publish(head)
    assert f"had reached entry {head.seq}" in _do(other, "restore", file).text


def test_postgresql_is_left_to_its_own_tools(tmp_path: Path) -> None:
    """Both say which, and write nothing."""
    made = settings(tmp_path / "state", SHIPKEEPER_DATABASE_URL="postgresql+psycopg://ann:hunter2@here/x")
    for verb, tool in (("backup", "pg_dump"), ("restore", "pg_restore")):
        with pytest.raises(StoreError, match=tool) as caught:
            _do(made, verb, tmp_path / "file")
        assert "hunter2" not in str(caught.value)
    assert not (tmp_path / "file").exists()


def test_in_a_shell(
    lived_in: Settings, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It needs neither Docker nor Slack; words that are none are refused."""
    monkeypatch.setenv("SHIPKEEPER_STATE", str(lived_in.state))
    monkeypatch.delenv("SHIPKEEPER_SETTINGS", raising=False)
    assert cli.main(["state", "backup", str(file)], {}) == 0
    assert "fit their seals" in capsys.readouterr().out
    for words in (["state"], ["state", "backup"], ["state", "restore", "--all"], ["state", "move", "x"]):
        assert cli.main(words, {}) == 2
        assert "Usage: `shipkeeper state backup FILE`" in capsys.readouterr().err
    with pytest.raises(UsageError):
        statefile.done(["backup", "a", "b"], lived_in, "ann")

"""docs/operations.md is true: its commands, run as they stand, keep everything and bring everything back."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError

from bot.errors import StoreError
from bot.model import Status
from bot.settings import Settings, read
from bot.stores.audit import Audit
from bot.stores.database import Database
from bot.stores.heads import Heads
from tests.fakes import FakeEngine
from tests.stores.bench import Bench
from tests.support.house import at_work, built, refuse_untrue, settings
from tests.support.manual import block, names, require, run
from tests.support.postgres import Cluster

MANUAL = "docs/operations.md"
FILES = {"note": b"kept\n", "deep/er": b"\0" * 5000, 'caf\u00e9 "x"': b"odd"}


@dataclass(frozen=True)
class Machine:
    """One machine: its directories, in which a bot was at work."""

    root: Path
    kept: Settings

    @property
    def environment(self) -> dict[str, str]:
        """What leads a shell there."""
        return {
            "SHIPKEEPER_STATE": str(self.root / "state"),
            "SHIPKEEPER_ARCHIVE": str(self.root / "archive"),
            "SHIPKEEPER_SETTINGS": str(self.root / "etc" / "settings.toml"),
        }

    def do(self, name: str, **given: object) -> str:
        """Run the commands of that name."""
        tools = self.root / "bin"
        tools.mkdir(parents=True, exist_ok=True)
        return run(block(MANUAL, name), tools=tools, environment=self.environment, **given)

    def places(self) -> dict[str, Path]:
        """The first lines of the commands."""
        return {
            "STATE": self.root / "state",
            "ARCHIVE": self.root / "archive",
            "SETTINGS": self.root / "etc",
        }


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine with a backup of a volume, whose settings are in a directory of their own."""
    require("rsync", "zstd")
    root = tmp_path / "machine"
    made = settings(root / "state", SHIPKEEPER_ARCHIVE=str(root / "archive"))
    (root / "etc").mkdir()
    (root / "state" / "settings.toml").rename(root / "etc" / "settings.toml")
    engine = FakeEngine()
    engine.add_volume("pgdata", files=FILES)
    with at_work(made, {"local": engine}) as house:
        assert house.say("backup pgdata").status is Status.SUCCEEDED
        refuse_untrue(house.app)
    return Machine(root, made)


def _newest(directory: Path, pattern: str) -> Path:
    return max(directory.glob(pattern))


def _publish_head(made: Settings) -> None:
    database = Database(made.database_url)
    head = Audit(database).head()
    database.close()
    assert head is not None
    Heads(made.heads_path).publish(head)


def test_all_commands_are_run() -> None:
    """By the tests below, and those that need Docker by one among the tests of the engine."""
    here = {"keep", "restore", "disaster", "by hand", "postgresql keep", "postgresql restore"}
    assert names(MANUAL) == here | {"into a volume"}


def test_everything_comes_back_on_another_machine(machine: Machine, tmp_path: Path) -> None:
    """What was kept of a machine that is gone makes another one that lists and restores the same."""
    keep, other = tmp_path / "keep", Machine(tmp_path / "other", machine.kept)
    _publish_head(machine.kept)
    machine.do("keep", **machine.places(), KEEP=keep)
    assert keep.stat().st_mode & 0o777 == 0o700
    shutil.rmtree(machine.root)
    told = other.do("disaster", **other.places(), KEEP=keep)
    assert "was restored, verified" in told
    with at_work(read(other.environment), {"local": FakeEngine()}) as house:
        assert "One published head agrees." in house.say("audit verify").reply.text
        assert house.say("check --rebuild").status is not Status.DENIED
        (backup,) = house.app.services.archive.backups()
        assert house.say(f"restore {backup.id} --into again").status is Status.SUCCEEDED
        assert [run.invocation.line for run in house.app.services.runs.newest(limit=9)][-1] == "backup pgdata"
        refuse_untrue(house.app)


def test_an_upgrade_is_taken_back(machine: Machine, tmp_path: Path) -> None:
    """The state of after goes aside, the one of before comes back, and the bot starts on it."""
    keep = tmp_path / "keep"
    machine.do("keep", **machine.places(), KEEP=keep)
    upgraded = Database(machine.kept.database_url)
    with upgraded.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    upgraded.close()
    (machine.root / "state" / "audit-syslog").write_text("800")
    machine.do("restore", STATE=machine.root / "state", BACKUP=_newest(keep, "state-*.db"))
    assert len(list((machine.root / "state").glob("before-*/shipkeeper.db"))) == 1
    assert len(list((machine.root / "state").glob("before-*/audit-syslog"))) == 1
    with built(read(machine.environment), {"local": FakeEngine()}) as app:
        refuse_untrue(app)
        assert app.services.audit.verify().problem is None


def test_a_log_without_its_database_goes_aside_too(machine: Machine, tmp_path: Path) -> None:
    """As when somebody moved only the database away, or a move was cut off."""
    keep, state = tmp_path / "keep", machine.root / "state"
    machine.do("keep", **machine.places(), KEEP=keep)
    (state / "shipkeeper.db").rename(tmp_path / "shipkeeper.db")
    (state / "shipkeeper.db-wal").write_bytes(b"what was not yet in it")
    machine.do("restore", STATE=state, BACKUP=_newest(keep, "state-*.db"))
    assert len(list(state.glob("before-*/shipkeeper.db-wal"))) == 1
    assert (state / "shipkeeper.db").is_file()


def test_a_volume_comes_back_without_the_bot(machine: Machine, tmp_path: Path) -> None:
    """sha256sum, zstd and tar, and every byte is the same."""
    restored = tmp_path / "restored"
    told = machine.do("by hand", BACKUPS=machine.root / "archive" / "local" / "pgdata", RESTORED=restored)
    assert '"outcome": "ok"' in told
    volume = restored / "volume"
    assert {
        str(one.relative_to(volume)): one.read_bytes() for one in volume.rglob("*") if one.is_file()
    } == FILES


@pytest.mark.parametrize("ending", [".manifest.json", ".tar.zst", ".entries.jsonl.zst"])
def test_a_flipped_bit_is_seen_without_the_bot(machine: Machine, tmp_path: Path, ending: str) -> None:
    """The commands stop, whichever file it is in."""
    backups = machine.root / "archive" / "local" / "pgdata"
    (file,) = backups.glob(f"*{ending}")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(AssertionError):
        machine.do("by hand", BACKUPS=backups, RESTORED=tmp_path / "restored")


def test_postgresql_comes_back_by_its_own_tools(postgres: Cluster, tmp_path: Path) -> None:
    """Into an empty database, and the audit log holds."""
    bench = Bench(postgres.create("kept", template="migrated"))
    runs = [bench.submit(f"backup {name}") for name in "abc"]
    bench.finish(bench.claim(runs[0]))
    bench.close()
    empty = postgres.create("empty")
    plain = {
        name: f"postgresql://postgres@/{database}?host={postgres.directory}"
        for name, database in (("DATABASE", "kept"), ("EMPTY", "empty"))
    }
    for name in ("postgresql keep", "postgresql restore"):
        run(block(MANUAL, name), tools=tmp_path, environment=plain)
    again = Bench(empty)
    assert [again.runs.get(one.id).invocation.line for one in runs] == ["backup a", "backup b", "backup c"]
    assert again.audit.verify().problem is None
    again.database.migrate()
    with pytest.raises((StoreError, IntegrityError)):
        again.execute("DELETE FROM audit")
    again.close()

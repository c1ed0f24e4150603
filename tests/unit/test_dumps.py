"""Which databases are recognised, and that only a whole dump of a program that ended well passes as one."""

from __future__ import annotations

import hashlib
import subprocess
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.engine import Container
from bot.errors import ArchiveError, Cancelled, Conflict, EngineError, StreamCut
from bot.operations.dumps import DumpPlan, dump, recognise
from bot.operations.presets import HEAD_BYTES, PRESETS, TAIL_BYTES, Preset
from bot.reasons import Reason
from tests.support.fake_run import FakeRun, Recorder

LIMIT = timedelta(seconds=9)
MONGODB_END = b"\x30\0\0\0\x02db\0\x02\0\0\0a\0\x08EOF\0\x01\x12CRC\0" + bytes(8) + b"\0\xff\xff\xff\xff"
SQLITE_HEADER = b"SQLite format 3\0" + (4096).to_bytes(2, "big") + bytes(10) + (2).to_bytes(4, "big")
WHOLE: dict[str, bytes] = {
    "postgresql": b"--\n-- PostgreSQL database cluster dump\n--\n\nSET x;\n"
    + b"COPY rows;\n" * 900
    + b"--\n-- PostgreSQL database cluster dump complete\n--\n\n",
    "mysql": b"-- MySQL dump 10.13  Distrib 8.0.40\n--\n"
    + b"INSERT;\n" * 900
    + b"-- Dump completed on 2026-11-24 22:00:01\n",
    "mariadb": b"/*M!999999\\- enable the sandbox mode */ \n-- MariaDB dump 10.19\n--\nINSERT;\n-- Dump completed\n",
    "redis": b"REDIS0011\xfa\x05ctime" + b"\x00\x02k1\x02v1" * 400 + b"\xff12345678",
    "mongodb": b"\x6d\xe2\x99\x81" + b"documents" * 300 + MONGODB_END,
    "sqlite": (SQLITE_HEADER + bytes(8192))[:8192],
}


def preset(name: str) -> Preset:
    return _labelled("sqlite:/srv/it's/app.db") if name == "sqlite" else PRESETS[name]


def box(image: str = "app:1", **labels: str) -> Container:
    return Container(id="1", name="db", state="running", started_at="1", image=image, labels=labels)


def _labelled(label: str) -> Preset:
    found = recognise(box("postgres:16", **{"shipkeeper.dump": label}))
    assert found is not None
    return found


@pytest.fixture
def engine() -> Recorder:
    made = Recorder()
    made.add_container("db")
    return made


@pytest.fixture
def run(engine: Recorder) -> FakeRun:
    return FakeRun(engine)


class Taken(list[bytes]):
    """What `write` was given."""

    @property
    def data(self) -> bytes:
        return b"".join(self)


def take(engine: Recorder, run: FakeRun, what: Preset, *, limit: timedelta = LIMIT, **labels: str):  # type: ignore[no-untyped-def]
    taken = Taken()
    container = replace(engine.container("db"), labels=labels)
    made = dump(engine, run, DumpPlan(container=container, preset=what, limit=limit), taken.append)
    return made, taken


def writes(engine: Recorder, out: bytes | Iterable[bytes], errors: str = "", code: int | None = 0) -> None:
    engine.programs["db"] = lambda _: (out, errors, code)


# ---- what is recognised ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "name"),
    [("postgres", "postgresql"), ("postgres:16-alpine", "postgresql"), ("bitnami/postgresql:16", "postgresql"),
     ("registry.example:5000/team/postgres@sha256:abc", "postgresql"), ("postgis/postgis:16-3.4", "postgresql"),
     ("timescale/timescaledb-ha:pg16", "postgresql"), ("pgvector/pgvector:pg16", "postgresql"),
     ("mysql:8", "mysql"), ("percona/percona-server:8.0", "mysql"), ("lscr.io/linuxserver/mariadb", "mariadb"),
     ("redis:7", "redis"), ("valkey/valkey:8", "redis"), ("mongo:7", "mongodb"), ("bitnami/mongodb", "mongodb"),
     ("prom/postgres-exporter", None), ("mongo-express", None), ("postgres/app", None), ("", None),
     ("sha256:0123", None)],
)  # fmt: skip
def test_databases_are_recognised_by_the_names_of_their_images(image: str, name: str | None) -> None:
    """Registry, namespace, tag and digest do not matter; names that only contain a database's do not count."""
    found = recognise(box(image))
    assert (found.name if found else None) == name


def test_a_label_wins_over_the_image() -> None:
    """It names a preset, a SQLite file, or nothing at all."""
    assert _labelled("mariadb").name == "mariadb"
    assert recognise(box("postgres", **{"shipkeeper.dump": "none"})) is None
    found = _labelled("sqlite:/srv/app.db")
    assert (found.name, found.file_name, found.words[-1]) == ("sqlite", "app.db", "/srv/app.db")


@pytest.mark.parametrize("label", ["oracle", "", "sqlite", "sqlite:app.db", "redis:x", "none:x"])
def test_a_label_that_says_nothing_known_is_refused(label: str) -> None:
    """The sentence names the container, the label and what there is."""
    with pytest.raises(Conflict, match=r"“db” has the label shipkeeper\.dump=.*postgresql.*sqlite:"):
        _labelled(label)


# ---- what passes as whole ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_dump_passes_unchanged(engine: Recorder, run: FakeRun, name: str) -> None:
    """However it is cut into pieces, every byte arrives, and size, SHA-256 and command are told."""
    data = WHOLE[name]
    what = preset(name)
    for size in (1 << 20, 700, 1):
        writes(engine, [data[at : at + size] for at in range(0, len(data), size)], "a warning\n")
        made, taken = take(engine, run, what)
        facts = made.facts
        assert taken.data == data
        assert (facts.preset, facts.command) == (what.name, what.command)
        assert (facts.bytes, facts.sha256) == (len(data), hashlib.sha256(data).hexdigest())
        assert made.lost == what.lost
    assert engine.executed[-1].words == what.words
    assert engine.executed[-1].limit == LIMIT
    assert "dumping db" in run.steps


@pytest.mark.parametrize("name", WHOLE)
def test_no_beginning_of_a_dump_is_whole(name: str) -> None:
    """Wherever the stream ends too early, and even if the program claimed success, it is no dump."""
    data, what = WHOLE[name], preset(name)
    whole = [
        size
        for size in range(len(data) + 1)
        if what.is_whole(data[:size][:HEAD_BYTES], data[:size][-TAIL_BYTES:], size)
    ]
    assert whole == [len(data)]


@pytest.mark.parametrize("name", ["mysql", "mariadb"])
def test_a_dump_by_the_own_user_says_that_it_may_lack_something(
    engine: Recorder, run: FakeRun, name: str
) -> None:
    """What only root may see is named as lost when the words say, behind all warnings, that they did without root."""
    (said, lost), *_ = PRESETS[name].lost_when.items()
    writes(engine, WHOLE[name], f"-- Warning: a view\n{said}\n")
    assert take(engine, run, PRESETS[name])[0].lost == (lost,)
    writes(engine, WHOLE[name], f"{said}\nsomething else\n")
    assert take(engine, run, PRESETS[name])[0].lost == ()


@pytest.mark.parametrize("name", WHOLE)
def test_another_program_s_output_is_no_dump(name: str) -> None:
    """What does not begin as it should is refused although it ends well."""
    data = b"usage: something else entirely, which is not a dump at all\n" + WHOLE[name]
    assert not preset(name).is_whole(data[:5] + data[60:], data[-TAIL_BYTES:], len(data) + 1)


def test_a_row_that_reads_like_the_end_is_not_the_end() -> None:
    """Data may hold the end's words: behind the true end nothing follows."""
    for name, row in (
        ("postgresql", b"\n-- PostgreSQL database cluster dump complete\n"),
        ("mysql", b"\n-- Dump completed on 2026-11-24\n"),
    ):
        data = WHOLE[name][:-60] + row + b"another row\n"
        assert not PRESETS[name].is_whole(data[:HEAD_BYTES], data[-TAIL_BYTES:], len(data))


def test_marks_of_other_versions_are_known() -> None:
    """PostgreSQL's later minor versions unrestrict behind the end; Redis may send a mark of forty characters."""
    data = WHOLE["postgresql"] + b"\\unrestrict AbC123\n\n"
    assert PRESETS["postgresql"].is_whole(data[:HEAD_BYTES], data[-TAIL_BYTES:], len(data))
    data = WHOLE["redis"] + b"a1" * 20
    assert PRESETS["redis"].is_whole(data[:HEAD_BYTES], data[-TAIL_BYTES:], len(data))
    assert not PRESETS["redis"].is_whole(data[:HEAD_BYTES], data[-TAIL_BYTES:-1], len(data) - 1)


# ---- what fails ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("out", "code", "words"),
    [(WHOLE["redis"], 1, "ended with exit code 1"), (b"", 0, "wrote nothing"), (b"", 2, "exit code 2"),
     (WHOLE["redis"][:-1], 0, "are no whole redis dump")],
)  # fmt: skip
def test_every_doubt_is_a_failed_dump(
    engine: Recorder, run: FakeRun, out: bytes, code: int, words: str
) -> None:
    """Exit code, size and end are demanded, and what the program said is told."""
    writes(engine, out, "I/O error\n reading", code)
    with pytest.raises(
        EngineError, match=rf"{words}.*It said: I/O error reading Nothing was saved"
    ) as raised:
        take(engine, run, PRESETS["redis"])
    assert raised.value.reason is Reason.DUMP


def test_a_program_that_is_not_there_is_a_failed_dump(engine: Recorder, run: FakeRun) -> None:
    """An image without the database's programs says so itself."""
    with pytest.raises(EngineError, match=r"exit code 127.*not found"):
        take(engine, run, PRESETS["postgresql"])


def test_a_stream_that_ends_early_is_never_a_dump(engine: Recorder, run: FakeRun) -> None:
    """A daemon that dies ends the stream as if all were well (engine fact 5): without exit code, no dump."""
    data = WHOLE["postgresql"]
    writes(engine, data)
    for lost_at in range(0, len(data) + 1, 97):
        engine.faults.execution_lost_at_byte = lost_at
        with pytest.raises(EngineError, match="Nobody can know"):
            take(engine, run, PRESETS["postgresql"])
    engine.faults.execution_lost_at_byte = len(data)
    with pytest.raises(EngineError, match="Nobody can know"):
        take(engine, run, PRESETS["postgresql"])


def test_a_dump_that_takes_too_long_is_ended(engine: Recorder, run: FakeRun) -> None:
    """The limit is told, and nothing of it runs on."""
    writes(engine, b"REDIS0011", "waiting", None)
    with pytest.raises(EngineError, match=r"longer than 0\.05 s and was ended.*waiting") as raised:
        take(engine, run, PRESETS["redis"], limit=timedelta(seconds=0.05))
    assert raised.value.reason is Reason.DUMP
    assert len(engine.killed) == 1


def test_a_cancel_ends_a_dump_that_waits(engine: Recorder, run: FakeRun) -> None:
    """It does not have to write anything to be ended."""
    engine.programs["db"] = lambda _: (run.cancel(), (b"REDIS0011", "", None))[1]
    with pytest.raises(Cancelled):
        take(engine, run, PRESETS["redis"])
    assert len(engine.killed) == 1
    assert "watch" not in {thread.name for thread in threading.enumerate()}


def test_a_broken_stream_stays_a_broken_stream(engine: Recorder, run: FakeRun) -> None:
    """Without a cancel it is the engine that failed."""

    def pieces() -> Iterable[bytes]:
        yield b"REDIS0011"
        engine.faults.down = True
        yield b"more"

    writes(engine, pieces())
    with pytest.raises(StreamCut):
        take(engine, run, PRESETS["redis"])


def test_an_archive_that_fails_ends_the_dump(engine: Recorder, run: FakeRun) -> None:
    """The writer's error comes out as it is, and the program is ended."""
    writes(engine, [b"REDIS0011", b"more"], "", None)

    def full(_: bytes) -> None:
        raise ArchiveError("There is no room.", reason=Reason.DISK_FULL)

    plan = DumpPlan(container=engine.container("db"), preset=PRESETS["redis"], limit=LIMIT)
    with pytest.raises(ArchiveError, match="no room"):
        dump(engine, run, plan, full)
    assert len(engine.killed) == 1


def test_a_container_that_does_not_run_is_a_conflict(engine: Recorder, run: FakeRun) -> None:
    """No database, no dump."""
    found = engine.container("db")
    engine.end_container("db")
    with pytest.raises(Conflict):
        dump(engine, run, DumpPlan(container=found, preset=PRESETS["redis"], limit=LIMIT), print)


def test_the_container_s_label_says_who_runs_the_dump(engine: Recorder, run: FakeRun) -> None:
    """The same label as for hooks."""
    writes(engine, WHOLE["redis"])
    take(engine, run, PRESETS["redis"], **{"shipkeeper.backup.user": "redis"})
    assert engine.executed[-1].user == "redis"


def test_a_file_is_dumped_by_its_owner(engine: Recorder, run: FakeRun) -> None:
    """Unless a label says who; where nobody can tell the owner, by the container's own user."""
    owners = [(b"999:998\n", "", 0), (b"", "stat: not found", 127), (b"odd\n", "", 0)]

    def program(words: Sequence[str]) -> tuple[bytes, str, int]:
        return owners.pop(0) if words[0] == "stat" else (WHOLE["sqlite"], "", 0)

    engine.programs["db"] = program
    for _ in range(3):
        take(engine, run, preset("sqlite"))
    take(engine, run, preset("sqlite"), **{"shipkeeper.backup.user": "app"})
    assert engine.executed[0].words == ("stat", "-c", "%u:%g", "--", "/srv/it's/app.db")
    assert [one.user for one in engine.executed if one.words[0] != "stat"] == ["999:998", "", "", "app"]


# ---- the shell lines themselves, run by a real shell with a fake program -------------------------------------------

_PROGRAMS = ("pg_dumpall", "mariadb-dump", "mysqldump", "redis-cli", "mongodump", "sqlite3")
_SPY = """#!/bin/sh
echo "$0 $*"
echo "$PGUSER|$PGPASSWORD|$MYSQL_PWD|${REDISCLI_AUTH-unset}"
for word; do
    case $word in
        --config=*) cat "${word#--config=}" ;;
        .backup*) eval "echo copied >${word#.backup }" ;;
    esac
done
exit ${SPY_CODE:-0}
"""
Spoken = Callable[..., list[str]]


@pytest.fixture
def spoken(tmp_path: Path) -> Spoken:
    """Run a preset's words with an environment; what the database's program was told, and its own output."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in _PROGRAMS:
        (programs / name).write_text(_SPY)
        (programs / name).chmod(0o755)

    def speak(words: Sequence[str], code: int = 0, **environment: str) -> list[str]:
        (tmp_path / "tmp").mkdir(exist_ok=True)
        given = {"PATH": f"{programs}:/usr/bin:/bin", "TMPDIR": str(tmp_path / "tmp"), **environment}
        done = subprocess.run(words, env=given, capture_output=True, text=True, timeout=20, check=False)
        assert done.returncode == code, done.stderr
        assert not list((tmp_path / "tmp").iterdir())
        return done.stdout.replace(f"{programs}/", "").splitlines()

    return speak


def test_postgresql_is_asked_as_its_own_superuser(spoken: Spoken, tmp_path: Path) -> None:
    """User and password come from the container's environment, or from the files it names, and are no words."""
    words = PRESETS["postgresql"].words
    (line, secrets) = spoken(words)
    assert (line, secrets) == ("pg_dumpall --clean --if-exists --no-password", "postgres|||unset")
    assert spoken(words, POSTGRES_USER="shop", POSTGRES_PASSWORD="p w")[1] == "shop|p w||unset"
    (tmp_path / "secret").write_text("filed\n")
    assert spoken(words, POSTGRES_PASSWORD_FILE=str(tmp_path / "secret"))[1] == "postgres|filed||unset"
    assert spoken(words, POSTGRESQL_POSTGRES_PASSWORD="r", POSTGRES_PASSWORD="u")[1] == "postgres|r||unset"
    assert spoken(words, 3, SPY_CODE="3")


def test_mysql_and_mariadb_are_asked_as_root(spoken: Spoken) -> None:
    """Root when its password is known, or else the image's own user."""
    for name, environment, user, password in (
        ("mariadb", {"MARIADB_ROOT_PASSWORD": "r$x"}, "root", "r$x"),
        ("mysql", {"MYSQL_ROOT_PASSWORD": "r", "MYSQL_USER": "u", "MYSQL_PASSWORD": "p"}, "root", "r"),
        ("mysql", {"MYSQL_USER": "u", "MYSQL_PASSWORD": "p"}, "u", "p"),
        ("mysql", {"MYSQL_ALLOW_EMPTY_PASSWORD": "1", "MYSQL_USER": "u"}, "root", ""),
    ):
        line, secrets = spoken(PRESETS[name].words, **environment)
        assert f"mariadb-dump --user={user} --all-databases --single-transaction --routines --events" in line
        assert secrets == f"||{password}|unset"
    assert spoken(PRESETS["mysql"].words, 5, SPY_CODE="5", MYSQL_USER="u")


def test_redis_is_asked_for_what_a_replica_would_get(spoken: Spoken) -> None:
    """The password, if there is one, goes by environment."""
    assert spoken(PRESETS["redis"].words) == ["redis-cli --rdb -", "|||unset"]
    assert spoken(PRESETS["redis"].words, REDIS_PASSWORD="s")[1] == "|||s"


def test_mongodb_s_password_is_read_from_a_file(spoken: Spoken) -> None:
    """mongodump takes none from its environment; the file is gone afterwards, and its exit code is the dump's."""
    words = PRESETS["mongodb"].words
    assert spoken(words)[0] == "mongodump --archive --quiet"
    found = spoken(words, MONGO_INITDB_ROOT_USERNAME="root", MONGO_INITDB_ROOT_PASSWORD='a"b\\c')
    assert found[0].startswith("mongodump --archive --quiet --config=")
    assert found[0].endswith("--username=root --authenticationDatabase=admin")
    assert found[2] == 'password: "a\\"b\\\\c"'
    assert spoken(words, 4, SPY_CODE="4", MONGO_INITDB_ROOT_PASSWORD="x")


def test_sqlite_is_copied_by_its_own_backup(spoken: Spoken, tmp_path: Path) -> None:
    """The path is one word whatever is in it; a missing file is not made, and no copy is left behind."""
    file = tmp_path / "it's a.db"
    file.write_text("a database")
    assert spoken(_labelled(f"sqlite:{file}").words)[-1] == "copied"
    assert spoken(_labelled(f"sqlite:{tmp_path}/no.db").words, 1) == []
    assert spoken(_labelled(f"sqlite:{file}").words, 1, SPY_CODE="7")

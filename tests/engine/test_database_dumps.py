"""Dumps and hooks against real servers: taken, brought back, compared, and never believed when they were cut.

MongoDB is not in Debian: its preset meets a program that behaves like mongodump, and nothing else.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from bot.engine import Container
from bot.engine.real import DockerEngine
from bot.errors import BotError, Cancelled, EngineError
from bot.operations.dumps import Dump, DumpPlan, dump, recognise
from bot.operations.hooks import hooked
from bot.operations.quiesce import Quiesce, QuiescePolicy, asleep, sleepers
from bot.reasons import Reason
from tests.support.databases import USER, DatabaseBench, require
from tests.support.engine_available import require_engine
from tests.support.fake_run import FakeRun

pytestmark = pytest.mark.engine
LIMIT = timedelta(seconds=60)
SOON_SECONDS = 15.0
SECRET = "it's a $ecret"
# Much more than all buffers between the program and us hold, so that it is still at work when it is killed;
# redis must not compress its rows, of which the kernel's buffers would then hold all.
ROWS = 120_000
ROW = "lpad(n::text, 100, 'x')"

_POSTGRESQL = """
printf %s "$POSTGRES_PASSWORD" >/tmp/secret
initdb -D /data/pg -U shop --pwfile=/tmp/secret -A scram-sha-256 -E UTF8 --locale=C --no-sync
postgres -D /data/pg -c fsync=off -c listen_addresses= &
exec sleep 600
"""
_MARIADB = """
echo "ALTER USER root@localhost IDENTIFIED BY '$TEST_QUOTED';" >/tmp/init
mariadbd --no-defaults --datadir=/data/mariadb --skip-networking --innodb-log-file-size=8M \
    --innodb-flush-log-at-trx-commit=0 --innodb-buffer-pool-size=64M --init-file=/tmp/init &
exec sleep 600
"""
_REDIS = """
redis-server --save "" --rdbcompression no --repl-diskless-sync-delay 0 --requirepass "$REDIS_PASSWORD" --dir /data &
exec sleep 600
"""
_LIKE_MONGODUMP = b"""#!/bin/sh
for word; do case $word in --config=*) cat "${word#--config=}" >/tmp/seen ;; esac; done
cat /tmp/archive
"""
_NOTHING = "exec sleep 600"
_PRE = "id -u; echo pre >>/tmp/seen; echo bad >&2"


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server at work: its container, and how its own client is asked."""

    bench: DatabaseBench
    name: str
    client: tuple[str, ...]
    environment: dict[str, str]

    def ask(self, *words: str) -> str:
        """What the client answers to these words; fails unless it succeeds."""
        code, output = self.bench.ask(self.name, *self.client, *words, environment=self.environment)
        assert code == 0, output
        return output.strip()

    def restore(self, path: str, data: bytes) -> None:
        """Give the client a dump as its standard input."""
        self.bench.give(self.name, path, data)
        words = " ".join((*self.client, "<", path))
        code, output = self.bench.ask(self.name, "/bin/sh", "-c", words, environment=self.environment)
        assert code == 0, output


@pytest.fixture(scope="module")
def bench() -> Iterator[DatabaseBench]:
    made = DatabaseBench(require_engine())
    yield made
    made.close()


@pytest.fixture(scope="module")
def postgresql(bench: DatabaseBench) -> Server:
    """A cluster whose superuser is not called postgres, with a password, and a table of many rows."""
    require("postgresql")
    name = bench.run(_POSTGRESQL, POSTGRES_USER="shop", POSTGRES_PASSWORD=SECRET)
    client = ("psql", "-U", "shop", "-d", "postgres", "-qAtX")
    server = Server(bench=bench, name=name, client=client, environment={"PGPASSWORD": SECRET})
    bench.ready(name, *client, "-c", "select 1", **server.environment)
    server.ask("-c", f"create table rows as select n, {ROW} as t from generate_series(1, {ROWS}) n")
    server.ask("-c", "create role reader login password 'r'")
    return server


@pytest.fixture(scope="module")
def mariadb(bench: DatabaseBench) -> Server:
    """A server with a root password, a table of many rows, one of binary ones, a routine and an event."""
    require("mariadb")
    quoted = SECRET.replace("'", "''")
    name = bench.run(_MARIADB, MARIADB_ROOT_PASSWORD=SECRET, TEST_QUOTED=quoted)
    client = ("mariadb", "-uroot", "-N", "--default-character-set=utf8mb4")
    server = Server(bench=bench, name=name, client=client, environment={"MYSQL_PWD": SECRET})
    bench.ready(name, *client, "-e", "select 1", **server.environment)
    server.ask(
        "-e",
        "create database shop; use shop; create table things (n int primary key, t text) engine=InnoDB;"
        f"insert into things select seq, lpad(seq, 100, 'x') from seq_1_to_{ROWS};"
        "create table odd (b varbinary(9), t text charset utf8mb4); insert into odd values (x'00ff0a27', '⚓😀');"
        "create procedure hello() select 1; create event tick on schedule every 1 day do select 1;"
        "create user reader identified by 'r'",
    )
    return server


@pytest.fixture(scope="module")
def redis(bench: DatabaseBench) -> Server:
    """A server with a password and many keys."""
    require("redis")
    name = bench.run(_REDIS, REDIS_PASSWORD=SECRET)
    server = Server(bench=bench, name=name, client=("redis-cli",), environment={"REDISCLI_AUTH": SECRET})
    bench.ready(name, "redis-cli", "set", "name", "⚓", **server.environment)
    server.ask("eval", f"for n=1,{ROWS} do redis.call('set', n, string.rep('x', 99)..n) end", "0")
    return server


class Taken:
    """What was dumped. With `after`, an act is done as soon as so many bytes have come."""

    def __init__(self, act: Callable[[], object] | None = None, after: int = 0) -> None:
        self.pieces: list[bytes] = []
        self._act, self._after, self._bytes = act, after, 0

    def write(self, piece: bytes) -> None:
        self.pieces.append(piece)
        self._bytes += len(piece)
        if self._act is not None and self._bytes > self._after:
            act, self._act = self._act, None
            act()

    @property
    def has_acted(self) -> bool:
        """Whether enough came for the act to be done."""
        return self._act is None

    @property
    def data(self) -> bytes:
        return b"".join(self.pieces)


def take(
    engine: DockerEngine, name: str, label: str, taken: Taken, *, limit: timedelta = LIMIT, user: str = ""
) -> Dump:
    """Dump what runs in the container, as its label would say."""
    labels = {"shipkeeper.dump": label, "shipkeeper.backup.user": user}
    container = replace(engine.container(name), labels=labels)
    preset = recognise(container)
    assert preset is not None
    run = FakeRun(engine)
    return dump(engine, run, DumpPlan(container=container, preset=preset, limit=limit), taken.write)


def whole(engine: DockerEngine, name: str, label: str, **how: str) -> bytes:
    taken = Taken()
    facts = take(engine, name, label, taken, **how).facts  # type: ignore[arg-type]
    assert facts.sha256 == hashlib.sha256(taken.data).hexdigest()
    assert facts.bytes == len(taken.data)
    return taken.data


def test_a_postgresql_dump_brings_a_cluster_back(docker_engine: DockerEngine, postgresql: Server) -> None:
    """Roles and rows come back exactly, as the container's own user and as root."""
    query = ("-c", "select count(*), md5(string_agg(t, ',' order by n)) from rows")
    before = postgresql.ask(*query)
    assert before.startswith(f"{ROWS}|")
    data = whole(docker_engine, postgresql.name, "postgresql")
    assert len(whole(docker_engine, postgresql.name, "postgresql", user="root")) == len(data)
    postgresql.ask("-c", "drop table rows")
    postgresql.ask("-c", "drop role reader")
    postgresql.restore("/tmp/dump.sql", data)
    assert postgresql.ask(*query) == before
    assert postgresql.ask("-c", "select 1 from pg_roles where rolname = 'reader'") == "1"


def test_a_mariadb_dump_brings_a_server_back(docker_engine: DockerEngine, mariadb: Server) -> None:
    """Rows, bytes that are no text, emoji, routines, events and users come back exactly."""
    query = (
        "-e",
        "select count(*), sum(crc32(t)) from shop.things; select hex(b), hex(t) from shop.odd;"
        "select count(*) from information_schema.routines where routine_schema = 'shop';"
        "select count(*) from information_schema.events; select count(*) from mysql.user where user = 'reader'",
    )
    before = mariadb.ask(*query)
    assert before.split()[:1] + before.split()[2:] == [
        str(ROWS), "00FF0A27", "E29A93F09F9880", "1", "1", "1",
    ]  # fmt: skip
    data = whole(docker_engine, mariadb.name, "mariadb")
    mariadb.ask("-e", "drop database shop; drop user reader")
    mariadb.restore("/tmp/dump.sql", data)
    assert mariadb.ask(*query) == before


def test_a_mariadb_dump_without_root_names_what_it_may_lack(
    docker_engine: DockerEngine, bench: DatabaseBench
) -> None:
    """By the own user it is whole to its end, though other databases are not in it, and says what root would see."""
    require("mariadb")
    name = bench.run(
        _MARIADB, MARIADB_USER="app", MARIADB_PASSWORD="p", TEST_QUOTED=SECRET.replace("'", "''")
    )
    client, secret = ("mariadb", "-uroot", "-e"), {"MYSQL_PWD": SECRET}
    bench.ready(name, *client, "select 1", **secret)
    make = (
        "create database shop; create table shop.mine (n int);"
        "create database other; create table other.theirs (n int);"
        "create user app@localhost identified by 'p'; grant all on shop.* to app@localhost"
    )
    assert bench.ask(name, *client, make, environment=secret)[0] == 0
    taken = Taken()
    made = take(docker_engine, name, "mariadb", taken)
    assert b"`mine`" in taken.data
    assert b"`theirs`" not in taken.data
    assert "what only root" in " ".join(made.lost)


def test_a_redis_dump_is_loaded_by_another_server(
    docker_engine: DockerEngine, bench: DatabaseBench, redis: Server
) -> None:
    """With and without the file on the server's disk, all keys come back from it."""
    for diskless in ("yes", "no"):
        redis.ask("config", "set", "repl-diskless-sync", diskless)
        data = whole(docker_engine, redis.name, "redis")
        bench.give(redis.name, "/tmp/restored/dump.rdb", data)
        other = "redis-server --save '' --port 7000 --dir /tmp/restored >/tmp/log 2>&1 </dev/null &"
        bench.ask(redis.name, "/bin/sh", "-c", other)
        found = bench.ready(redis.name, "redis-cli", "-e", "-p", "7000", "get", str(ROWS))
        assert found.strip() == "x" * 99 + str(ROWS)
        assert bench.ask(redis.name, "redis-cli", "-p", "7000", "dbsize")[1].strip() == str(ROWS + 1)
        bench.ask(redis.name, "redis-cli", "-p", "7000", "shutdown", "nosave")


def test_a_sqlite_database_is_copied_while_it_is_written_to(
    docker_engine: DockerEngine, bench: DatabaseBench
) -> None:
    """In WAL mode, with a writer that comes and goes, every copy is whole and sound, and no write is refused."""
    require("sqlite")
    path, owner = "/data/it's a.db", str(USER)
    name = bench.run(_NOTHING, user=0)
    make = (
        "pragma journal_mode=wal; pragma user_version=7; create table rows (t); insert into rows values (0);"
    )
    assert bench.ask(name, "sqlite3", path, make, user=owner)[0] == 0
    write = 'sqlite3 -cmd ".timeout 9000" "$0" "insert into rows values ($n)"'
    told: list[tuple[int, str]] = []
    words = ("/bin/sh", "-c", f"for n in $(seq 1 400); do {write}; done", path)
    writing = threading.Thread(target=lambda: told.append(bench.ask(name, *words, user=owner)))
    writing.start()
    copies = 0
    while writing.is_alive() or not copies:
        bench.give(name, "/tmp/copy.db", whole(docker_engine, name, f"sqlite:{path}"))
        check = "pragma integrity_check; select count(*) > 0 from rows; pragma user_version;"
        assert bench.ask(name, "sqlite3", "/tmp/copy.db", check) == (0, "ok\n1\n7\n")
        copies += 1
    writing.join()
    assert told == [(0, "")]
    assert bench.ask(name, "sqlite3", path, "select count(*) from rows", user=owner) == (0, "401\n")
    assert bench.ask(name, "/bin/sh", "-c", "echo /tmp/*")[1] == "/tmp/copy.db\n"


def test_a_sqlite_file_that_is_none_is_a_failed_dump(
    docker_engine: DockerEngine, bench: DatabaseBench
) -> None:
    """A missing file is not made, and another program's file is not called a database."""
    require("sqlite")
    name = bench.run(_NOTHING)
    bench.give(name, "/data/other.db", b"no database" * 100)
    for path, said in (("/data/no.db", "there is no file /data/no.db"), ("/data/other.db", "exit code 1")):
        with pytest.raises(EngineError, match=said) as raised:
            whole(docker_engine, name, f"sqlite:{path}")
        assert raised.value.reason is Reason.DUMP
    assert bench.ask(name, "/bin/sh", "-c", "echo /data/*.db")[1] == "/data/other.db\n"


def test_a_wrong_password_is_a_failed_dump(docker_engine: DockerEngine, bench: DatabaseBench) -> None:
    """The program's own words are in the error, and nothing hangs at a prompt."""
    require("redis")
    name = bench.run(_REDIS.replace('"$REDIS_PASSWORD"', "another"), REDIS_PASSWORD="wrong")
    bench.ready(name, "redis-cli", "ping", REDISCLI_AUTH="another")
    with pytest.raises(EngineError, match=r"exit code 1.*WRONGPASS") as raised:
        whole(docker_engine, name, "redis")
    assert raised.value.reason is Reason.DUMP


@pytest.mark.parametrize("database", ["postgresql", "mariadb", "redis"])
@pytest.mark.parametrize("what", ["server", "program"])
def test_a_dump_that_is_killed_in_the_middle_is_never_whole(
    docker_engine: DockerEngine, request: pytest.FixtureRequest, database: str, what: str
) -> None:
    """Whether the server or the dumping program dies, what came before does not pass as a dump."""
    server: Server = request.getfixturevalue(database)
    victims = {
        "postgresql": ("postgres", "pg_dump"), "mariadb": ("mariadbd", "mariadb-dump"),
        "redis": ("redis-server", "redis-cli"),
    }  # fmt: skip
    name = _another(server, database) if what == "server" else server.name
    victim = victims[database][0 if what == "server" else 1]
    taken = Taken(lambda: server.bench.kill(name, victim))
    with pytest.raises(EngineError) as raised:
        take(docker_engine, name, database, taken)
    assert taken.has_acted
    assert raised.value.reason in (Reason.DUMP, Reason.STREAM_CUT)


def _another(server: Server, database: str) -> str:
    """A second server with as much in it, which may be killed."""
    bench = server.bench
    if database == "postgresql":
        name = bench.run(_POSTGRESQL, POSTGRES_USER="shop", POSTGRES_PASSWORD=SECRET)
        bench.ready(name, *server.client, "-c", "select 1", **server.environment)
        fill = ("-c", f"create table rows as select n, {ROW} as t from generate_series(1, {ROWS}) n")
    elif database == "mariadb":
        name = bench.run(_MARIADB, MARIADB_ROOT_PASSWORD=SECRET, TEST_QUOTED=SECRET.replace("'", "''"))
        bench.ready(name, *server.client, "-e", "select 1", **server.environment)
        fill = (
            "-e",
            "create database shop; use shop; "
            f"create table things as select seq n, lpad(seq, 100, 'x') t from seq_1_to_{ROWS}",
        )
    else:
        name = bench.run(_REDIS, REDIS_PASSWORD=SECRET)
        bench.ready(name, "redis-cli", "ping", **server.environment)
        fill = ("eval", f"for n=1,{ROWS} do redis.call('set', n, string.rep('x', 99)..n) end", "0")
    code, output = bench.ask(name, *server.client, *fill, environment=server.environment)
    assert code == 0, output
    return name


def test_a_container_that_dies_in_the_middle_gives_no_dump(
    docker_engine: DockerEngine, bench: DatabaseBench
) -> None:
    """The stream just ends: only the exit code, which nobody has, would prove anything."""
    name = bench.run(_NOTHING, user=0)
    program = "#!/bin/sh\nexec cat /dev/zero\n"
    bench.give(name, "/bin/mongodump", program.encode())
    taken = Taken(lambda: bench.api.kill(name), after=1 << 20)
    with pytest.raises(BotError):
        take(docker_engine, name, "mongodb", taken)
    assert len(taken.data) > 1 << 20


@pytest.mark.parametrize(
    ("script", "said"),
    [("exit 0", "wrote nothing"), ("printf 'm\\342\\231\\201'", "no whole mongodb dump"),
     ("echo no >&2; exit 3", "exit code 3. It said: no")],
)  # fmt: skip
def test_an_empty_or_short_dump_fails(
    docker_engine: DockerEngine, bench: DatabaseBench, script: str, said: str
) -> None:
    """A program that claims success without a dump is not believed."""
    name = bench.run(_NOTHING, user=0)
    bench.give(name, "/bin/mongodump", f"#!/bin/sh\n{script}\n".encode())
    with pytest.raises(EngineError, match=said) as raised:
        whole(docker_engine, name, "mongodb")
    assert raised.value.reason is Reason.DUMP


def test_a_mongodb_archive_passes_as_the_format_says(
    docker_engine: DockerEngine, bench: DatabaseBench
) -> None:
    """A program that writes such an archive, and reads the password where the preset leaves it, is believed."""
    name = bench.run(_NOTHING, user=0, MONGO_INITDB_ROOT_USERNAME="root", MONGO_INITDB_ROOT_PASSWORD=SECRET)
    end = b"\x2e\0\0\0\x02db\0\x02\0\0\0a\0\x08EOF\0\x01\x12CRC\0" + bytes(8) + b"\0\xff\xff\xff\xff"
    bench.give(name, "/tmp/archive", b"\x6d\xe2\x99\x81" + bytes(1000) + end)
    bench.give(name, "/bin/mongodump", _LIKE_MONGODUMP)
    assert whole(docker_engine, name, "mongodb").endswith(end)
    assert bench.ask(name, "cat", "/tmp/seen")[1] == f'password: "{SECRET}"\n'


def test_a_dump_ends_at_its_limit_and_at_a_cancel(docker_engine: DockerEngine, bench: DatabaseBench) -> None:
    """A program that says nothing is ended in both cases, and does not run on."""
    name = bench.run(_NOTHING, user=0)
    bench.give(name, "/bin/mongodump", b"#!/bin/sh\necho waiting >&2\nexec sleep 300\n")
    with pytest.raises(EngineError, match=r"longer than 1 s and was ended.*waiting"):
        take(docker_engine, name, "mongodb", Taken(), limit=timedelta(seconds=1))
    run = FakeRun(docker_engine)
    container = replace(docker_engine.container(name), labels={"shipkeeper.dump": "mongodb"})
    preset = recognise(container)
    assert preset is not None
    clock = threading.Timer(0.5, run.cancel)
    clock.start()
    with pytest.raises(Cancelled):
        dump(docker_engine, run, DumpPlan(container=container, preset=preset, limit=LIMIT), Taken().write)
    clock.join()
    bench.ready(name, "/bin/sh", "-c", "! ps | grep -v grep | grep -q 'sleep 300'")


def _labelled(docker_engine: DockerEngine, name: str, **labels: str) -> Container:
    given = {f"shipkeeper.backup.{key}": value for key, value in labels.items()}
    return replace(docker_engine.container(name), labels=given)


def test_hooks_run_in_the_container_around_a_stop(docker_engine: DockerEngine, bench: DatabaseBench) -> None:
    """Pre, stop, work, start, post: the lines run inside, as the label's user, and post in the new life."""
    name = bench.run(_NOTHING, user=0)
    user = _labelled(
        docker_engine,
        name,
        pre="id -u; echo pre >>/tmp/seen; echo bad >&2",
        post="echo post >>/tmp/seen",
        user="0",
    )
    policy = QuiescePolicy(stop_grace_seconds=0)
    run = FakeRun(docker_engine)
    with (
        hooked(docker_engine, run, [user], policy) as ran,
        asleep(docker_engine, run, sleepers([user], Quiesce.STOP, policy), policy) as downtime,
    ):
        assert docker_engine.container(name).state == "exited"
    assert docker_engine.container(name).state == "running"
    assert [(one.which, one.exit_code) for one in ran] == [("pre", 0), ("post", 0)]
    assert ran[0].output.split() == ["0", "bad"]
    assert bench.ask(name, "cat", "/tmp/seen")[1] == "pre\npost\n"
    assert 0 < downtime.seconds < SOON_SECONDS
    assert run.journal == []


def test_a_hook_that_never_ends_is_ended(docker_engine: DockerEngine, bench: DatabaseBench) -> None:
    """Its limit holds, it does not run on, and its post runs."""
    name = bench.run(_NOTHING, user=0)
    user = _labelled(
        docker_engine, name, pre="echo so far; exec sleep 300", post="echo post >>/tmp/seen", timeout="1"
    )
    with (
        pytest.raises(EngineError, match="so far It took longer than 1 s") as raised,
        hooked(docker_engine, FakeRun(docker_engine), [user], QuiescePolicy()),
    ):
        pytest.fail("the body must not run")
    assert raised.value.reason is Reason.HOOK
    assert bench.ask(name, "cat", "/tmp/seen")[1] == "post\n"
    bench.ready(name, "/bin/sh", "-c", "! ps | grep -v grep | grep -q 'sleep 300'")


def test_the_watchdog_wakes_real_containers(docker_engine: DockerEngine, bench: DatabaseBench) -> None:
    """Paused and stopped ones are running again as soon as their time is over, while the work still goes on."""
    names = [bench.run(_NOTHING), bench.run(_NOTHING)]
    users = [docker_engine.container(name) for name in names]
    labels = ({"shipkeeper.quiesce": "pause"}, {"shipkeeper.quiesce": "stop"})
    labelled = [replace(user, labels=given) for user, given in zip(users, labels, strict=True)]
    policy = QuiescePolicy(stop_grace_seconds=0, max_downtime=timedelta(seconds=1))
    run = FakeRun(docker_engine)
    ended = threading.Event()
    with (
        pytest.raises(EngineError) as raised,
        asleep(docker_engine, run, sleepers(labelled, None, policy), policy) as downtime,
        downtime.guarded(ended.set),
    ):
        assert ended.wait(SOON_SECONDS)
    assert raised.value.reason is Reason.DOWNTIME
    assert [docker_engine.container(name).state for name in names] == ["running", "running"]
    assert run.journal == []

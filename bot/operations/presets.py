"""The databases whose own programs we know how to ask for a dump, and how a whole one looks.

Must not know how a program is run. PostgreSQL, MariaDB, Redis and SQLite are tested with the real programs; MySQL's
own are like MariaDB's, and MongoDB's dump is known from the format of its archives only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bot.engine import Container
from bot.errors import Conflict
from bot.language import later, say

DUMP_LABEL = "shipkeeper.dump"
HEAD_BYTES = 128
TAIL_BYTES = 1024
NOTHING = "none"


@dataclass(frozen=True, kw_only=True)
class Preset:
    """How a database is dumped: words to run in its container, and whether what they wrote is whole.

    `command` says the same in short, for people. `is_whole` gets the first `HEAD_BYTES` and the last `TAIL_BYTES` of
    the dump and its size. `user` is who runs it; empty for the owner of `file`, or else for the container's own user.
    `lost` is what none of its dumps keeps, `lost_when` what one does not keep whose words said that line last on their
    standard error; both are to be said.
    """

    name: str
    file_name: str
    command: str
    words: tuple[str, ...]
    is_whole: Callable[[bytes, bytes, int], bool]
    user: str = ""
    file: str = ""
    lost: tuple[str, ...] = ()
    lost_when: Mapping[str, str] = field(default_factory=dict)


def recognise(container: Container) -> Preset | None:
    """What the label `shipkeeper.dump` asks for (`none` for nothing), or what the image's name stands for.

    Raises Conflict for a label that cannot be understood.
    """
    label = container.labels.get(DUMP_LABEL)
    if label is None:
        return PRESETS.get(_IMAGES.get(_bare_name(container.image), ""))
    name, _, argument = label.strip().partition(":")
    if name == NOTHING and not argument:
        return None
    if name == "sqlite" and argument.startswith("/"):
        return _sqlite(argument)
    if name in PRESETS and not argument:
        return PRESETS[name]
    raise Conflict(
        say(
            "The container “{container}” has the label {label}={value}, which is none of "
            "{presets}, sqlite:/path/in/the/container.db or {nothing}. Nothing was dumped. Correct the label.",
            container=container.name,
            label=DUMP_LABEL,
            value=label,
            presets=", ".join(PRESETS),
            nothing=NOTHING,
        )
    )


def _bare_name(image: str) -> str:
    """`registry:5000/team/postgres:16@sha256:…` is `postgres`."""
    return image.partition("@")[0].rpartition("/")[2].partition(":")[0].lower()


# Secrets stay in the container: its own shell reads them from its own environment, or from the files that the
# images' `…_FILE` variables name, and gives them to the program by environment, never as words that `ps` shows.
_SECRET = """
secret() {
    for name in "$@"; do
        eval "value=\\${$name:-} file=\\${${name}_FILE:-}"
        if [ -n "$value" ]; then printf %s "$value"; return; fi
        if [ -n "$file" ] && [ -r "$file" ]; then cat "$file"; return; fi
    done
}
"""

_POSTGRESQL = """
PGUSER=$(secret PGUSER POSTGRES_USER POSTGRESQL_USERNAME)
PGPASSWORD=
[ "${PGUSER:=postgres}" != postgres ] || PGPASSWORD=$(secret POSTGRESQL_POSTGRES_PASSWORD)
[ -n "$PGPASSWORD" ] || PGPASSWORD=$(secret POSTGRES_PASSWORD POSTGRESQL_PASSWORD)
export PGUSER PGPASSWORD
exec pg_dumpall --clean --if-exists --no-password
"""

_MYSQL_OPTIONS = (
    "--all-databases --single-transaction --routines --events --triggers --flush-privileges --hex-blob "
    "--no-tablespaces --default-character-set=utf8mb4 --comments"
)

_LIMITED = "shipkeeper-dump:own-user"
_MYSQL_LOST = {
    _LIMITED: later(
        "what only root, whose password is not in the container's environment, may see: other databases, users and "
        "grants"
    )
}
_MYSQL = f"""
limited=
user=$(secret MARIADB_ROOT_USER MYSQL_ROOT_USER)
MYSQL_PWD=$(secret MARIADB_ROOT_PASSWORD MYSQL_ROOT_PASSWORD)
if [ -z "$MYSQL_PWD" ] && [ -z "${{MARIADB_ALLOW_EMPTY_ROOT_PASSWORD:-${{MYSQL_ALLOW_EMPTY_PASSWORD:-}}}}" ]; then
    own=$(secret MARIADB_USER MYSQL_USER)
    if [ -n "$own" ]; then user=$own; limited=1; MYSQL_PWD=$(secret MARIADB_PASSWORD MYSQL_PASSWORD); fi
fi
export MYSQL_PWD
program=$(command -v mariadb-dump || command -v mysqldump || echo mysqldump)
set -- --user="${{user:-root}}" {_MYSQL_OPTIONS}
[ -n "$limited" ] || exec "$program" "$@"
"$program" "$@" || exit
echo "{_LIMITED}" >&2
"""

_REDIS = """
REDISCLI_AUTH=$(secret REDISCLI_AUTH REDIS_PASSWORD VALKEY_PASSWORD)
if [ -n "$REDISCLI_AUTH" ]; then export REDISCLI_AUTH; else unset REDISCLI_AUTH; fi
program=$(command -v redis-cli || command -v valkey-cli || echo redis-cli)
exec "$program" --rdb -
"""

# mongodump takes no password from its environment; a configuration file keeps it out of `ps`.
_MONGODB = """
user=$(secret MONGO_INITDB_ROOT_USERNAME MONGODB_ROOT_USER)
password=$(secret MONGO_INITDB_ROOT_PASSWORD MONGODB_ROOT_PASSWORD)
[ -n "$password" ] || exec mongodump --archive --quiet
umask 077
config=$(mktemp) || exit 1
trap 'rm -f "$config"' EXIT
printf 'password: "%s"\\n' "$(printf %s "$password" | sed 's/[\\\\"]/\\\\&/g')" >"$config"
mongodump --archive --quiet --config="$config" --username="${user:-root}" --authenticationDatabase=admin
"""

# Not by root: the files that every reader of a WAL makes beside the database would be root's for a moment, and a
# writer that came then was refused ("attempt to write a readonly database", seen with SQLite 3.40).
# The copy is made by SQLite's own backup, which is consistent while others write; its name is gone before a byte is
# sent, so that nothing is left behind if this is killed.
_SQLITE = """
[ -f "$1" ] || { echo "there is no file $1" >&2; exit 1; }
umask 077
copy=$(mktemp) || exit 1
trap 'rm -f "$copy"' EXIT
sqlite3 -batch -bail -readonly -cmd '.timeout 30000' "$1" ".backup '$copy'" || exit 1
exec 3<"$copy"
rm -f "$copy"
cat <&3
"""


def _shell(script: str, *arguments: str) -> tuple[str, ...]:
    return ("/bin/sh", "-c", f"{_SECRET}{script}".strip(), "shipkeeper-dump", *arguments)


_POSTGRESQL_START = b"--\n-- PostgreSQL database cluster dump\n--\n"
_POSTGRESQL_END = re.compile(
    rb"\n-- PostgreSQL database cluster dump complete\n--\n\n(\\unrestrict \w+\n\n)?\Z"
)
_MYSQL_START = re.compile(rb"(/\*[^\n]*\*/ *\n)?-- (MariaDB|MySQL) dump ")
_MYSQL_END = re.compile(rb"\n-- Dump completed( on \d{4}-\d\d-\d\d [ \d]\d:\d\d:\d\d)?\n\Z")
_SQLITE_MAGIC = b"SQLite format 3\0"
_MONGODB_MAGIC = (0x8199E26D).to_bytes(4, "little")
_MONGODB_LAST_HEADER = b"\x08EOF\0\x01"
_REDIS_MAGIC = re.compile(rb"REDIS\d{4}")
_REDIS_MARK = re.compile(rb"[0-9a-f]{40}\Z")
_REDIS_END = 0xFF
_REDIS_CHECKSUM_BYTES = 8


def _is_postgresql(head: bytes, tail: bytes, _size: int) -> bool:
    return head.startswith(_POSTGRESQL_START) and _POSTGRESQL_END.search(tail) is not None


def _is_mysql(head: bytes, tail: bytes, _size: int) -> bool:
    return _MYSQL_START.match(head) is not None and _MYSQL_END.search(tail) is not None


def _is_redis(head: bytes, tail: bytes, _size: int) -> bool:
    """The opcode of the end, a checksum, and behind it, from a server that sends without a file, a mark of 40."""
    body = _REDIS_MARK.sub(b"", tail)
    ends = [len(part) - _REDIS_CHECKSUM_BYTES - 1 for part in (tail, body)]
    return _REDIS_MAGIC.match(head) is not None and any(end >= 0 and tail[end] == _REDIS_END for end in ends)


def _is_mongodb(head: bytes, tail: bytes, _size: int) -> bool:
    """The last block is the header that ends a collection, and the terminator that ends every block."""
    last = tail[-256:]
    return (
        head.startswith(_MONGODB_MAGIC)
        and last.endswith(b"\xff\xff\xff\xff")
        and _MONGODB_LAST_HEADER in last
    )


def _is_sqlite(head: bytes, _tail: bytes, size: int) -> bool:
    """The header says how many pages of what size there are (SQLite's file format, 1.3)."""
    if not head.startswith(_SQLITE_MAGIC) or len(head) < 100:
        return False
    page_bytes = int.from_bytes(head[16:18], "big")
    pages = int.from_bytes(head[28:32], "big")
    return size == pages * (65_536 if page_bytes == 1 else page_bytes)


def _sqlite(path: str) -> Preset:
    return Preset(
        name="sqlite",
        file_name=path.rpartition("/")[2],
        command=f"sqlite3 {path} .backup",
        words=_shell(_SQLITE, path),
        is_whole=_is_sqlite,
        file=path,
        lost=(later("anything beside that one file"),),
    )


PRESETS = {
    preset.name: preset
    for preset in (
        Preset(
            name="postgresql",
            file_name="postgresql.sql",
            command="pg_dumpall --clean --if-exists",
            words=_shell(_POSTGRESQL),
            is_whole=_is_postgresql,
        ),
        Preset(
            name="mysql",
            file_name="mysql.sql",
            command=f"mysqldump {_MYSQL_OPTIONS}",
            words=_shell(_MYSQL),
            is_whole=_is_mysql,
            lost_when=_MYSQL_LOST,
        ),
        Preset(
            name="mariadb",
            file_name="mariadb.sql",
            command=f"mariadb-dump {_MYSQL_OPTIONS}",
            words=_shell(_MYSQL),
            is_whole=_is_mysql,
            lost_when=_MYSQL_LOST,
        ),
        Preset(
            name="redis",
            file_name="dump.rdb",
            command="redis-cli --rdb -",
            words=_shell(_REDIS),
            is_whole=_is_redis,
        ),
        Preset(
            name="mongodb",
            file_name="mongodb.archive",
            command="mongodump --archive",
            words=_shell(_MONGODB),
            is_whole=_is_mongodb,
            lost=(later("one moment for all collections, where they are written to meanwhile"),),
        ),
    )
}
"""Those that need no argument, by their names in the label."""

_IMAGES = {
    **dict.fromkeys(
        ("postgres", "postgresql", "postgis", "timescaledb", "timescaledb-ha", "pgvector"), "postgresql"
    ),
    **dict.fromkeys(("mysql", "mysql-server", "percona", "percona-server"), "mysql"),
    "mariadb": "mariadb",
    **dict.fromkeys(("redis", "redis-stack", "redis-stack-server", "valkey"), "redis"),
    **dict.fromkeys(("mongo", "mongodb", "mongodb-community-server"), "mongodb"),
}

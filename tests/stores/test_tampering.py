"""Whatever is done to a log of thousands of entries, in the database or in an export, is found and named."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot import auditfile
from bot.auditfile import examine
from bot.model import Actor, Origin
from bot.seals import GENESIS, KEYED, Head, Problem, Sealer
from bot.stores.audit import Audit, AuditEvent
from bot.stores.auditfilter import Filter
from bot.stores.database import Database
from tests.support.effort import examples
from tests.support.migrated import put_database

ENTRIES = examples(2_500, 10_000)
KEY = b"a key of some length"
COLUMNS = (
    *("at", "run_id", "kind", "actor_id", "actor_name", "origin", "channel", "command", "line", "host"),
    *("targets", "detail", "facts", "hash"),
)


@dataclass
class Log:
    """A whole log, and a copy of it to do harm to."""

    whole: Path
    copy: Path
    sealer: Sealer
    head: Head

    def fresh(self) -> sqlite3.Connection:
        """The copy as it was, without triggers."""
        shutil.copy(self.whole, self.copy)
        for ending in ("-wal", "-shm"):
            Path(f"{self.copy}{ending}").unlink(missing_ok=True)
        connection = sqlite3.connect(self.copy)
        for verb in ("update", "delete"):
            connection.execute(f"DROP TRIGGER audit_no_{verb}")
        return connection

    def found(self, *heads: Head) -> Problem | None:
        """What verifying the copy finds."""
        database = Database(f"sqlite:///{self.copy}")
        try:
            return Audit(database, self.sealer).verify(heads).problem
        finally:
            database.close()


def an_event(number: int) -> AuditEvent:
    """One like those of a busy team."""
    kinds = ("started", "succeeded", "docker", "denied")
    return AuditEvent(
        run_id=f"{number // 4:08x}",
        kind=kinds[number % 4],
        at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number, microseconds=number % 3),
        actor=Actor(id=f"U0{number % 17:03d}", name=f"Ünn {number % 17}"),
        origin=Origin.SLACK,
        channel="C0OPS" if number % 5 else None,
        command="backup",
        line=f"backup volume{number % 100} --note '=1+1'",
        host="local",
        targets=(f"volume:volume{number % 100}",),
        detail="" if number % 7 else '\'Line\r\nbreak, "quotes" and 한국어',
        facts={"took_seconds": 1.5, "reason": None},
    )


@pytest.fixture(scope="module", params=["sha256", "hmac"])
def log(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Log:
    """All the entries, of which the first ten were written by the first version."""
    place = tmp_path_factory.mktemp(f"tampering-{request.param}")
    put_database(place / "whole.db")
    sealer = Sealer(KEY if request.param == "hmac" else None)
    database = Database(f"sqlite:///{place / 'whole.db'}")
    audit = Audit(database, sealer)
    audit.record(*map(an_event, range(ENTRIES)))
    head = audit.head()
    assert head is not None
    with audit._database.read() as connection:  # so that all of it is in the one file
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return Log(whole=place / "whole.db", copy=place / "copy.db", sealer=sealer, head=head)


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """The same numbers for the same test each time."""
    return random.Random(request.node.name)


def test_a_whole_log_is_whole(log: Log) -> None:
    """Nothing is found where nothing was done, and its head agrees."""
    log.fresh().close()
    assert log.found(log.head) is None


@pytest.mark.parametrize("column", COLUMNS)
def test_any_byte_changed_is_found(log: Log, column: str, chance: random.Random) -> None:
    """One byte of any word of any entry, changed to any other, also to one that is no text, names that entry."""
    for _ in range(1):
        connection = log.fresh()
        seq = chance.randrange(1, ENTRIES + 1)
        (was,) = connection.execute(
            f"SELECT CAST(coalesce({column}, 'x') AS BLOB) FROM audit WHERE seq = ?", (seq,)
        ).fetchone()
        raw = bytearray(was or b"x")
        at = chance.randrange(len(raw))
        raw[at] = chance.choice([byte for byte in range(1, 256) if byte != raw[at]])
        connection.execute(f"UPDATE audit SET {column} = CAST(? AS TEXT) WHERE seq = ?", (bytes(raw), seq))
        connection.commit()
        connection.close()
        assert log.found() == Problem(seq=seq, what="changed"), (column, seq, bytes(raw))


@pytest.mark.parametrize("value", ["'2026-01-01 00:00:04'", "CAST(detail AS BLOB)", "NULL", "17"])
def test_a_word_of_another_kind_is_found(log: Log, value: str) -> None:
    """What only looks the same, or is no text at all, names its entry."""
    column = "at" if value.startswith("'") else "channel" if value == "NULL" else "detail"
    seq = 8 if column == "detail" else 5 if column == "at" else 2
    connection = log.fresh()
    connection.execute(f"UPDATE audit SET {column} = {value} WHERE seq = {seq}")
    connection.commit()
    connection.close()
    assert log.found() == Problem(seq=seq, what="changed")


def test_an_entry_taken_out_is_found(log: Log, chance: random.Random) -> None:
    """The gap is named, whether the others keep their numbers or close the ranks."""
    for _ in range(3):
        seq = chance.randrange(2, ENTRIES - 1)
        connection = log.fresh()
        connection.execute("DELETE FROM audit WHERE seq = ?", (seq,))
        connection.commit()
        assert log.found() == Problem(seq=seq, what="missing", other=seq)
        connection.execute("UPDATE audit SET seq = seq - 1 + 100000 WHERE seq > ?", (seq,))
        connection.execute("UPDATE audit SET seq = seq - 100000 WHERE seq > 90000")
        connection.commit()
        connection.close()
        assert log.found() == Problem(seq=seq, what="missing", other=seq)


def test_entries_swapped_are_found(log: Log, chance: random.Random) -> None:
    """Both numbers are named, neighbours or not."""
    for distance in (1, 2, chance.randrange(3, ENTRIES * 2 // 5)):
        seq = chance.randrange(1, ENTRIES - distance)
        connection = log.fresh()
        for was, becomes in ((seq, 99_999), (seq + distance, seq), (99_999, seq + distance)):
            connection.execute("UPDATE audit SET seq = ? WHERE seq = ?", (becomes, was))
        connection.commit()
        connection.close()
        assert log.found() == Problem(seq=seq, what="swapped", other=seq + distance)


@pytest.mark.parametrize("is_sealed", [False, True], ids=["unsealed", "sealed"])
def test_an_entry_inserted_is_found(log: Log, is_sealed: bool, chance: random.Random) -> None:
    """It is named, whether or not whoever made it up could seal it over the one before."""
    seq = chance.randrange(2, ENTRIES)
    connection = log.fresh()
    connection.execute("UPDATE audit SET seq = seq + 100001 WHERE seq >= ?", (seq,))
    connection.execute("UPDATE audit SET seq = seq - 100000 WHERE seq > 100000")
    names = ", ".join((*COLUMNS[:-1], "format"))
    connection.execute(
        f"INSERT INTO audit (seq, {names}, hash) SELECT ?, {names}, hash FROM audit WHERE seq = 1", (seq,)
    )
    connection.commit()
    if is_sealed:
        database = Database(f"sqlite:///{log.copy}")
        made = next(Audit(database, log.sealer).entries(after=seq - 1))
        (before,) = connection.execute("SELECT hash FROM audit WHERE seq = ?", (seq - 1,)).fetchone()
        connection.execute("UPDATE audit SET hash = ? WHERE seq = ?", (log.sealer.seal(made, before), seq))
        connection.commit()
        database.close()
    connection.close()
    assert log.found() == Problem(seq=seq, what="inserted", other=seq)


def test_a_cut_end_is_found_by_the_head(log: Log, chance: random.Random) -> None:
    """Without a head the rest fits; with one, what is missing is named."""
    last = chance.randrange(1, ENTRIES)
    connection = log.fresh()
    connection.execute("DELETE FROM audit WHERE seq > ?", (last,))
    connection.commit()
    connection.close()
    assert log.found() is None
    assert log.found(log.head) == Problem(seq=last + 1, what="cut", other=ENTRIES)


def test_a_log_written_anew_is_found_by_the_head(log: Log) -> None:
    """Whoever has the key, or needs none, can make every seal again, but not the one that was published."""
    connection = log.fresh()
    connection.execute("DELETE FROM audit WHERE seq >= ?", (ENTRIES - 1000,))
    connection.commit()
    connection.close()
    database = Database(f"sqlite:///{log.copy}")
    audit = Audit(database, log.sealer)
    between = audit.head()
    audit.record(*map(an_event, range(ENTRIES, ENTRIES + 1001)))
    database.close()
    assert between is not None
    assert log.found() is None
    assert log.found(between, log.head) == Problem(seq=ENTRIES, what="rewritten", other=ENTRIES - 1001)


def test_a_damaged_file_is_found(log: Log) -> None:
    """Where the database itself cannot read on, the entry is named from which on it cannot."""
    log.fresh().close()
    raw = bytearray(log.copy.read_bytes())
    middle = len(raw) // 2 // 4096 * 4096
    length = ENTRIES // 50 * 4096
    raw[middle : middle + length] = bytes(length)
    log.copy.write_bytes(raw)
    problem = log.found()
    assert problem is not None
    assert 1 < problem.seq <= ENTRIES


# ---- exports -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=auditfile.FORMATS)
def export(request: pytest.FixtureRequest, log: Log, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole log as a file."""
    return _export(log, request.param, tmp_path_factory.mktemp("export"), Filter())


def _export(log: Log, form: str, place: Path, wanted: Filter) -> Path:
    path = place / f"audit.{form}"
    database = Database(f"sqlite:///{log.whole}")
    audit = Audit(database, log.sealer)
    count, first, last = audit.extent(wanted, log.head.seq)
    facts: dict[str, object] = {"entries": count, "first": first, "last": last, "head": str(log.head)}
    if wanted.is_narrow:
        facts["filter"] = wanted.in_words()
    about = {**next(audit.entries()), "run_id": "7f3a2c1b"}

    def entries() -> Iterator[auditfile.Entry]:
        yield auditfile.header(about, facts, log.sealer)
        yield from audit.linked(wanted, log.head.seq)

    with path.open("wb") as file:
        file.writelines(auditfile.written(entries(), form))
    database.close()
    return path


def test_an_export_verifies_by_itself(log: Log, export: Path) -> None:
    """Every entry is there, fits, and agrees with a head; without the key that is said."""
    examined = examine(export, log.sealer, [log.head])
    assert (examined.verdict.problem, examined.verdict.entries) == (None, ENTRIES)
    if log.sealer.format == 3:
        keyless = examine(export, Sealer()).verdict.problem
        assert keyless is not None
        assert keyless.what == "keyless"


@pytest.mark.parametrize("form", auditfile.FORMATS)
def test_a_filtered_export_has_gaps_and_fits(log: Log, form: str, tmp_path: Path) -> None:
    """Each entry verifies alone; one that is gone is missed, one that was changed is named."""
    path = _export(log, form, tmp_path, Filter(target="volume:volume7"))
    examined = examine(path, log.sealer)
    assert (examined.is_filtered, examined.verdict.problem, examined.verdict.entries) == (
        True,
        None,
        ENTRIES // 100,
    )
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(
        b"".join(line for line in lines if not line.startswith((b'{"actor_id":"U0001"', b"2008,")))
    )
    assert examine(path, log.sealer).verdict.problem is not None


def _headed(path: Path, facts: dict[str, object], rest: list[bytes]) -> Path:
    """The file with a first entry made up without any key, and these lines behind it."""
    forged = auditfile.header(
        {**dict.fromkeys(COLUMNS, ""), "at": "2026-01-01T00:00:00+00:00"}, facts, Sealer()
    )
    path.write_bytes(b"".join([*auditfile.written([forged], "jsonl"), *rest]))
    return path


def test_an_export_cut_by_somebody_without_the_key_is_found(log: Log, tmp_path: Path) -> None:
    """A first entry sealed more weakly than the others vouches for none; where there is no key, anybody makes one."""
    expected = Problem(seq=0, what="unkeyed") if log.sealer.format == KEYED else None
    lines = _export(log, "jsonl", tmp_path, Filter()).read_bytes().splitlines(keepends=True)
    last = json.loads(lines[200])
    facts: dict[str, object] = {"entries": 200, "first": 1, "last": 200, "head": f"200:{last['hash']}"}
    for more in ({}, {"filter": "--by U0001"}):
        path = _headed(tmp_path / "cut.jsonl", {**facts, **more}, lines[1:201])
        assert examine(path, log.sealer).verdict.problem == expected, more


def test_an_export_of_nothing_needs_the_key(log: Log, tmp_path: Path) -> None:
    """With a key, none of the entries that a filter kept can be taken out by a first entry without a key."""
    facts: dict[str, object] = {
        "entries": 0,
        "first": 0,
        "last": 0,
        "head": str(log.head),
        "filter": "--by eve",
    }
    path = _headed(tmp_path / "none.jsonl", facts, [])
    problem = examine(path, log.sealer).verdict.problem
    assert problem == (Problem(seq=0, what="unkeyed") if log.sealer.format == KEYED else None)
    assert "sealed without the key" in Problem(seq=0, what="unkeyed").in_words()


def test_an_export_of_before_the_key_verifies_with_it(log: Log, tmp_path: Path) -> None:
    """It is sealed as its entries are, and stays whole."""
    path = _export(log, "jsonl", tmp_path, Filter())
    assert examine(path, Sealer(KEY)).verdict.problem is None


Harm = Callable[[list[bytes], random.Random], Problem]


def _taken_out(lines: list[bytes], chance: random.Random) -> Problem:
    seq = chance.randrange(1, ENTRIES)
    del lines[seq]
    return Problem(seq=seq, what="missing", other=seq)


def _swapped(lines: list[bytes], chance: random.Random) -> Problem:
    seq = chance.randrange(1, ENTRIES - 50)
    lines[seq], lines[seq + 30] = lines[seq + 30], lines[seq]
    return Problem(seq=seq, what="swapped", other=seq + 30)


def _inserted(lines: list[bytes], chance: random.Random) -> Problem:
    seq = chance.randrange(2, ENTRIES)
    lines.insert(seq + 1, lines[seq])
    return Problem(seq=seq, what="inserted", other=seq)


def _cut(lines: list[bytes], chance: random.Random) -> Problem:
    seq = chance.randrange(2, ENTRIES)
    del lines[seq:]
    return Problem(seq=seq, what="cut", other=ENTRIES)


@pytest.mark.parametrize("harm", [_taken_out, _swapped, _inserted, _cut])
def test_harm_to_an_export_is_named(
    log: Log, export: Path, harm: Harm, chance: random.Random, tmp_path: Path
) -> None:
    """An entry taken out, swapped, doubled, or a cut end, by its number."""
    raw = export.read_bytes()
    break_ = b"\r\n" if export.suffix == ".csv" else b"\n"
    first, *rest = _lines(raw, break_, csv=export.suffix == ".csv")
    lines = rest if export.suffix == ".csv" else [first, *rest]
    head = [first] if export.suffix == ".csv" else []
    expected = harm(lines, chance)
    path = tmp_path / export.name
    path.write_bytes(b"".join([*head, *lines]))
    assert examine(path, log.sealer).verdict.problem == expected


def _lines(raw: bytes, break_: bytes, *, csv: bool) -> list[bytes]:
    """The records: in CSV a line break may be inside quotes."""
    found, held = [], b""
    for line in raw.splitlines(keepends=True) if not csv else raw.split(break_):
        held += line + (break_ if csv else b"")
        if not csv or held.count(b'"') % 2 == 0:
            found.append(held)
            held = b""
    return found[:-1] if csv else found


def test_any_byte_of_an_export_changed_is_named(
    log: Log, export: Path, chance: random.Random, tmp_path: Path
) -> None:
    """Wherever it is, the entry that it is in is named, or the one that it breaks in two."""
    raw = export.read_bytes()
    lines = _lines(raw, b"\r\n", csv=True) if export.suffix == ".csv" else raw.splitlines(keepends=True)
    ends, total = [], 0
    for line in lines:
        total += len(line)
        ends.append(total)
    shift = 1 if export.suffix == ".csv" else 0
    for _ in range(examples(3, 12)):
        at = chance.randrange(len(raw))
        changed = bytearray(raw)
        changed[at] = chance.choice([byte for byte in range(256) if byte != raw[at]])
        path = tmp_path / export.name
        path.write_bytes(changed)
        problem = examine(path, log.sealer).verdict.problem
        number = next(number for number, end in enumerate(ends) if at < end) - shift
        assert problem is not None, (at, changed[at])
        assert problem.seq in (max(number, 0), number + 1), (at, number, problem)


def test_a_seal_needs_its_key() -> None:
    """The same words have another seal under another key, and none without it."""
    words = {"seq": 1, "format": 3, "facts": "{}"} | {
        name: "" for name in COLUMNS if name not in ("facts", "hash")
    }
    assert Sealer(KEY).seal(words, GENESIS) != Sealer(b"another key").seal(words, GENESIS)
    with pytest.raises(ValueError, match="no key"):
        Sealer().seal(words, GENESIS)

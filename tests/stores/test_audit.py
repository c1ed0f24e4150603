"""The audit log: it only grows, and whatever was changed in it behind our back is found."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy.exc import IntegrityError

from bot.errors import StoreError
from bot.kinds import HostName, Text
from tests.stores.bench import VOLUME, Bench, all_at_once


def _filled(bench: Bench, count: int = 5) -> None:
    run = bench.submit("backup pgdata")
    for number in range(count):
        with bench.database.write() as connection:
            bench.audit.append(connection, bench.event(run, "started", f"volume:v{number}"))
        bench.later(1)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET detail = 'nothing happened'",
        "UPDATE audit SET detail = detail WHERE seq = 2",
        "DELETE FROM audit WHERE seq = 5",
        "DELETE FROM audit",
    ],
)
def test_lines_cannot_be_changed(bench: Bench, statement: str) -> None:
    """The database refuses to change or remove a line, whoever asks."""
    _filled(bench)
    before = bench.audit.lines(limit=10)
    with pytest.raises((StoreError, IntegrityError)):
        bench.execute(statement)
    assert bench.audit.lines(limit=10) == before


def test_truncating_is_refused(bench: Bench, dialect: str) -> None:
    """PostgreSQL's TRUNCATE, which fires no DELETE, is refused as well."""
    if dialect == "sqlite":
        pytest.skip("SQLite has no TRUNCATE")
    _filled(bench)
    with pytest.raises(StoreError):
        bench.execute("TRUNCATE audit")
    assert len(bench.audit.lines(limit=10)) == 5


def test_a_whole_log_fits_its_seals(bench: Bench) -> None:
    """An untouched log checks as whole, an empty one too."""
    assert bench.audit.check_chain().broken_at is None
    _filled(bench)
    state = bench.audit.check_chain()
    assert (state.lines, state.broken_at) == (5, None)


@pytest.mark.parametrize(
    ("statement", "broken_at"),
    [
        ("UPDATE audit SET detail = 'nothing happened' WHERE seq = 3", 3),
        ("UPDATE audit SET actor_id = 'U0EVE' WHERE seq = 1", 1),
        ("UPDATE audit SET targets = '[]' WHERE seq = 5", 5),
        ("UPDATE audit SET at = '2020-01-01 00:00:00' WHERE seq = 2", 2),
        ("UPDATE audit SET channel = 'C0X' WHERE seq = 2", 2),
        ("UPDATE audit SET hash = '00' WHERE seq = 4", 4),
        ("DELETE FROM audit WHERE seq = 1", 1),
        ("DELETE FROM audit WHERE seq = 3", 3),
    ],
)
def test_a_changed_line_is_found(bench: Bench, statement: str, broken_at: int) -> None:
    """Each word of a line is sealed, and a line that was taken out leaves a gap that shows."""
    _filled(bench)
    bench.behind_the_trigger(statement)
    assert bench.audit.check_chain().broken_at == broken_at


def test_lines_swapped_are_found(bench: Bench) -> None:
    """Two lines in the other order do not fit their seals."""
    _filled(bench)
    bench.behind_the_trigger(
        "UPDATE audit SET seq = 99 WHERE seq = 2",
        "UPDATE audit SET seq = 2 WHERE seq = 3",
        "UPDATE audit SET seq = 3 WHERE seq = 99",
    )
    assert bench.audit.check_chain().broken_at == 2


def test_a_line_comes_back_as_it_was_written(bench: Bench) -> None:
    """What was written can be read, newest first, by target and by run; a target is never matched in part."""
    _filled(bench, 3)
    newest = bench.audit.lines(limit=1)[0]
    assert newest.seq == 3
    assert newest.event.targets == ("volume:v2",)
    assert newest.event.detail == "so"
    assert [line.seq for line in bench.audit.lines(limit=9, target="volume:v1")] == [2]
    assert bench.audit.lines(limit=9, target="volume:v") == ()
    assert bench.audit.lines(limit=9, target="volume:%") == ()
    assert [line.seq for line in bench.audit.lines(limit=9, run_id=newest.event.run_id)] == [3, 2, 1]


def test_a_typed_word_is_sealed_as_its_text(bench: Bench) -> None:
    """Hosts and names come as typed kinds of arguments; the entry is the same, and fits its seal when it is read."""
    run = bench.submit("backup pgdata")
    event = replace(bench.event(run, "started", "volume:pgdata"), host=HostName("local"), detail=Text("so"))
    bench.audit.record(event)
    assert bench.audit.check_chain().broken_at is None
    assert bench.audit.lines(limit=1)[0].event.host == "local"


def test_the_last_ending_of_a_command_on_a_target(bench: Bench) -> None:
    """Neither what never began nor what another command, host or target ended with is taken for it."""
    path = "volume:web:/srv"

    def write(kind: str, *targets: str, **changes: str) -> str:
        run = bench.submit("backup pgdata")
        with bench.database.write() as connection:
            bench.audit.append(connection, replace(bench.event(run, kind, *targets), **changes))  # type: ignore[arg-type]
        return run.id

    def last(target: str = VOLUME, *, but_not: str = "") -> tuple[str, str] | None:
        def is_about(targets: tuple[str, ...]) -> bool:
            return but_not not in targets

        event = bench.audit.last_ending("backup", "local", target, is_about)
        return None if event is None else (event.run_id, event.kind)

    assert last() is None
    failed = write("failed", VOLUME, "container:db")
    for kind in ("started", "denied", "expired", "rejected"):
        write(kind, VOLUME)
    write("succeeded", command="verify")
    write("succeeded", host="beta")
    write("succeeded", "volume:pgdata2")
    assert last() == (failed, "failed")
    run = bench.submit("backup pgdata")
    with bench.database.write() as connection:
        for kind in ("started", "rejected"):
            bench.audit.append(connection, bench.event(run, kind, VOLUME))
    assert last() == (run.id, "rejected"), "it had begun, and somebody came between"
    failed = write("failed", VOLUME, "container:db")
    inside = write("partial", VOLUME, path)
    assert (last(), last(but_not=path)) == ((inside, "partial"), (failed, "failed"))
    assert last(path) == (inside, "partial")
    assert last("volume:%") is None


def test_a_transaction_that_fails_leaves_no_line(bench: Bench) -> None:
    """A line is there only if everything it tells of is."""
    run = bench.submit("backup pgdata")

    def write_and_fail() -> None:
        with bench.database.write() as connection:
            bench.audit.append(connection, bench.event(run, "started"))
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError):
        write_and_fail()
    assert bench.audit.lines(limit=9) == ()


def test_many_writers_make_one_chain(bench: Bench, database_url: str) -> None:
    """Lines that two programs write at once stand in one row, without a gap or a fork."""
    other = Bench(database_url)
    runs = [bench.submit(f"backup v{n}") for n in range(8)]

    def append(side: Bench, number: int) -> None:
        for _ in range(5):
            with side.database.write() as connection:
                side.audit.append(connection, side.event(runs[number], "started", VOLUME))

    all_at_once([lambda n=n: append([bench, other][n % 2], n) for n in range(8)])
    state = bench.audit.check_chain()
    assert (state.lines, state.broken_at) == (40, None)
    other.close()

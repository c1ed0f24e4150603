"""How fast one person may be: counted in the database, so alike in every process and after a restart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event

from bot.errors import TooFast
from bot.model import Actor, Origin, Reply, Status
from bot.pace import Pace
from bot.reasons import Reason
from bot.stores.claims import Ending
from bot.stores.database import Database
from bot.stores.runrow import Run
from bot.stores.sent import SentCommands
from tests.stores.bench import Bench
from tests.support.house import invocation

ANN = Actor(id="U0ANN", name="ann")
ANN_IN_A_SHELL = Actor(id="cli:ann", name="ann")


def pace_of(bench: Bench, allowed: int = 3) -> Pace:
    """A limit over the bench's database; `cli:ann` is U0ANN, too."""
    return Pace(
        SentCommands(bench.database), lambda actor: "U0ANN" if actor.id == "cli:ann" else actor.id, allowed
    )


def sent(bench: Bench, line: str = "volumes", *, by: Actor = ANN, origin: Origin = Origin.SLACK) -> Run:
    """A command that is stored now, and a millisecond passes."""
    run = bench.submit(invocation(line, actor=by, origin=origin, at=bench.now))
    bench.later(0.001)
    return run


def refused(bench: Bench, run: Run) -> None:
    """End it as the road ends what came too fast."""
    claim = bench.claim(run)
    reply = Reply(text="x", status=Status.REJECTED, facts={"reason": Reason.TOO_FAST.value})
    bench.claims.finish(claim, Ending(status=reply.status, reply=reply), bench.event(run, "rejected"))


def test_as_many_as_are_allowed_and_no_more(bench: Bench) -> None:
    """The fourth command within a minute is refused where three are allowed, and the sentence says until when."""
    pace = pace_of(bench)
    for _ in range(3):
        pace.check(sent(bench))
        bench.later(10)
    with pytest.raises(TooFast, match=r"12:01:00 UTC, 30 s after"):
        pace.check(sent(bench))


def test_it_is_possible_when_it_was_said_to_be_possible(bench: Bench) -> None:
    """Refusals do not put off the moment that was named, and just before it is too early still."""
    pace = pace_of(bench)
    for _ in range(3):
        pace.check(sent(bench))
        bench.later(10)
    for _ in range(5):
        run = sent(bench)
        with pytest.raises(TooFast, match="12:01:00"):
            pace.check(run)
        refused(bench, run)
        bench.later(1)
    bench.now = datetime(2026, 11, 24, 12, 0, 59, 999_999, tzinfo=UTC)
    early = sent(bench)
    with pytest.raises(TooFast):
        pace.check(early)
    refused(bench, early)
    bench.now = datetime(2026, 11, 24, 12, 1, tzinfo=UTC)
    pace.check(sent(bench))


def test_the_earlier_ones_are_let_through_however_late_they_are_looked_at(bench: Bench) -> None:
    """Of commands that wait side by side the first ones are within the limit, whichever is judged first."""
    pace = pace_of(bench)
    made = []
    for _ in range(5):
        made.append(sent(bench))
        bench.later(0.001)
    bench.later(300)
    verdicts = []
    for run in reversed(made):
        try:
            pace.check(run)
            verdicts.append(True)
        except TooFast:
            verdicts.append(False)
    assert verdicts == [False, False, True, True, True]


def test_of_two_at_the_same_moment_one_was_first(bench: Bench) -> None:
    """Commands with the very same time do not let each other through, nor refuse each other."""
    pace = pace_of(bench)
    made = [
        bench.submit(invocation("volumes", actor=ANN, origin=Origin.SLACK, at=bench.now)) for _ in range(8)
    ]
    passed = 0
    for run in made:
        try:
            pace.check(run)
            passed += 1
        except TooFast:
            pass
    assert passed == 3


def test_everybody_has_a_minute_of_their_own(bench: Bench) -> None:
    """What others send counts for nobody else; one person in Slack and in a shell is one."""
    pace = pace_of(bench)
    for _ in range(3):
        sent(bench, by=Actor(id="U0ADA", name="ada"))
    pace.check(sent(bench))
    sent(bench, by=ANN_IN_A_SHELL, origin=Origin.CLI)
    sent(bench)
    with pytest.raises(TooFast):
        pace.check(sent(bench, by=ANN_IN_A_SHELL, origin=Origin.CLI))


def test_help_whoami_and_cancel_are_free(bench: Bench) -> None:
    """They are never refused and never counted; a line that only begins like one of them is."""
    pace = pace_of(bench)
    for line in ("help", "whoami", "cancel 7f3a2c1b", "help backup", "backup --help", "cancel x", "help"):
        pace.check(sent(bench, line))
    for line in ("helpme", "'volumes", ""):
        pace.check(sent(bench, line))
    for line in ("help", "cancel 7f3a2c1b", "whoami"):
        pace.check(sent(bench, line))
    with pytest.raises(TooFast):
        pace.check(sent(bench, "'cancel"))


def test_schedules_neither_count_nor_are_refused(bench: Bench) -> None:
    """What a clock asks for as its owner leaves the owner's minute alone."""
    pace = pace_of(bench)
    for _ in range(5):
        pace.check(sent(bench, origin=Origin.SCHEDULE))
    for _ in range(3):
        pace.check(sent(bench))
    pace.check(sent(bench, origin=Origin.SCHEDULE))


def test_what_slack_showed_as_failed_does_not_count(bench: Bench) -> None:
    """A command that expired was asked to be typed again."""
    pace = pace_of(bench)
    for _ in range(3):
        run = bench.submit(
            invocation("volumes", actor=ANN, origin=Origin.SLACK, at=bench.now), released=False
        )
        reply = Reply(text="x", status=Status.EXPIRED)
        bench.claims.end_unclaimed(run, Ending(status=reply.status, reply=reply), bench.event(run, "expired"))
    pace.check(sent(bench))


def test_a_delivery_that_comes_again_counts_once(bench: Bench) -> None:
    """The same key is the same run, so it is the same one command."""
    pace = pace_of(bench)
    asked = invocation("volumes", actor=ANN, origin=Origin.SLACK, at=bench.now, key="slack:T:1")
    assert len({bench.submit(asked).id for _ in range(5)}) == 1
    bench.later(1)
    pace.check(sent(bench))
    bench.later(1)
    pace.check(sent(bench))
    with pytest.raises(TooFast):
        pace.check(sent(bench))


def test_another_process_counts_alike(bench: Bench, database_url: str) -> None:
    """A second process on the database, or the first after a restart, comes to the same verdict."""
    for _ in range(3):
        sent(bench)
    run = sent(bench)
    other = Database(database_url)
    try:
        with pytest.raises(TooFast):
            Pace(SentCommands(other), lambda actor: actor.id, 3).check(run)
    finally:
        other.close()


def test_the_limit_may_be_replaced_and_be_none(bench: Bench) -> None:
    """A new limit holds from the next command on; 0 is none."""
    pace = pace_of(bench, allowed=1)
    pace.check(sent(bench))
    run = sent(bench)
    with pytest.raises(TooFast, match="More than 1 command within"):
        pace.check(run)
    pace.replace(0)
    pace.check(run)
    pace.replace(2)
    with pytest.raises(TooFast, match="More than 2 commands within"):
        pace.check(sent(bench))


def test_it_looks_only_at_the_last_minute(bench: Bench, dialect: str) -> None:
    """SQLite goes by an index from that time on, so it is as quick with a million old runs as with none."""
    if dialect != "sqlite":
        pytest.skip("PostgreSQL plans by what the table holds; the bench measures it")
    queries = _queries_of(bench, sent(bench))
    with bench.database.read() as connection:
        plans = [
            row[-1] for query in queries for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}")
        ]
    looks = [plan for plan in plans if " runs " in plan]
    assert len(looks) == len(queries) == 2
    assert all("runs_by_" in plan and "created_at>? AND created_at<?" in plan for plan in looks), plans


def _queries_of(bench: Bench, run: Run) -> list[str]:
    """The statements that judging the run sends, with their values in them."""
    said: list[str] = []

    def note(connection, cursor, statement, values, context, many):  # type: ignore[no-untyped-def]  # noqa: ARG001
        for value in values:
            statement = statement.replace("?", repr(str(value)), 1)
        said.append(statement)

    engine = bench.database._engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        SentCommands(bench.database).before(run, timedelta(minutes=1), lambda actor: actor == "U0ANN")
    finally:
        event.remove(engine, "before_cursor_execute", note)
    return [one for one in said if one.lstrip().startswith("SELECT")]

"""Runs, claims, locks and the journal: who may write what, and what the database decides."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from bot.errors import Busy, EngineError, LostHold, NotFound
from bot.model import Actor, Button, Plan, Progress, Reply, Status
from bot.stores.claims import Ending
from bot.stores.journal import Entry
from bot.stores.runrow import Lane, Run
from bot.undo import Undoer
from tests.stores.bench import VOLUME, Bench, all_at_once
from tests.support.house import from_slack, invocation


def test_one_key_is_one_run(bench: Bench) -> None:
    """The same delivery key gives the first run, whatever else the delivery says."""
    first, is_new = bench.runs.submit(invocation("help", key="k"), host="local", released=True)
    again, is_new_again = bench.runs.submit(invocation("backup x", key="k"), host="local", released=True)
    assert (is_new, is_new_again) == (True, False)
    assert again.id == first.id
    assert again.invocation.line == "help"


def test_one_key_from_many_programs_is_one_run(bench: Bench, database_url: str) -> None:
    """Twelve deliveries at once by three programs on one database make one run."""
    others = [Bench(database_url) for _ in range(2)]
    sides = [bench, *others] * 4
    given = all_at_once(
        [
            lambda side=side: side.runs.submit(invocation("help", key="k"), host="local", released=True)
            for side in sides
        ]
    )
    assert len({run.id for run, _ in given}) == 1
    assert sum(is_new for _, is_new in given) == 1
    assert len(bench.runs.newest(limit=10)) == 1
    for other in others:
        other.close()


def test_a_list_goes_on_behind_a_run(bench: Bench) -> None:
    """Page by page each run comes once, whether they came at one moment or one after the other."""
    for number in range(7):
        bench.submit("help")
        if number % 3 == 2:
            bench.now += timedelta(seconds=1)
    paged: list[Run] = []
    while found := bench.runs.newest(limit=2, after=paged[-1] if paged else None):
        paged += found
    assert tuple(paged) == bench.runs.newest(limit=10)
    assert len(paged) == 7


def test_no_key_is_a_run_each(bench: Bench) -> None:
    """Command lines without a key are runs of their own."""
    assert bench.submit("help").id != bench.submit("help").id


def test_what_was_asked_comes_back_whole(bench: Bench) -> None:
    """Actor, origin, place, time, key, token and the words survive the database, non-ASCII included."""
    asked = from_slack("backup pgdata --note “früh ☕ 백업”", key="slack:T1:x")
    asked = dataclasses.replace(asked, token="t0ken", at=bench.now)
    run = bench.submit(asked)
    assert bench.runs.get(run.id).invocation == asked


def test_runs_are_known_by_the_schedule_that_they_came_of(bench: Bench) -> None:
    """The newest of each that ever ran, two of one instant counting as one, and whichever is not over."""

    def came(schedule: str | None, minute: int) -> Run:
        at = bench.now + timedelta(minutes=minute)
        return bench.submit(dataclasses.replace(invocation("backup pgdata", at=at), schedule=schedule))

    came(None, 9)
    came("other", 1)
    came("nightly", 1)
    twins = [came("nightly", 5) for _ in range(2)]
    found = bench.runs.last_of(["nightly", "other", "never"])
    assert set(found) == {"nightly", "other"}
    assert found["nightly"].id == max(twin.id for twin in twins)
    assert bench.runs.last_of([]) == {}
    assert bench.runs.under_way("never") is None
    under_way = bench.runs.under_way("other")
    assert under_way is not None
    bench.finish(bench.claim(under_way))
    assert bench.runs.under_way("other") is None


def test_the_last_run_that_had_a_plan_is_found(bench: Bench) -> None:
    """Of that schedule and that line: one that never came so far says nothing, nor does one of another line."""

    def came(line: str, schedule: str = "nightly") -> Run:
        bench.later(60)
        return bench.submit(invocation(line, schedule=schedule, at=bench.now))

    assert bench.runs.planned("nightly", "backup db:/v0") is None
    planned = came("backup db:/v0")
    bench.started(planned, "volume:pgdata")
    bench.started(came("backup db:/v1"), "volume:other")
    bench.started(came("backup db:/v0", "weekly"), "volume:third")
    came("backup db:/v0")
    found = bench.runs.planned("nightly", "backup db:/v0")
    assert found is not None
    assert found.plan is not None
    assert (found.id, found.plan.targets) == (planned.id, ("volume:pgdata",))


def test_bytes_that_are_no_text_are_storable(bench: Bench) -> None:
    """NUL and lone surrogates, which no database takes, are stored as the mark of an unreadable character."""
    run = bench.submit("backup a\0b\udcff")
    assert bench.runs.get(run.id).invocation.line == "backup a\ufffdb\ufffd"


def test_the_longest_names_fit(bench: Bench) -> None:
    """A volume with the longest name that Docker takes can be held."""
    target = "volume:" + "v" * 255
    bench.started(bench.submit("backup x"), target)
    assert bench.claims.refuse_if_held("other", [("local", "volume:free")]) is None
    with pytest.raises(Busy):
        bench.claims.refuse_if_held("other", [("local", target)])


def _claimable(bench: Bench, *words: Any, **more: Any) -> tuple[str, ...]:
    return tuple(run_id for run_id, _ in bench.runs.claimable(*words, **more))


def test_unreleased_runs_are_not_claimable(bench: Bench) -> None:
    """What nobody confirmed is not handed to a worker, and confirming twice counts once."""
    run = bench.submit("backup pgdata", released=False)
    assert _claimable(bench, Lane.FRONT, 10) == ()
    assert bench.enqueued == []
    assert bench.runs.release(run.id)
    assert not bench.runs.release(run.id)
    assert _claimable(bench, Lane.FRONT, 10) == (run.id,)
    assert bench.enqueued == [(run.id, Lane.FRONT)]


def test_abandoned_are_old_and_unconfirmed(bench: Bench) -> None:
    """Only what was never confirmed in that time counts as abandoned."""
    left = bench.submit("backup left", released=False)
    bench.submit("backup told")
    assert bench.runs.abandoned(timedelta(seconds=10)) == ()
    bench.later(10)
    bench.submit("backup new", released=False)
    assert [run.id for run in bench.runs.abandoned(timedelta(seconds=10))] == [left.id]


def test_claimable_is_oldest_first_and_due(bench: Bench) -> None:
    """The oldest is claimed first; what must wait is offered only when its time has come."""
    first = bench.submit("backup a")
    bench.later(1)
    second = bench.submit("backup b")
    assert _claimable(bench, Lane.FRONT, 10) == (first.id, second.id)
    assert _claimable(bench, Lane.FRONT, 1) == (first.id,)
    assert _claimable(bench, Lane.FRONT, 10, only={second.id}) == (second.id,)
    bench.claims.put_back(bench.claim(first), bench.now + timedelta(seconds=5))
    assert _claimable(bench, Lane.FRONT, 10) == (second.id,)
    bench.later(5)
    assert _claimable(bench, Lane.FRONT, 10) == (first.id, second.id)


def test_the_list_of_runs(bench: Bench) -> None:
    """The newest come first, narrowed to a status or an actor; counts agree with them."""
    made = []
    for name in ("a", "b", "c"):
        made.append(bench.submit(f"backup {name}"))
        bench.later(1)
    other = bench.submit(invocation("help", actor=Actor(id="U0BOB", name="bob"), at=bench.now))
    bench.finish(bench.claim(made[0]), Status.FAILED)
    assert [run.id for run in bench.runs.newest(limit=2)] == [other.id, made[2].id]
    assert [run.id for run in bench.runs.newest(limit=9, status=Status.FAILED)] == [made[0].id]
    assert [run.id for run in bench.runs.newest(limit=9, actor="U0BOB")] == [other.id]
    assert {run.id for run in bench.runs.some({made[1].id, "ffffffff"})} == {made[1].id}
    assert bench.runs.counts() == {Status.QUEUED: 3, Status.FAILED: 1}
    assert bench.runs.waiting_before(made[2]) == 1


def test_an_unknown_run_is_not_found(bench: Bench) -> None:
    """Asking for a run that is not there says so."""
    with pytest.raises(NotFound, match="no run 00000000"):
        bench.runs.get("00000000")


def test_one_of_many_claims(bench: Bench, database_url: str) -> None:
    """Eight workers of two programs that claim one run at once: one gets it."""
    other = Bench(database_url)
    run = bench.submit("backup pgdata")
    claims = all_at_once([lambda side=side: side.claims.claim(run, "w") for side in [bench, other] * 4])
    assert len([claim for claim in claims if claim is not None]) == 1
    assert bench.runs.get(run.id).epoch == 1
    other.close()


def test_one_of_many_holds_the_target(bench: Bench, database_url: str) -> None:
    """Six runs of two programs that start on one volume at once: one holds it, five are told who."""
    other = Bench(database_url)
    sides = [bench, other] * 3
    claims = [side.claim(side.submit(f"backup pgdata --note {n}")) for n, side in enumerate(sides)]

    def start(side: Bench, number: int) -> str:
        claim = claims[number]
        plan = Plan(text="Back it up.", targets=(VOLUME, "container:db"))
        try:
            side.claims.start(claim, plan, side.event(claim.run, "started"))
        except Busy as busy:
            return str(busy)
        return ""

    said = all_at_once([lambda side=side, n=n: start(side, n) for n, side in enumerate(sides)])
    assert said.count("") == 1
    holder = claims[said.index("")].run.id
    assert all(f"held by run {holder}" in words for words in said if words)
    assert [line.event.run_id for line in bench.audit.lines(limit=10)] == [holder]
    other.close()


def test_holding_is_all_or_nothing(bench: Bench) -> None:
    """A run that cannot have one of its targets holds none of them and has no `started` line."""
    bench.started(bench.submit("backup pgdata"), "container:db")
    second = bench.claim(bench.submit("backup other"))
    plan = Plan(text="Back it up.", targets=("volume:other", "container:db"))
    with pytest.raises(Busy, match="container db is held by run"):
        bench.claims.start(second, plan, bench.event(second.run, "started"))
    assert bench.claims.targets_of(second.run.id) == ()
    assert bench.runs.get(second.run.id).plan is None
    assert len(bench.audit.lines(limit=10)) == 1


def test_one_target_on_two_hosts(bench: Bench) -> None:
    """Volumes of the same name on different hosts are different targets."""
    bench.started(bench.submit("backup pgdata"), VOLUME)
    elsewhere = bench.runs.submit(invocation("backup pgdata"), host="remote", released=True)[0]
    bench.started(elsewhere, VOLUME)
    assert bench.claims.targets_of(elsewhere.id) == (VOLUME,)


def test_a_target_elsewhere_is_held_on_its_own_host(bench: Bench) -> None:
    """Whoever holds it on that host has it, once for all, and its name is told as often as any other target's."""
    reader = bench.claim(bench.submit("restore 7f3a2c1b"))
    places = (("local", VOLUME), ("remote", VOLUME))
    plan = Plan(text="Restore it.", targets=(VOLUME,), elsewhere=places)
    bench.claims.start(reader, plan, bench.event(reader.run, "started"))
    assert bench.claims.targets_of(reader.run.id) == (VOLUME,)
    assert bench.runs.get(reader.run.id).plan == plan
    away = bench.runs.submit(invocation("prune"), host="remote", released=True)[0]
    with pytest.raises(Busy, match=f"held by run {reader.run.id}"):
        bench.started(away, VOLUME)
    bench.finish(reader)
    assert bench.claims.refuse_if_held("other", places) is None


def test_an_ending_frees_the_targets(bench: Bench) -> None:
    """The ending, its audit line and the freed targets come together."""
    claim = bench.started(bench.submit("backup pgdata"), VOLUME)
    bench.finish(claim)
    run = bench.runs.get(claim.run.id)
    assert run.status is Status.SUCCEEDED
    assert run.outcome is not None
    assert bench.claims.targets_of(run.id) == ()
    assert [line.event.kind for line in bench.audit.lines(limit=10)] == ["succeeded", "started"]


def test_an_open_undo_keeps_the_targets(bench: Bench) -> None:
    """While something is to be taken back the ended run's targets stay held; amending frees them."""
    claim = bench.started(bench.submit("backup pgdata"), VOLUME)
    entry = bench.write_down(claim, container="1")
    bench.finish(claim, Status.FAILED)
    assert bench.claims.targets_of(claim.run.id) == (VOLUME,)
    bench.journal.settle(entry.id, at=bench.now)
    bench.claims.amend(bench.runs.get(claim.run.id), "By now it is.")
    assert bench.claims.targets_of(claim.run.id) == ()
    amended = bench.runs.get(claim.run.id)
    assert amended.reply is not None
    assert amended.reply.text == "It is over. By now it is."
    assert amended.status is Status.FAILED


def test_what_was_kept_is_told_from_what_was_taken_back(bench: Bench) -> None:
    """A later process learns which steps of a run are to stay; open ones and others' do not count."""
    claim = bench.started(bench.submit("restore 7f3a2c1b"), VOLUME)
    entries = [
        bench.write_down(claim, verb, name="v") for verb in ("remove_volume", "start", "exchange_back")
    ]
    bench.journal.settle(entries[0].id, at=bench.now)
    bench.journal.settle(entries[2].id, at=bench.now, kept=True)
    verbs = ("remove_volume", "start", "exchange_back")
    assert [bench.journal.kept(claim.run.id, verb) is not None for verb in verbs] == [False, False, True]
    assert bench.journal.kept("00000000", "exchange_back") is None
    bench.journal.settle(entries[1].id, at=bench.now)
    bench.finish(claim)


def test_what_is_to_be_done_in_a_container_waits_until_it_is_back(bench: Bench) -> None:
    """While a container cannot be started its hook stays open; other containers' undos are carried out."""
    claim = bench.started(bench.submit("backup pgdata"), VOLUME)
    for verb, container in (("run_hook", "db"), ("run_hook", "web"), ("start", "db")):
        bench.write_down(claim, verb, container=container, name=container)
    done: list[str] = []

    def start(_host: str, _arguments: Mapping[str, str]) -> None:
        if "docker" not in done:
            raise EngineError("Docker is away.")

    registry = {"start": start, "run_hook": lambda _, arguments: done.append(arguments["name"])}
    undoer = Undoer(bench.journal, registry, lambda: bench.now)
    problems = undoer.play_back(claim.run.id)
    assert done == ["web"]
    assert problems == ("start db: Docker is away.", "run hook db: waits until that container is back.")
    done.append("docker")
    assert undoer.play_back(claim.run.id) == ()
    assert done == ["web", "docker", "db"]
    bench.finish(claim)


def test_a_lost_claim_writes_nothing(bench: Bench) -> None:
    """Once somebody else took the run over, every write of the former holder is refused."""
    run = bench.submit("backup pgdata")
    old = bench.claim(run)
    new = bench.claim(run)
    assert not bench.claims.is_ours(old)
    assert bench.claims.is_ours(new)
    before = bench.runs.get(run.id)
    plan = Plan(text="Back it up.", targets=(VOLUME,))
    ending = Ending(status=Status.SUCCEEDED, reply=Reply(text="Done."))
    cancel = Button(label="Cancel", line=f"cancel {run.id}")
    for write in (
        lambda: bench.claims.start(old, plan, bench.event(run, "started")),
        lambda: bench.claims.note_progress(old, Progress(step="copying")),
        lambda: bench.claims.put_back(old, bench.now),
        lambda: bench.claims.pass_on(old, "backup", "local", cancel),
        lambda: bench.claims.finish(old, ending, bench.event(run, "succeeded")),
        lambda: bench.write_down(old, container="1"),
    ):
        with pytest.raises(LostHold):
            write()
    assert bench.runs.get(run.id) == before
    assert bench.audit.lines(limit=10) == ()
    assert bench.claims.targets_of(run.id) == ()
    assert bench.journal.open_entries() == ()


def test_an_ending_is_for_ever(bench: Bench) -> None:
    """A run that has ended cannot be claimed, ended again, cancelled or confirmed."""
    run = bench.submit("backup pgdata")
    queued = bench.runs.get(run.id)
    claim = bench.claim(run)
    bench.finish(claim)
    ended = bench.runs.get(run.id)
    ending = Ending(status=Status.FAILED, reply=Reply(text="No."))
    assert bench.claims.claim(queued, "w") is None
    assert not bench.claims.end_unclaimed(queued, ending, bench.event(run, "failed"))
    with pytest.raises(LostHold):
        bench.finish(claim, Status.FAILED)
    assert not bench.runs.release(run.id)
    assert bench.runs.ask_to_cancel(run.id, "U0ANN") == ended
    assert bench.runs.get(run.id) == ended


def test_ending_what_nobody_holds_happens_once(bench: Bench, database_url: str) -> None:
    """Four programs that end the same unclaimed run at once write one ending."""
    other = Bench(database_url)
    run = bench.submit("backup pgdata", released=False)
    ending = Ending(status=Status.EXPIRED, reply=Reply(text="Too late.", status=Status.EXPIRED))
    done = all_at_once(
        [
            lambda side=side: side.claims.end_unclaimed(run, ending, side.event(run, "expired"))
            for side in [bench, other] * 2
        ]
    )
    assert done.count(True) == 1
    assert [line.event.kind for line in bench.audit.lines(limit=10)] == ["expired"]
    other.close()


def test_a_cancel_is_seen(bench: Bench) -> None:
    """The first who asks for an end is remembered, and the holder learns it with its progress."""
    run = bench.submit("backup pgdata")
    claim = bench.claim(run)
    assert bench.claims.note_progress(claim, Progress(step="copying", done_bytes=7)) is None
    bench.runs.ask_to_cancel(run.id, "U0ANN")
    bench.runs.ask_to_cancel(run.id, "U0BOB")
    assert bench.runs.asked_to_cancel() == (run.id,)
    assert bench.claims.note_progress(claim, Progress(step="copying")) == "U0ANN"


def test_every_visible_change_is_a_revision(bench: Bench) -> None:
    """What people can see grows the revision, so that no change is left untold."""
    run = bench.submit("backup pgdata")
    seen = [run.revision]
    claim = bench.started(run, VOLUME)
    seen.append(bench.runs.get(run.id).revision)
    bench.claims.note_progress(claim, Progress(step="copying"))
    seen.append(bench.runs.get(run.id).revision)
    bench.runs.ask_to_cancel(run.id, "U0ANN")
    seen.append(bench.runs.get(run.id).revision)
    bench.finish(claim)
    seen.append(bench.runs.get(run.id).revision)
    assert seen == sorted(set(seen))


def test_the_journal_is_read_backwards(bench: Bench) -> None:
    """Open entries come newest first, with what was written and why it failed; settled ones are gone."""
    claim = bench.claim(bench.submit("backup pgdata"))
    first = bench.write_down(claim, "unpause", container="1", name="데이터")
    second = bench.write_down(claim, "remove_helper", name="h")
    third = bench.write_down(claim, "discard_draft", backup="b")
    bench.journal.settle(second.id, at=bench.now)
    bench.journal.note_failure(first.id, "Docker is away.")
    assert bench.journal.open_entries(claim.run.id) == (
        third,
        Entry(
            id=first.id,
            run_id=claim.run.id,
            host="local",
            verb="unpause",
            arguments={"container": "1", "name": "데이터"},
            error="Docker is away.",
        ),
    )
    assert bench.journal.open_entries("other") == ()


def test_a_run_that_holds_nothing_writes_no_journal(bench: Bench) -> None:
    """Before it is claimed, and after its ending, a run cannot write down an undo."""
    run = bench.submit("backup pgdata")
    claim = bench.claim(run)
    bench.finish(claim)
    with pytest.raises(LostHold):
        bench.write_down(claim, container="1")

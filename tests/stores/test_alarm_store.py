"""Alarms on each database: told once however many look, and all or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import select

from bot.alarmrules import AlarmKind, Condition, Findings
from bot.alarms.told import Way, told
from bot.errors import StoreError
from bot.stores.alarms import AlarmStore, News, Told
from bot.stores.database import Database
from bot.stores.schema import alarms, messages, runs
from tests.stores.bench import Bench, all_at_once


def _stale(*names: str) -> Findings:
    return Findings(
        conditions=tuple(
            Condition(kind=AlarmKind.STALE, key=f"stale:local/{name}", text=f"{name} is old.")
            for name in names
        )
    )


@pytest.fixture
def benches(database_url: str) -> Iterator[list[Bench]]:
    """Three processes over one database."""
    made = [Bench(database_url) for _ in range(3)]
    yield made
    for bench in made:
        bench.close()


def _store(bench: Bench) -> AlarmStore:
    return AlarmStore(bench.database, bench.audit, bench.clock)


def _tell(bench: Bench, channel: str = "C0ALARM") -> object:
    def tell(news: News) -> Told:
        return told(news, Way(channel=channel, language="en", host="local", now=bench.now))

    return tell


def _settle(bench: Bench, found: Findings, channel: str = "C0ALARM") -> News:
    return _store(bench).settle(found, _tell(bench, channel), is_heard=bool(channel))  # type: ignore[arg-type]


def _texts(database: Database) -> list[str]:
    query = select(runs.c.reply).join(messages, messages.c.run_id == runs.c.id).order_by(runs.c.created_at)
    with database.read() as connection:
        return [reply["text"] for reply in connection.execute(query).scalars()]


def test_several_processes_tell_once(benches: list[Bench]) -> None:
    """All look at the same moment, thrice: one message says it, one says it again a day later, one that it is over."""
    for hours, found, expected in (
        (0, _stale("a", "b"), 1),
        (0, _stale("a", "b"), 1),
        (23, _stale("a", "b"), 1),
        (24, _stale("a", "b"), 2),
        (25, _stale("b"), 3),
        (26, Findings(), 4),
    ):
        for bench in benches:
            bench.now = datetime.fromisoformat("2026-11-24T12:00:00+00:00") + timedelta(hours=hours)
        all_at_once([partial(_settle, bench, found) for bench in benches])
        assert len(_texts(benches[0].database)) == expected
    texts = _texts(benches[0].database)
    assert [text.splitlines()[0] for text in texts] == [
        "2 alarms:", "2 alarms stay:", "1 alarm is over:", "1 alarm is over:",
    ]  # fmt: skip
    assert benches[0].audit.check_chain().broken_at is None


def test_what_is_new_and_what_stays_is_one_message(bench: Bench) -> None:
    """A look makes one message of everything that is wrong, and one of what is over."""
    _settle(bench, _stale("a", "z"))
    bench.later(86_400)
    news = _settle(bench, _stale("a", "b"))
    assert ([one.key for one in news.new], [one.key for one, _ in news.still]) == (
        ["stale:local/b"],
        ["stale:local/a"],
    )
    first, second, third = _texts(bench.database)
    assert {second.splitlines()[0], third.splitlines()[0]} == {"2 alarms:", "1 alarm is over:"}
    assert first.startswith("2 alarms:")


def test_a_crash_between_tells_all_or_nothing(bench: Bench) -> None:
    """When the message cannot be stored, the alarm is not open either: the next look tells it."""

    def broken(news: News) -> Told:
        raise StoreError(f"the disk is full before {len(news.new)} could be told")

    with pytest.raises(StoreError):
        _store(bench).settle(_stale("a"), broken, is_heard=True)
    assert _store(bench).open() == ()
    _settle(bench, _stale("a"))
    assert len(_texts(bench.database)) == 1


def test_what_is_not_sure_stays_open(bench: Bench) -> None:
    """By key, or by all of a kind; other alarms are over."""
    host = Condition(kind=AlarmKind.HOST, key="host:a", text="silent")
    space = Condition(kind=AlarmKind.SPACE, key="space", text="full")
    _settle(bench, _stale("a") + Findings(conditions=(host, space)))
    _settle(bench, Findings(unsure=frozenset({"stale:", "host:a", "host:ab"})))
    assert {one.key for one in _store(bench).open()} == {"stale:local/a", "host:a"}
    _settle(bench, Findings(unsure=frozenset({"host:ab", "space:"})))
    assert _store(bench).open() == ()


def test_many_at_once_fit_into_one_message(bench: Bench) -> None:
    """Thousands of alarms are one message that Slack takes, and each is open; over, they are one as well."""
    names = [f"volume-{number:04d}-{'x' * 200}" for number in range(3_000)]
    _settle(bench, _stale(*names))
    assert len(_store(bench).open()) == 3_000
    assert _store(bench).counts() == {AlarmKind.STALE: 3_000}
    _settle(bench, Findings())
    texts = _texts(bench.database)
    assert len(texts) == 2
    assert all(len(text) < 2_900 for text in texts)
    assert "more; `alarms` lists what is open." in texts[0]
    assert _store(bench).open() == ()


def test_other_words_are_stored_and_not_told(bench: Bench) -> None:
    """A list that grows is the same alarm."""
    _settle(bench, _stale("a"))
    changed = Condition(kind=AlarmKind.STALE, key="stale:local/a", text="a is older still.")
    assert not _settle(bench, Findings(conditions=(changed, changed)))
    assert [one.text for one in _store(bench).open()] == ["a is older still."]
    assert len(_texts(bench.database)) == 1


def test_without_a_channel_nothing_is_told_until_there_is_one(bench: Bench) -> None:
    """Neither at first nor daily nor at the end; a channel that comes later is told of what is open."""
    _settle(bench, _stale("a", "b"), channel="")
    bench.later(90_000)
    assert not _settle(bench, _stale("a", "b"), channel="")
    _settle(bench, _stale("a"), channel="")
    assert _texts(bench.database) == []
    kinds = [line.event.kind for line in bench.audit.lines(limit=10)]
    assert kinds == ["alarm-over", "alarm", "alarm"]
    _settle(bench, _stale("a"))
    assert len(_texts(bench.database)) == 1
    _settle(bench, _stale("a", "never heard of"), channel="")
    _settle(bench, _stale("a"))
    assert len(_texts(bench.database)) == 1


def test_odd_text_is_stored(bench: Bench) -> None:
    """What a host calls its volumes may be no text that a database takes."""
    _settle(bench, _stale("a\0b\ud800"))
    with bench.database.read() as connection:
        assert len(connection.execute(select(alarms)).all()) == 1

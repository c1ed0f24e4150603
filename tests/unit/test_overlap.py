"""Steps of one stream that overlap: nothing is lost or out of order, errors arrive, and no thread stays behind."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator

import pytest

from bot.overlap import Behind, Beside, ahead
from tests.support.uncollected import uncollected


@pytest.fixture(autouse=True)
def _no_thread_stays() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def test_every_piece_is_worked_on_in_its_order() -> None:
    """More pieces than may wait, and `finish` says when all are done."""
    done: list[int] = []
    behind = Behind(done.append, name="test", held=2)
    for number in range(100):
        behind.put(number)
    behind.finish()
    behind.finish()
    assert done == list(range(100))


def test_what_the_work_raised_comes_back_and_nothing_is_worked_on_after_it() -> None:
    """The next `put`, or `finish`, raises it; no `put` waits for ever meanwhile."""
    done: list[int] = []

    def work(number: int) -> None:
        if number == 3:
            raise OSError("the disk is full")
        done.append(number)

    behind = Behind(work, name="test", held=2)

    def put_all() -> None:
        for number in range(100):
            behind.put(number)

    with pytest.raises(OSError, match="full"):
        put_all()
    with pytest.raises(OSError, match="full"):
        behind.finish()
    behind.stop()
    assert done == [0, 1, 2]


def test_stop_drops_what_waits() -> None:
    """The piece in hand is the last."""
    began, go_on, done = threading.Event(), threading.Event(), []

    def work(number: int) -> None:
        began.set()
        go_on.wait()
        done.append(number)

    behind = Behind(work, name="test", held=8)
    for number in range(5):
        behind.put(number)
    began.wait()
    threading.Timer(0.05, go_on.set).start()
    behind.stop()
    behind.stop()
    assert done == [0]


def test_whoever_waits_may_look_up_now_and_then() -> None:
    """`finished` says no until all is done."""
    go_on = threading.Event()
    behind = Behind(lambda _: go_on.wait(), name="test")
    assert behind.finished(0)
    behind.put(1)
    assert not behind.finished(0.01)
    go_on.set()
    assert behind.finished(10)
    behind.finish()


def test_a_thread_begins_with_the_first_piece() -> None:
    """Without one there is nothing to finish or to stop."""
    behind = Behind(print, name="test")
    behind.finish()
    behind.stop()


def test_pieces_are_made_ahead_but_not_too_far() -> None:
    """In their order; no more wait than was allowed."""
    made: list[int] = []

    def pieces() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    for number in ahead(pieces(), name="test", held=3):
        assert len(made) <= number + 6
    assert made == list(range(100))


def test_an_error_comes_in_its_place() -> None:
    """After the pieces that were made before it."""

    def pieces() -> Iterator[int]:
        yield 1
        yield 2
        raise OSError("gone")

    reading = ahead(pieces(), name="test")
    assert [next(reading), next(reading)] == [1, 2]
    with pytest.raises(OSError, match="gone"):
        next(reading)


def test_whoever_stops_reading_ends_the_making() -> None:
    """Even of pieces without end."""
    closed = threading.Event()

    def pieces() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.set()

    reading = ahead(pieces(), name="test", held=2)
    assert next(reading) == 1
    reading.close()
    assert closed.is_set()


def test_two_works_beside_each_other() -> None:
    """Each waits for the other here, so one after the other they would never end."""
    met = threading.Barrier(2)
    with Beside(lambda: met.wait(10), name="test"):
        met.wait(10)


def test_what_is_done_beside_is_waited_for_and_raises_after_the_body() -> None:
    """The body's own error goes first, and has the other's words as a note."""

    def fail() -> None:
        raise OSError("beside")

    with pytest.raises(OSError, match="beside"), Beside(fail, name="test"):
        pass
    with pytest.raises(ValueError, match="body") as raised, Beside(fail, name="test"):
        raise ValueError("body")
    assert raised.value.__notes__ == ["beside"]


def test_work_beside_a_body_that_failed_is_ended() -> None:
    """Nobody waits for the rest of it, and what it says of its end is not told; other words of its own are."""
    ended = threading.Event()

    def work() -> None:
        assert ended.wait(30)
        raise OSError("it was taken away")

    with (
        pytest.raises(ValueError, match="body") as raised,
        Beside(work, name="test", end=ended.set),
    ):
        raise ValueError("body")
    assert ended.is_set()
    assert not hasattr(raised.value, "__notes__")


def test_work_beside_a_body_that_went_well_is_not_ended() -> None:
    """Nor is work that ended by itself before the body failed: what it raised stays a note."""
    ended, done, failed = threading.Event(), threading.Event(), threading.Event()
    with Beside(lambda: done.wait(0.05), name="test", end=ended.set):
        pass

    def fail() -> None:
        failed.set()
        raise OSError("beside")

    def body() -> None:
        failed.wait()
        for thread in threading.enumerate():
            if thread.name == "beside":
                thread.join()
        raise ValueError("body")

    with pytest.raises(ValueError, match="body") as raised, Beside(fail, name="beside", end=ended.set):
        body()
    assert not ended.is_set()
    assert raised.value.__notes__ == ["beside"]


def test_a_thread_that_cannot_be_started_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """`stop` raises nothing then either."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    behind = Behind(print, name="test")
    with monkeypatch.context() as exhausted:
        exhausted.setattr("bot.overlap.Thread.start", refuse)
        with pytest.raises(RuntimeError, match="can't start"):
            behind.put(1)
    behind.stop()


class _Held:
    """Something that is to be let go of."""


def test_an_error_is_let_go_of_with_all_that_its_frames_hold() -> None:
    """Whoever makes pieces ahead, or works beside, holds perhaps a file, a thread, or much memory."""
    seen: list[weakref.ref[_Held]] = []

    def pieces() -> Iterator[int]:
        held = _Held()
        seen.append(weakref.ref(held))
        yield 1
        raise OSError("gone")

    def make() -> None:
        for _ in pieces():
            pass

    with uncollected():
        with pytest.raises(OSError, match="gone"):
            list(ahead(pieces(), name="test"))
        with pytest.raises(OSError, match="gone"), Beside(make, name="test"):
            pass
        assert [one() for one in seen] == [None, None]


def test_what_is_stopped_lets_go_of_its_work() -> None:
    """It belongs to whoever holds the thread's other end, mostly."""
    held = _Held()
    seen = weakref.ref(held)

    def work(_: int, held: _Held = held) -> None:
        del held

    behind = Behind(work, name="test")
    behind.put(1)
    behind.stop()
    del work, held
    with uncollected():
        assert seen() is None

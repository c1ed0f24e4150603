"""Waiting for one long answer: whoever waits can leave at once, and what was asked is left to itself."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator

import pytest

from bot.engine.sending import send
from bot.errors import Cancelled, EngineError, StreamCut
from bot.language import speaking, spoken
from bot.waiting import patiently
from tests.support.uncollected import uncollected


def test_an_answer_or_an_error_comes_through() -> None:
    """What was asked is returned, or raised, as it came."""

    def fail() -> str:
        raise EngineError("no space left")

    assert patiently(lambda: "made", lambda: None) == "made"
    with pytest.raises(EngineError, match="no space left"):
        patiently(fail, lambda: None)


def test_whoever_may_not_go_on_waits_no_longer() -> None:
    """What the check raises is raised while the answer is still out, and the answer comes all the same."""
    answer, over = threading.Event(), threading.Event()

    def ask() -> None:
        answer.wait(10)
        over.set()

    def check() -> None:
        raise Cancelled("enough")

    with pytest.raises(Cancelled, match="enough"):
        patiently(ask, check)
    assert not over.is_set()
    answer.set()
    assert over.wait(10)


def test_an_answer_that_nobody_takes_any_more_is_discarded() -> None:
    """It may hold a connection open, which would keep the engine busy."""
    answer, discarded = threading.Event(), threading.Event()

    def ask() -> str:
        answer.wait(10)
        return "late"

    def check() -> None:
        raise Cancelled("enough")

    with pytest.raises(Cancelled, match="enough"):
        patiently(ask, check, discard=lambda late: discarded.set() if late == "late" else None)
    assert not discarded.is_set()
    answer.set()
    assert discarded.wait(10)


def test_whoever_asks_or_sends_for_somebody_speaks_as_they_do() -> None:
    """A thread of ours that makes sentences makes them in the language of who started it."""
    heard: list[str] = []
    with speaking("ko"):
        assert patiently(spoken, lambda: None) == "ko"
        send(lambda pieces: heard.extend(spoken() for _ in pieces), iter([b"a"]), lambda: None)
    assert heard == ["ko"]


def _take_one(pieces: Iterator[bytes]) -> None:
    next(pieces)


@pytest.mark.parametrize("put", [lambda _: None, _take_one])
@pytest.mark.parametrize("count", [2, 50])
def test_an_answer_before_all_was_taken_is_no_success(
    put: Callable[[Iterator[bytes]], None], count: int
) -> None:
    """Whether what is left waits still to be taken or was never asked for."""
    with pytest.raises(StreamCut, match="before it had taken all"):
        send(put, iter([b"piece"] * count), lambda: None)


def test_an_answer_behind_the_last_piece_is_one() -> None:
    """Nobody must ask for the end; and what the maker proves behind its last byte is proven all the same."""
    proven: list[bool] = []

    def tar() -> Iterator[bytes]:
        yield b"all of it"
        for _ in range(50):
            yield b""
        proven.append(True)

    send(_take_one, tar(), lambda: None)
    assert proven == [True]
    send(lambda _: None, iter([]), lambda: None)


def test_what_ends_a_sending_is_told_and_not_what_was_left() -> None:
    """The error says more; nor is another piece made for it. And it is let go of with all that its frames hold."""
    seen: list[weakref.ref[threading.Event]] = []

    def fail(pieces: Iterator[bytes]) -> None:
        held = threading.Event()
        seen.append(weakref.ref(held))
        next(pieces)
        raise EngineError("no space left")

    with uncollected():
        with pytest.raises(EngineError, match="no space left"):
            send(fail, iter([b"piece"] * 50), lambda: None)
        assert [one() for one in seen] == [None]

"""Waiting for one long answer: whoever waits can leave at once, and what was asked is left to itself."""

from __future__ import annotations

import threading

import pytest

from bot.engine.sending import send
from bot.engine.waiting import patiently
from bot.errors import Cancelled, EngineError
from bot.language import speaking, spoken


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

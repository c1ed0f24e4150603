"""One host's silence costs one time limit: what the breaker lets through, and when."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from bot.engine.breaker import Breaker
from bot.engine.translate import Attempt
from bot.errors import EngineError
from bot.reasons import Reason

ATTEMPT = Attempt(host="b", address="unix:///b.sock", doing="list its volumes")


class Times:
    """A clock that only the test moves."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def clock(self) -> float:
        """Seconds since the start."""
        return self.seconds

    def now(self) -> datetime:
        """The same moment as people write it."""
        return datetime(2026, 11, 24, 12, tzinfo=UTC) + timedelta(seconds=self.seconds)


@pytest.fixture
def times() -> Times:
    """Noon."""
    return Times()


@pytest.fixture
def breaker(times: Times) -> Breaker:
    """One that tries again after three seconds."""
    return Breaker(timedelta(seconds=3), clock=times.clock, now=times.now)


def _ask(breaker: Breaker, error: Exception | None = None) -> None:
    with breaker.contact(ATTEMPT):
        if error is not None:
            raise error


def test_a_mute_host_is_not_asked_again_at_once(breaker: Breaker, times: Times) -> None:
    """After one timeout further calls fail at once, and say since when; later one of them tries again."""
    with pytest.raises(TimeoutError):
        _ask(breaker, TimeoutError())
    times.seconds = 2.9
    with pytest.raises(
        EngineError, match=r"not answered since 2026-11-24 12:00:00 UTC.*list its volumes"
    ) as caught:
        _ask(breaker)
    assert caught.value.reason is Reason.STALLED
    times.seconds = 3
    _ask(breaker)
    _ask(breaker)


def test_a_host_that_stays_mute_is_mute_since_the_first_time(breaker: Breaker, times: Times) -> None:
    """Each failed try starts the pause anew, but not the time since when it has been silent."""
    for at in (0, 3, 6):
        times.seconds = at
        with pytest.raises(TimeoutError):
            _ask(breaker, TimeoutError())
    times.seconds = 8.9
    with pytest.raises(EngineError, match="since 2026-11-24 12:00:00"):
        _ask(breaker)


@pytest.mark.parametrize("error", [ConnectionRefusedError("refused"), EngineError("Podman")])
def test_whoever_fails_at_once_is_asked_again(breaker: Breaker, error: Exception) -> None:
    """A refusal costs nothing, so it opens no breaker."""
    for _ in range(2):
        with pytest.raises(type(error)):
            _ask(breaker, error)


def test_only_one_caller_tries(breaker: Breaker, times: Times) -> None:
    """While one waits whether the host is back, all others fail at once."""
    with pytest.raises(TimeoutError):
        _ask(breaker, TimeoutError())
    times.seconds = 3
    inside, go_on = threading.Event(), threading.Event()

    def first() -> None:
        with breaker.contact(ATTEMPT):
            inside.set()
            go_on.wait(10)

    trying = threading.Thread(target=first)
    trying.start()
    assert inside.wait(10)
    with pytest.raises(EngineError, match="has not answered since"):
        _ask(breaker)
    go_on.set()
    trying.join()
    _ask(breaker)

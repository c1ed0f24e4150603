"""The database is away just when a run ends: what the run came to is written as soon as it can be, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bot.errors import StoreError
from bot.model import Status
from tests.support.house import House, wait_for


def _away(monkeypatch: pytest.MonkeyPatch, room: object, verb: str, times: int) -> Callable[[], int]:
    """From now on that many calls of the verb are not answered; how many are still to come."""
    answer, left = getattr(room, verb), [times]

    def call(*given: Any, **named: Any) -> Any:
        if left[0]:
            left[0] -= 1
            raise StoreError("The database does not answer.")
        return answer(*given, **named)

    monkeypatch.setattr(room, verb, call)
    return lambda: left[0]


def test_a_result_survives_a_database_that_cannot_be_read(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What there is to take back is asked again until it is answered; the run is not called interrupted."""
    made = house.say("backup pgdata")
    prove = house.app.services.archive.prove
    ledger = house.app.dispatcher._ledger

    def proven(*given: Any, **named: Any) -> Any:
        _away(monkeypatch, ledger.journal, "open_entries", 3)
        return prove(*given, **named)

    monkeypatch.setattr(house.app.services.archive, "prove", proven)
    outcome = house.say(f"verify {made.run_id}")
    assert outcome.status is Status.SUCCEEDED, outcome.reply.text
    assert "stopped" not in outcome.reply.text


@pytest.mark.parametrize("verb", ["finish", "targets_of"])
def test_what_could_not_be_written_in_time_is_written_later(
    house: House, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    """The bot gave up waiting, and was not stopped: the next look writes what the run came to."""
    made = house.say("backup pgdata")
    monkeypatch.setattr("bot.ending._FINISH_WAITS", ())
    left = _away(monkeypatch, house.app.dispatcher._ledger.claims, verb, 1)
    run_id = house.accept(f"verify {made.run_id}")
    wait_for(lambda: not left(), saying="that it could not be written")
    outcome = house.ending(run_id)
    assert outcome.status is Status.SUCCEEDED, outcome.reply.text
    assert [button.line for button in outcome.reply.buttons].count(f"details {run_id}") == 1
    endings = house.app.services.audit.lines(limit=10, run_id=run_id)
    assert [line.event.kind for line in endings] == ["succeeded", "started"]

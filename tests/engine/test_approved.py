"""Approvals over a real Docker: what became another thing between the request and the approval is not touched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot.model import Outcome, Status
from tests.support.approving import waits
from tests.support.house import House, at_work, from_slack, settings
from tests.support.yard import Yard, refuse_untrue_of

pytestmark = pytest.mark.engine

_SETTINGS = """
[hosts.local]
address = "{url}"
[quiesce]
stop_grace = 0
health = 10
[roles.operators]
members = ["U0ANN", "U0ADA"]
right = "admin"
[approvals.all]
commands = ["restore", "backup", "snapshot", "remove-volume"]
targets = ["*"]
approvers = "operators"
"""


@pytest.fixture
def house(yard: Yard, tmp_path: Path) -> Iterator[House]:
    """Whatever changes something here needs a second person."""
    with at_work(settings(tmp_path / "state", toml=_SETTINGS.format(url=yard.url)), {}) as made:
        yield made
        refuse_untrue_of(made.app, yard)


def _asked(house: House, line: str) -> str:
    return waits(house.app, house.accept(from_slack(line))).id


def _approved(house: House, run_id: str) -> Outcome:
    said = house.say(from_slack(f"approve {run_id}", user="U0ADA"))
    assert said.status is Status.SUCCEEDED, said.reply.text
    return house.ending(run_id)


def _done(house: House, line: str) -> Outcome:
    return _approved(house, _asked(house, line))


def _container_anew(yard: Yard, container: str, volume: str) -> None:
    yard.user_anew(container, volume)


def _volume_anew(yard: Yard, container: str, volume: str) -> None:
    yard.volume_anew(volume, container, "echo new > file")


def _one_more_user(yard: Yard, container: str, volume: str) -> None:
    assert yard.user("more", volume) != container


_CHANGES = (_container_anew, _volume_anew, _one_more_user)


@pytest.mark.parametrize(
    ("line", "act"),
    [
        *((line, act) for line in ("backup {volume}", "restore {backup} --replace") for act in _CHANGES),
        ("snapshot {container}", _container_anew),
        ("snapshot {container}", _volume_anew),
    ],
)
def test_what_was_made_anew_meanwhile_is_not_touched(
    house: House, yard: Yard, line: str, act: Callable[[Yard, str, str], None]
) -> None:
    """The container or the volume of that name is another one now, or somebody else uses it: nothing is done to it."""
    volume = yard.volume("data", "echo old > file")
    container = yard.user("db", volume)
    backup = _done(house, f"backup {volume}").run_id
    run_id = _asked(house, line.format(volume=volume, container=container, backup=backup))
    act(yard, container, volume)
    before = (yard.mountpoint(volume) / "file").read_text()
    outcome = _approved(house, run_id)
    assert outcome.status is Status.REJECTED, outcome.reply.text
    assert volume in outcome.reply.text or container in outcome.reply.text
    assert (yard.mountpoint(volume) / "file").read_text() == before
    assert yard.state(container) == "running"


def test_what_is_as_it_was_is_done(house: House, yard: Yard) -> None:
    """A restored volume holds what the backup held, after the second person's word."""
    volume = yard.volume("data", "echo old > file")
    backup = _done(house, f"backup {volume}").run_id
    (yard.mountpoint(volume) / "file").write_text("spoilt\n")
    assert _done(house, f"restore {backup} --replace").status is Status.SUCCEEDED
    assert (yard.mountpoint(volume) / "file").read_text() == "old\n"

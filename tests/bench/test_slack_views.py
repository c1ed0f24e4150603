"""Type-ahead among five thousand objects, and a Home page over five hundred volumes with their backups.

The engine is the fake one; bot and Slack share this process, and so its one interpreter lock.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.playground import Playground, User, View
from tests.bench.loading import SLACK_HEADS, Took, ms, number
from tests.bench.merged import keep
from tests.slack.forming import answered, form_of, offered
from tests.slack.scopes import SCOPES
from tests.slack.workplace import Workplace
from tests.support import canaries
from tests.support.archives import back_up
from tests.support.house import wait_for

pytestmark = pytest.mark.bench

VOLUMES = number("SHIPKEEPER_SLACK_VOLUMES", 3500)
CONTAINERS = number("SHIPKEEPER_SLACK_CONTAINERS", 1000)
BACKUPS = number("SHIPKEEPER_SLACK_BACKUPS", 500)
KEYSTROKES = number("SHIPKEEPER_SLACK_KEYSTROKES", 200)
HOME_VOLUMES = number("SHIPKEEPER_HOME_VOLUMES", 500)
VISITORS = [f"U0V{place:03d}" for place in range(number("SHIPKEEPER_HOME_VISITORS", 20))]

MOST_OPTIONS = 100
MOST_BLOCKS = 100
MOST_BYTES = 250 * 1024
"""Slack's limits of a view (reference of views: 100 blocks; 250 KB as JSON)."""
_LETTERS = ("", "v", "data", "volume-0", "12", "VOLUME-1", "0042", "nothing like it")
_FIELDS = {"/backup": "source", "/snapshot": "container", "/restore": "backup"}


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[Workplace]:
    """A workplace whose bot has not been built yet."""
    with Playground(scopes=SCOPES, credentials=canaries.SLACK) as playground:
        yield Workplace(playground, tmp_path / "state")


def test_type_ahead_among_five_thousand(closed: Workplace, capsys: pytest.CaptureFixture[str]) -> None:
    """Each keystroke is answered with what fits, of volumes, containers and backups."""
    for place in range(VOLUMES):
        closed.engine.add_volume(f"volume-{place:04}-data", {})
    for place in range(CONTAINERS):
        closed.engine.add_container(f"container-{place:04}", [])
    closed.open()
    try:
        for place in range(BACKUPS):
            back_up(closed.bot.app.services.archive, f"volume-{place:04}-data", f"{place:08x}")
        rows = [_typed_into(closed, command) for command in _FIELDS]
        closed.refuse_untrue()
    finally:
        closed.close()
    with capsys.disabled():
        print("\n" + keep("slack", SLACK_HEADS, rows))


def _typed_into(work: Workplace, command: str) -> list[str]:
    field = _FIELDS[command]
    work.slash(command)
    form = form_of(work)
    wait_for(lambda: offered(work, form, field), saying="what there is")
    took: list[float] = []

    def one_person(first: int) -> None:
        for place in range(first, first + KEYSTROKES // 2):
            asked = answered(work.playground.suggest(form, field, _LETTERS[place % len(_LETTERS)]))
            assert asked.took is not None
            assert asked.ack_payload is not None
            assert len(asked.ack_payload["options"]) <= MOST_OPTIONS
            took.append(asked.took)

    people = [threading.Thread(target=one_person, args=(first,)) for first in (0, 3)]
    for one in people:
        one.start()
    for one in people:
        one.join()
    assert len(took) == KEYSTROKES // 2 * 2, "a keystroke was not answered"
    work.playground.views.close(form)
    made = Took(tuple(sorted(took)))
    objects = VOLUMES + CONTAINERS + BACKUPS
    return [f"a keystroke in `{command}`, {objects} objects", *map(ms, made.three)]


def test_home_over_five_hundred_volumes(closed: Workplace, capsys: pytest.CaptureFixture[str]) -> None:
    """The page is published within Slack's limits, with its picture."""
    for place in range(HOME_VOLUMES):
        closed.engine.add_volume(f"volume-{place:04}", {})
    closed.keepers = VISITORS
    for user in VISITORS:
        closed.playground.add_user(User(id=user, name=user.lower()))
    closed.open()
    try:
        for place in range(HOME_VOLUMES * 2):
            back_up(closed.bot.app.services.archive, f"volume-{place % HOME_VOLUMES:04}", f"{place:08x}")
        took = Took(tuple(sorted(_opened(closed, user) for user in VISITORS)))
        view = wait_for(lambda: _with_picture(closed), seconds=60, saying="the page with its picture")
        closed.refuse_untrue()
    finally:
        closed.close()
    blocks, size = len(view["blocks"]), len(json.dumps(view).encode())
    assert blocks <= MOST_BLOCKS
    assert size <= MOST_BYTES
    what = f"opening Home over {HOME_VOLUMES} volumes, {2 * HOME_VOLUMES} backups"
    rows = [[what, *map(ms, took.three)]]
    note = f"Home over {HOME_VOLUMES} volumes has {blocks} blocks and {size / 1024:.0f} KiB with its picture."
    with capsys.disabled():
        print("\n" + keep("slack", SLACK_HEADS, rows, [note]))


def _opened(work: Workplace, user: str) -> float:
    """Seconds from opening the page until Slack has a version of it that is newer."""
    calls = len(_published(work, user))
    began = time.monotonic()
    work.acked(work.playground.open_home(user=user))
    wait_for(lambda: len(_published(work, user)) > calls, seconds=30, saying=f"the page of {user}")
    return time.monotonic() - began


def _published(work: Workplace, user: str) -> list[Any]:
    return [
        call
        for call in work.world.calls("views.publish")
        if call.error is None and call.args["user_id"] == user
    ]


def _with_picture(work: Workplace) -> dict[str, Any] | None:
    view: View | None = work.playground.views.home(VISITORS[0])
    if view is None or not any(block["type"] == "image" for block in view.body["blocks"]):
        return None
    return dict(view.body)

"""What a run does to Docker is in the audit log, call by call, on a real engine."""

from __future__ import annotations

from collections import Counter

import pytest

from bot.model import Status
from tests.support.house import House
from tests.support.yard import Yard

pytestmark = pytest.mark.engine


@pytest.mark.parametrize("mode", ["none", "pause", "stop"])
def test_a_backup_writes_down_what_it_does(
    house: House, yard: Yard, mode: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its helpers made and removed, its users put to sleep and woken; few entries, each with host and run."""
    volume = yard.volume(f"audited{mode}", "echo one > a")
    user = yard.user(f"user{mode}", volume)
    house.say(
        f"backup {volume} --quiesce none"
    )  # the images of the helpers are made once, by whoever comes first
    outcome = house.say(f"backup {volume} --quiesce {mode}")
    assert outcome.status is Status.SUCCEEDED, outcome
    lines = house.app.services.audit.lines(limit=500, run_id=outcome.run_id)
    calls = [line.event for line in reversed(lines) if line.event.kind == "docker"]
    assert {(one.host, one.run_id, one.command) for one in calls} == {("local", outcome.run_id, "backup")}
    deeds = [one.detail for one in calls]
    kinds = Counter(
        f"{method} {path.split('?')[0].split('/')[1]}/…/{path.split('?')[0].rsplit('/', 1)[-1]}"
        if method == "POST"
        else method
        for method, path in (deed.split(" ", 1) for deed in deeds)
    )
    made, removed = [
        sum(deed.startswith(start) for deed in deeds) for start in ("POST /containers/create", "DELETE")
    ]
    assert made > 0
    assert removed >= made, deeds
    slept = [deed.rsplit("/", 1)[-1].split("?")[0] for deed in deeds if f"/{_id(house, user)}/" in deed]
    assert slept == {"none": [], "pause": ["pause", "unpause"], "stop": ["stop", "start"]}[mode]
    undone = [one for one in calls if one.facts.get("undo")]
    assert all(one.detail.startswith("DELETE") or one.detail.endswith(("unpause", "start")) for one in undone)
    with capsys.disabled():
        print(f"\nquiesce {mode}: {len(calls)} calls are written down: {dict(kinds)}")
    assert len(lines) <= 40


def _id(house: House, name: str) -> str:
    return house.app.services.engine(None).container(name).id

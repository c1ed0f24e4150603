"""Labels that ask for schedules, on volumes and containers of a real Docker engine."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from bot.model import Actor
from bot.operations.labelled import LABEL
from bot.schedules.discovery import Discovery, DiscoveryRules
from bot.stores.proposals import Proposals
from tests.support.house import House
from tests.support.yard import Yard

pytestmark = pytest.mark.engine


@pytest.fixture
def named(yard: Yard) -> Iterator[str]:
    """What all volumes and containers of the test are called; they are removed afterwards."""
    name = yard.volume("lab")
    yield name
    for left in yard.bench.api.containers(all=True, filters={"name": f"{name}-user"}):
        yard.bench.remove(left["Id"])
    for volume in ("own", "of"):
        yard.bench.api.remove_volume(f"{name}-{volume}", force=True)


def test_labels_of_volumes_and_containers_are_followed(house: House, yard: Yard, named: str) -> None:
    """A volume's own label wins over its container's; when a label goes with its container, so does the schedule."""
    services = house.app.services
    rules = DiscoveryRules(
        apply=True,
        owner=Actor(id="cli:settings", name="settings"),
        zone="UTC",
        every=timedelta(minutes=10),
        quiet=True,
        prune=False,
    )
    proposals = Proposals(house.app.database, services.audit, services.clock)
    discovery = Discovery(services, proposals, rules, lambda: "")

    def seen() -> dict[str, str]:
        discovery.look()
        ours = (one for one in services.schedules.all() if named in one.line)
        return {one.line.removeprefix(f"backup {named}"): one.when.text for one in ours}

    api = yard.bench.api
    api.create_volume(f"{named}-own", labels={LABEL: "every 6h"})
    api.create_volume(f"{named}-of")
    binds = [f"{named}-{name}:/{name}" for name in ("own", "of")]
    api.create_container(
        yard.bench.image,
        ["true"],
        name=f"{named}-user",
        labels={LABEL: "매일 03:00"},
        volumes=["/anonymous", "/own", "/of"],
        host_config=api.create_host_config(binds=binds, network_mode="none"),
    )
    assert seen() == {"-own": "every 6h", "-of": "매일 03:00"}
    api.remove_container(f"{named}-user", v=True)
    assert seen() == {"-own": "every 6h"}
    (made,) = (one for one in services.schedules.all() if named in one.line)
    outcome = house.say(made.line)
    assert outcome.status.value == "succeeded", outcome.reply.text

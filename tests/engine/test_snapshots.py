"""Snapshots on a real daemon and a real registry: what was changed in a container comes back, and so do its volumes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest

from bot.engine import RUN_LABEL
from bot.engine.snapshot_contract import SNAPSHOT_LABEL
from bot.model import Outcome, Status
from bot.operations.context import REMOVE_SNAPSHOT
from bot.operations.snapshotlabels import labels_of
from bot.operations.snapshots import find
from bot.operations.snapshotundo import sweep_snapshots
from tests.support.busybox import HEEDING
from tests.support.house import House, at_work, settings
from tests.support.registries import RealRegistry
from tests.support.yard import Yard, refuse_untrue_of

pytestmark = pytest.mark.engine

USERS = {"bot": "a-password"}
SECRET = "value-of-the-secret"


class Web:
    """A container with a file that was changed in it, and a volume; `clones` are removed with it."""

    def __init__(self, yard: Yard) -> None:
        self.yard = yard
        self.api = yard.bench.api
        self.volume = yard.volume("web", "mkdir d && echo saved > d/a && chown 70:70 d && chmod 2750 d")
        self.name = f"web-{self.volume}"
        self.clones: list[str] = []
        made = self.api.create_container(
            yard.bench.image,
            command=list(HEEDING),
            name=self.name,
            environment={"PASSWORD": SECRET},
            labels={"team": "shop", "com.docker.compose.project": "shop"},
            host_config=self.api.create_host_config(
                network_mode="none",
                mem_limit="64m",
                cap_drop=["NET_RAW"],
                binds={self.volume: {"bind": "/data", "mode": "ro"}},
            ),
        )
        self.api.start(made["Id"])
        self.execute("echo changed > /own")

    def execute(self, script: str, container: str = "") -> str:
        """What a shell in the container, or in another one, writes."""
        made = self.api.exec_create(container or self.name, ["/bin/sh", "-c", script])
        output = self.api.exec_start(made["Id"]).decode()
        assert self.api.exec_inspect(made["Id"])["ExitCode"] == 0, output
        return str(output)

    def run(self, image: str) -> str:
        """A container of that image, as somebody else runs it."""
        name = f"{self.name}-other"
        made = self.api.create_container(
            image, name=name, host_config=self.api.create_host_config(network_mode="none")
        )
        self.clones.append(name)
        self.api.start(made["Id"])
        return name

    def close(self) -> None:
        """Remove it, its clones with their volumes, and every image of a snapshot of it."""
        for name in (*self.clones, self.name):
            for raw in self.api.containers(all=True, filters={"name": f"^/{name}$"}):
                self.api.remove_container(raw["Id"], force=True, v=True)
        for raw in self.api.images(filters={"label": f"{SNAPSHOT_LABEL}.container={self.name}"}):
            self.api.remove_image(raw["Id"], force=True)
        for raw in self.api.volumes(filters={"name": f"{self.volume}-"})["Volumes"] or ():
            self.api.remove_volume(raw["Name"])


@pytest.fixture
def web(yard: Yard) -> Iterator[Web]:
    """The container."""
    made = Web(yard)
    yield made
    made.close()


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    """The company's registry, with one user."""
    with RealRegistry(tmp_path_factory.mktemp("company"), users=USERS) as made:
        yield made


@pytest.fixture
def bot(yard: Yard, company: RealRegistry, tmp_path: Path) -> Iterator[House]:
    """The whole road, with that registry in its settings."""
    toml = (
        f'[hosts.local]\naddress = "{yard.url}"\n[quiesce]\nstop_grace = 0\n'
        f'[registries.company]\nhost = "{company.host}"\nnamespace = "team"\n'
        'username = "bot"\npassword_env = "WORD"\ninsecure_http = true\n'
    )
    with at_work(settings(tmp_path / "state", toml=toml, WORD=USERS["bot"]), {}) as made:
        yield made
        refuse_untrue_of(made.app, yard)


def _said(outcome: Outcome) -> str:
    assert outcome.status is Status.SUCCEEDED, outcome.reply.text
    return outcome.reply.text


def test_what_was_built_from_a_snapshot_is_not_taken_for_it(bot: House, web: Web) -> None:
    """It inherits the labels and has no name; neither it nor the snapshot is swept, whatever became of the run."""
    made = bot.say(f"snapshot {web.name}")
    _said(made)
    lines = f"FROM {made.reply.facts['reference']}\nCOPY Dockerfile /built\n"
    list(web.api.build(fileobj=BytesIO(lines.encode()), rm=True, forcerm=True))
    engine = bot.app.services.engine("local")
    before = [image for image in engine.snapshots() if image.labels[SNAPSHOT_LABEL] == made.run_id]
    assert sorted(bool(image.references) for image in before) == [False, True]
    (how,) = [one.arguments for one in bot.app.services.noted(made.run_id) if one.verb == REMOVE_SNAPSHOT]
    sweep_snapshots([engine], lambda run_id: how if run_id == made.run_id else None)
    assert [image for image in engine.snapshots() if image.labels[SNAPSHOT_LABEL] == made.run_id] == before
    (built,) = [image.id for image in before if image.id != made.reply.facts["image"]]
    web.api.remove_image(built, force=True)


def test_a_pushed_snapshot_comes_back_from_the_registry(bot: House, web: Web, company: RealRegistry) -> None:
    """What was changed in the container is in the image that is pulled again, and the digest told is the registry's."""
    outcome = bot.say(f"snapshot {web.name} --push --note 'before the upgrade'", seconds=120)
    text, facts = _said(outcome), outcome.reply.facts
    assert f"volume {web.volume} at /data" in text
    assert "PASSWORD" in text
    assert SECRET not in text
    host, _, name = str(facts["pushed"]).partition("/")
    repository, _, tag = name.rpartition(":")
    assert (host, repository) == (company.host, f"team/snapshots/{web.name}")
    assert facts["digest"] == company.digest(repository, tag) is not None
    image = web.api.inspect_image(facts["image"])
    assert (image["Comment"], image["Config"]["Labels"][RUN_LABEL]) == (
        "before the upgrade",
        outcome.run_id,
    )
    assert web.yard.state(web.name) == "running"

    web.api.remove_image(facts["image"], force=True)
    assert "There is no backup" in bot.say(f"restore {outcome.run_id}").reply.text
    pulled = bot.say(f"pull {facts['pushed']}", seconds=120)
    _said(pulled)
    other = web.run(str(facts["pushed"]))
    assert web.execute("cat /own && ls /data", other) == "changed\n"
    (row,) = _rows(bot.say(f"snapshots {web.name}"))
    assert (row["snapshot"], row["reference"], row["note"]) == (
        outcome.run_id,
        facts["pushed"],
        "before the upgrade",
    )


def test_a_snapshot_and_its_volumes_are_restored_after_the_original_is_gone(bot: House, web: Web) -> None:
    """A clone has the files, the configuration and the volume of that moment, though the original was removed since."""
    outcome = bot.say(f"snapshot {web.name} --with-volumes", seconds=120)
    assert f"proven: {web.volume}." in _said(outcome)
    assert outcome.reply.facts["not_inside"] == ""
    (web.yard.mountpoint(web.volume) / "d/a").write_text("later")
    web.api.remove_container(web.name, force=True)

    clone, volume = f"{web.name}-restored-{outcome.run_id}", f"{web.volume}-restored-{outcome.run_id}"
    planned = _said(bot.say(f"restore {outcome.run_id} --dry-run"))
    assert clone in planned
    assert volume in planned
    web.clones.append(clone)
    _said(bot.say(f"restore {outcome.run_id}", seconds=120))
    assert web.execute("cat /own /data/d/a && echo $PASSWORD", clone) == f"changed\nsaved\n{SECRET}\n"
    assert (web.yard.mountpoint(web.volume) / "d/a").read_text() == "later"
    raw = web.api.inspect_container(clone)
    assert raw["Config"]["Cmd"] == list(HEEDING)
    assert raw["HostConfig"]["Memory"] == 64 << 20
    assert raw["HostConfig"]["CapDrop"] == ["NET_RAW"]
    assert raw["HostConfig"]["NetworkMode"] == "none"
    assert [(one["Name"], one["Destination"], one["RW"]) for one in raw["Mounts"]] == [
        (volume, "/data", False)
    ]
    assert raw["Config"]["Labels"]["team"] == "shop"
    assert raw["Config"]["Labels"]["com.docker.compose.project"] == ""
    again = bot.say(f"restore {outcome.run_id}")
    assert (again.status, web.yard.state(clone)) == (Status.REJECTED, "running")


def test_an_image_that_only_says_it_is_a_snapshot_gets_nothing_of_the_host(bot: House, web: Web) -> None:
    """Whatever its labels want mounted is not, in no case of letters, and power over the host is refused."""
    made = bot.say(f"snapshot {web.name}", seconds=120)
    _said(made)
    snapshot = find(bot.app.services.engine(None), made.run_id)
    web.api.remove_image(snapshot.image.id, force=True)
    bind = {"Type": "bind", "Source": "/", "Target": "/host"}
    sly = {"Type": "tmpfs", "Target": "/host", "type": "bind", "source": "/"}
    mounting = {"Binds": ["/:/host"], "binds": ["/:/host"], "Mounts": [bind, sly], "mounts": [bind]}
    said = json.loads(snapshot.facts.configuration)
    for host, status in ((mounting, Status.SUCCEEDED), ({"Privileged": True}, Status.REJECTED)):
        text = json.dumps({**said, "host": {**said["host"], **host}})
        labels = labels_of(replace(snapshot.facts, configuration=text))
        forged = web.api.commit(web.name, conf={"Labels": {**snapshot.image.labels, **labels}})["Id"]
        clone = f"{web.name}-{status.value}"
        web.clones.append(clone)
        told = bot.say(f"restore {made.run_id} --as {clone}", seconds=120)
        assert told.status is status, told.reply.text
        if status is Status.SUCCEEDED:
            assert {one["Type"] for one in web.api.inspect_container(clone)["Mounts"]} <= {"tmpfs"}
            assert web.execute("ls -A /host", clone) == ""
            web.api.remove_container(clone, force=True, v=True)
        web.api.remove_image(forged, force=True)


def test_a_snapshot_stays_when_its_push_fails(bot: House, web: Web, company: RealRegistry) -> None:
    """An unknown registry is refused before anything is made; one that takes nothing comes when the image is there."""
    refused = bot.say(f"snapshot {web.name} --tag 127.0.0.1:1/team/web:1 --push")
    assert refused.status is Status.REJECTED
    assert not _rows(bot.say(f"snapshots {web.name}"))
    company.kill()
    company.start(read_only=True)
    try:
        failed = bot.say(f"snapshot {web.name} --push", seconds=120)
    finally:
        company.kill()
        company.start(read_only=False)
    assert failed.status is Status.PARTIAL
    assert "stays, but it is not pushed" in failed.reply.text
    (row,) = _rows(bot.say(f"snapshots {web.name}"))
    assert row["snapshot"] == failed.run_id
    assert company.host not in str(row["reference"])


def _rows(outcome: Outcome) -> list[dict[str, object]]:
    table = outcome.reply.table
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows] if table else []

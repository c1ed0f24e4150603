"""Backup and restore through a real engine: everything a volume holds comes back, and nothing half ever counts."""

from __future__ import annotations

import io
import os
import stat
import subprocess
import tarfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import docker
import pytest

from bot.engine import RUN_LABEL, ByteStream, Engine, Volume
from bot.errors import StreamCut
from bot.model import Actor
from bot.operations.backup import Quiesce, back_up, plan
from bot.operations.restore import default_name, restore
from bot.operations.undo import registry
from bot.operations.verify import verify
from bot.stores.archive import Archive, Backup

pytestmark = pytest.mark.engine

IMAGE = "shipkeeper-test-busybox:1"
MEBIBYTE = 1 << 20


class Undoing:
    """Whether one step is to be kept."""

    kept = False

    def keep(self) -> None:
        self.kept = True


class Run:
    """A run whose journal is the stack; undo is carried out by the product's own registry."""

    actor = Actor(id="U1", name="Ada")

    def __init__(self, engine: Engine, archive: Archive) -> None:
        self.run_id = uuid.uuid4().hex[:8]
        self._engine = engine
        self._undo = registry(lambda _: engine, archive)

    @contextmanager
    def undoable(self, verb: str, **arguments: str) -> Iterator[Undoing]:
        step = Undoing()
        try:
            yield step
        finally:
            if not step.kept:
                self._undo[verb](self._engine.host, arguments)

    def check(self) -> None:
        pass

    def progress(self, step: str, done_bytes: int = 0, total_bytes: int | None = None) -> None:
        pass


class Watched:
    """The engine, with somebody who acts when so many bytes of a volume were read."""

    def __init__(self, engine: Engine, after_bytes: int, act: Callable[[], None]) -> None:
        self._engine, self._after, self._act = engine, after_bytes, act
        self._count = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    @contextmanager
    def read_volume(self, helper: str) -> Iterator[ByteStream]:
        with self._engine.read_volume(helper) as self._stream:
            yield self

    def read(self, size: int) -> bytes:
        before, data = self._count, self._stream.read(size)
        self._count += len(data)
        if before <= self._after < self._count:
            self._act()
        return data


@dataclass(frozen=True, kw_only=True)
class House:
    """A real engine, an archive of its own, and the SDK to look behind both."""

    engine: Engine
    archive: Archive
    api: Any
    runs: list[Run] = field(default_factory=list)
    volumes: list[str] = field(default_factory=list)
    users: list[str] = field(default_factory=list)

    def new_volume(self, name: str, **options: str) -> Path:
        self.volumes.append(name)
        self.engine.create_volume(Volume(name=name, driver="local", labels={"team": "db"}, options=options))
        return self.path(name)

    def path(self, name: str) -> Path:
        return Path(self.api.inspect_volume(name)["Mountpoint"])

    def run(self) -> Run:
        self.runs.append(Run(self.engine, self.archive))
        return self.runs[-1]

    def back_up(self, volume: str, quiesce: Quiesce = Quiesce.NONE) -> Backup:
        return back_up(self.engine, self.archive, self.run(), plan(self.engine, volume, quiesce))

    def start_user(self, name: str, volume: str) -> None:
        self.users.append(name)
        config = self.api.create_host_config(
            mounts=[docker.types.Mount("/data", volume, type="volume")], network_mode="none"
        )
        made = self.api.create_container(IMAGE, ["/bin/sleep", "3600"], name=name, host_config=config)
        self.api.start(made["Id"])


@pytest.fixture
def house(docker_engine: Engine, tmp_path: Path) -> Iterator[House]:
    """What the tests made is removed again, and nothing of the product's may be left by then."""
    if os.geteuid():
        pytest.skip("making files of other owners needs root")
    api = docker.APIClient(docker_engine.info().address, version="auto")
    ensure_image(api)
    house = House(engine=docker_engine, archive=Archive(tmp_path / "archive", clock), api=api)
    yield house
    runs = {run.run_id for run in house.runs}
    helpers = [one.name for one in docker_engine.helpers() if one.labels.get(RUN_LABEL) in runs]
    states = [docker_engine.container(name).state for name in house.users]
    for made in (*helpers, *house.users):
        api.remove_container(made, force=True)
    for volume in docker_engine.volumes():
        if volume.name in house.volumes or volume.labels.get(RUN_LABEL) in runs:
            docker_engine.remove_volume(volume.name)
    api.close()
    assert helpers == []
    assert "paused" not in states
    assert not list(tmp_path.rglob("*.part"))
    for backup in house.archive.backups():
        verify(house.archive, house.run(), backup)


def clock() -> datetime:
    return datetime.now(UTC)


def ensure_image(api: Any) -> None:
    if api.images(IMAGE):
        return
    busybox = Path("/bin/busybox") if Path("/bin/busybox").exists() else Path("/usr/bin/busybox")
    if not busybox.exists():
        pytest.skip("needs the package busybox-static")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.add(busybox, "bin/sleep", recursive=False)
    name, tag = IMAGE.split(":")
    api.import_image_from_data(buffer.getvalue(), repository=name, tag=tag)


def unique(word: str) -> str:
    return f"{word}-{uuid.uuid4().hex[:8]}"


def make_tree(root: Path) -> None:
    """One of everything that the archive API keeps."""
    for name, body in {"plain": b"hello", "empty": b"", "zeros": bytes(5 * MEBIBYTE), "-x": b"dash"}.items():
        (root / name).write_bytes(body)
    os.chown(root / "plain", 3_000_000, 70)
    (root / "setuid").write_bytes(b"#!")
    (root / "setuid").chmod(0o4755)
    (root / "secret").write_bytes(b"s")
    (root / "secret").chmod(0)
    for name, mode in {"bare": 0o700, "sticky": 0o1777, "group": 0o2770}.items():
        (root / name).mkdir()
        (root / name).chmod(mode)
    (root / "absolute").symlink_to("/etc/passwd")
    (root / "dangling").symlink_to("nowhere/at/all")
    (root / "leaving").symlink_to("../../../../etc")
    (root / "long-target").symlink_to("t" * 300)
    os.lchown(root / "dangling", 1000, 1000)
    (root / "group" / "first").write_bytes(b"shared")
    for other in ("bare/second", "third"):
        os.link(root / "group" / "first", root / other)
    os.mkfifo(root / "pipe", 0o640)
    os.mknod(root / "null", 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    os.mknod(root / "loop", 0o660 | stat.S_IFBLK, os.makedev(7, 9))
    (root / ("n" * 255)).write_bytes(b"long")
    deep = root.joinpath(*["d" * 100] * 6)
    deep.mkdir(parents=True)
    (deep / "leaf").write_bytes(b"deep")
    for raw in (b"latin-\xe9", b"new\nline", "한글".encode(), b".wh.x", b" blank"):
        Path(os.fsdecode(os.fsencode(root) + b"/" + raw)).write_bytes(raw)
    os.utime(root / "empty", (0, 1_000_000_000))
    os.utime(root / "dangling", (5, 5), follow_symlinks=False)
    os.chown(root, 70, 71)
    root.chmod(0o1750)
    os.utime(root, (1_234_567_890, 1_234_567_890))


def tree_of(root: Path) -> dict[bytes, tuple[object, ...]]:
    """What lstat says about everything below, the root itself as `.`, and which names share an inode."""
    found: dict[bytes, tuple[object, ...]] = {}
    groups: dict[int, list[bytes]] = {}
    top = os.fsencode(root)
    for place, directories, files in os.walk(top):
        for name in [*directories, *files, *([b"."] if place == top else [])]:
            full = os.path.join(place, name)
            info = os.lstat(full)
            body: bytes = b""
            if stat.S_ISREG(info.st_mode):
                body = Path(os.fsdecode(full)).read_bytes()
            elif stat.S_ISLNK(info.st_mode):
                body = os.readlink(full)
            path = os.path.relpath(full, top)
            if info.st_nlink > 1 and not stat.S_ISDIR(info.st_mode):
                groups.setdefault(info.st_ino, []).append(path)
            device = info.st_rdev
            found[path] = (info.st_mode, info.st_uid, info.st_gid, int(info.st_mtime), device, body)
    for names in groups.values():
        for path in names:
            found[path] += (min(names),)
    return found


def test_everything_in_a_volume_comes_back(house: House) -> None:
    """Owners, modes, times, links, devices, names and content of a restored volume are those of the first."""
    name = unique("tree")
    source = house.new_volume(name)
    make_tree(source)
    before = tree_of(source)
    backup = house.back_up(name)
    run = house.run()
    found = restore(house.engine, house.archive, run, backup, default_name(backup))
    assert tree_of(house.path(found.volume)) == before
    assert tree_of(source) == before
    assert house.engine.volume(found.volume).labels == {"team": "db", "shipkeeper.run": run.run_id}
    assert backup.manifest.entries.count == len(before)


def test_an_empty_volume_is_a_backup_too(house: House) -> None:
    """Root alone, with its owner and mode."""
    name = unique("empty")
    source = house.new_volume(name)
    os.chown(source, 999, 999)
    source.chmod(0o711)
    backup = house.back_up(name)
    found = restore(house.engine, house.archive, house.run(), backup, unique("again"))
    assert tree_of(house.path(found.volume)) == tree_of(source)
    assert found.entries == 1


def test_a_time_before_1970_does_not_stop_a_restore(house: House) -> None:
    """The engine makes such a time 1970; everything else is still compared."""
    name = unique("old")
    source = house.new_volume(name)
    (source / "old").write_bytes(b"old")
    os.utime(source / "old", (-1000, -1000))
    backup = house.back_up(name)
    assert [entry.mtime for entry in house.archive.entries(backup)][1] == -1000
    restore(house.engine, house.archive, house.run(), backup, unique("again"))


def test_a_file_cut_while_it_is_read_is_never_a_backup(house: House) -> None:
    """The engine answers 200 and ends as if nothing were wrong; the parser knows better."""
    name = unique("cut")
    source = house.new_volume(name)
    (source / "a").write_bytes(os.urandom(60 * MEBIBYTE))
    (source / "z").write_bytes(b"the file that would be missing")
    house.start_user(unique("user"), name)
    watched = cast(
        Engine, Watched(house.engine, 8 * MEBIBYTE, lambda: os.truncate(source / "a", 9 * MEBIBYTE))
    )
    with pytest.raises(StreamCut):
        back_up(watched, house.archive, house.run(), plan(watched, name, Quiesce.PAUSE))
    assert house.archive.backups() == ()
    assert not [path for path in house.archive.root.rglob("*") if path.is_file()]
    (user,) = house.engine.users_of(name)
    assert user.state == "running"


@pytest.mark.parametrize(("mode", "asleep"), [(Quiesce.PAUSE, "paused"), (Quiesce.STOP, "exited")])
def test_users_sleep_while_the_volume_is_read_and_run_again(house: House, mode: Quiesce, asleep: str) -> None:
    """A running user is still for the read and runs afterwards; one that did not run is left alone."""
    name = unique("used")
    (house.new_volume(name) / "f").write_bytes(bytes(4 * MEBIBYTE))
    running, idle = unique("a-running"), unique("b-idle")
    house.start_user(running, name)
    house.start_user(idle, name)
    house.api.kill(idle)
    house.api.wait(idle)
    seen: list[str] = []
    watch = Watched(house.engine, MEBIBYTE, lambda: seen.append(house.engine.container(running).state))
    agreed = replace(plan(house.engine, name, mode), stop_grace_seconds=1)
    backup = back_up(cast(Engine, watch), house.archive, house.run(), agreed)
    assert seen == [asleep]
    assert [user.state for user in house.engine.users_of(name)] == ["running", "exited"]
    assert backup.manifest.quiesce.containers == (running,)


def test_a_backup_is_restored_by_hand(house: House, tmp_path: Path) -> None:
    """sha256sum, zstd and tar are enough: no bot is needed to get the data back."""
    name = unique("hand")
    source = house.new_volume(name)
    make_tree(source)
    backup = house.back_up(name)
    stored = backup.manifest.stored
    check = subprocess.run(
        ["sha256sum", "--check", "--strict"], cwd=backup.files.directory, check=True, capture_output=True,
        input=f"{stored.sha256}  {stored.file}\n".encode(),
    )  # fmt: skip
    assert b": OK" in check.stdout
    subprocess.run(
        ["sh", "-ec", 'zstd -dc "$1" | tar -x --numeric-owner -p -C "$2"', "-", backup.files.tar, tmp_path],
        check=True,
    )
    assert tree_of(tmp_path / "volume") == tree_of(source)


def test_a_volume_over_a_directory_is_not_restored_into_that_directory(house: House, tmp_path: Path) -> None:
    """Options that point at a device are left out, so that the first volume's storage is not written to."""
    directory = tmp_path / "device"
    directory.mkdir()
    name = unique("bound")
    house.new_volume(name, type="none", o="bind", device=str(directory))
    (directory / "f").write_bytes(b"saved")
    backup = house.back_up(name)
    if backup.manifest.entries.count == 1:
        pytest.skip("this engine shows such a volume only while a container runs")
    (directory / "f").write_bytes(b"newer")
    found = restore(house.engine, house.archive, house.run(), backup, unique("again"))
    assert found.left_out == ("device", "o", "type")
    assert (house.path(found.volume) / "f").read_bytes() == b"saved"
    assert (directory / "f").read_bytes() == b"newer"

"""Tars that nobody should trust, out of a container and out of the archive: refused, or contained."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bot.engine import ByteStream
from bot.errors import EngineError
from bot.model import Outcome, Status
from bot.stores.archive import Archive, Backup
from bot.tar.stream import TarReader
from tests.fakes import FakeEngine
from tests.support.archives import manifest_of
from tests.support.corpus import Seen, walk
from tests.support.hostile import Hostile, cases
from tests.support.house import House, at_work, refuse_untrue, settings

ENTRIES = int(os.environ.get("SHIPKEEPER_HOSTILE_ENTRIES", "2000"))
each_case = pytest.mark.parametrize("case", cases(ENTRIES), ids=lambda case: case.name.replace(" ", "-"))
ENDLESS = ("endless PAX headers", "zeros without end")


class LyingEngine(FakeEngine):
    """Its archive API answers with whatever a test says."""

    answer: Iterator[bytes] | None = None

    @contextmanager
    def read_volume(
        self, holder: str, path: str = "/volume", *, check: Callable[[], None] = lambda: None
    ) -> Iterator[ByteStream]:
        """What the test says, as any stream; else what is there."""
        if self.answer is None:
            with super().read_volume(holder, path, check=check) as stream:
                yield stream
            return
        chunks, held = self.answer, bytearray()

        def read(size: int) -> bytes:
            while len(held) < size and (chunk := next(chunks, b"")):
                held.extend(chunk)
            given = bytes(held[:size])
            del held[:size]
            return given

        stream: Any = SimpleNamespace(read=read, abort=lambda: None)
        yield stream


@pytest.fixture(scope="module")
def engine() -> LyingEngine:
    """A container with a directory of its own, and a volume that is not to be touched."""
    made = LyingEngine()
    made.add_volume("data", {"kept": b"kept"})
    made.add_container("web", {"data": "/data"}, files={"srv/root/f": b"content", "etc/passwd": b"root\n"})
    return made


@pytest.fixture(scope="module")
def house(engine: LyingEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The road over it, with room for ten million bytes in a copy."""
    state = tmp_path_factory.mktemp("hostile") / "state"
    made = settings(state, toml="[limits]\ncopy_bytes = 10000000\n")
    with at_work(made, {"local": engine}) as at:
        yield at
        refuse_untrue(at.app)


def seen(place: Path) -> dict[bytes, Seen]:
    """What is there, but for when a name last came or went."""
    return {
        name: replace(one, mtime_ns=0 if one.kind == "d" else one.mtime_ns)
        for name, one in walk(place).items()
    }


@each_case
def test_out_of_a_container(house: House, engine: LyingEngine, tmp_path: Path, case: Hostile) -> None:
    """Whatever Docker sends for a directory, nothing but a refusal comes of it, and no file appears anywhere."""
    here = tmp_path / "here"
    here.mkdir()
    (here / "mine").write_bytes(b"mine")
    before = seen(here)
    engine.answer = iter(case.make("root"))
    outcome = house.say(f"cp web:/srv/root {here}/")
    engine.answer = None
    assert outcome.status in (Status.FAILED, Status.REJECTED), outcome
    assert "reference" not in outcome.reply.text
    assert "Nothing" in outcome.reply.text
    assert seen(here) == before


def test_a_million_entries(house: House, engine: LyingEngine, tmp_path: Path) -> None:
    """A directory of a million things is refused after a tenth of them, and no file appears."""
    (million,) = [case for case in cases() if case.name == "many entries and one outside"]
    engine.answer = iter(million.make("root"))
    outcome = house.say(f"cp web:/srv/root {tmp_path}/x", seconds=120)
    engine.answer = None
    assert "more than 100000 things" in outcome.reply.text
    assert outcome.status is Status.REJECTED
    assert not (tmp_path / "x").exists()


def test_a_single_file_that_is_something_else(house: House, engine: LyingEngine, tmp_path: Path) -> None:
    """Who asked for a file gets no directory, and nothing else that came along."""
    for case in cases(10):
        engine.answer = iter(case.make("f"))
        outcome = house.say(f"cp web:/srv/root/f {tmp_path}/f")
        engine.answer = None
        assert outcome.status in (Status.FAILED, Status.REJECTED), (case.name, outcome)
        assert not (tmp_path / "f").exists()


def planted(archive: Archive, case: Hostile) -> Backup:
    """A backup as an attacker leaves it who may write to the archive: every checksum fits the hostile tar."""
    data = b"".join(case.make("volume"))
    with archive.begin("local", "data", secrets.token_hex(4)) as draft:
        reader = TarReader(draft.entry)
        with suppress(EngineError):
            reader.feed(data)
        draft.write(data)
        return draft.publish(manifest_of(draft.seal()))


def restored(house: House, backup: Backup, flags: str = "") -> Outcome:
    """What came of restoring it."""
    return house.say(f"restore {backup.id} {flags}", seconds=120)


@pytest.mark.parametrize(
    "case",
    [case for case in cases(ENTRIES) if case.name not in ENDLESS],
    ids=lambda case: case.name.replace(" ", "-"),
)
def test_out_of_the_archive(house: House, engine: LyingEngine, case: Hostile) -> None:
    """A hostile backup whose checksums fit is refused, or stays within the new volume; the old one is as it was."""
    archive = house.app.services.archive
    backup, container = planted(archive, case), engine.layer("web").files()
    try:
        outcome = restored(house, backup, "--into copy")
        assert outcome.status is not Status.SUCCEEDED or case.whole, outcome
        assert "reference" not in outcome.reply.text
        assert engine.files("data") == {"kept": b"kept"}
        assert outcome.status is Status.SUCCEEDED or not is_there(engine, "copy")
        replaced = restored(house, backup, "--replace")
        assert replaced.status is Status.SUCCEEDED or engine.files("data") == {"kept": b"kept"}
        assert engine.layer("web").files() == container
    finally:
        engine.remove_volume("copy")
        refill(engine)
        archive.discard("local", "data", backup.id)
        for path in backup.files.directory.glob(f"{backup.id}*"):
            path.unlink()


def is_there(engine: LyingEngine, name: str) -> bool:
    """Whether there is a volume of that name."""
    return name in {volume.name for volume in engine.volumes()}


def refill(engine: LyingEngine) -> None:
    """The volume that is not to be touched, as it was before."""
    tree = engine.tree("data")
    for name in tree.names(""):
        tree.remove(name)
    tree.file("kept", b"kept")

"""A run without a house for tests of operations, and an engine in memory that logs what is done to it.

The journal is a list; undo is played back by the product's own registry. It must not know which operation is tested.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bot.engine import ByteStream, Container, Engine, Volume
from bot.engine.snapshot_contract import Commit
from bot.errors import BotError, Cancelled, LostHold
from bot.model import Actor
from bot.operations.undo import registry
from bot.reference import Reference
from bot.stores.archive import Archive
from bot.stores.journal import Entry
from bot.undo import waits_for
from tests.fakes import FakeEngine

_NO_ARCHIVE = Path("/nonexistent/archive")
_WATCH_SECONDS = 0.005


class FakeStep:
    """Whether one step is to be kept."""

    kept = False

    def keep(self) -> None:
        """What was done stays."""
        self.kept = True


class FakeRun:
    """A run in the hands of a test: `cancel` it, let it fail at the n-th check, read its journal, die like a process.

    `journal` holds the verbs whose undo is open; `entries` the same with their arguments, oldest first. `log` gets
    `journal VERB` for every entry, so that with a `Recorder`'s log the order of writing down and acting shows.
    """

    run_id = "7f3a2c"
    actor = Actor(id="U1", name="Ada")

    def __init__(
        self, engine: Engine, archive: Archive | None = None, *, log: list[str] | None = None
    ) -> None:
        self._host = engine.host
        held = archive or Archive(_NO_ARCHIVE, lambda: datetime.now(UTC))
        self._undo = registry(lambda _: engine, held)
        self.log = getattr(engine, "log", []) if log is None else log
        self.entries: list[tuple[str, Mapping[str, str]]] = []
        self.steps: list[str] = []
        self.checks = 0
        self.hurries = 0
        """How many of those who are in a hurry there are now."""
        self.raise_at: int | None = None
        self.error: Exception = Cancelled("The run was cancelled.")
        self._ending = threading.Event()

    @property
    def journal(self) -> list[str]:
        """The verbs of what is open, oldest first."""
        return [verb for verb, _ in self.entries]

    def cancel(self) -> None:
        """From now on every check raises, and what is watched is ended."""
        self._ending.set()

    def recover(self) -> None:
        """Take back what is open, newest first, as the next process does after this one died."""
        while self.entries:
            verb, arguments = self.entries[-1]
            self._undo[verb](self._host, arguments)
            self.entries.pop()

    @contextmanager
    def undoable(self, verb: str, **arguments: str) -> Iterator[FakeStep]:
        """Note it; on leaving take it back unless kept; after LostHold touch nothing."""
        entry = (verb, arguments)
        self.entries.append(entry)
        self.log.append(f"journal {verb}")
        step = FakeStep()
        try:
            yield step
        except LostHold:
            raise
        except BaseException as error:
            self._settle_after(error, step, entry)
            raise
        self._settle(step, entry)

    def check(self) -> None:
        """Raises `error` from the check `raise_at` on, and Cancelled once it was cancelled."""
        self.checks += 1
        if self.raise_at is not None and self.checks >= self.raise_at:
            raise self.error
        if self._ending.is_set():
            raise Cancelled("The run was cancelled.")

    @contextmanager
    def in_a_hurry(self) -> Iterator[None]:
        """Counted in `hurries`."""
        self.hurries += 1
        try:
            yield
        finally:
            self.hurries -= 1

    @contextmanager
    def watched(self, end: Callable[[], None]) -> Iterator[None]:
        """As soon as the run is cancelled, call `end` once from another thread."""
        over = threading.Event()

        def watch() -> None:
            while not over.is_set():
                if self._ending.wait(_WATCH_SECONDS):
                    end()
                    return

        watcher = threading.Thread(target=watch, name="watch")
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()

    def progress(self, step: str, done_bytes: int = 0, total_bytes: int | None = None) -> None:
        """Noted in `steps`; raises once it was cancelled, as the real one does."""
        assert total_bytes is None or done_bytes <= total_bytes
        self.steps.append(step)
        if self._ending.is_set():
            raise Cancelled("The run was cancelled.")

    def _settle(self, step: FakeStep, entry: tuple[str, Mapping[str, str]]) -> None:
        if not step.kept:
            as_written = [self._as_written(one) for one in self.entries]
            place = self.entries.index(entry)
            if waits_for(as_written[place], reversed(as_written[place + 1 :])):
                return
            self._undo[entry[0]](self._host, entry[1])
        self.entries.remove(entry)

    def _as_written(self, entry: tuple[str, Mapping[str, str]]) -> Entry:
        return Entry(id=0, run_id=self.run_id, host=self._host, verb=entry[0], arguments=entry[1])

    def _settle_after(
        self, error: BaseException, step: FakeStep, entry: tuple[str, Mapping[str, str]]
    ) -> None:
        """As the real one: when taking back fails too, its sentence joins the first error, and the entry stays."""
        try:
            self._settle(step, entry)
        except BotError as problem:
            error.add_note(str(problem))


class Recorder(FakeEngine):
    """The fake engine with a log, `VERB NAME` a line, of every verb that changes something, and of reads.

    `before[VERB]` is called once, just before that verb is carried out: other people's doings at the worst moment.
    """

    def __init__(self, host: str = "local", **how: Any) -> None:
        self.log: list[str] = []
        self.before: dict[str, Callable[[], object]] = {}
        super().__init__(host, **how)

    def _note(self, verb: str, name: str) -> None:
        self.log.append(f"{verb} {name}")
        if verb in self.before:
            self.before.pop(verb)()

    def state(self, container: str) -> str:
        """Docker's word for the container's state."""
        return self.container(container).state

    def names(self) -> set[str]:
        """The names of all volumes."""
        return {volume.name for volume in self.volumes()}

    def pause(self, container: Container) -> None:
        """Logged, then done."""
        self._note("pause", container.name)
        super().pause(container)

    def unpause(self, container: Container) -> bool:
        """Logged, then done."""
        self._note("unpause", container.name)
        return super().unpause(container)

    def stop(self, container: Container, grace_seconds: int) -> None:
        """Logged, then done."""
        self._note("stop", container.name)
        super().stop(container, grace_seconds)

    def start(self, container: Container) -> bool:
        """Logged, then done."""
        self._note("start", container.name)
        return super().start(container)

    def commit(self, container: Container, commit: Commit, **how: Any) -> str:
        """Logged, then done."""
        self._note("commit", container.name)
        return super().commit(container, commit, **how)

    def tag(self, image_id: str, reference: Reference) -> None:
        """Logged, then done."""
        self._note("tag", str(reference))
        super().tag(image_id, reference)

    def create_volume(self, volume: Volume) -> None:
        """Logged, then done."""
        self._note("create_volume", volume.name)
        super().create_volume(volume)

    def remove_volume(self, name: str) -> None:
        """Logged, then done."""
        self._note("remove_volume", name)
        super().remove_volume(name)

    def create_helper(self, name: str, storage: Any, **how: Any) -> None:
        """Logged with what it mounts, then done."""
        self._note("create_helper", storage if isinstance(storage, str) else storage.path)
        super().create_helper(name, storage, **how)

    def remove_helper(self, name: str) -> None:
        """Logged, then done."""
        self._note("remove_helper", name)
        super().remove_helper(name)

    @contextmanager
    def read_volume(
        self, holder: str, path: str = "/volume", *, check: Callable[[], None] = lambda: None
    ) -> Iterator[ByteStream]:
        """Logged as `read`, then done."""
        self._note("read", holder)
        with super().read_volume(holder, path, check=check) as stream:
            yield stream

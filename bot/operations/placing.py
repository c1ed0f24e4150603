"""Puts a single file in its place in a container in one step, or takes one away, so that nothing is ever half there.

The new file is written beside its place under a name of the run's, read back and compared, and only then linked to its
place; the old one keeps a second name until all is proven. Must not know where the content comes from.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass

from bot.engine import Container, Engine, HostPath, Storage
from bot.engine.copy_contract import Link
from bot.entry import printable
from bot.errors import BotError, Conflict, EngineError
from bot.language import later, say
from bot.operations.context import PUT_BACK_FILE, REMOVE_FILES, REMOVE_HELPER, RunContext
from bot.operations.single import Stored, facts_at, sha256_at
from bot.operations.sources import MOUNTED, Source
from bot.reasons import Reason

_log = logging.getLogger(__name__)
_ARRIVED = later(
    "Something has come to {place} since this run looked there, and it was not backed up. It stays as it is; nothing "
    "was changed. Send the command again."
)
_WRITTEN = later(
    "{place} was changed while the file was copied, after what was there had been backed up. What is there now stays "
    "as it is; nothing was changed. Look who writes there, then send the command again."
)


@dataclass(frozen=True, kw_only=True)
class Spot:
    """A file's place: `name` in `directory`, as a helper that mounts `storage` or the container itself sees it.

    `place` is its path in the container, for people.
    """

    container: str
    container_id: str
    place: str
    directory: str
    name: str
    storage: Storage | None
    is_new: bool = False
    """Whether nothing is there now."""
    sha256: str = ""
    """Of what is there now and was backed up; empty for nothing."""

    @property
    def words(self) -> str:
        """How sentences call it."""
        return f"{self.container}:{printable(self.place)}"


def spot_of(container: Container, place: str, source: Source) -> Spot:
    """Where a resolved path lies; raises Conflict for what is mounted as a single thing."""
    directory, _, name = source.path.rpartition("/")
    if source.storage is not None and source.path == MOUNTED:
        raise Conflict(
            say(
                "{container}:{place} is mounted there by itself, so nothing can take its place. Nothing "
                "was changed. Copy to what is mounted, on the host.",
                container=container.name,
                place=printable(place),
            )
        )
    return Spot(
        container=container.name,
        container_id=container.id,
        place=place,
        directory=directory or "/",
        name=name,
        storage=source.storage,
    )


def put(
    engine: Engine, run: RunContext, spot: Spot, content: Stored, still: Callable[[], None] = lambda: None
) -> str:
    """Put it there, proven; its SHA-256. On any error, and when `still` raises one, the place is as it was.

    Raises Conflict when what is there is not what was backed up, EngineError (reason `differs` when Docker does not
    give back what was written), what the content's tar and `run.check` raise.
    """
    new = names_of(run.run_id)[0]
    with _settled() as settle, _held(engine, run, spot) as holder, _scraps(run, spot):
        with closing(_counted(run, content, new)) as tar:
            engine.write_volume(holder, tar, spot.directory, check=run.check)
        _refuse_other(spot, sha256_at(engine, holder, _path(spot, new), run), content)
        left = {"sha256": content.sha256(), "size": str(content.size)}
        with _taken_back(engine, run, spot, holder, left) as keep:
            made = facts_at(engine, holder, _path(spot, new))
            engine.link_in(
                holder, spot.directory, Link(name=spot.name, existing=new, uid=made.uid, gid=made.gid)
            )
            _refuse_other(spot, sha256_at(engine, holder, _path(spot, spot.name), run), content)
            _refuse_written(engine, run, spot, holder)
            still()
            run.check()
            keep()
        settle()
    return content.sha256()


def take_away(engine: Engine, run: RunContext, spot: Spot) -> None:
    """Remove the file that is there; on any error it is there again. Raises as `put`."""
    with _settled() as settle, _held(engine, run, spot) as holder, _scraps(run, spot):
        with _taken_back(engine, run, spot, holder, {"sha256": "", "size": "0"}) as keep:
            engine.remove_in(holder, spot.directory, spot.name)
            _refuse_written(engine, run, spot, holder)
            keep()
        settle()


def sha256_now(engine: Engine, run: RunContext, spot: Spot) -> str | None:
    """Of the file that is there now; None when there is none."""
    with _held(engine, run, spot) as holder:
        return sha256_at(engine, holder, _path(spot, spot.name), run)


@contextmanager
def _held(engine: Engine, run: RunContext, spot: Spot) -> Iterator[str]:
    """Who is written through: a helper, so that the container is not locked meanwhile, where that sees the same."""
    if spot.storage is None:
        yield spot.container_id
        return
    name = f"shipkeeper-copy-{run.run_id}"
    with run.undoable(REMOVE_HELPER, name=name):
        engine.create_helper(name, spot.storage, run_id=run.run_id, read_only=False)
        yield name


@contextmanager
def _settled() -> Iterator[Callable[[], None]]:
    """Once the place holds what it is to hold, trouble with clearing up beside it does not make that untrue.

    What could not be cleared up stays in the journal: the end of the run says so, and it is tried again.
    """
    is_settled = False

    def settle() -> None:
        nonlocal is_settled
        is_settled = True

    try:
        yield settle
    except BotError as error:
        if not is_settled:
            raise
        _log.warning("a file was put in its place, and what lies beside it cannot be removed yet: %s", error)


@contextmanager
def _scraps(run: RunContext, spot: Spot) -> Iterator[None]:
    """Whatever lies beside the place under the run's own names is removed, come what may."""
    with run.undoable(REMOVE_FILES, **_written_down(spot, run.run_id)):
        yield


@contextmanager
def _taken_back(
    engine: Engine, run: RunContext, spot: Spot, holder: str, left: Mapping[str, str]
) -> Iterator[Callable[[], None]]:
    """Unless the body keeps it, what stood at the place, and was backed up, stands there again."""
    old = names_of(run.run_id)[1]
    if spot.is_new:
        if engine.look_at(holder, _path(spot, spot.name)) is not None:
            raise Conflict(say(_ARRIVED, place=spot.words))
    else:
        was = facts_at(engine, holder, _path(spot, spot.name))
        if was.has_powers:
            raise Conflict(
                say(
                    "{file} is setuid or setgid or has capabilities, which could not be kept if this had to be "
                    "taken back. It was not changed. Replace it by a new image.",
                    file=spot.words,
                )
            )
        engine.link_in(holder, spot.directory, Link(name=old, existing=spot.name, uid=was.uid, gid=was.gid))
        _refuse_written(engine, run, spot, holder)
    arguments = _written_down(spot, run.run_id) | {
        "name": spot.name,
        "was": "" if spot.is_new else "file",
        "place": f"{spot.container}:{spot.place}",
        "before": spot.sha256,
        **left,
    }
    with run.undoable(PUT_BACK_FILE, **arguments) as step:
        yield step.keep


def _refuse_written(engine: Engine, run: RunContext, spot: Spot, holder: str) -> None:
    """What has the run's other name is what was backed up, also if somebody writes to it where it is."""
    if spot.sha256 and sha256_at(engine, holder, _path(spot, names_of(run.run_id)[1]), run) != spot.sha256:
        raise Conflict(say(_WRITTEN, place=spot.words))


def _refuse_other(spot: Spot, found: str | None, content: Stored) -> None:
    if found != content.sha256():
        raise EngineError(
            say(
                "What Docker gives back of {file} is not what was written there. What had begun was taken back. "
                "Look who else writes there, and at the host’s disk.",
                file=spot.words,
            ),
            reason=Reason.DIFFERS,
        )


def _counted(run: RunContext, content: Stored, name: str) -> Generator[bytes, None, None]:
    done = 0
    with closing(content.tar(name)) as tar:
        for chunk in tar:
            run.check()
            done += len(chunk)
            run.progress(say("copying"), min(done, content.size), content.size)
            yield chunk


def names_of(run_id: str) -> tuple[str, str]:
    """What the new file and the old one are called meanwhile."""
    return f".shipkeeper-{run_id}-new", f".shipkeeper-{run_id}-old"


def _path(spot: Spot, name: str) -> str:
    return f"{spot.directory.rstrip('/')}/{name}"


def _written_down(spot: Spot, run_id: str) -> dict[str, str]:
    storage = spot.storage
    return {
        "holder": spot.container_id,
        "storage": storage.path if isinstance(storage, HostPath) else storage or "",
        "directory": spot.directory,
        "run": run_id,
    }

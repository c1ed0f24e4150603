"""Takes back what was put in its place in a container as a single file; each undo may be carried out twice.

The journal keeps what removes a file's other name from overtaking what puts the file back. Must not know why it is
done.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from bot.engine import Engine, HostPath, Storage
from bot.engine.copy_contract import Link
from bot.entry import printable
from bot.errors import EngineError, LeftAlone, NotFound
from bot.language import say
from bot.operations.placing import names_of
from bot.operations.single import facts_at, sha256_at


def remove_files(engine: Engine, arguments: Mapping[str, str]) -> None:
    """Undo of REMOVE_FILES: nothing under the run's own names is left."""
    with _undoing(engine, arguments) as holder:
        for name in names_of(arguments["run"]) if holder else ():
            engine.remove_in(holder, arguments["directory"], name)


def put_back_file(engine: Engine, arguments: Mapping[str, str]) -> None:
    """Undo of PUT_BACK_FILE: the old file at its place, or nothing if nothing was there.

    A new file is known by being the one that still has the run's own name; what somebody else put there stays, which
    raises LeftAlone where something was to be put back.
    """
    at, name = arguments["directory"].rstrip("/"), arguments["name"]
    new, old = names_of(arguments["run"])
    with _undoing(engine, arguments) as holder:
        if not holder:
            return
        if not arguments["was"]:
            if _is_same(engine, holder, f"{at}/{new}", f"{at}/{name}"):
                engine.remove_in(holder, arguments["directory"], name)
        elif engine.look_at(holder, f"{at}/{old}") is not None:
            _refuse_others(engine, holder, arguments)
            was = facts_at(engine, holder, f"{at}/{old}")
            link = Link(name=name, existing=old, uid=was.uid, gid=was.gid)
            engine.link_in(holder, arguments["directory"], link)
        else:
            _refuse_lost(arguments, sha256_at(engine, holder, f"{at}/{name}") or "")


def _refuse_others(engine: Engine, holder: str, arguments: Mapping[str, str]) -> None:
    """Only what the run left there, or what was there before, may be replaced; the rest is in no backup."""
    at = arguments["directory"].rstrip("/")
    new, old = (f"{at}/{name}" for name in names_of(arguments["run"]))
    place = f"{at}/{arguments['name']}"
    if engine.look_at(holder, place) is None:
        return
    if not (_is_same(engine, holder, place, new) or _is_same(engine, holder, place, old)):
        raise LeftAlone(
            say(
                "Somebody else has changed {place} since this run wrote there, so it stays as it is. What was there "
                "before is backup {run_id}.",
                place=printable(arguments["place"]),
                run_id=arguments["run"],
            )
        )


def _refuse_lost(arguments: Mapping[str, str], now: str) -> None:
    """The old file's other name is gone, and nobody of ours removes it before this is struck off: it proves nothing.

    Raises EngineError while the place holds what the run left there, unless that is what was there before.
    """
    left = arguments.get("sha256")  # older versions did not write it down
    if left is not None and now == left != arguments["before"]:
        raise EngineError(
            say(
                "{place} holds what this run left there, and the other name of the file that was there before is "
                "gone. Backup {run_id} holds that file: put it there by hand, or anything else that you want there; "
                "then this counts as taken back.",
                place=printable(arguments["place"]),
                run_id=arguments["run"],
            )
        )


def _is_same(engine: Engine, holder: str, one: str, other: str) -> bool:
    mine = sha256_at(engine, holder, one)
    return mine is not None and mine == sha256_at(engine, holder, other)


@contextmanager
def _undoing(engine: Engine, arguments: Mapping[str, str]) -> Iterator[str]:
    """Who is written through to take something back; empty when the container, or what it mounted, is gone."""
    run, storage = arguments["run"], arguments["storage"]
    if not storage:
        yield _present(engine, arguments["holder"])
        return
    name = f"shipkeeper-uncopy-{run}"
    for left in (
        f"shipkeeper-copy-{run}",
        name,
    ):  # one may be writing still, the other was left by a former try
        engine.remove_helper(left)
    try:
        yield _helper(engine, name, HostPath(storage) if storage.startswith("/") else storage, run)
    finally:
        engine.remove_helper(name)


def _present(engine: Engine, container_id: str) -> str:
    try:
        return engine.container(container_id).id
    except NotFound:
        return ""


def _helper(engine: Engine, name: str, storage: Storage, run: str) -> str:
    try:
        engine.create_helper(name, storage, run_id=run, read_only=False)
    except NotFound:
        return ""
    return name

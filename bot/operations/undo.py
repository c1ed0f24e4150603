"""How each verb of the undo journal is taken back. Every one may be carried out twice.

The names are stored in the database, so a verb, once released, keeps its name and its arguments.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice

from bot.engine import RUN_LABEL, Container, Engine, Exchange, HostPath, Storage
from bot.errors import Conflict, EngineError, NotFound
from bot.language import say
from bot.operations import hooks, local, tagging, unplacing
from bot.operations.context import (
    CLEAR_STAGE,
    DISCARD_DRAFT,
    EXCHANGE_BACK,
    PUT_BACK_FILE,
    REMOVE_CLONE,
    REMOVE_FILES,
    REMOVE_HELPER,
    REMOVE_PART,
    REMOVE_SNAPSHOT,
    REMOVE_VOLUME,
    RUN_HOOK,
    START,
    UNPAUSE,
    UNTAG,
)
from bot.operations.replaceplan import is_at_rest
from bot.operations.snapshotundo import remove_snapshot
from bot.operations.stage import helpers_of, undo_tool
from bot.stores.archive import Archive

Arguments = Mapping[str, str]
_QUICK_STOP_SECONDS = 10
"""A stop that was given no longer than this has come to its end once the engine has tried to start it."""
_AFTER_STOP_SECONDS = 5
_LOOK_AGAIN_SECONDS = 0.2


def registry(
    engine: Callable[[str], Engine], archive: Archive
) -> dict[str, Callable[[str, Arguments], None]]:
    """Verb to what takes it back, given the host and the arguments that were written down."""

    def unpause(host: str, arguments: Arguments) -> None:
        engine(host).unpause(_container(arguments))

    def start(host: str, arguments: Arguments) -> None:
        _start(engine(host), _container(arguments), int(arguments.get("grace", "0")))

    def remove_helper(host: str, arguments: Arguments) -> None:
        engine(host).remove_helper(arguments["name"])

    def remove_volume(host: str, arguments: Arguments) -> None:
        _remove_volumes(engine(host), (arguments["name"],), arguments["run"])

    def discard_draft(_host: str, arguments: Arguments) -> None:
        archive.discard(arguments["host"], arguments["volume"], arguments["backup"])

    def remove_clone(host: str, arguments: Arguments) -> None:
        engine(host).remove_clone(arguments["name"], arguments["run"])
        _remove_volumes(engine(host), arguments["volumes"].split(), arguments["run"])

    def there(act: Callable[[Engine, Arguments], None]) -> Callable[[str, Arguments], None]:
        return lambda host, arguments: act(engine(host), arguments)

    return {
        REMOVE_FILES: there(unplacing.remove_files),
        PUT_BACK_FILE: there(unplacing.put_back_file),
        REMOVE_PART: lambda _host, arguments: local.remove_part(arguments),
        UNPAUSE: unpause,
        START: start,
        REMOVE_HELPER: remove_helper,
        REMOVE_VOLUME: remove_volume,
        DISCARD_DRAFT: discard_draft,
        RUN_HOOK: there(hooks.run_undo),
        REMOVE_SNAPSHOT: there(remove_snapshot),
        REMOVE_CLONE: remove_clone,
        CLEAR_STAGE: there(_clear_stage),
        EXCHANGE_BACK: there(_exchange_back),
        UNTAG: there(tagging.take_back),
    }


def _exchange_back(docker: Engine, arguments: Arguments) -> None:
    """The old content at its place again, and the new one in the stage; nothing if it never began."""
    _remove_helpers(docker, arguments["run"])  # one of them may be renaming still
    exchange = Exchange(place=arguments["place"], new=arguments["new"], aside=arguments["aside"])
    with _tool(docker, arguments) as tool:
        if tool is None or _is_settled_by_hand(docker, tool, arguments):
            return
        if _has_begun(docker, tool, exchange):
            _refuse_running(docker, arguments["storage"])
            docker.exchange_back(tool, exchange)


def _clear_stage(docker: Engine, arguments: Arguments) -> None:
    """The stage and all that is in it is gone; nothing if the directory it was in is gone itself."""
    _remove_helpers(docker, arguments["run"])  # one of them may be writing still
    with _tool(docker, arguments) as tool:
        if tool is not None:
            docker.remove_tree(tool, arguments["stage"])


def _remove_volumes(docker: Engine, names: Collection[str], run: str) -> None:
    for volume in docker.volumes():
        if volume.name in names and volume.labels.get(RUN_LABEL) == run:
            docker.remove_volume(volume.name)


def _remove_helpers(docker: Engine, run: str) -> None:
    for name in helpers_of(run):
        docker.remove_helper(name)


@contextmanager
def _tool(docker: Engine, arguments: Arguments) -> Iterator[str | None]:
    """A tool that may rename in the directory; None when that is gone, and with it all there was to undo."""
    name = undo_tool(arguments["run"])
    docker.remove_helper(name)  # left by a former try
    try:
        try:
            docker.create_tool(
                name, HostPath(arguments["directory"]), run_id=arguments["run"], read_only=False
            )
        except NotFound:
            yield None
            return
        yield name
    finally:
        docker.remove_helper(name)


def _has_begun(docker: Engine, tool: str, exchange: Exchange) -> bool:
    """Whether anything was renamed: until then the new content is in the stage, and nothing was put aside."""
    return _is_there(docker, tool, exchange.aside) or not _is_there(docker, tool, exchange.new)


def _is_settled_by_hand(docker: Engine, tool: str, arguments: Arguments) -> bool:
    """Whether people say so, by a stage that they made anew, empty. Raises EngineError for one that is gone.

    Until this is struck off nobody of ours clears the stage, so that it is gone proves nothing.
    """
    stage = arguments["new"].partition("/")[0]
    try:
        with docker.inventory(tool, f"/volume/{stage}") as items:
            return len(list(islice(items, 2))) == 1  # itself
    except NotFound:
        raise EngineError(
            say(
                "{path} is gone, in which the old content was, so nobody can tell whether that is back at its place. "
                "Look at what is there now; the safety backup of run {run_id} holds what was there before. When it is "
                "as you want it, make that directory, empty: then this counts as taken back.",
                path="/".join((arguments["directory"], stage)),
                run_id=arguments["run"],
            )
        ) from None


def _is_there(docker: Engine, tool: str, path: str) -> bool:
    try:
        with docker.inventory(tool, f"/volume/{path}") as items:
            return next(items, None) is not None
    except NotFound:
        return False


def _refuse_running(docker: Engine, storage: str) -> None:
    """Whoever runs now was started by somebody else, on content that must not be taken from under it."""
    mounted: Storage = HostPath(storage) if storage.startswith("/") else storage
    running = [user.name for user in docker.users_of(mounted) if not is_at_rest(user)]
    if running:
        raise Conflict(
            say(
                "{containers} was started by somebody else while the content was being exchanged, and runs on "
                "content that was not proven to the end. Stop {containers}; then the old content is put back.",
                containers=", ".join(running),
            )
        )


def _start(docker: Engine, container: Container, grace_seconds: int) -> None:
    """The engine finishes a stop whose client died, as late as its grace allows: until then nothing can be started."""
    pause, deadline = threading.Event(), time.monotonic() + grace_seconds + _AFTER_STOP_SECONDS
    while (
        not docker.start(container) and grace_seconds > _QUICK_STOP_SECONDS and _still_runs(docker, container)
    ):
        if time.monotonic() >= deadline:
            return
        pause.wait(_LOOK_AGAIN_SECONDS)


def _still_runs(docker: Engine, container: Container) -> bool:
    try:
        now = docker.container(container.id)
    except NotFound:
        return False
    # It may have ended just now, so that it can be started after all.
    return now.state in ("running", "exited") and now.started_at == container.started_at


def _container(arguments: Arguments) -> Container:
    return Container(
        id=arguments["container"],
        name=arguments["name"],
        state="",
        started_at=arguments["started_at"],
    )

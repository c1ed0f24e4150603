"""Shell lines that a container's labels ask for before and after its backup, run inside it.

Must not know what happens between them. The line after runs whatever happened, also after a crash.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from bot.engine import Container, Engine
from bot.errors import Conflict, EngineError, LostHold, NotFound, NotStarted, StreamCut
from bot.language import say
from bot.operations.context import RUN_HOOK, RunContext, Step
from bot.operations.quiesce import QuiescePolicy
from bot.reasons import Reason

_log = logging.getLogger(__name__)
PRE_LABEL = "shipkeeper.backup.pre"
POST_LABEL = "shipkeeper.backup.post"
USER_LABEL = "shipkeeper.backup.user"
TIMEOUT_LABEL = "shipkeeper.backup.timeout"
KEPT_CHARACTERS = 2000
_SAID_CHARACTERS = 300
_CHUNK_BYTES = 64 * 1024
_CANNOT_BE_INVOKED = 126
"""What shells and Docker say of a program that is not run."""

Which = Literal["pre", "post"]


@dataclass(frozen=True, kw_only=True)
class HookRun:
    """A hook that was run: `exit_code` is None when nobody can know it, `output` the end of all it wrote."""

    container: str
    which: Which
    command: str
    exit_code: int | None
    output: str


@dataclass(frozen=True, kw_only=True)
class Hook:
    """One shell line to be run in a container, by which user of it, and for how long at most."""

    which: Which
    command: str
    user: str
    limit: timedelta


@contextmanager
def hooked(
    engine: Engine,
    run: RunContext,
    users: Iterable[Container],
    policy: QuiescePolicy,
    stopped: Iterable[str] = (),
) -> Iterator[list[HookRun]]:
    """`pre` of each running user before the body, `post` of each behind it in reverse order, whatever happened.

    A failing `pre` raises EngineError (reason `hook`) after the posts; so does a failing `post` when all else was
    fine. Raises Conflict for a label that cannot be understood, before anything is run. `stopped` are the ids of
    those that the body stops and starts: after a crash, their `post` is run although they were restarted.
    """
    anew = frozenset(stopped)
    found = [(user, *_hooks_of(user, policy)) for user in users if user.state == "running"]
    ran: list[HookRun] = []
    with ExitStack() as after:
        for user, pre, post in found:
            run.check()
            if post is not None:
                life = "" if user.id in anew else user.started_at
                after.enter_context(_run_afterwards(engine, run, (user, life, post), ran))
            if pre is not None:
                run.progress(say("hook of {container}", container=user.name))
                ran.append(_execute(engine, user, pre, run))
                _refuse_failure(ran[-1])
        yield ran


def run_undo(engine: Engine, arguments: Mapping[str, str]) -> None:
    """Run the `post` of a run that died. Nothing is done when the container is gone or was restarted since.

    Raises Conflict while the container sleeps, EngineError when Docker does not answer: then it is to be tried again.
    A line that fails, takes too long or can never be started there counts as run: that goes to the log.
    """
    hook = Hook(
        which="post",
        command=arguments["command"],
        user=arguments["user"],
        limit=timedelta(seconds=float(arguments["seconds"])),
    )
    try:
        container = engine.container(arguments["container"])
    except NotFound:
        return
    if arguments["started_at"] not in ("", container.started_at):
        return
    if container.state == "paused":
        raise Conflict(
            say(
                "The container “{container}” is paused, so its {label} could not be run.",
                container=container.name,
                label=POST_LABEL,
            )
        )
    if container.state == "running":
        done = _run_at_last(engine, container, hook)
        if done.exit_code != 0:
            _log.warning(
                "%s of %s ended with %s: %s", POST_LABEL, done.container, done.exit_code, done.output
            )


@contextmanager
def _run_afterwards(
    engine: Engine, run: RunContext, what: tuple[Container, str, Hook], ran: list[HookRun]
) -> Iterator[None]:
    """Journaled before `pre` starts. When it could not be run, the journal's own undo tries it once more."""
    user, life, hook = what
    arguments = {
        "container": user.id,
        "started_at": life,
        "name": user.name,
        "command": hook.command,
        "user": hook.user,
        "seconds": f"{hook.limit.total_seconds():g}",
    }
    with run.undoable(RUN_HOOK, **arguments) as step:
        try:
            yield
        except LostHold:
            raise
        except BaseException:
            _run_post(engine, user, hook, ran, step)
            raise
        if _run_post(engine, user, hook, ran, step):
            _refuse_failure(ran[-1])


def _run_post(engine: Engine, user: Container, hook: Hook, ran: list[HookRun], step: Step) -> bool:
    """Whether it was run, or can never be. It is in spite of a cancel, and if we restarted the container.

    If not, the journal's own undo decides: only the run knows whether the container could not be woken yet.
    """
    try:
        now = engine.container(user.id)
        if now.state == "running":
            ran.append(_run_at_last(engine, now, hook))
            step.keep()
            return True
        why = now.state
    except (NotFound, Conflict, EngineError) as error:
        why = str(error)
    _log.warning("%s of %s could not be run: %s", POST_LABEL, user.name, why)
    return False


def _run_at_last(engine: Engine, container: Container, hook: Hook) -> HookRun:
    """Run it; one that can never be started there has failed like any other, so that nobody waits for it for good."""
    try:
        return _execute(engine, container, hook)
    except NotStarted as error:
        return HookRun(
            container=container.name,
            which=hook.which,
            command=hook.command,
            exit_code=_CANNOT_BE_INVOKED,
            output=str(error)[-KEPT_CHARACTERS:],
        )


def _execute(engine: Engine, container: Container, hook: Hook, run: RunContext | None = None) -> HookRun:
    """Run it; with `run`, a cancel ends it. Taking too long is no error here, but has no exit code."""
    words, told, exit_code, ending = ["/bin/sh", "-c", hook.command], _Tail(), None, ""
    with engine.execute(container, words, limit=hook.limit, user=hook.user) as execution:
        ended: AbstractContextManager[None] = nullcontext() if run is None else run.watched(execution.abort)
        try:
            with ended:
                while chunk := execution.read(_CHUNK_BYTES):
                    told.add(chunk)
                exit_code = execution.finish()
        except StreamCut:
            if run is not None:
                run.check()
            raise
        except EngineError as error:
            if error.reason is not Reason.STALLED:
                raise
            ending = say("It took longer than {limit:g} s and was ended.", limit=hook.limit.total_seconds())
        output = "\n".join(filter(None, (told.text.rstrip(), execution.errors.rstrip(), ending)))
    return HookRun(
        container=container.name,
        which=hook.which,
        command=hook.command,
        exit_code=exit_code,
        output=output[-KEPT_CHARACTERS:],
    )


class _Tail:
    """The end of what was written."""

    def __init__(self) -> None:
        self._bytes = b""

    def add(self, chunk: bytes) -> None:
        self._bytes = (self._bytes + chunk)[-4 * KEPT_CHARACTERS :]

    @property
    def text(self) -> str:
        return self._bytes.decode("utf-8", "replace")


def _refuse_failure(done: HookRun) -> None:
    if done.exit_code == 0:
        return
    label = PRE_LABEL if done.which == "pre" else POST_LABEL
    if done.exit_code is None:
        ended = say(
            "The hook {label} of the container “{container}” did not end by itself",
            label=label,
            container=done.container,
        )
    else:
        ended = say(
            "The hook {label} of the container “{container}” ended with exit code {exit_code}",
            label=label,
            container=done.container,
            exit_code=done.exit_code,
        )
    output = " ".join(done.output[-_SAID_CHARACTERS:].split())
    ended = f"{ended}: {output}" if output else f"{ended}."
    again = say("Nothing was saved. Run its line in the container to see why, then send the command again.")
    raise EngineError(f"{ended} {again}", reason=Reason.HOOK)


def _hooks_of(user: Container, policy: QuiescePolicy) -> tuple[Hook | None, Hook | None]:
    def hook(which: Which, label: str) -> Hook | None:
        command = user.labels.get(label, "").strip()
        if not command:
            return None
        by = user.labels.get(USER_LABEL, "").strip()
        return Hook(which=which, command=command, user=by, limit=_limit(user, policy))

    return hook("pre", PRE_LABEL), hook("post", POST_LABEL)


def _limit(user: Container, policy: QuiescePolicy) -> timedelta:
    label = user.labels.get(TIMEOUT_LABEL)
    if label is None:
        return policy.hook
    text = label.strip()
    if not (text.isascii() and text.isdecimal() and 0 < int(text) <= 86_400):
        raise Conflict(
            say(
                "The container “{container}” has the label {label}={value}, which is no number of seconds from 1 to "
                "86400. Nothing was run. Correct the label, then send the command again.",
                container=user.name,
                label=TIMEOUT_LABEL,
                value=label,
            )
        )
    return timedelta(seconds=int(text))

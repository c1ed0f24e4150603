"""Keeps the containers that use a volume still while it is copied, and wakes exactly those it put to sleep.

Must not know what is done while they sleep, nor who keeps the journal.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from bot.engine import Container, Engine, Storage
from bot.errors import BotError, Conflict, LostHold
from bot.language import later, say
from bot.operations.context import START, UNPAUSE, RunContext
from bot.operations.downtime import Downtime, Watchdog
from bot.operations.order import dependents_first, has_dependents

_log = logging.getLogger(__name__)
QUIESCE_LABEL = "shipkeeper.quiesce"
_LOOK_AGAIN_SECONDS = 0.2
_COMING_UP = ("running", "restarting")
_PROGRESS = {"pause": later("pause {container}"), "stop": later("stop {container}")}


class Quiesce(StrEnum):
    """How the running users of a volume are kept still while it is read."""

    NONE = "none"
    PAUSE = "pause"
    STOP = "stop"


@dataclass(frozen=True, kw_only=True)
class QuiescePolicy:
    """What holds where neither the command line nor a label says otherwise, and how long everything may take."""

    default: Quiesce = Quiesce.NONE
    stop_grace_seconds: int = 10
    health: timedelta = timedelta(seconds=120)
    hook: timedelta = timedelta(seconds=300)
    max_downtime: timedelta = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class Sleeper:
    """A running container that is to be kept still, and how."""

    container: Container
    mode: Quiesce


def sleepers(users: Iterable[Container], asked: Quiesce | None, policy: QuiescePolicy) -> tuple[Sleeper, ...]:
    """Who of the users is to be kept still, in the order to put them to sleep: dependents first.

    Only running ones. `asked` (the command line's flag) wins over a container's label, the label over the
    settings. Raises Conflict for a label that says nothing known, and for who would be gone once it is stopped.
    """
    running = dependents_first(user for user in users if user.state == "running")
    chosen = [(user, asked or _labelled(user) or policy.default) for user in running]
    lost = [user.name for user, mode in chosen if mode is Quiesce.STOP and user.removes_itself]
    if lost:
        raise Conflict(
            say(
                "{containers} would have to be stopped, and was made with --rm, so Docker would remove it. "
                "Nobody was stopped and nothing was changed. Stop it yourself, then send the command again.",
                containers=", ".join(lost),
            )
        )
    return tuple(Sleeper(container=user, mode=mode) for user, mode in chosen if mode is not Quiesce.NONE)


@contextmanager
def asleep(
    engine: Engine, run: RunContext, sleepers: Sequence[Sleeper], policy: QuiescePolicy
) -> Iterator[Downtime]:
    """Put them to sleep, journaled one by one; on leaving wake them in reverse order, whatever happened.

    What was stopped gets `policy.health` to be healthy before those that depend on it are woken; who is not healthy
    in time is in the downtime's notes. A watchdog wakes everybody when `policy.max_downtime` is over. Raises Conflict
    when somebody else paused or stopped a sleeper first, EngineError (also with reason `downtime`, and when somebody
    could not be woken), or what `run.check` raises.
    """
    downtime = Downtime(policy.max_downtime, tuple(sleeper.container.name for sleeper in sleepers))
    if not sleepers:
        yield downtime
        return
    room = _Room(engine, sleepers, policy, downtime)
    with run.in_a_hurry(), ExitStack() as waking:
        waking.push(_unless_lost(room.close))
        with Watchdog(downtime, policy.max_downtime, room.wake_everybody):
            downtime.begin()
            for sleeper in sleepers:
                _lay_down(run, waking, room, sleeper)
            yield downtime
            downtime.settle()


def refuse_other_users(
    engine: Engine,
    storage: Storage,
    sleepers: Sequence[Sleeper],
    asked: Quiesce | None,
    policy: QuiescePolicy,
) -> None:
    """The plan was approved and is held: no other container may be touched, or left writing. Raises Conflict."""
    if _lives(_sleepers_now(engine, storage, asked, policy)) == _lives(sleepers):
        return
    running = [user.name for user in engine.users_of(storage) if user.state == "running"]
    raise Conflict(
        say(
            "The running containers that use {storage} are no longer those of the plan "
            "(now: {running}). Nothing was paused, stopped or saved. Send the command again.",
            storage=_called(storage),
            running=", ".join(running) or say("none"),
        )
    )


def refuse_awake(engine: Engine, storage: Storage, asked: Quiesce | None, policy: QuiescePolicy) -> None:
    """Somebody may have woken or started a user while we read: then it was not kept still. Raises Conflict.

    Ask `Downtime.check` first: the watchdog wakes everybody too.
    """
    awake = [sleeper.container.name for sleeper in _sleepers_now(engine, storage, asked, policy)]
    if awake:
        raise Conflict(
            say(
                "While {storage} was read, somebody woke or started {containers}, so what was "
                "read may not fit together. Nothing was saved. Send the command again.",
                storage=_called(storage),
                containers=", ".join(awake),
            )
        )


class _Room:
    """Everybody who sleeps, seen by both who may wake them: the run's thread and the watchdog's."""

    def __init__(
        self, engine: Engine, sleepers: Sequence[Sleeper], policy: QuiescePolicy, downtime: Downtime
    ) -> None:
        self._engine = engine
        self._policy = policy
        self._downtime = downtime
        self._everybody = [sleeper.container for sleeper in sleepers]
        self._asleep: list[Sleeper] = []
        self._looked_at: set[str] = set()

    @property
    def stop_grace_seconds(self) -> int:
        """How long whoever is stopped gets to end."""
        return self._policy.stop_grace_seconds

    def put_to_sleep(self, sleeper: Sleeper) -> None:
        """Pause or stop it; raises Conflict or EngineError."""
        if sleeper.mode is Quiesce.PAUSE:
            self._engine.pause(sleeper.container)
        else:
            self._engine.stop(sleeper.container, self._policy.stop_grace_seconds)
        self._asleep.append(sleeper)
        self._downtime.check()

    def wake_everybody(self) -> None:
        """The watchdog's: what fails is left to the journal, which is played back by the run's own thread."""
        for sleeper in reversed(self._asleep):
            try:
                if sleeper.mode is Quiesce.PAUSE:
                    self._engine.unpause(sleeper.container)
                else:
                    self._engine.start(sleeper.container)
            except BotError as error:
                _log.error("cannot wake %s when its time is over: %s", sleeper.container.name, error)
            self._downtime.end_work()
            self.wait_for_dependents(sleeper)
        self._downtime.end()

    def wait_for_dependents(self, sleeper: Sleeper) -> None:
        """It is awake: when others who still sleep depend on it, wait until it is healthy."""
        if sleeper in self._asleep and has_dependents(sleeper.container, self._everybody):
            self._wait_until_healthy(sleeper)

    def close(self, error: BaseException | None) -> None:
        """Everybody is awake: after good work, see whether all are healthy, too."""
        self._downtime.end()
        if error is None:
            for sleeper in reversed(self._asleep):
                self._wait_until_healthy(sleeper)

    def _wait_until_healthy(self, sleeper: Sleeper) -> None:
        """Never interrupted by a cancel: waking is not work that could be given up."""
        container = sleeper.container
        if container.id in self._looked_at or container.health == "unhealthy":
            return  # nobody waits twice, nor for what was ill before
        self._looked_at.add(container.id)
        try:
            problem = self._problem_after(sleeper)
        except BotError as error:
            problem = say(
                "The container “{container}” could not be looked at after it was woken: {error}",
                container=container.name,
                error=error,
            )
        if problem:
            _log.warning("after waking %s: %s", container.name, problem)
            self._downtime.note(problem)

    def _problem_after(self, sleeper: Sleeper) -> str:
        """A pause changes nobody's health, so one look is enough; who was stopped gets time to come up."""
        was_stopped = sleeper.mode is Quiesce.STOP
        well = ("", "healthy") if was_stopped else ("", "healthy", "starting")
        seconds = self._policy.health.total_seconds() if was_stopped else 0.0
        pause, deadline = threading.Event(), time.monotonic() + seconds
        while True:
            now = self._engine.container(sleeper.container.id)
            if now.state not in _COMING_UP:
                return say(
                    "The container “{container}” was woken, but is {state} now; its log may say why.",
                    container=sleeper.container.name,
                    state=now.state,
                )
            if now.state == "running" and now.health in well:
                return ""
            if time.monotonic() >= deadline:
                return say(
                    "The container “{container}” is {state} since it was woken, which is {seconds:g} s ago; "
                    "its log may say why.",
                    container=sleeper.container.name,
                    state=now.health if now.state == "running" else now.state,
                    seconds=seconds,
                )
            pause.wait(_LOOK_AGAIN_SECONDS)


def _lay_down(run: RunContext, waking: ExitStack, room: _Room, sleeper: Sleeper) -> None:
    """Its undo is written down before it is touched, and waits for its health once it has woken it."""
    container = sleeper.container
    run.check()
    run.progress(say(_PROGRESS[sleeper.mode], container=container.name))
    waking.push(_unless_lost(lambda _: room.wait_for_dependents(sleeper)))
    verb = UNPAUSE if sleeper.mode is Quiesce.PAUSE else START
    life = {"container": container.id, "started_at": container.started_at, "name": container.name}
    if verb == START:  # the engine carries a stop out whatever becomes of us, as late as its grace allows
        life["grace"] = str(room.stop_grace_seconds)
    step = waking.enter_context(run.undoable(verb, **life))
    try:
        room.put_to_sleep(sleeper)
    except Conflict:
        # Somebody else paused or stopped it first: it is not ours to wake.
        step.keep()
        raise


def _unless_lost(act: Callable[[BaseException | None], None]) -> Callable[..., bool]:
    """Whoever lost the run touches nothing and waits for nobody."""

    def leave(_kind: object, error: BaseException | None, _trace: object) -> bool:
        if not isinstance(error, LostHold):
            act(error)
        return False

    return leave


def _labelled(user: Container) -> Quiesce | None:
    label = user.labels.get(QUIESCE_LABEL)
    if label is None:
        return None
    try:
        return Quiesce(label.strip())
    except ValueError as error:
        raise Conflict(
            say(
                "The container “{container}” has the label {label}={value}, which is none of "
                "{known}. Nothing was touched. Correct the label, or say on the command line what to do.",
                container=user.name,
                label=QUIESCE_LABEL,
                value=label,
                known=", ".join(Quiesce),
            )
        ) from error


def _sleepers_now(
    engine: Engine, storage: Storage, asked: Quiesce | None, policy: QuiescePolicy
) -> tuple[Sleeper, ...]:
    return sleepers(engine.users_of(storage), asked, policy)


def _lives(sleepers: Sequence[Sleeper]) -> set[tuple[str, str, Quiesce]]:
    return {(one.container.id, one.container.started_at, one.mode) for one in sleepers}


def _called(storage: Storage) -> str:
    return say("volume {volume}", volume=storage) if isinstance(storage, str) else storage.path

"""Several backups in one quiet time, so that they fit together and to whatever else is done in it.

Leads backups only; it must not know what else that is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from bot.engine import Container, Engine
from bot.errors import EngineError
from bot.operations.backup import (
    Attempt,
    Backed,
    Taken,
    attempted,
    publish,
    refuse_full,
    refuse_others,
    refuse_woken,
)
from bot.operations.backupplan import BackupPlan
from bot.operations.context import RunContext
from bot.operations.downtime import Downtime
from bot.operations.hooks import hooked
from bot.operations.quiesce import Quiesce, QuiescePolicy, Sleeper, asleep
from bot.reasons import Reason
from bot.stores.archive import SNAPSHOT, Archive


@dataclass(frozen=True, kw_only=True)
class Group:
    """What is backed up together, all whose hooks are run for it, and who sleeps meanwhile."""

    plans: tuple[BackupPlan, ...]
    users: tuple[Container, ...]
    sleepers: tuple[Sleeper, ...]
    policy: QuiescePolicy


class Together:
    """Backups that were taken and are not published yet."""

    def __init__(self, attempts: Sequence[Attempt], taken: Taken) -> None:
        self._attempts = attempts
        self.taken = taken

    def publish(self) -> tuple[Backed, ...]:
        """Read back and publish one after the other; raises as `backup.publish`. What was published stays."""
        return tuple(publish(attempt, self.taken) for attempt in self._attempts)


@contextmanager
def taken_together(
    engine: Engine, archive: Archive, run: RunContext, group: Group, first: Callable[[Downtime], None]
) -> Iterator[Together]:
    """While everybody sleeps call `first`, then copy all; in the body everybody is awake again, and may publish.

    What was not published when the body ends is gone. Raises as `back_up`, and what `first` raises.
    """
    with ExitStack() as drafts:
        attempts = [
            drafts.enter_context(attempted(engine, archive, run, plan, SNAPSHOT)) for plan in group.plans
        ]
        with ExitStack() as ready:
            for number, attempt in enumerate(attempts):
                ready.enter_context(attempt.copy.ready(f"read{number}"))
            for attempt in attempts:
                refuse_full(archive, attempt)
            taken = _take(engine, run, group, attempts, first)
        yield Together(attempts, taken)


def _take(
    engine: Engine,
    run: RunContext,
    group: Group,
    attempts: Sequence[Attempt],
    first: Callable[[Downtime], None],
) -> Taken:
    """A failing hook after good work does not undo it."""
    taken = Taken()
    stopped = [one.container.id for one in group.sleepers if one.mode is Quiesce.STOP]
    for attempt in attempts:
        refuse_others(attempt)
    try:
        with hooked(engine, run, group.users, group.policy, stopped) as taken.hooks:
            with asleep(engine, run, group.sleepers, group.policy) as taken.downtime:
                first(taken.downtime)
                for attempt in attempts:
                    attempt.copy.take(taken.downtime)
                taken.downtime.check()
                for attempt in attempts:
                    refuse_woken(attempt)
            taken.is_whole = True
    except EngineError as error:
        if not taken.is_whole or error.reason is not Reason.HOOK:
            raise
    return taken

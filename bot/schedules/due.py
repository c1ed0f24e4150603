"""What comes of due times: a run, a missed due time that people are told of, or the end of a schedule's right to run.

It decides when it is told to look; when that is, is the timer's. It must not know what a schedule's line does.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.commandline import split
from bot.errors import UsageError
from bot.language import speaking
from bot.model import Invocation, Origin, Place, Reply
from bot.parsing import find, parse
from bot.people import Person, Standing
from bot.permissions import standing
from bot.schedules import missed
from bot.services import Services
from bot.stores.duetimes import Dealing, DueTimes, Pruning, pruning_key
from bot.stores.ended import Ended
from bot.stores.runrow import Run
from bot.stores.runs import Terms
from bot.stores.schedules import Schedule
from bot.times.lateness import Late, behind, spread
from bot.witnessing import ITSELF

_LOOKS = 10
"""So often a schedule is read anew that others deal with, or change, at the same time."""

_SKEW = timedelta(minutes=2)
"""By so much the clocks of machines may differ; what is dealt with later than that is so by a clock that was wrong."""

_PATIENCE = timedelta(seconds=30)
"""So long a due time waits for a run before it that is about to end, or that a process which died left behind."""

_LAST_MOMENT = timedelta(seconds=30)
"""So long before its grace time is over a due time no longer waits for Slack to say who the owner is."""

_PRUNE_WITHIN = timedelta(days=3)
"""After a backup that was asked for longer ago nothing is pruned; the next one sees to that."""

_COMMITTED_WITHIN = timedelta(minutes=10)
"""So long after a run says it was stored, it is there for others to see, whatever their clocks say."""


@dataclass(frozen=True, kw_only=True)
class _Look:
    """One look at a schedule: what is behind, at what moment, and who the owner is, if that matters."""

    schedule: Schedule
    late: Late
    now: datetime
    owner: Person | None

    @property
    def is_too_early(self) -> bool:
        """Whether the owner's standing is not known yet, and may still be learned in time."""
        due, grace = self.late.run, self.schedule.grace
        is_unknown = self.owner is not None and self.owner.standing is Standing.UNKNOWN
        return is_unknown and due is not None and self.now < due + grace - _LAST_MOMENT


class _NotYet(Exception):
    """The run before is still under way, and may be over soon: nothing of the transaction is to stay."""


class Scheduler:
    """Turns due times into runs, each once. Every method may be called from any thread, in any number of processes."""

    def __init__(self, services: Services, due: DueTimes) -> None:
        self._services = services
        self._due = due
        self._began_at = services.clock()
        self._prune_since: datetime | None = None
        self._waited_for: set[str] = set()
        """Schedules whose owner's standing could not be learned when it was last asked for."""

    def look(self, name: str) -> bool:
        """Deal with whatever of the schedule is due; True when it must be looked at again soon. Raises StoreError."""
        for _ in range(_LOOKS):
            schedule = self._due.schedules.find(name)
            if schedule is None or not schedule.is_on:
                return False
            now = self._services.clock()
            if schedule.dealt_with_at > now + _SKEW:
                self._due.bring_back(schedule, now)
                continue
            late = behind(schedule.when, schedule.dealt_with_at, now, schedule.grace)
            if late.newest is None:
                return False
            owner = self._services.policy.person(schedule.owner) if late.run else None
            look = _Look(schedule=schedule, late=late, now=now, owner=owner)
            if look.is_too_early:
                self._waited_for.add(name)
                return True
            try:
                is_done = self._deal(look, late.newest)
            except _NotYet:
                return True
            if is_done:
                self._waited_for.discard(name)
                return False
        return True

    def prune(self) -> None:
        """Let old backups go where a schedule wants that after one of its backups succeeded.

        Raises StoreError, and ArchiveError when the archive cannot be read; what is left is for the next time.
        """
        now = self._services.clock()
        since = min(self._prune_since or now - _PRUNE_WITHIN, now - _COMMITTED_WITHIN)
        found, oldest = self._due.to_prune(since)
        for one in found:
            self._prune_after(one, now)
        since = min(oldest or now, now) - _COMMITTED_WITHIN
        self._prune_since = max(since, now - _PRUNE_WITHIN)

    def _deal(self, look: _Look, newest: datetime) -> bool:
        """In one transaction, or not at all: then somebody else did, and the schedule is to be read anew."""
        language = self._services.language_of(self._invocation(look, newest))
        with speaking(language), self._due.dealing_with(look.schedule, newest) as dealing:
            if dealing is not None:
                self._let_come(dealing, _without_known(dealing, look))
            return dealing is not None

    def _let_come(self, dealing: Dealing, look: _Look) -> None:
        blocker = dealing.under_way() if look.late.run else None
        if blocker is not None:
            self._be_patient(look)
            self._record_overlap(dealing, look, blocker)
            self._record_missed(dealing, look, is_run=False)
            return
        is_barred = look.owner is not None and look.owner.standing is Standing.BARRED
        self._record_missed(dealing, look, is_run=not is_barred)
        if is_barred:
            self._suspend(dealing, look)
        elif look.late.run is not None:
            self._run(dealing, look, look.late.run)

    def _be_patient(self, look: _Look) -> None:
        self._began_at = min(self._began_at, look.now)
        if look.late.run is not None and look.now < max(look.late.run, self._began_at) + _PATIENCE:
            raise _NotYet

    def _run(self, dealing: Dealing, look: _Look, due: datetime) -> None:
        schedule = look.schedule
        begin = due + spread(schedule.key(due), schedule.jitter)
        terms = Terms(
            host=self._services.default_host,
            released=True,
            not_before=begin if begin > look.now else None,
            quiet=schedule.quiet,
        )
        dealing.run(self._invocation(look, due), terms)

    def _record_missed(self, dealing: Dealing, look: _Look, *, is_run: bool) -> None:
        """Each has a row of its own; the newest of them tells of all."""
        schedule, late = look.schedule, look.late
        why = missed.NOT_SAID if schedule.name in self._waited_for else missed.NOT_AT_WORK
        if late.missed_last is None:
            return
        silent = [(due, missed.missed(schedule, due, why)) for due in late.listed[:-1]]
        told = missed.many_missed(schedule, late, why, is_run=is_run)
        untold = [self._ended(look, due, reply, is_told=False) for due, reply in silent]
        dealing.record(look.now, *untold, self._ended(look, late.missed_last, told))

    def _record_overlap(self, dealing: Dealing, look: _Look, blocker: Run) -> None:
        if look.late.run is not None:
            is_told = not dealing.was_told_since(blocker)
            reply = missed.overlapped(look.schedule, look.late.run, blocker)
            dealing.record(look.now, self._ended(look, look.late.run, reply, is_told=is_told))

    def _suspend(self, dealing: Dealing, look: _Look) -> None:
        """The owner may not act any more: told where the schedule tells, and where alarms are."""
        schedule, due = look.schedule, look.late.run
        if due is None or look.owner is None:
            return
        why = standing(look.owner)
        dealing.suspend(why)
        told = self._ended(look, due, missed.suspended(schedule, due, why))
        dealing.record(look.now, told)
        alarms = self._services.alarm_channel
        if alarms and schedule.channel and alarms != schedule.channel:
            copy = replace(
                told.invocation,
                actor=ITSELF,
                key=f"{schedule.key(due)}:suspended",
                place=Place(channel=alarms, user=ITSELF.id),
                schedule=None,
            )
            dealing.record(look.now, replace(told, invocation=copy))

    def _ended(self, look: _Look, due: datetime, reply: Reply, *, is_told: bool = True) -> Ended:
        channel = look.schedule.channel or self._services.alarm_channel
        place = Place(channel=channel, user=look.schedule.owner.id) if channel and is_told else None
        invocation = replace(self._invocation(look, due), place=place)
        return Ended(invocation=invocation, host=self._services.default_host, reply=reply)

    def _invocation(self, look: _Look, due: datetime) -> Invocation:
        schedule = look.schedule
        return replace(_asked(schedule, look.now), key=schedule.key(due))

    def _prune_after(self, pruning: Pruning, now: datetime) -> None:
        schedule, run = pruning.schedule, pruning.run
        words = ("prune", *self._source(run), "--host", run.host, "--wait")
        asked = replace(_asked(schedule, now), line=shlex.join(words), key=pruning_key(schedule.name, run.id))
        self._due.prune(asked, Terms(host=run.host, released=True, quiet=schedule.quiet))

    def _source(self, run: Run) -> tuple[str, ...]:
        """The one thing that the run was about, as its backup is filed; nothing where there is no such one."""
        made = self._services.archive.of_run(run.id)
        if made:  # what was typed may be a path at which a volume is mounted
            return (made[0].volume,)
        try:
            words = split(run.invocation.line)
            arguments = parse(find(self._services.commands, words), words[1:])
        except UsageError:
            return ()
        source = getattr(arguments, "source", None)
        return (str(source),) if source else ()


def _asked(schedule: Schedule, now: datetime) -> Invocation:
    channel = schedule.channel
    return Invocation(
        line=schedule.line,
        actor=schedule.owner,
        origin=Origin.SCHEDULE,
        at=now,
        place=Place(channel=channel, user=schedule.owner.id) if channel else None,
        language=schedule.language,
        schedule=schedule.name,
    )


def _without_known(dealing: Dealing, look: _Look) -> _Look:
    """Less what is dealt with already, which a clock that was set back brings up again."""
    late = look.late
    candidates = (*late.listed, late.run) if late.run else late.listed
    unknown = dealing.unknown(candidates)
    if unknown == candidates:
        return look
    listed = tuple(due for due in unknown if due != late.run)
    left = replace(
        late,
        run=late.run if late.run in unknown else None,
        listed=listed,
        missed=late.missed - (len(late.listed) - len(listed)) if listed else 0,
        missed_first=late.missed_first if late.listed[:1] == listed[:1] else next(iter(listed), None),
    )
    return replace(look, late=left)

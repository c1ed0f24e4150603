"""Looks for labels that ask for schedules, and proposes those schedules, or makes the table follow the labels.

What people made in chat, or keep in the settings, is never touched. Must not know the settings, nor Slack's API.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from bot.engine import Engine
from bot.errors import BotError, UsageError
from bot.language import speaking
from bot.model import Actor, Invocation, Origin, Place
from bot.operations import labelstold as told
from bot.operations.backedup import Source, filed, is_path, source_of
from bot.operations.hostwide import LOOK_LIMIT, Answers, ask_all
from bot.operations.labelled import Labelled, labelled
from bot.operations.labelstold import Findings, Proposal, Unclear
from bot.schedules.making import ADDED, CHANGED, REMOVED
from bot.schedules.seen import call_off
from bot.services import Services
from bot.stores.auditrows import AuditEvent
from bot.stores.ended import Ended
from bot.stores.proposals import Proposals
from bot.stores.schedules import Kept, Schedule
from bot.times.when import When
from bot.times.words import found
from bot.witnessing import ITSELF

_log = logging.getLogger(__name__)

LINE = "labels"
"""How a message about labels is called in lists of runs."""

_FIRST_SECONDS = 60.0
"""Not at once: at the start others need the hosts more."""

_END_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class DiscoveryRules:
    """Whether labels are followed or only proposed, as whom, by whose clock, how often; never, if `every` is zero."""

    apply: bool
    owner: Actor
    zone: str
    every: timedelta
    quiet: bool
    prune: bool


@dataclass
class _Look:
    """What one look sees, and what is to be told of it."""

    labels: dict[Source, Labelled]
    answered: frozenset[str]
    known: tuple[Schedule, ...]
    told: Mapping[Source, str]
    about: dict[str, Source] = field(default_factory=dict)
    """By the names of schedules: the host and the volume that they back up."""
    done: list[str] = field(default_factory=list)
    proposals: list[Proposal] = field(default_factory=list)
    unclear: list[Unclear] = field(default_factory=list)

    def of(self, key: Source) -> tuple[Schedule, ...]:
        """The schedules that back that volume up, whoever keeps them."""
        return tuple(one for one in self.known if self.about.get(one.name) == key)

    @property
    def names(self) -> set[str]:
        """Those that are taken."""
        return {one.name for one in self.known}

    @property
    def findings(self) -> Findings:
        """All that is to be told."""
        return Findings(done=tuple(self.done), proposals=tuple(self.proposals), unclear=tuple(self.unclear))


class Discovery:
    """Looks by itself once in a while, or when told to. `channel` says where people are told, empty if nowhere."""

    def __init__(
        self, services: Services, proposals: Proposals, rules: DiscoveryRules, channel: Callable[[], str]
    ) -> None:
        self._services = services
        self._proposals = proposals
        self._rules = rules
        self._channel = channel
        self._logged = ""
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, on a thread of its own."""
        if self._rules.every:
            self._thread = threading.Thread(target=self._keep_looking, name="discovery", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End, without waiting for a host that does not answer. May be called twice."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(_END_SECONDS)

    def _keep_looking(self) -> None:
        seconds = self._rules.every.total_seconds()
        wait = min(_FIRST_SECONDS, seconds)
        while not self._stop.wait(wait):
            wait = seconds
            try:
                self.look()
            except BotError as error:
                _log.error("labels could not be looked for, and are looked for again: %s", error)

    def look(self) -> None:
        """Ask all hosts once, and do or propose what their labels ask for; raises StoreError."""
        with speaking(self._services.people.otherwise):
            answers = self._asked()
            look = self._seen(answers)
            for one in look.labels.values():
                self._follow(look, one)
            self._remove(look)
            self._proposals.forget(
                [key for key in look.told if key[0] in look.answered and key not in look.labels]
            )
            if look.findings:
                self._tell(look)

    def _asked(self) -> Answers[tuple[Labelled, ...]]:
        engines: Mapping[str, Engine] = self._services.engines
        try:
            answers = ask_all(engines, labelled, LOOK_LIMIT)
        except BotError as error:  # the only one is away
            answers = Answers(refused=dict.fromkeys(engines, error))
        for why in answers.refused.values():
            _log.warning("its labels are not known now: %s", why)
        return answers

    def _seen(self, answers: Answers[tuple[Labelled, ...]]) -> _Look:
        look = _Look(
            labels={one.key: one for some in answers.given.values() for one in some},
            answered=frozenset(answers.given),
            known=self._services.schedules.all(),
            told=self._proposals.told(),
        )
        abouts = ((one.name, self._about(one)) for one in look.known)
        look.about = {name: key for name, key in abouts if key is not None}
        return look

    def _about(self, schedule: Schedule) -> Source | None:
        source = source_of(schedule.line, self._services.commands, self._services.default_host)
        if source is None or not is_path(source):
            return source
        return filed(source, self._services.runs.planned(schedule.name, schedule.line))

    # ---- one label ---------------------------------------------------------------------------------------

    def _follow(self, look: _Look, one: Labelled) -> None:
        there = look.of(one.key)
        mine = next((schedule for schedule in there if schedule.kept is Kept.LABEL), None)
        is_told = look.told.get(one.key) == one.words
        try:
            when, _ = found((one.words,), self._rules.zone, self._services.clock())
        except UsageError as error:
            if not is_told:
                look.unclear.append(Unclear(of=one, why=str(error), stays=mine.name if mine else ""))
            return
        if mine is not None:
            self._change(look, one, mine, when)
        elif not there and self._rules.apply:
            self._add(look, one, when)
        elif not there and not is_told:
            look.proposals.append(self._proposal(look, one, when))

    def _proposal(self, look: _Look, one: Labelled, when: When) -> Proposal:
        hosts = self._services.engines
        name = one.proposed(hosts, look.names)
        return told.proposal_of(one, when, one.line(hosts), name)

    def _add(self, look: _Look, one: Labelled, when: When) -> None:
        hosts, now = self._services.engines, self._services.clock()
        schedule = Schedule(
            name=one.name(hosts, look.names),
            line=one.line(hosts),
            when=when,
            owner=self._rules.owner,
            language=self._services.people.otherwise,
            channel=self._channel() or None,
            created_at=now,
            dealt_with_at=now,
            kept=Kept.LABEL,
            quiet=self._rules.quiet,
            prune=self._rules.prune,
        )
        said = told.added(schedule.name, schedule.line, when)
        self._services.schedules.put(schedule, self._event(ADDED, schedule, one.key, said))
        look.known = (*look.known, schedule)
        look.done.append(said)

    def _change(self, look: _Look, one: Labelled, mine: Schedule, when: When) -> None:
        """Make it what label and settings say; when that is what it is, nothing is written."""
        is_due_as_before = when.means(mine.when)
        now = self._services.clock()
        fresh = replace(
            mine,
            line=one.line(self._services.engines),
            when=mine.when if is_due_as_before else when,
            dealt_with_at=mine.dealt_with_at if is_due_as_before else now,
            channel=self._channel() or None,
            quiet=self._rules.quiet,
            prune=self._rules.prune,
        )
        if mine.owner.id != self._rules.owner.id:
            fresh = replace(fresh, owner=self._rules.owner, suspended=None)
        if fresh == mine:
            return
        if fresh.is_on and not mine.is_on:  # as `resume` does it: what was due meanwhile is not made up for
            fresh = replace(fresh, dealt_with_at=now)
        said = told.changed(fresh.name, fresh.line, fresh.when)
        self._services.schedules.put(fresh, self._event(CHANGED, fresh, one.key, said))
        if (fresh.line, fresh.when) != (mine.line, mine.when):
            look.done.append(said)

    def _remove(self, look: _Look) -> None:
        """What was made of labels goes with them, but only where a host said that they are gone."""
        for schedule in look.known:
            key = look.about.get(schedule.name)
            if schedule.kept is not Kept.LABEL or key is None or key in look.labels:
                continue
            is_host_gone = key[0] not in self._services.engines
            if key[0] in look.answered or is_host_gone:
                say_so = told.removed_with_host if is_host_gone else told.removed
                said = say_so(schedule.name, schedule.line)
                self._services.schedules.remove(schedule.name, self._event(REMOVED, schedule, key, said))
                call_off(schedule, self._services, ITSELF)
                look.done.append(said)

    # ---- telling -----------------------------------------------------------------------------------------

    def _tell(self, look: _Look) -> None:
        channel, findings = self._channel(), look.findings
        reply = told.reply_of(findings)
        if not channel:
            if reply.text != self._logged:
                _log.info("nobody is told of labels, for there is no channel: %s", reply.text)
            self._logged = reply.text
            return
        invocation = Invocation(
            line=LINE,
            actor=ITSELF,
            origin=Origin.SCHEDULE,
            at=self._services.clock(),
            place=Place(channel=channel, user=ITSELF.id),
            language=self._services.people.otherwise,
        )
        host = self._services.default_host
        message = Ended(invocation=invocation, host=host, reply=reply, command=LINE)
        fresh = [*(one.of for one in findings.proposals), *(one.of for one in findings.unclear)]
        self._proposals.tell(message, {one.key: one.words for one in fresh})

    def _event(self, kind: str, schedule: Schedule, key: Source, said: str) -> AuditEvent:
        return AuditEvent(
            run_id="",
            kind=kind,
            at=self._services.clock(),
            actor=ITSELF,
            origin=Origin.SCHEDULE,
            channel=schedule.channel,
            command=None,
            line=schedule.line,
            host=key[0],
            targets=(f"volume:{key[1]}",),
            detail=said,
            facts=schedule.facts,
        )

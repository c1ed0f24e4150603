"""The composition root: the one place where real things are made, started and stopped.

`build` takes the settings and the commands; tests give it engines of their own.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from bot import wiring
from bot.alarmrules import Taken
from bot.alarms import Alarms
from bot.alarms import wiring as alarmwiring
from bot.alarms.heartbeat import Heartbeat
from bot.alarms.watch import Watched
from bot.approvals.breakglass import BreakGlass
from bot.approvals.deciding import Approvals, Hearing
from bot.asking_slack import SlackUploads, people
from bot.command import Command
from bot.consent import Rule
from bot.context import Ledger
from bot.crowd import Crowd
from bot.dispatch import Dispatcher
from bot.ending import Endings
from bot.engine import Engine
from bot.engine.witness import undoing
from bot.errors import BotError
from bot.examining import Rooms, doctor_of
from bot.keeping import Stores, open_stores
from bot.operations import undo
from bot.operations.context import REMOVE_SNAPSHOT
from bot.operations.registries import Registries
from bot.operations.retention import Retention
from bot.operations.snapshotplan import Naming
from bot.operations.snapshotundo import sweep_snapshots
from bot.operations.sweep import sweep
from bot.pace import Pace
from bot.permissions import Policy
from bot.queue import EmbeddedQueue
from bot.reload import Swapper
from bot.schedules.due import Scheduler
from bot.schedules.settings import KeptInSettings, schedules
from bot.services import Services
from bot.settings import Settings
from bot.stores.audit import AuditEvent
from bot.stores.database import Database
from bot.stores.duetimes import DueTimes
from bot.stores.heads import Heads
from bot.stores.outbox import Outbox
from bot.stores.sent import SentCommands
from bot.stores.sole import Sole
from bot.stores.uploads import Uploads
from bot.undo import Undoer
from bot.witnessing import Witnessing

_log = logging.getLogger(__name__)
_TIDY_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class App:
    """The built house."""

    settings: Settings
    database: Database
    sole: Sole
    services: Services
    dispatcher: Dispatcher
    crowd: Crowd
    queue: EmbeddedQueue
    outbox: Outbox
    uploads: Uploads
    housekeeper: Housekeeper
    kept_in_settings: KeptInSettings
    alarms: Alarms
    heartbeat: Heartbeat
    swappers: tuple[Swapper, ...]
    """What takes changed settings while it is at work."""

    @cached_property
    def scheduler(self) -> Scheduler:
        """What turns due times into runs, for whoever has a timer."""
        of = self.services
        return Scheduler(of, DueTimes(self.database, of.schedules, of.runs, of.audit))

    def record(self, event: AuditEvent) -> None:
        """Write it down in the audit log, for good; raises StoreError when that cannot be."""
        with self.database.write() as connection:
            self.services.audit.append(connection, event)

    def beat(self) -> None:
        """For the scheduler's loop, as often as it turns: it says outside that all is well."""
        if self.alarms.is_all_well:
            self.heartbeat.beat()

    def begin(self, *, only: frozenset[str] | None = None) -> None:
        """Execute runs from now on. Only the sole holder may; what a dead holder left is taken back first.

        With `only`, it is a shell that lives for the work of those runs, and keeps no house. But where no bot
        serves, nobody else would answer other shells meanwhile: it decides about their runs and looks for
        them. Nor would anybody else ever free what ended runs could not take back.
        """
        if only is not None:
            self.housekeeper.take_back_again()
        else:
            self._sweep_files()
        self.queue.may_execute = self.sole.keep
        self.queue.start(self.dispatcher.execute, only=only)
        if only is None:
            self.housekeeper.start()

    def _sweep_files(self) -> None:
        """Nobody writes yet: what a dead holder left half-written, and what nobody waits for, goes."""
        self.uploads.give_up_old()
        for name in self.services.outgoing.sweep(self._is_wanted):
            _log.info("removed a file that nobody waits for: %s", name)

    def _is_wanted(self, run_id: str, sha256: str) -> bool:
        for run in self.services.runs.some({run_id}):
            if not run.status.is_ending or self.uploads.is_wanted(run_id, sha256):
                return True
            files = run.reply.attachments if run.reply else ()
            return run.invocation.place is None and any(file.sha256 == sha256 for file in files)
        return False

    def end(self) -> None:
        """Hand out nothing more, wait for what runs, give everything back. May be called twice."""
        self.queue.stop(self.settings.limits.grace)
        self.alarms.stop()
        self.heartbeat.stop()
        self.housekeeper.stop()
        self.sole.free()
        for engine in self.services.engines.values():
            engine.close()
        self.database.close()


class Housekeeper:
    """Every few seconds ends what nobody was told of, and tries again to take back what could not be."""

    def __init__(self, endings: Endings, services: Services) -> None:
        self._endings = endings
        self._services = services
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """End what the process before never began, then keep house on a thread of its own."""
        self._endings.inherit()
        self._thread = threading.Thread(target=self._keep, name="housekeeper", daemon=True)
        self._thread.start()

    def take_back_again(self) -> None:
        """Try once what ended runs could not take back."""
        self._endings.take_back_again()

    def keep_approvals(self) -> None:
        """End once what waited for approval too long."""
        self._endings.keep_approvals()

    def stop(self) -> None:
        """End, without waiting for a Docker that does not answer. May be called twice."""
        self._stop.set()
        self._endings.close()
        if self._thread is not None:
            self._thread.join(_TIDY_SECONDS)

    def _keep(self) -> None:
        try:
            with undoing():
                sweep(self._services.engines.values(), self._services.archive, self._is_over)
                sweep_snapshots(self._services.engines.values(), self._left_by)
        except BotError as error:
            _log.warning("leftovers of earlier runs could not be looked for: %s", error)
        while not self._stop.wait(_TIDY_SECONDS):
            try:
                self._endings.tidy()
            except BotError as error:
                _log.error("tidying failed, and is tried again: %s", error)

    def _is_over(self, run_id: str) -> bool:
        return any(run.status.is_ending for run in self._services.runs.some({run_id}))

    def _left_by(self, run_id: str) -> Mapping[str, str] | None:
        """What a run that is over and kept no snapshot wrote down of it; one that was cancelled may have kept it."""
        if not self._is_over(run_id):
            return None
        noted = [one for one in self._services.noted(run_id) if one.verb == REMOVE_SNAPSHOT]
        return None if any(one.kept for one in noted) else next((one.arguments for one in noted), None)


def build(
    settings: Settings,
    commands: Mapping[str, Command],
    *,
    engines: Mapping[str, Engine] | None = None,
    registries: Registries | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> App:
    """Make every room once. Touches the state directory and the database, but neither Docker nor Slack."""
    witness = Witnessing()
    docker = engines or wiring.engines(settings, witness)
    stores = open_stores(settings, len(docker), clock)
    witness.bind(stores.audit, clock)
    token = settings.bot_token.get_secret_value() if settings.bot_token else None
    directory = people(settings.slack_api_url, token, settings.slack.language)
    policy = Policy(wiring.rules(settings), directory)
    known = registries or wiring.registries(settings)
    hearing = Hearing(store=stores.approvals, runs=stores.runs, policy=policy, clock=clock)
    dispatcher: Dispatcher
    services = Services(
        engines=docker,
        **stores.served(),
        alarm_rules=Taken(alarmwiring.alarm_rules(settings)),
        policy=policy,
        pace=Pace(SentCommands(stores.database), policy.identity, settings.limits.per_minute),
        approvals=_approvals(hearing, wiring.approvals(settings, commands), lambda: endings),
        break_glass=BreakGlass(hearing, settings.slack.language),
        commands=commands,
        cancel=lambda run, by: dispatcher.cancel(run, by),
        uploads=SlackUploads(settings.slack_api_url, token),
        **_settled(settings),
        registries=known,
        people=directory,
        doctor=doctor_of(settings, stores, Rooms.of(docker, known, stores.archive, clock)),
        clock=clock,
    )
    from_settings = KeptInSettings(services, schedules(settings, commands, services.runbooks))
    ledger = _ledger(stores, services)
    endings = Endings(services, ledger)
    dispatcher = Dispatcher(services, ledger, endings, stores.queue, stores.outbox)
    heartbeat = Heartbeat(alarmwiring.pulse(settings))
    return App(
        settings=settings,
        database=stores.database,
        sole=Sole(settings.state, stores.database),
        services=services,
        dispatcher=dispatcher,
        crowd=ledger.crowd,
        queue=stores.queue,
        outbox=stores.outbox,
        uploads=Uploads(stores.database, clock),
        housekeeper=Housekeeper(endings, services),
        alarms=_alarms(services, stores),
        heartbeat=heartbeat,
        kept_in_settings=from_settings,
        swappers=_swappers(services, heartbeat, from_settings),
    )


def _swappers(
    services: Services, heartbeat: Heartbeat, kept_in_settings: KeptInSettings
) -> tuple[Swapper, ...]:
    """What may fail to store what it takes comes last: until it can, all of them are taken again."""
    return (
        wiring.policy_swapper(services.policy),
        wiring.pace_swapper(services.pace),
        wiring.approvals_swapper(services.approvals, services.commands),
        alarmwiring.alarms_swapper(services.alarm_rules, heartbeat),
        kept_in_settings.swapper(),
    )


def _settled(settings: Settings) -> dict[str, Any]:
    """What services take over from the settings as it stands."""
    return {
        "default_host": settings.default_host or wiring.DEFAULT_HOST,
        "heads": Heads(settings.heads_path),
        "copy_bytes": settings.limits.copy_bytes,
        "quiesce": wiring.quiesce(settings),
        "retention": Retention(**settings.retention.model_dump()),
        "snapshots": Naming(**settings.snapshots.model_dump()),
        "drills": wiring.drills(settings),
        "runbooks": wiring.runbooks(settings),
        "builds": wiring.builds(settings),
    }


def _approvals(hearing: Hearing, rules: Iterable[Rule], endings: Callable[[], Endings]) -> Approvals:
    """Endings are made later than what they end."""
    return Approvals(hearing, rules, lambda *run, **values: endings().end_unclaimed(*run, **values))


def _alarms(services: Services, stores: Stores) -> Alarms:
    return Alarms(services, Watched(store=stores.alarms, pasts=stores.pasts, rules=services.alarm_rules))


def _ledger(stores: Stores, services: Services) -> Ledger:
    undoer = Undoer(stores.journal, undo.registry(services.engine, stores.archive), services.clock)
    owner = f"{os.uname().nodename}:{os.getpid()}"
    return Ledger(
        claims=stores.claims, journal=stores.journal, undoer=undoer, clock=services.clock, owner=owner
    )

"""The composition root: the one place where real things are made, started and stopped.

`build` takes the settings and the commands; tests give it engines of their own.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bot import wiring
from bot.command import Command
from bot.context import Ledger
from bot.dispatch import Dispatcher
from bot.ending import Endings
from bot.engine import Check, Engine
from bot.engine.real import DockerEngine
from bot.errors import BotError, StoreError
from bot.model import Invocation, Right
from bot.operations import undo
from bot.operations.drill import DrillRule
from bot.operations.fetching import Uploaded
from bot.operations.fetching import Uploads as FetchedUploads
from bot.operations.quiesce import Quiesce, QuiescePolicy
from bot.operations.registries import Registries
from bot.operations.retention import Retention
from bot.operations.sweep import sweep
from bot.permissions import Policy, Role
from bot.queue import EmbeddedQueue
from bot.sections import DrillSection
from bot.services import Services
from bot.settings import Settings
from bot.stores.archive import Archive
from bot.stores.audit import Audit
from bot.stores.claims import Claims
from bot.stores.database import Database
from bot.stores.journal import Journal
from bot.stores.outbox import Outbox
from bot.stores.outgoing import Outgoing
from bot.stores.runs import Lane, Runs
from bot.stores.sole import Sole
from bot.stores.uploads import Uploads
from bot.undo import Undoer

_log = logging.getLogger(__name__)
DEFAULT_HOST = "local"
_FRONT_WORKERS = 4
_TIDY_SECONDS = 2.0
_LONGEST_ANSWER = timedelta(seconds=60)


@dataclass(frozen=True, kw_only=True)
class App:
    """The built house."""

    settings: Settings
    database: Database
    sole: Sole
    services: Services
    dispatcher: Dispatcher
    queue: EmbeddedQueue
    outbox: Outbox
    uploads: Uploads
    housekeeper: Housekeeper

    def begin(self, *, only: frozenset[str] | None = None) -> None:
        """Execute runs from now on. Only the sole holder may; what a dead holder left is taken back first.

        With `only`, it is a shell that lives for those runs, and keeps no house; but where no bot serves,
        nobody else would ever free what ended runs could not take back.
        """
        if only is not None:
            self.housekeeper.take_back_again()
        else:
            self._sweep_files()
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

    def stop(self) -> None:
        """End, without waiting for a Docker that does not answer. May be called twice."""
        self._stop.set()
        self._endings.close()
        if self._thread is not None:
            self._thread.join(_TIDY_SECONDS)

    def _keep(self) -> None:
        try:
            sweep(self._services.engines.values(), self._services.archive, self._is_over)
        except BotError as error:
            _log.warning("leftovers of earlier runs could not be looked for: %s", error)
        while not self._stop.wait(_TIDY_SECONDS):
            try:
                self._endings.tidy()
            except BotError as error:
                _log.error("tidying failed, and is tried again: %s", error)

    def _is_over(self, run_id: str) -> bool:
        return any(run.status.is_ending for run in self._services.runs.some({run_id}))


def build(
    settings: Settings,
    commands: Mapping[str, Command],
    *,
    engines: Mapping[str, Engine] | None = None,
    registries: Registries | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> App:
    """Make every room once. Touches the state directory and the database, but neither Docker nor Slack."""
    _make_private(settings)
    database = Database(settings.database_url)
    database.migrate()
    docker = engines or _engines(settings)
    queue = _queue(settings, database, len(docker))
    runs = Runs(database, clock, queue.enqueue)
    queue.bind(runs)
    audit = Audit(database)
    claims = Claims(database, audit, clock, queue.enqueue)
    archive = Archive(settings.archive_path, clock)
    outbox = Outbox(database, clock)
    outgoing = Outgoing(settings.state / "outgoing", clock)
    journal = Journal(database)
    dispatcher: Dispatcher
    services = Services(
        engines=docker,
        default_host=settings.default_host or DEFAULT_HOST,
        archive=archive,
        outgoing=outgoing,
        runs=runs,
        audit=audit,
        policy=_policy(settings),
        commands=commands,
        cancel=lambda run, by: dispatcher.cancel(run, by),
        was_kept=journal.was_kept,
        kept=journal.kept,
        uploads=_SlackUploads(settings),
        copy_bytes=settings.limits.copy_bytes,
        quiesce=_quiesce(settings),
        retention=Retention(**settings.retention.model_dump()),
        drills={name: _drill(section) for name, section in settings.drills.items()},
        builds=wiring.builds(settings.builds),
        registries=registries or _registries(settings),
        clock=clock,
    )
    undoer = Undoer(journal, undo.registry(services.engine, archive), clock)
    owner = f"{os.uname().nodename}:{os.getpid()}"
    ledger = Ledger(claims=claims, journal=journal, undoer=undoer, clock=clock, owner=owner)
    endings = Endings(services, ledger)
    dispatcher = Dispatcher(services, ledger, endings, queue, outbox)
    return App(
        settings=settings,
        database=database,
        sole=Sole(settings.state, database),
        services=services,
        dispatcher=dispatcher,
        queue=queue,
        outbox=outbox,
        uploads=Uploads(database, clock),
        housekeeper=Housekeeper(endings, services),
    )


class _SlackUploads(FetchedUploads):
    """What people uploaded to Slack. Slack's libraries are loaded when they are first needed: a shell rarely does."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def find(self, file_id: str, asked: Invocation) -> Uploaded:
        """The file, by Slack's word."""
        from bot.slack.fetching import SlackUploads

        token = self._settings.bot_token
        found = SlackUploads(self._settings.slack_api_url, token.get_secret_value() if token else None)
        return found.find(file_id, asked)


def _queue(settings: Settings, database: Database, hosts: int) -> EmbeddedQueue:
    lanes = {Lane.FRONT: _FRONT_WORKERS, Lane.WORK: settings.limits.workers}
    return EmbeddedQueue(database, lanes, hosts)


def _make_private(settings: Settings) -> None:
    try:
        settings.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"The state directory {settings.state} cannot be made ({error.strerror}). Nothing was changed. "
            "Name one that this user may write with SHIPKEEPER_STATE."
        ) from error


def _engines(settings: Settings) -> dict[str, Engine]:
    stall = settings.stall_limit
    answer = min(stall, _LONGEST_ANSWER)
    if not settings.hosts:
        engine = DockerEngine(
            DEFAULT_HOST, base_url=settings.docker_host, stall=stall, request_timeout=answer
        )
        return {DEFAULT_HOST: engine}
    return {
        name: DockerEngine(
            name, base_url=host.address, stall=stall, request_timeout=answer, access=wiring.access(host)
        )
        for name, host in settings.hosts.items()
    }


def _registries(settings: Settings) -> Registries:
    passwords = settings.registry_passwords
    return wiring.registries(
        settings.registries, lambda name: passwords[name].get_secret_value(), settings.docker_config
    )


def _quiesce(settings: Settings) -> QuiescePolicy:
    section = settings.quiesce
    return QuiescePolicy(
        default=Quiesce(section.default),
        stop_grace_seconds=section.stop_grace,
        health=timedelta(seconds=section.health),
        hook=timedelta(seconds=section.hook),
        max_downtime=timedelta(seconds=settings.limits.max_downtime),
    )


def _drill(section: DrillSection) -> DrillRule:
    check = Check(image=section.image, words=section.command, limit=timedelta(seconds=section.seconds))
    return DrillRule(volumes=section.volumes, check=check)


def _policy(settings: Settings) -> Policy:
    return Policy(
        Role(
            name=name,
            members=frozenset(role.members),
            right=Right(role.right) if role.right else Right.NONE,
            commands=role.commands,
            targets=role.targets,
            channels=role.channels,
            hosts=role.hosts,
        )
        for name, role in settings.roles.items()
    )

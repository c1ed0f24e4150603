"""The thread that looks every minute, compares with what is open and tells what changed. Must not know Slack.

What cannot be judged, for a host or the archive is away, stays as it is: an alarm does not come and go with a network.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from bot.alarmrules import AlarmKind, Condition, Findings, Taken
from bot.alarms.history import Coverage, History, Records
from bot.alarms.hosts import Hosts
from bot.alarms.shelves import Shelves
from bot.alarms.told import Way, told
from bot.alarms.volumes import View, judge
from bot.errors import BotError
from bot.language import say, speaking
from bot.operations.backedup import Source
from bot.services import Services
from bot.stores.alarms import AlarmStore, News, Told
from bot.stores.pasts import Pasts

_log = logging.getLogger(__name__)

_EVERY_SECONDS = 60.0
_UNSEEN_SECONDS = 300.0
"""Who has not looked for so long does not watch any more."""
_LAST_SECONDS = 2.0
_OWN_DEATH = f"{AlarmKind.SCHEDULER}:alarms"
_EVERYTHING = frozenset(f"{kind}:" for kind in AlarmKind)


@dataclass(frozen=True, kw_only=True)
class Watched:
    """What is known of runs beside the services."""

    store: AlarmStore
    pasts: Pasts
    rules: Taken


class Alarms:
    """Looks, tells, and says of itself whether it does. `look` may be called from any thread."""

    def __init__(self, services: Services, watched: Watched) -> None:
        self._services = services
        self._store = watched.store
        self._rules = watched.rules
        self._hosts = Hosts(services.engines, services.clock)
        self._shelves = Shelves(services.archive)
        self._history = History(Records(runs=services.runs, pasts=watched.pasts), services.clock)
        self._coverage = Coverage(services.commands, services.default_host, services.runs)
        self._is_timer_alive: Callable[[], bool] | None = None
        self._taken: Mapping[Source, datetime | None] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._looked_at = self._tried_at = time.monotonic()
        self._is_told_dead = False

    def watch_timer(self, is_alive: Callable[[], bool]) -> None:
        """Ask this whether due times are noticed. Until then nobody expects them to be."""
        self._is_timer_alive = is_alive

    @property
    def is_well(self) -> bool:
        """Whether it looks: its thread lives, and saw everything within five minutes."""
        return self._is_alive() and time.monotonic() - self._looked_at < _UNSEEN_SECONDS

    @property
    def is_all_well(self) -> bool:
        """The same, and due times are noticed, as far as anybody is asked that."""
        return self.is_well and (self._is_timer_alive is None or self._is_timer_alive())

    def start(self) -> None:
        """Begin, on a thread of its own; the first look is a minute later."""
        self._looked_at = self._tried_at = time.monotonic()
        self._thread = threading.Thread(target=self._keep, name="alarms", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End; a host that is being asked is not waited for. May be called twice."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(_LAST_SECONDS)

    def watch_itself(self) -> None:
        """For somebody else's thread: when this one does not even try to look any more, tell that, once."""
        is_trying = self._is_alive() and time.monotonic() - self._tried_at < _UNSEEN_SECONDS
        if is_trying or self._thread is None or self._stop.is_set() or self._is_told_dead:
            return
        with speaking(self._services.people.otherwise):
            text = say(
                "Nobody looks any more whether volumes are protected: the bot’s own watch stopped. Its log says why. "
                "Restart the bot."
            )
        condition = Condition(kind=AlarmKind.SCHEDULER, key=_OWN_DEATH, text=text)
        try:
            self._settle(Findings(conditions=(condition,), unsure=_EVERYTHING))
            self._is_told_dead = True
        except BotError as error:
            _log.critical("the watch over backups stopped, and nobody can be told yet: %s", error)

    def _is_alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def look(self) -> News:
        """Look once, and tell what changed; raises StoreError, and then nothing changed."""
        with self._lock, speaking(self._services.people.otherwise):
            news = self._settle(self._found())
        self._looked_at, self._is_told_dead = time.monotonic(), False
        return news

    @property
    def taken(self) -> Mapping[Source, datetime | None]:
        """When the newest verified backup of each source was begun, as of the last look; None where none counts."""
        return self._taken

    def _keep(self) -> None:
        while not self._stop.wait(_EVERY_SECONDS):
            try:
                self._tried_at = time.monotonic()
                self.look()
            except BotError as error:
                _log.error("alarms could not be looked for, and are at the next look: %s", error)

    def _found(self) -> Findings:
        services, rules = self._services, self._rules.rules
        schedules = services.schedules.all()
        timer = self._timer()
        found = self._hosts.ask() + timer
        found += self._history.judge(schedules, rules, timer=not timer.conditions)
        catalogue, trouble = self._shelves.read()
        found += trouble + self._shelves.room(rules)
        if catalogue is None:
            return found
        verified = catalogue.verified
        self._taken = {
            source: verified[source].manifest.started_at if source in verified else None
            for source in catalogue.newest
        }
        view = View(
            hosts=tuple(services.engines),
            volumes=self._hosts.volumes,
            answering=self._hosts.answering,
            catalogue=catalogue,
            covered=self._coverage.of(schedules),
        )
        return found + judge(view, rules, services.clock())

    def _timer(self) -> Findings:
        if self._is_timer_alive is None or self._is_timer_alive():
            return Findings()
        text = say(
            "The scheduler has stopped: nothing that is due begins. Its log says why. Restart the bot; due times "
            "that are not too old are made up for then."
        )
        key = AlarmKind.SCHEDULER
        return Findings(conditions=(Condition(kind=AlarmKind.SCHEDULER, key=key, text=text),))

    def _settle(self, found: Findings) -> News:
        channel = self._rules.rules.channel
        news = self._store.settle(found, self._told, is_heard=bool(channel))
        for one in news.new:
            _log.warning("alarm %s: %s", one.key, one.text)
        for alarm in news.over:
            _log.warning("alarm %s is over: %s", alarm.key, alarm.text)
        return news

    def _told(self, news: News) -> Told:
        services = self._services
        way = Way(
            channel=self._rules.rules.channel,
            language=services.people.otherwise,
            host=services.default_host,
            now=services.clock(),
        )
        return told(news, way)

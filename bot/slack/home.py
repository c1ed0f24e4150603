"""Home pages: each is gathered and published when its owner opens it, and again while they may be looking, on change.

A thread of its own does it all; a listener only notes who opened theirs. `hash` is of no use here: nobody else
publishes, and a page that was published twice is the same page.
"""

from __future__ import annotations

import json
import logging
import math
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from bot.errors import BotError
from bot.language import speaking, spoken
from bot.overview import Overviews, Survey
from bot.people import Directory, language_of
from bot.seen import Overview
from bot.slack.files import NO_ANSWER
from bot.slack.homepaper import Paper, Shown
from bot.slack.homepictures import HomePictures
from bot.slack.homeview import buttons_of, home, picture
from bot.slack.posting import refusal
from bot.slack.rates import Budget
from bot.stores.activity import Activity, Pulse
from bot.stores.homes import Homes, Picture

_log = logging.getLogger(__name__)

_POLL_SECONDS = 0.25
_PULSE_SECONDS = 1.0
_LOOKED_AT = timedelta(minutes=10)
"""So long somebody who opened their page counts as looking at it."""
_BETWEEN = 3.0
"""Seconds between two versions of one person's page."""
_SURVEY_SECONDS = 60.0
_FRESH_SECONDS = 5.0
_TIDY_SECONDS = 60.0
_FIRST_WAIT = 0.5
_LONGEST_WAIT = 15.0
_UNFORESEEN = (SlackClientError, LookupError, TypeError, ValueError, AttributeError, ArithmeticError)
_WRONG_PICTURE = ("invalid_arguments", "invalid_blocks")


@dataclass(frozen=True, kw_only=True)
class Watched:
    """What pages are made from."""

    homes: Homes
    overviews: Overviews
    activity: Activity
    people: Directory
    clock: Callable[[], datetime]


@dataclass
class _Viewer:
    """Somebody who may be looking. `said` is what their page says, `shown` the picture on it."""

    opened_at: datetime
    is_stale: bool = True
    not_before: float = 0.0
    again_at: float = math.inf
    """When their picture may be ready. Both are monotonic."""
    attempts: int = 0
    said: str = ""
    shown: tuple[Picture, Shown] | None = None

    def is_due(self, now: float) -> bool:
        """Whether their page is to be looked at."""
        return self.not_before <= now and (self.is_stale or self.again_at <= now)


class HomePages:
    """A thread that keeps the pages of those who look at them true."""

    def __init__(self, client: WebClient, watched: Watched, docker: str) -> None:
        self._client = client
        self._watched = watched
        self._docker = docker
        self._stop = threading.Event()
        self._pictures = HomePictures(
            client, watched.homes, watched.clock, is_wanted=lambda: not self._stop.is_set()
        )
        self._budget = Budget()
        self._noted: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._viewers: dict[str, _Viewer] = {}
        self._pulse: Pulse | None = None
        self._pulse_at = 0.0
        self._surveys: dict[str, tuple[Survey, float]] = {}
        self._tidied_at = 0.0
        self._thread: threading.Thread | None = None

    def opened(self, user: str) -> None:
        """Note that somebody opened theirs. Does nothing else, so that a listener may call it."""
        self._noted.put(user)

    def start(self) -> None:
        """Begin, on a thread of its own, with those who looked when the bot before ended."""
        self._thread = threading.Thread(target=self._keep, name="home", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End. May be called twice."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _keep(self) -> None:
        self._guarded(self._remember)
        while not self._stop.wait(_POLL_SECONDS):
            self._guarded(self._round)

    def _guarded(self, step: Callable[[], None]) -> None:
        """What breaks for one round must not end the pages of everybody."""
        try:
            step()
        except BotError as error:
            _log.error("Home pages cannot be kept now: %s", error)
        except _UNFORESEEN:
            _log.exception("keeping Home pages broke")

    def _remember(self) -> None:
        for user, opened_at in self._watched.homes.opened_lately(_LOOKED_AT).items():
            self._viewers[user] = _Viewer(opened_at=opened_at)

    def _round(self) -> None:
        self._take_in()
        gone = self._watched.clock() - _LOOKED_AT
        self._viewers = {user: one for user, one in self._viewers.items() if one.opened_at > gone}
        if not self._viewers:
            return
        self._feel()
        now = time.monotonic()
        due = [(user, one) for user, one in self._viewers.items() if one.is_due(now)]
        for user, viewer in sorted(due, key=lambda one: one[1].opened_at, reverse=True):
            with speaking(language_of(self._watched.people, user)):
                if self._stop.is_set() or not self._refresh(user, viewer):
                    return
        if now - self._tidied_at > _TIDY_SECONDS:
            self._tidied_at = now
            self._pictures.tidy()

    def _take_in(self) -> None:
        while not self._noted.empty():
            user = self._noted.get()
            before = self._viewers.get(user)
            not_before = before.not_before if before is not None else 0.0
            self._viewers[user] = _Viewer(opened_at=self._watched.clock(), not_before=not_before)
            self._forget_surveys(_FRESH_SECONDS)
            self._watched.homes.opened(user)

    def _feel(self) -> None:
        """Whether anything happened: then every page may be stale, and what hosts hold, if a run began or ended."""
        now = time.monotonic()
        if now - self._pulse_at < _PULSE_SECONDS:
            return
        self._pulse_at, before, self._pulse = now, self._pulse, self._watched.activity.pulse()
        if before is None or before == self._pulse:
            return
        if before.runs != self._pulse.runs:
            self._surveys.clear()
        for viewer in self._viewers.values():
            viewer.is_stale = True

    def _surveyed(self) -> Survey:
        """What hosts hold, and why those that say nothing do not: in the language of the reader."""
        self._forget_surveys(_SURVEY_SECONDS)
        if spoken() not in self._surveys:
            self._surveys[spoken()] = (self._watched.overviews.survey(), time.monotonic())
        return self._surveys[spoken()][0]

    def _forget_surveys(self, seconds: float) -> None:
        oldest = time.monotonic() - seconds
        self._surveys = {language: one for language, one in self._surveys.items() if one[1] >= oldest}

    def _refresh(self, user: str, viewer: _Viewer) -> bool:
        """Bring their page up to date, if it is not; False when no other page could be now."""
        now = time.monotonic()
        viewer.not_before = now + _BETWEEN
        overview = self._watched.overviews.of(user, self._surveyed())
        ready = self._pictures.ready(overview.figures)
        if ready is not None:
            viewer.shown = (ready, picture(overview, ready.file_id))
        elif not overview.figures:
            viewer.shown = None
        view = self._view(user, viewer, overview)
        said = json.dumps(view["blocks"][:-1])
        if said != viewer.said:
            if not self._budget.may("views.publish"):
                viewer.not_before = 0.0
                return False  # nor may any other page be published now
            if not self._published(user, viewer, view):
                return viewer.attempts == 0
            viewer.said, viewer.attempts = said, 0
            viewer.not_before = time.monotonic() + _BETWEEN
        viewer.is_stale = False
        is_missing = ready is None and bool(overview.figures)
        viewer.again_at = now + self._pictures.make(overview.figures) if is_missing else math.inf
        return True

    def _view(self, user: str, viewer: _Viewer, overview: Overview) -> dict[str, Any]:
        """Until the picture of the newest numbers can be shown, the one before stays."""
        paper = Paper(
            overview=overview,
            docker=self._docker,
            tokens=self._watched.homes.offer(user, buttons_of(overview)),
            picture=viewer.shown[1] if viewer.shown else None,
        )
        return home(paper, self._watched.clock())

    def _published(self, user: str, viewer: _Viewer, view: dict[str, Any]) -> bool:
        """Whether Slack took it. If not, what follows from that is noted at the viewer."""
        try:
            self._client.views_publish(user_id=user, view=view)
        except SlackApiError as error:
            self._refused(user, viewer, error)
        except NO_ANSWER as error:
            self._later(user, viewer, f"no answer from Slack: {error}")
        else:
            self._watched.homes.shows(user, viewer.shown[0].digest if viewer.shown else None)
            return True
        return False

    def _refused(self, user: str, viewer: _Viewer, error: SlackApiError) -> None:
        refused = refusal(error)
        if refused.retry_after is not None:
            self._budget.refused("views.publish", "", refused.retry_after)
            viewer.not_before = time.monotonic() + refused.retry_after
        elif viewer.shown is not None and refused.code in _WRONG_PICTURE:
            self._pictures.refused(viewer.shown[0])
            viewer.shown, viewer.not_before = None, 0.0
        elif refused.is_lasting:
            _log.error("the Home page of %s cannot be shown: %s", user, error.response.data)
            self._viewers.pop(user, None)
        else:
            self._later(user, viewer, str(refused))

    def _later(self, user: str, viewer: _Viewer, why: str) -> None:
        wait = min(_FIRST_WAIT * 2**viewer.attempts, _LONGEST_WAIT)
        _log.warning("the Home page of %s is tried again in %.1f s: %s", user, wait, why)
        viewer.attempts += 1
        viewer.not_before = time.monotonic() + wait

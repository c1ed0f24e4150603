"""The long-running bot: takes the sole right to execute, connects Slack and the web door, ends on a signal."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from bot import sidedoors
from bot.alarms.figures import figures
from bot.app import App, build
from bot.command import Command
from bot.completion import Completion
from bot.engine import Engine
from bot.errors import StoreError
from bot.language import say
from bot.model import Invocation
from bot.overview import Overviews
from bot.reload import Means, Reloader
from bot.schedules.discovery import Discovery
from bot.schedules.timer import Timer
from bot.settings import Settings, SettingsError, file_of, read
from bot.signals import OnHangup, OnSignal
from bot.slack.connection import Account, Road, SlackConnection
from bot.slack.delivery import Beside
from bot.slack.heads import Publishing
from bot.stores.activity import Activity
from bot.stores.homes import Homes
from bot.stores.proposals import Proposals
from bot.stores.runrow import Lane
from bot.stores.sole import HolderProcess
from bot.syslog import SyslogCopy
from bot.web import WebServer, make_web
from bot.wiring import discovery, ignores_docker_host

_log = logging.getLogger(__name__)
_WAIT_FOR_SHELL = 0.2
_LOOKS = 4
_KEEP_SECONDS = 5.0


class Bot:
    """An app with its faces. `start` and `stop` belong to one thread."""

    def __init__(
        self,
        settings: Settings,
        commands: Mapping[str, Command],
        *,
        engines: Mapping[str, Engine] | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        account = _account(settings)
        self._settings = settings
        self.app: App = build(settings, commands, engines=engines, clock=clock)
        self.timer = Timer(self.app.services.schedules, self.app.scheduler.look, self.app.services.clock)
        self.timer.on_beat.extend((self.app.scheduler.prune, self.app.beat))
        self.app.alarms.watch_timer(lambda: self.timer.is_alive)
        self.completion = Completion(self.app.services)
        self.slack = SlackConnection(account, _road(self.app, self.completion))
        self._tabs = sidedoors.tabs(self.app, self.completion)
        self.also_ready: dict[str, Callable[[], bool]] = {}
        """What else of the process must be well for it to be ready, by name."""
        self._syslog = _syslog(self.app)
        self._discovery = _discovery(self.app)
        host, _, port = settings.slack.listen.rpartition(":")
        families = sidedoors.metrics(self.app, self.slack.acks).families
        web = make_web(self._checks, self._counts, self.slack.http, families)
        self.web = WebServer(web, host, int(port))

    def start(self, stopping: threading.Event) -> bool:
        """Take over what a dead process left, then open the doors; False when stopped while waiting."""
        if not self._take(stopping):
            return False
        self.app.kept_in_settings.sync()
        self.app.begin()
        self.timer.start()
        if self._syslog is not None:
            self._syslog.start()
        self.completion.start()
        self._open_tabs()
        self.app.alarms.start()
        self._discovery.start()
        self._open_web()
        self.slack.start()
        mode = "HTTP at /slack/events" if self.slack.http else "Socket Mode"
        _log.info("shipkeeper serves Slack by %s", mode)
        return True

    def _open_tabs(self) -> None:
        try:
            self._tabs.start()
        except OSError as error:  # shells then look by themselves
            _log.warning("shells cannot ask here what could follow: %s", error)

    def _open_web(self) -> None:
        """In Socket Mode the chat goes on without it: a taken port must not keep a restore from people."""
        try:
            self.web.start()
            _log.info("web door: http://%s", self._settings.slack.listen)
        except OSError as error:
            sentence = say(
                "The web door cannot listen at {listen}. Free that address, or set "
                "another one as `listen` in [slack] of the settings.",
                listen=self._settings.slack.listen,
            )
            if self.slack.http:
                raise StoreError(sentence) from error
            _log.error("%s Health and metrics are missing until then.", sentence)

    def stop(self) -> None:
        """Close the doors, let work end, tell what ended. May be called twice."""
        self.app.alarms.stop()  # first: what ends here is no alarm
        self.web.stop()
        self._tabs.stop()
        self.timer.stop()
        self._discovery.stop()
        self.slack.close_door()  # what came in now would be begun by the next process, long after it was asked
        self.app.queue.stop(self._settings.limits.grace)
        self.slack.stop()
        self.completion.stop()
        if self._syslog is not None:
            self._syslog.stop()
        self.app.end()

    def _take(self, stopping: threading.Event) -> bool:
        """The right to execute; waits for a command in a shell, refuses a second bot."""
        seen: list[HolderProcess | None] = []
        while not self.app.sole.take("serve"):
            seen.append(self.app.sole.holder())
            # A holder writes its name just after it took the lock, so one look may see the name before.
            bots = [one for one in seen[-_LOOKS:] if one is not None and one.role == "serve"]
            if len(bots) == _LOOKS:
                raise bots[-1].in_the_way(self._settings.state)
            if len(seen) == _LOOKS:
                _log.warning("waiting for process %s, which executes runs here now, to end", _pid(seen[-1]))
            if stopping.wait(_WAIT_FOR_SHELL):
                return False
        return True

    def _checks(self) -> dict[str, bool]:
        return {
            "database": self._database_answers(),
            "slack": self.slack.is_ready,
            "queue": self.app.queue.is_alive,
            "scheduler": self.timer.is_alive,
            "alarms": self.app.alarms.is_well,
            **{name: is_well() for name, is_well in self.also_ready.items()},
        }

    def _database_answers(self) -> bool:
        try:
            self.app.services.runs.newest(limit=1)
        except StoreError:
            return False
        return True

    def _counts(self) -> dict[str, dict[str, float]]:
        workers = self.app.queue.workers()
        try:
            runs = self.app.services.runs.counts()
            standing = figures(self.app.services)
        except StoreError:  # the other figures are wanted just then
            runs, standing = {}, {}
        return {
            **standing,
            "runs": {status.value: float(count) for status, count in runs.items()},
            "busy_workers": {lane.value: sum(worker.lane is lane for worker in workers) for lane in Lane},
            "refused": self.slack.refusals(),
            "ready": {name: float(is_true) for name, is_true in self._checks().items()},
        }


def serve(settings: Settings, commands: Mapping[str, Command]) -> int:
    """Run until SIGTERM or SIGINT; the exit code. Raises BotError, SettingsError or SlackRefused."""
    stopping = threading.Event()
    if ignores_docker_host(settings):
        _log.warning("DOCKER_HOST is not followed, for [hosts] of the settings says where Docker is")
    bot = Bot(settings, commands)
    reloader = Reloader(settings, bot.app.swappers, _rereading(bot.app))
    bot.also_ready["settings"] = lambda: reloader.is_well
    with OnSignal(stopping.set), OnHangup(reloader.ask):
        try:
            if bot.start(stopping):
                reloader.start()
                _hold_until(stopping, bot)
        finally:
            reloader.stop()
            bot.stop()
    return 0


def _rereading(app: App) -> Means:
    return Means(read=read, file=file_of(), record=app.record, clock=app.services.clock)


def _hold_until(stopping: threading.Event, bot: Bot) -> None:
    """Keep the right to execute until told to stop.

    Raises StoreError when another process has it for good, and SlackRefused when Slack knows us no more.
    """
    lost = 0
    while not stopping.wait(_KEEP_SECONDS):
        bot.slack.refuse_dead_tokens()
        bot.app.alarms.watch_itself()
        try:
            lost = 0 if bot.app.sole.keep() else lost + 1
            bot.slack.hold_back(is_held_back=lost > 0)
        except StoreError as error:  # while it is away nobody else can take it either
            _log.error("the right to execute cannot be made sure of: %s", error)
        if lost == _LOOKS:
            raise StoreError(
                say(
                    "The connection to the database broke, and another process executes runs of it now. This one "
                    "stops, and touches nothing of what the other one took over."
                )
            )


def _pid(holder: HolderProcess | None) -> str:
    return str(holder.pid) if holder else "unknown"


def _syslog(app: App) -> SyslogCopy | None:
    address = app.settings.audit.syslog
    return SyslogCopy(app.services.audit, address, app.settings.state / "audit-syslog") if address else None


def _discovery(app: App) -> Discovery:
    services = app.services
    proposals = Proposals(app.database, services.audit, services.clock)
    channel = app.settings.discovery.channel
    return Discovery(services, proposals, discovery(app.settings), lambda: channel or services.alarm_channel)


def _account(settings: Settings) -> Account:
    problems = []
    if settings.bot_token is None:
        problems.append(say("SLACK_BOT_TOKEN is not set: the bot's own token, xoxb-…"))
    if settings.app_token is None and settings.signing_secret is None:
        problems.append(
            say("neither SLACK_APP_TOKEN (Socket Mode, xapp-…) nor SLACK_SIGNING_SECRET (HTTP mode) is set")
        )
    if settings.bot_token is None or problems:
        raise SettingsError("The bot cannot serve Slack:\n" + "\n".join(f"  - {line}" for line in problems))
    app_token, secret = settings.app_token, settings.signing_secret
    return Account(
        api_url=settings.slack_api_url,
        bot_token=settings.bot_token.get_secret_value(),
        app_token=app_token.get_secret_value() if app_token else None,
        signing_secret=secret.get_secret_value() if secret else None,
        command_prefix=settings.slack.command_prefix,
    )


def _road(app: App, completion: Completion) -> Road:
    def accept(invocation: Invocation) -> str:
        return app.dispatcher.accept(invocation).run_id

    activity = Activity(app.database)
    return Road(
        accept=accept,
        accept_told=lambda invocation: app.dispatcher.accept(invocation, told=True),
        confirm=app.dispatcher.confirm_all,
        crowd=app.crowd,
        outbox=app.outbox,
        uploads=app.uploads,
        outgoing=app.services.outgoing,
        runs=app.services.runs,
        commands=app.services.commands,
        completion=completion,
        hosts=len(app.services.engines),
        clock=app.services.clock,
        homes=Homes(app.database, app.services.clock),
        overviews=Overviews(app.services, activity),
        activity=activity,
        people=app.services.people,
        publishing=Publishing(
            audit=app.services.audit,
            heads=app.services.heads,
            channel=app.settings.audit.channel,
            posted=app.settings.state / "audit-head-posted",
            language=app.services.people.otherwise,
            clock=app.services.clock,
        ),
        beside=Beside(
            alarm_channel=lambda: app.services.alarm_channel,
            as_it_stands=app.services.approvals.as_it_stands,
        ),
    )

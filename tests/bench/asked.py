"""What is asked of a database with a past, again and again while the bot is at work, each by a name of its own.

Every answer is looked at, so that nothing is quick because it finds nothing. Must not know how it is timed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from bot.metrics.gathering import Endings
from bot.model import Actor, Reply, Status
from bot.stores.activity import Activity
from bot.stores.audit import AuditEvent
from bot.stores.auditfilter import Filter
from bot.stores.claims import Claims, Ending
from bot.stores.duetimes import DueTimes
from bot.stores.outbox import Outbox
from bot.stores.pasts import Pasts
from bot.stores.runrow import Lane, Run
from bot.stores.runs import Runs
from bot.stores.schedules import Schedules
from bot.stores.sent import SentCommands
from bot.stores.tallies import Tallies
from tests.bench.past import Past, key, run_id
from tests.support.house import invocation

SOMEBODY, NOBODY = "U00007", "U0NEW"
_TROUBLE = (Status.FAILED, Status.PARTIAL, Status.INTERRUPTED)
_SHOWN = 20

Ask = Callable[[], object]


class Desk:
    """Every store that is asked, over one database, at the moment after its newest run."""

    def __init__(self, past: Past) -> None:
        self.past = past
        self.audit = past.audit
        self.runs = Runs(past.database, self.clock, lambda *_: None)
        self.claims = Claims(past.database, past.audit, self.clock, lambda *_: None)
        self.outbox = Outbox(past.database, self.clock)
        self.activity = Activity(past.database)
        self.pasts = Pasts(past.database)
        self.tallies = Tallies(past.database)
        self.sent = SentCommands(past.database)
        schedules = Schedules(past.database, past.audit, self.clock)
        self.due = DueTimes(past.database, schedules, self.runs, past.audit)
        self._taken = 0

    def clock(self) -> datetime:
        """When it is."""
        return self.past.now

    # ---- for people --------------------------------------------------------------------------------

    def of_people(self) -> Mapping[str, Ask]:
        """What commands and Home pages ask."""
        return {
            "`runs`": lambda: _some(self.runs.newest(limit=_SHOWN)),
            "`runs --mine`": lambda: _some(self.runs.newest(limit=_SHOWN, actor=SOMEBODY), least=1),
            "`runs --status failed`": lambda: _some(
                self.runs.newest(limit=_SHOWN, status=Status.FAILED), least=1
            ),
            "`details`": lambda: self.runs.get(self._old_id),
            "`audit`": lambda: self._page(Filter()),
            "`audit --mine`": lambda: self._page(Filter(by=SOMEBODY)),
            "`audit --target`": lambda: self._page(Filter(target="volume:volume7")),
            "`prune`: did the last backup fail?": self._last_backup,
            "Home: what is at work and what failed": self._home,
            "Home: is somebody new?": lambda: _none(self.runs.newest(limit=1, actor=NOBODY)),
            "digest of a week": lambda: self.runs.ended_since(self.clock() - timedelta(days=7), 200),
        }

    def _page(self, wanted: Filter) -> None:
        """As a page is made: counted, shown, and compared with its seals."""
        assert self.audit.count(wanted)
        lines = self.audit.found(wanted, limit=_SHOWN)
        assert lines
        assert self.audit.misfit(lines) is None

    def _last_backup(self) -> None:
        assert self.audit.last_ending("backup", "local", "volume:volume7", lambda _: True)
        assert self.audit.last_ending("drill", "local", "volume:volume7", lambda _: True) is None

    def _home(self) -> None:
        self.activity.pulse()
        self.activity.at_work(200)
        _some(self.activity.troubled(_TROUBLE, self.clock() - timedelta(days=7), 200), least=1)

    @property
    def _old_id(self) -> str:
        return run_id(self.past.runs // 2)

    # ---- for each command, and for each look around --------------------------------------------------

    def of_commands(self) -> Mapping[str, Ask]:
        """What storing and carrying out a command costs."""
        return {
            "a command comes twice": self._again,
            "stored, claimed, ended": self._carried_out,
            "was somebody too fast?": lambda: self.sent.before(self._newest, timedelta(minutes=1), bool),
            "is a run of the schedule under way?": lambda: self.runs.under_way("s7"),
        }

    def _again(self) -> None:
        known, is_new = self.runs.submit(
            invocation("volumes", key=key(self.past.runs // 2)), host="local", released=True
        )
        assert not is_new
        assert known.id == self._old_id

    def _carried_out(self) -> None:
        asked = invocation("whoami", at=self.clock(), key=f"bench:{self.past.runs}:{self._taken}")
        self._taken += 1
        run, _ = self.runs.submit(asked, host="local", released=True)
        claim = self.claims.claim(run, "bench")
        assert claim is not None
        reply = Reply(text="So.", status=Status.SUCCEEDED)
        self.claims.finish(claim, Ending(status=reply.status, reply=reply), _event(run, self.clock()))

    @property
    def _newest(self) -> Run:
        return self.runs.newest(limit=1)[0]

    def of_itself(self) -> Mapping[str, Ask]:
        """What the bot asks by itself, every second, minute or scrape."""
        return {
            "a look for work": self._look_for_work,
            "a look for messages": lambda: self.outbox.behind(_SHOWN),
            "what to prune after": lambda: self.due.to_prune(self.clock() - timedelta(days=3)),
            "alarms of runs": self._alarms,
            "a scrape of metrics": self._scrape,
        }

    def _look_for_work(self) -> None:
        for lane in Lane:
            self.runs.claimable(lane, 4)
        self.runs.abandoned(timedelta(seconds=5))
        self.runs.asked_to_cancel()
        self.runs.running()

    def _alarms(self) -> None:
        self.pasts.unended(self.clock())
        self.pasts.troubled()
        assert self.pasts.took(self.runs.get(run_id(self.past.runs - 2)), 20)

    def _scrape(self) -> None:
        head = self.audit.head()
        assert head is not None
        assert self.runs.counts()
        self.tallies.ended_after(head.seq - 2, 1000)
        self.tallies.queued()
        self.tallies.behind()

    # ---- all of it -------------------------------------------------------------------------------------

    def of_everything(self) -> Mapping[str, Ask]:
        """What looks at each record there is, and must grow with them: once a start, or when somebody asks."""
        return {"`audit verify`": self._verify, "first scrape: adding up the past": self._add_up}

    def _verify(self) -> None:
        verdict = self.audit.verify()
        assert verdict.problem is None
        assert verdict.entries

    def _add_up(self) -> None:
        endings = Endings(self.tallies, ("backup", "volumes", "runs"))
        while not endings.catch_up():
            pass


def _event(run: Run, at: datetime) -> AuditEvent:
    return AuditEvent(
        run_id=run.id,
        kind=Status.SUCCEEDED.value,
        at=at,
        actor=Actor(id="cli:tester", name="tester"),
        origin=run.invocation.origin,
        channel=None,
        command="whoami",
        line="whoami",
        host="local",
        detail="So.",
    )


def _some(found: tuple[Run, ...], least: int = _SHOWN) -> None:
    assert len(found) >= least


def _none(found: tuple[Run, ...]) -> None:
    assert not found

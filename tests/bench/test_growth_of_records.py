"""Time against what is kept: runs and their audit log in the database, schedules, backups in the archive.

`SHIPKEEPER_GROWTH_RUNS`, `…_RUNS_POSTGRESQL`, `…_SCHEDULES` and `…_BACKUPS` say at which sizes, with commas between.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import insert

from bot.app import App
from bot.completion.looking import look_at_archive
from bot.model import Status
from bot.overview import Overviews
from bot.playground import Playground
from bot.schedules.timer import Timer
from bot.stores.activity import Activity
from bot.stores.archive import Archive
from bot.stores.database import Database
from bot.stores.schedules import _columns
from bot.stores.schema import schedules
from bot.times.when import When
from tests.bench.asked import Desk
from tests.bench.growth import Axis, Grown, count, kept, median_of, megabytes, seconds, sizes_of
from tests.bench.past import Past
from tests.bench.shelf import VOLUMES, Shelf
from tests.fakes import FakeEngine
from tests.support import canaries
from tests.support.house import ROLES, House, at_work, settings
from tests.support.postgres import cluster
from tests.support.process import Site
from tests.support.scheduling import a_schedule

pytestmark = pytest.mark.bench

RUNS = sizes_of("SHIPKEEPER_GROWTH_RUNS", "1e3,1e4,1e5,1e6")
RUNS_POSTGRESQL = sizes_of("SHIPKEEPER_GROWTH_RUNS_POSTGRESQL", "1e3,1e4,1e5")
SCHEDULES = sizes_of("SHIPKEEPER_GROWTH_SCHEDULES", "10,100,1000,10000")
BACKUPS = sizes_of("SHIPKEEPER_GROWTH_BACKUPS", "10,100,1000,10000")
_STARTS = 3
_FEW = 3
"""So often is done what takes long."""


class Figures:
    """All that is measured here: the tables are kept, and the pictures drawn, after the last test."""

    def __init__(self) -> None:
        self.runs = Grown(axis=Axis(name="runs, SQLite", written=count), unit=seconds)
        self.postgresql = Grown(axis=Axis(name="runs, PostgreSQL", written=count), unit=seconds)
        self.file = Grown(axis=Axis(name="runs, SQLite", written=count), unit=megabytes)
        self.schedules = Grown(axis=Axis(name="schedules", written=count), unit=seconds)
        self.backups = Grown(axis=Axis(name="backups in the archive", written=count), unit=seconds)

    def keep(self) -> str:
        """The table, as it will stand on the page."""
        names = ("`audit verify`", "start of `serve`", "`audit --mine`", "stored, claimed, ended", "`runs`")
        if self.runs.points:
            self.runs.picture("records", "Time against runs in the database (SQLite)", names)
        if self.schedules.points:
            self.schedules.picture("schedules", "Time against schedules")
        if self.backups.points:
            shown = [name for name in self.backups.points if not name.startswith("what could follow")]
            self.backups.picture("catalogue", "Time against backups in the archive", shown)
        everything = (self.runs, self.file, self.postgresql, self.schedules, self.backups)
        return kept("records", [one for one in everything if one.points])


@pytest.fixture(scope="module")
def figures() -> Iterator[Figures]:
    """Collects, and at the end keeps and prints."""
    made = Figures()
    yield made
    print(f"\n{made.keep()}")


# ---- runs in the database ------------------------------------------------------------------------------------------


def test_time_against_runs_in_sqlite(tmp_path: Path, figures: Figures) -> None:
    """Each question at each size, the file, and a bot that starts with all of it."""
    with (
        Playground(credentials=canaries.SLACK) as slack,
        Site(tmp_path / "state", docker_host=f"unix://{tmp_path}/nobody.sock", slack=slack) as site,
    ):
        database = Database(site.settings().database_url)
        past = Past(database)
        for size in RUNS:
            past.grow_to(size)
            figures.runs.note(size, {"start of `serve`": _start(site)})
            figures.runs.note(size, _answers(Desk(past)))
            with database.read() as connection:  # so that the file is all of it
                connection.exec_driver_sql("COMMIT")
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
                connection.exec_driver_sql("BEGIN")
            figures.file.note(size, {"the database's file": (site.state / "shipkeeper.db").stat().st_size})
        database.close()


def test_time_against_runs_in_postgresql(figures: Figures) -> None:
    """The same questions at each size, of another database."""
    with cluster() as server:
        database = Database(server.create("grown"))
        database.migrate()
        past = Past(database)
        for size in RUNS_POSTGRESQL:
            past.grow_to(size)
            figures.postgresql.note(size, _answers(Desk(past)))
        database.close()


def _answers(desk: Desk) -> dict[str, float]:
    often = {**desk.of_people(), **desk.of_commands(), **desk.of_itself()}
    took = {name: median_of(ask) for name, ask in often.items()}
    return {**took, **{name: median_of(ask, 1) for name, ask in desk.of_everything().items()}}


def _start(site: Site) -> float:
    """From the start of the process until Slack can send it commands: the middle one of three."""
    took = []
    for _ in range(_STARTS):
        began = time.monotonic()
        bot = site.serve().connected(seconds=120)
        took.append(time.monotonic() - began)
        assert bot.stop() == 0
    return sorted(took)[_STARTS // 2]


# ---- schedules -------------------------------------------------------------------------------------------------------


def test_time_against_schedules(tmp_path: Path, figures: Figures) -> None:
    """A timer that begins, one that compares, a look of the alarms, and the list that a person sees."""
    with at_work(settings(tmp_path / "state", toml=ROLES), {"local": FakeEngine()}) as house:
        there = 0
        for size in SCHEDULES:
            _schedule(house.app, there, size)
            there = size
            timer = Timer(house.app.services.schedules, house.app.scheduler.look)
            began = time.monotonic()
            timer.start()
            started = time.monotonic() - began
            figures.schedules.note(
                size,
                {
                    "timer: start": started,
                    "timer: comparison with the table": median_of(timer._compare),
                    "`schedules`": _command(house, "schedules"),
                    "a look of the alarms": median_of(house.app.alarms.look, _FEW),
                },
            )
            timer.stop()


def _schedule(app: App, first: int, behind: int) -> None:
    """Daily ones, of all minutes."""
    now = datetime.now(UTC)
    made = [
        a_schedule(
            f"s{number}",
            When(text="daily", zone="UTC", cron=f"{number % 60} {number // 60 % 24} * * *"),
            created_at=now,
            dealt_with_at=now,
            line=f"backup volume{number}",
        )
        for number in range(first, behind)
    ]
    with app.database.write() as connection:
        connection.execute(insert(schedules), [_columns(one) for one in made])


def _command(house: House, line: str) -> float:
    """From its claim to its ending: the middle one of some."""
    took = []
    for _ in range(_FEW):
        outcome = house.say(line, seconds=120)
        assert outcome.status is Status.SUCCEEDED, outcome
        took.append(outcome.took.total_seconds())
    return sorted(took)[_FEW // 2]


# ---- backups in the archive ------------------------------------------------------------------------------------------


def test_time_against_backups_in_the_archive(tmp_path: Path, figures: Figures) -> None:
    """The list, one backup by its name, completion, Home and what pruning would do; in a bot, and in a new process."""
    state = tmp_path / "state"
    toml = f"{ROLES}\n[retention]\nlast = 7\ndaily = 14\nweekly = 8\n"
    shelf = Shelf(state / "archive")
    with at_work(settings(state, toml=toml), {"local": _volumes()}) as house:
        archive, overviews = house.app.services.archive, _overviews(house.app)
        for size in BACKUPS:
            shelf.grow_to(size)
            newest = archive.backups()[0]
            _settled(newest.files.manifest)
            reference = f"{newest.volume}/{newest.id}"
            figures.backups.note(
                size,
                {
                    "`backups`": _command(house, "backups"),
                    "`prune --dry-run`, of one volume of a hundred": _command(
                        house, "prune volume7 --dry-run"
                    ),
                    "one backup by its name": median_of(partial(archive.find, reference)),
                    "what could follow, looked for": median_of(lambda: list(look_at_archive(archive)), _FEW),
                    "Home: survey": median_of(overviews.survey, _FEW),
                    "the first look of a process": _cold(archive.root),
                },
            )
            assert len(archive.backups()) == size


def _volumes() -> FakeEngine:
    engine = FakeEngine()
    for number in range(VOLUMES):
        engine.add_volume(f"volume{number}", {"file": b"x"})
    return engine


def _overviews(app: App) -> Overviews:
    return Overviews(app.services, Activity(app.database))


def _settled(newest: Path) -> None:
    """What was written just now is not remembered: let it be a minute old."""
    for manifest in newest.parents[1].rglob("*.manifest.json"):
        then = manifest.stat().st_mtime - 60
        os.utime(manifest, (then, then))


def _cold(root: Path) -> float:
    gc.collect()
    return median_of(lambda: Archive(root, lambda: datetime.now(UTC)).backups(), _FEW)

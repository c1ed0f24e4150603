"""`shipkeeper check` where the settings or the database are so wrong that the house cannot be built.

Nothing is stored, for there is nowhere to store it. Part of the shell's face.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bot import settings as settings_room
from bot import wiring
from bot.doctor import Finding, examine, machine, wrong
from bot.doctor.records import serving as told_serving
from bot.doctor.told import told
from bot.engine.witness import nobody
from bot.errors import StoreError
from bot.examining import Rooms, checks, problems
from bot.language import say
from bot.model import Outcome
from bot.settings import Settings, SettingsError
from bot.stores.archive import Archive
from bot.stores.sole import serving

_PATIENCE = timedelta(seconds=3)
"""Shorter than usual: a database that is mute has cost some seconds before."""


def examined(error: SettingsError | StoreError) -> Outcome:
    """The doctor's outcome; `error` is why the house cannot be built."""
    began = _now()
    findings = problems(error) if isinstance(error, SettingsError) else (_database(error),)
    try:
        settings = settings_room.read()
    except SettingsError as unread:
        findings = problems(unread)
        found = examine(machine.checks({}, lambda: ()))
    else:
        found = _beside(settings)
    reply = told((*findings, *(one for one in found if one.check != findings[0].check)))
    return Outcome(
        run_id="", command="check", status=reply.status, reply=reply, started_at=began, ended_at=_now()
    )


def _beside(settings: Settings) -> tuple[Finding, ...]:
    """All that can be looked at without the database."""
    engines = wiring.engines(settings, nobody)
    archive = Archive(settings.archive_path, _now)
    rooms = Rooms.of(engines, wiring.registries(settings), archive, _now)
    try:
        return (*examine(checks(settings, rooms), _PATIENCE), told_serving(serving(settings.state)))
    finally:
        for engine in engines.values():
            engine.close()


def _database(error: StoreError) -> Finding:
    return wrong(
        "database",
        str(error),
        say(
            "See whether the database answers, its disk has room and this user may write to it; "
            "SHIPKEEPER_DATABASE_URL says where it is, else it is in the state directory."
        ),
    )


def _now() -> datetime:
    return datetime.now(UTC)

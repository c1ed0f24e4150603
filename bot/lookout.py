"""Answers a shell's press of its completion key where no bot serves: looks at everything, and touches nothing.

Part of the composition root. No directory is made, no table migrated, no run stored; what cannot be looked at at once
is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from bot import wiring
from bot.command import Command
from bot.completion import Completion
from bot.completion.shells import Shells
from bot.engine import Engine
from bot.engine.witness import Call
from bot.operations.build import BuildRule
from bot.operations.registries import Registries
from bot.operations.runbooks import Runbook
from bot.permissions import Policy
from bot.settings import Settings
from bot.stores.archive import Archive
from bot.stores.database import Database
from bot.stores.runs import Runs
from bot.stores.schedules import Schedules

_SECONDS = 0.6
"""How long a host, the archive or the database may take to answer."""


@dataclass(frozen=True, kw_only=True)
class _Rooms:
    """What completion looks into."""

    engines: Mapping[str, Engine]
    default_host: str
    archive: Archive
    runs: Runs
    schedules: Schedules
    policy: Policy
    commands: Mapping[str, Command]
    runbooks: Mapping[str, Runbook]
    builds: Mapping[str, BuildRule]
    registries: Registries


def offered(
    settings: Settings,
    commands: Mapping[str, Command],
    words: Sequence[str],
    user: str,
    engines: Mapping[str, Engine] | None = None,
) -> str:
    """What a shell is told; `engines` in the place of those of the settings."""
    completion = Completion(_rooms(settings, commands, engines))
    completion.start()
    try:
        return Shells(completion, commands, _SECONDS).offers(words, user).text
    finally:
        completion.stop(waits=False)


def _rooms(
    settings: Settings, commands: Mapping[str, Command], engines: Mapping[str, Engine] | None
) -> _Rooms:
    database = Database(settings.database_url, only_looks=True)
    return _Rooms(
        engines=engines or wiring.engines(settings, _refuse),
        default_host=settings.default_host or wiring.DEFAULT_HOST,
        archive=Archive(settings.archive_path, _now),
        runs=Runs(database, _now, lambda *_: None),
        schedules=Schedules(database, wiring.audit(settings, database), _now),
        policy=Policy(wiring.rules(settings)),
        commands=commands,
        runbooks=wiring.runbooks(settings),
        builds=wiring.builds(settings),
        registries=wiring.registries(settings),
    )


def _refuse(call: Call) -> None:
    """Nothing is changed from here, whatever a look comes to."""
    raise RuntimeError(f"a look for completion was about to change something: {call.method} {call.path}")


def _now() -> datetime:
    return datetime.now(UTC)

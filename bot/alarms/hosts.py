"""Which hosts answer, and which volumes they were last seen with. Must not know what is in the archive."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from bot.alarmrules import AlarmKind, Condition, Findings
from bot.engine import Engine, Volume
from bot.errors import BotError
from bot.language import say
from bot.operations.hostwide import Answers, ask_all

SILENT = timedelta(minutes=5)
"""A host that does not answer for longer is an alarm."""
_PATIENCE = timedelta(seconds=10)


class Hosts:
    """Asks all of them at each look, side by side. For one thread."""

    def __init__(self, engines: Mapping[str, Engine], clock: Callable[[], datetime]) -> None:
        self._engines = engines
        self._clock = clock
        self._silent: dict[str, tuple[datetime, str]] = {}
        self.volumes: dict[str, Mapping[str, Volume]] = {}
        """By host and name, as it last said; a host that never answered is not there."""

    @property
    def answering(self) -> frozenset[str]:
        """Those that answered the last time."""
        return frozenset(name for name in self.volumes if name not in self._silent)

    def ask(self) -> Findings:
        """Ask them, which takes some seconds at most, and say which have been silent for too long."""
        answers = _asked(self._engines)
        now = self._clock()
        for name, volumes in answers.given.items():
            self.volumes[name] = {volume.name: volume for volume in volumes}
            self._silent.pop(name, None)
        for name, error in answers.refused.items():
            since = self._silent[name][0] if name in self._silent else now
            self._silent[name] = (since, str(error))
        long = {name: one for name, one in self._silent.items() if now - one[0] >= SILENT}
        return Findings(
            conditions=tuple(_condition(name, since, why) for name, (since, why) in long.items()),
            unsure=frozenset(f"{AlarmKind.HOST}:{name}" for name in self._silent.keys() - long.keys()),
        )


def _asked(engines: Mapping[str, Engine]) -> Answers[tuple[Volume, ...]]:
    try:
        return ask_all(engines, lambda engine: engine.volumes(), _PATIENCE)
    except BotError as error:  # the only one is away
        return Answers(refused=dict.fromkeys(engines, error))


def _condition(host: str, since: datetime, why: str) -> Condition:
    return Condition(
        kind=AlarmKind.HOST,
        key=f"{AlarmKind.HOST}:{host}",
        text=say(
            "Host {host} does not answer since {since:%Y-%m-%d %H:%M} UTC, so nothing of it can be backed up. {why}",
            host=host,
            since=since,
            why=why,
        ),
    )

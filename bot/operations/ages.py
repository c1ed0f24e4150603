"""How old the newest verified backup of each source is, and how old it may become: one rule for alarms and pictures.

Asks hosts for the labels of their volumes; must not know how ages are told.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.alarmrules import MAX_AGE_LABEL, AlarmRules
from bot.charts.trends import Age, Figures, figures_of
from bot.engine import Engine
from bot.errors import BotError
from bot.operations.holds import is_verified
from bot.operations.hostwide import Answers, ask_all
from bot.stores.archive import Archive, Backup
from bot.times.kinds import Duration

_log = logging.getLogger(__name__)

_PATIENCE = timedelta(seconds=3)
"""A picture waits no longer for a host: what its backups say of labels does nearly as well."""

Labels = Mapping[tuple[str, str], Mapping[str, str]]
"""Of volumes, by host and name."""


def limit_of(rules: AlarmRules, host: str, name: str, labels: Mapping[str, str]) -> timedelta | None:
    """By the label, where it can be read, or else by the settings; None is no limit."""
    said = length_of(labels[MAX_AGE_LABEL]) if MAX_AGE_LABEL in labels else None
    if said is not None:
        return said or None
    return rules.limit_of(host, name)


def length_of(label: str) -> timedelta | None:
    """The time that a label says, zero for no limit; None when it cannot be read."""
    text = label.strip()
    if text == "0":
        return timedelta(0)
    if Duration.shape.fullmatch(text):
        return Duration(text).length
    _warn(label)
    return None


@functools.cache
def _warn(label: str) -> None:
    """Once, and not at every look."""
    _log.warning(
        "the label %s=%s of a volume says no time such as 26h; it is not heeded", MAX_AGE_LABEL, label
    )


def labels_on(engines: Mapping[str, Engine]) -> Labels:
    """As the hosts say them now, side by side; those that do not answer in some seconds say nothing."""
    try:
        answers = ask_all(engines, lambda engine: engine.volumes(), _PATIENCE) if engines else Answers()
    except BotError:
        return {}
    return {(host, one.name): one.labels for host, found in answers.given.items() for one in found}


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """Where ages are read from: the archive, the rules that count, and `now`."""

    archive: Archive
    rules: AlarmRules
    now: datetime

    def figures(self, backups: Sequence[Backup], engines: Mapping[str, Engine]) -> Figures:
        """All that a picture of these backups shows; of the hosts only those are asked that have one."""
        there = {backup.host for backup in backups}
        labels = labels_on({name: one for name, one in engines.items() if name in there})
        return figures_of(backups, self.ages(backups, labels))

    def ages(self, backups: Iterable[Backup], labels: Labels) -> tuple[Age, ...]:
        """Of each source of these backups, which come newest first; labels that no host says are the newest backup's.

        Its age counts from when the backup was begun, as for alarms, and is at least nought.
        """
        newest: dict[tuple[str, str], Backup] = {}
        verified: dict[tuple[str, str], Backup] = {}
        for backup in backups:
            source = (backup.host, backup.volume)
            newest.setdefault(source, backup)
            if source not in verified and is_verified(backup, self.archive.marks(backup)):
                verified[source] = backup
        return tuple(
            self._age(source, verified.get(source), labels.get(source, one.manifest.volume.labels))
            for source, one in newest.items()
        )

    def _age(self, source: tuple[str, str], backup: Backup | None, labels: Mapping[str, str]) -> Age:
        limit = limit_of(self.rules, *source, labels)
        age = max(0.0, (self.now - backup.manifest.started_at).total_seconds()) if backup else None
        may = limit.total_seconds() if limit is not None else None
        return Age(host=source[0], source=source[1], seconds=age, limit=may)

"""Whether each volume has a verified backup that is new enough, or at least somebody who sees to one. Pure rules."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bot import words
from bot.alarmrules import MAX_AGE_LABEL, AlarmKind, AlarmRules, Condition, Findings
from bot.alarms.shelves import Catalogue
from bot.engine import RUN_LABEL, Volume
from bot.kinds import SourceName
from bot.language import say, say_count
from bot.model import Button
from bot.operations.ages import length_of, limit_of
from bot.operations.backedup import Source

_SETTLING = timedelta(hours=1)
"""So long a new volume may be there before somebody must protect it."""
_SHOWN = 10
_TRIAL = "shipkeeper-"
_LONGEST_KEY = 500


@dataclass(frozen=True, kw_only=True)
class View:
    """What is known: volumes by host as last seen, which hosts `answering` now, backups, and who sees to what.

    `covered` says since when a schedule backs a source up.
    """

    hosts: Collection[str]
    volumes: Mapping[str, Mapping[str, Volume]]
    answering: Collection[str]
    catalogue: Catalogue
    covered: Mapping[Source, datetime]


def judge(view: View, rules: AlarmRules, now: datetime) -> Findings:
    """Which backups are too old, and which volumes nobody protects."""
    found = _Judge(view, rules, now)
    bare = {host: [name for name in _names(view, host) if found.is_bare(host, name)] for host in view.volumes}
    told = {(host, name) for host, names in bare.items() for name in names}
    lists: Iterator[Condition] = (_unprotected(view, host, names) for host, names in bare.items() if names)
    if not rules.unprotected:  # of what nobody protects only that counts which somebody named
        told, lists = {one for one in told if not rules.names(*one)}, iter(())
    unseen = [
        host for host in view.hosts if host not in view.volumes
    ]  # nor are labels there known, such as ages
    unsure = (key for host in unseen for key in (f"{AlarmKind.UNPROTECTED}:{host}", _stale_at(host)))
    return Findings(conditions=(*lists, *found.stale(told)), unsure=frozenset(unsure))


def _stale_at(host: str) -> str:
    """The beginning of the keys of what is too old on that host."""
    return f"{AlarmKind.STALE}:{host}/"


@dataclass(frozen=True)
class _Judge:
    view: View
    rules: AlarmRules
    now: datetime

    def is_bare(self, host: str, name: str) -> bool:
        """Whether nobody protects a volume that is there."""
        source, volume = (host, name), _volume(self.view, host, name)
        if source in self.view.catalogue.verified or source in self.view.covered or volume is None:
            return False
        is_trial = name.startswith(_TRIAL) and RUN_LABEL in volume.labels
        born = _born(volume)
        is_new = born is not None and self.now - born < _SETTLING
        return not (is_trial or is_new or self._is_left_out(host, name))

    def stale(self, told: Collection[Source]) -> Iterator[Condition]:
        """Those whose newest verified backup is too old, but for what is told already."""
        view = self.view
        volumes = {(host, name) for host, found in view.volumes.items() for name in found}
        for host, name in sorted({*volumes, *view.catalogue.newest, *view.covered} - set(told)):
            limit = self._limit(host, name)
            if limit is not None and self.now - self._since(host, name) > limit:
                yield self._too_old(host, name, limit)

    def _since(self, host: str, name: str) -> datetime:
        """From when on its age counts: its backup's, or else when there was first something to be expected of one."""
        backup = self.view.catalogue.verified.get((host, name))
        if backup is not None:
            return backup.manifest.started_at
        volume, covered = _volume(self.view, host, name), self.view.covered.get((host, name))
        born = _born(volume) if volume is not None else None
        known = [one for one in (born, covered) if one is not None]
        return max(known, default=datetime.fromtimestamp(0, UTC))

    def _limit(self, host: str, name: str) -> timedelta | None:
        return limit_of(self.rules, host, name, self._labels(host, name))

    def _is_left_out(self, host: str, name: str) -> bool:
        label = self._labels(host, name).get(MAX_AGE_LABEL)
        said = length_of(label) if label is not None else None
        return not said if said is not None else self.rules.is_left_out(host, name)

    def _labels(self, host: str, name: str) -> Mapping[str, str]:
        """As the host last said; of what it does not have, as the newest backup says."""
        volume = _volume(self.view, host, name)
        if volume is not None:
            return volume.labels
        backup = self.view.catalogue.newest.get((host, name))
        return backup.manifest.volume.labels if backup else {}

    def _too_old(self, host: str, name: str, limit: timedelta) -> Condition:
        backup = self.view.catalogue.verified.get((host, name))
        newest = self.view.catalogue.newest.get((host, name))
        allowed = words.duration(limit.total_seconds())
        if backup is not None:
            text = say(
                "The newest verified backup of {volume} on {host} was begun {at:%Y-%m-%d %H:%M} UTC; it may be "
                "{limit} old.",
                volume=name,
                host=host,
                at=backup.manifest.started_at,
                limit=allowed,
            )
        else:
            text = say(
                "There is no verified backup of {volume} on {host}, and there should be one by now, at most {limit} "
                "old.",
                volume=name,
                host=host,
                limit=allowed,
            )
        if newest is not None and newest is not backup:
            more = say("Newer ones are not complete, or were found bad: `backups {volume}`.", volume=name)
            text = f"{text} {more}"
        is_gone = host in self.view.answering and ":" not in name and not _volume(self.view, host, name)
        if is_gone:
            gone = say("The host has no such volume any more.")
            text = f"{text} {gone}"
        key = f"{_stale_at(host)}{name}"[:_LONGEST_KEY]
        remedy = None if is_gone else self._back_up(host, name)
        return Condition(kind=AlarmKind.STALE, key=key, text=text, remedy=remedy)

    def _back_up(self, host: str, name: str) -> Button | None:
        if host not in self.view.hosts or not SourceName.shape.fullmatch(name):
            return None
        line = shlex.join(["backup", name, *_on(self.view, host)])
        return Button(label=say("Back up {volume}", volume=name), line=line)


def _unprotected(view: View, host: str, names: list[str]) -> Condition:
    shown = ", ".join(names[:_SHOWN])
    if len(names) > _SHOWN:
        shown = say("{names} and {number} more", names=shown, number=len(names) - _SHOWN)
    text = say_count(
        "{number} volume on {host} has neither a verified backup nor a schedule that makes one: {names}.",
        "{number} volumes on {host} have neither a verified backup nor a schedule that makes one: {names}.",
        len(names),
        host=host,
        names=shown,
    )
    line = shlex.join(["volumes", "--unprotected", *_on(view, host)])
    return Condition(
        kind=AlarmKind.UNPROTECTED,
        key=f"{AlarmKind.UNPROTECTED}:{host}",
        text=text,
        remedy=Button(label=say("Unprotected volumes"), line=line),
    )


def _on(view: View, host: str) -> list[str]:
    return ["--host", host] if len(view.hosts) > 1 else []


def _names(view: View, host: str) -> list[str]:
    return sorted(view.volumes[host])


def _volume(view: View, host: str, name: str) -> Volume | None:
    return view.volumes.get(host, {}).get(name)


def _born(volume: Volume) -> datetime | None:
    """When it was made, if Docker says it in a way that can be read."""
    try:
        at = datetime.fromisoformat(volume.created_at)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)

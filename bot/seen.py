"""What one person may see of runs, hosts, alarms and schedules: the nouns of Home pages. Not how they are shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from bot.charts.trends import Figures
from bot.consent import Approval
from bot.model import Actor, Button
from bot.schedules.seen import Foremost
from bot.stores.alarms import Alarm
from bot.stores.runrow import Run


@dataclass(frozen=True, kw_only=True)
class SeenRun:
    """A run that is at work or waits, with the button that ends it, if the person may."""

    run: Run
    cancel: Button | None


@dataclass(frozen=True, kw_only=True)
class SeenRequest:
    """A run that waits for the person's word."""

    run: Run
    asked: Approval
    approve: Button
    deny: Button


@dataclass(frozen=True, kw_only=True)
class SeenVolume:
    """A volume: who uses it, when its newest verified backup was taken, and the button that makes one."""

    name: str
    users: tuple[str, ...]
    backed_up_at: datetime | None
    is_at_work: bool
    back_up: Button | None


@dataclass(frozen=True, kw_only=True)
class SeenHost:
    """A host with its volumes, the worst protected first; `trouble` says why it is not known what it holds."""

    name: str
    volumes: tuple[SeenVolume, ...] = ()
    trouble: str = ""


@dataclass(frozen=True, kw_only=True)
class Overview:
    """All that a person may see. `is_new`: they have not asked for anything yet."""

    actor: Actor
    is_new: bool
    has_role: bool
    may: tuple[str, ...]
    """Commands that they may use wherever they are, but those that everybody may."""
    requests: tuple[SeenRequest, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    barred: str = ""
    """Why they may nothing, whatever roles name them; empty for whom nothing bars."""
    at_work: tuple[SeenRun, ...] = ()
    troubled: tuple[Run, ...] = ()
    schedules: Foremost = field(default_factory=Foremost)
    hosts: tuple[SeenHost, ...] = ()
    figures: Figures = field(default_factory=Figures)

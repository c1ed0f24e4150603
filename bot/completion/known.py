"""The rooms that completion looks into: a served bot has them all, a shell's press of a key only these."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from bot.command import Command
from bot.engine import Engine
from bot.operations.build import BuildRule
from bot.operations.registries import Registries
from bot.operations.runbooks import Runbook
from bot.permissions import Policy
from bot.stores.archive import Archive
from bot.stores.runs import Runs
from bot.stores.schedules import Schedules


class Rooms(Protocol):
    """What there is to be named, and who may. None of it is ever changed from here."""

    @property
    def engines(self) -> Mapping[str, Engine]:
        """All hosts by name."""

    @property
    def default_host(self) -> str:
        """The host that is meant where none is named."""

    @property
    def archive(self) -> Archive:
        """Where backups are."""

    @property
    def runs(self) -> Runs:
        """Where runs are."""

    @property
    def schedules(self) -> Schedules:
        """Where schedules are."""

    @property
    def policy(self) -> Policy:
        """Who may do what."""

    @property
    def commands(self) -> Mapping[str, Command]:
        """All of them by name."""

    @property
    def runbooks(self) -> Mapping[str, Runbook]:
        """Those of the settings."""

    @property
    def builds(self) -> Mapping[str, BuildRule]:
        """Those of the settings."""

    @property
    def registries(self) -> Registries:
        """Those of the settings."""

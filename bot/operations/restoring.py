"""What somebody wants restored, and what that comes to: a new volume, or something in the place of what is there.

Looks at the engine and changes nothing; it must not know how either is done.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bot.engine import Engine
from bot.errors import Conflict
from bot.language import say
from bot.model import Plan
from bot.operations.identities import of_backups
from bot.operations.place import inside, source_of, target_of
from bot.operations.replaceplan import EXCHANGE, ReplacePlan, is_missing, plan_replace
from bot.operations.restore import RestorePlan, default_name
from bot.stores.archive import Backup


@dataclass(frozen=True, kw_only=True)
class RestoreWish:
    """What was asked for: without `into`, a volume named after the backup, or with `replace` what it was taken of."""

    backup: Backup
    into: str = ""
    replace: bool = False
    path: str = ""
    may_stop: bool = True

    @property
    def place(self) -> str:
        """What will hold the content, as command lines name it."""
        return self.into or (source_of(self.backup) if self.replace else default_name(self.backup))

    def targets(self, engine: Callable[[], Engine]) -> tuple[str, ...]:
        """What roles must allow: what the backup is of, and what will really hold the content; raises NotFound."""
        return tuple(dict.fromkeys((f"volume:{self.backup.volume}", target_of(engine, self.place))))

    def plan(self, engine: Engine) -> RestorePlan | ReplacePlan:
        """What it comes to: a volume that is not there is simply made. Raises as `plan_replace`, and UsageError."""
        path = inside(self.path)
        if not self.replace or is_missing(engine, self.place):
            return RestorePlan(backup=self.backup, into=self.place, path=path)
        return plan_replace(engine, self.backup, self.place, path, may_stop=self.may_stop)


def binds_of(made: RestorePlan | ReplacePlan) -> dict[str, str]:
    """What it was made from."""
    return made.binds if isinstance(made, ReplacePlan) else of_backups(made.backup)


def only_looked_at(planned: Plan) -> Plan:
    """The plan of looking what that would take: it holds nothing and changes nothing."""
    text = say("Look what it would take, and change nothing: {plan}", plan=planned.text)
    return Plan(text=text, only_looks=True)


def refuse_changed(made: RestorePlan | ReplacePlan, held: Plan | None) -> None:
    """Raises Conflict unless it is what the run was permitted (`held`): of that kind, and touching no more."""
    steps, targets = (held.steps, held.targets) if held else ((), ())
    replaces = isinstance(made, ReplacePlan)
    if replaces != (EXCHANGE in steps):
        raise Conflict(
            say(
                "What was to hold the content is there now, so this would be something else than what was allowed "
                "when this run began. Nothing was changed. Send the command again."
            )
            if replaces
            else say(
                "What was to hold the content is not there any more, so this would be something else than what was "
                "allowed when this run began. Nothing was changed. Send the command again."
            )
        )
    if isinstance(made, ReplacePlan):
        made.refuse_users(targets)
    elif not set(made.targets) <= set(targets):
        raise Conflict(
            say(
                "The volume {volume} is not held by this run: what its command means changed since it began. Nothing "
                "was changed. Send the command again.",
                volume=made.into,
            )
        )

"""A restore from its permitted plan to its reply, and what a later process says of one: the same for restore and undo.

Leads backup, restore and replace together, which do not know each other; it must not know how a command is written.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bot.engine import Engine
from bot.model import Plan, Reply
from bot.operations.backup import Still, back_up_still
from bot.operations.context import EXCHANGE_BACK, REMOVE_VOLUME, RunContext
from bot.operations.quiesce import QuiescePolicy
from bot.operations.replace import Means, replace
from bot.operations.replaced import reply_after_crash, reply_of
from bot.operations.replaceplan import ReplacePlan
from bot.operations.restore import RestorePlan, reply_of_new, reply_of_new_after_crash, restore_part
from bot.operations.restoring import refuse_changed
from bot.stores.archive import Archive


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What the run was permitted, and how users are stopped for it."""

    held: Plan | None
    policy: QuiescePolicy


def carry_out(
    engine: Engine, archive: Archive, run: RunContext, made: RestorePlan | ReplacePlan, terms: Terms
) -> Reply:
    """Make the new volume, or put the content in the place of the old one, whichever it comes to.

    Raises Conflict when that is not what was permitted, and what `restore_part` and `replace` raise.
    """
    refuse_changed(made, terms.held)
    if isinstance(made, RestorePlan):
        return reply_of_new(restore_part(engine, archive, run, made), engine.host)
    source = made.place.source
    means = Means(
        policy=terms.policy,
        safety=lambda quiet: back_up_still(engine, archive, run, Still(source=source, downtime=quiet)),
    )
    return reply_of(replace(engine, archive, run, made, means), run.run_id, engine.host)


def found_done(
    engine: Engine, archive: Archive, kept: Callable[[str], bool], run_id: str, path: str
) -> Reply | None:
    """What the run had done when the bot died; None when nothing of it stays.

    `kept` says whether a step of that undo verb is to stay: only what was proven is.
    """
    if kept(EXCHANGE_BACK):
        return reply_after_crash(archive, run_id, engine.host, path)
    return reply_of_new_after_crash(engine, run_id) if kept(REMOVE_VOLUME) else None

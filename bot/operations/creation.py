"""Creating a volume, labelled with who and which run; and taking that back while nothing is in it.

Must not know who asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from bot.engine import RUN_LABEL, Engine, Volume
from bot.errors import Conflict, NotFound, UsageError
from bot.kinds import Assignment
from bot.language import say
from bot.model import Plan, Reply, Status
from bot.operations.context import REMOVE_HELPER, REMOVE_VOLUME, RunContext
from bot.stores.runrow import Run

BY_LABEL = "shipkeeper.by"
"""Who asked for what we made: an actor's id."""
_OURS = "shipkeeper."


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A volume as it is wanted."""

    name: str
    driver: str
    labels: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)


def pairs(given: Iterable[Assignment], what: str) -> dict[str, str]:
    """`k=v` words as a mapping; raises UsageError for a key given twice, and for labels of our own.

    `what` is how people call one of them.
    """
    found: dict[str, str] = {}
    for one in given:
        if one.name in found:
            raise UsageError(
                say("The {what} {name} is given twice. Nothing was changed.", what=what, name=one.name)
            )
        if one.name.startswith(_OURS):
            raise UsageError(
                say(
                    "The {what} {name} is not for people to give: shipkeeper says by such what it made. Nothing was "
                    "changed; choose another name.",
                    what=what,
                    name=one.name,
                )
            )
        found[one.name] = one.value
    return found


def create(engine: Engine, run: RunContext, wanted: Wanted) -> Reply:
    """Make the volume and look at it; raises Conflict when the name is taken."""
    labels = {**wanted.labels, RUN_LABEL: run.run_id, BY_LABEL: run.actor.id}
    made = Volume(name=wanted.name, driver=wanted.driver, labels=labels, options=wanted.options)
    with run.undoable(REMOVE_VOLUME, name=wanted.name, run=run.run_id) as step:
        engine.create_volume(made)
        found = engine.volume(wanted.name)
        if found != made:
            raise Conflict(
                say(
                    "Volume {volume} is not as it was asked for, so it was removed again.", volume=wanted.name
                )
            )
        step.keep()
    return reply_of(engine.host, found)


def reply_of(host: str, volume: Volume) -> Reply:
    """The result in words and facts."""
    return Reply(
        text=say(
            "Volume {volume} is made on host {host}, and empty. `undo {run}` removes it while it is.",
            volume=volume.name,
            host=host,
            run=volume.labels[RUN_LABEL],
        ),
        facts={"volume": volume.name, "host": host, "driver": volume.driver},
    )


def created_by(engine: Engine, run_id: str) -> Volume | None:
    """The volume that the run made, if it is still there."""
    return next((one for one in engine.volumes() if one.labels.get(RUN_LABEL) == run_id), None)


def volume_of(run: Run) -> str | None:
    """The volume that a `create-volume` made, of its run; None for any other run."""
    is_done = run.command == "create-volume" and run.status is Status.SUCCEEDED
    return str(run.reply.facts["volume"]) if is_done and run.reply else None


def plan_back(made_by: str, name: str) -> Plan:
    """What taking it back will do."""
    text = say(
        "Undo run {run}: remove volume {volume} if it is empty and nobody uses it.",
        run=made_by,
        volume=name,
    )
    return Plan(text=text, targets=(f"volume:{name}",))


def take_back(engine: Engine, run: RunContext, name: str, made_by: str) -> Reply:
    """Remove what run `made_by` created; raises NotFound, Conflict when it is another's, used, or not empty."""
    volume = created_by(engine, made_by)
    if volume is None or volume.name != name:
        raise NotFound(
            say(
                "Volume {volume}, which run {run} made, is gone, or somebody else made one of that name since. "
                "Nothing was changed.",
                volume=name,
                run=made_by,
            )
        )
    users = ", ".join(user.name for user in engine.users_of(name))
    if users:
        raise Conflict(
            say(
                "Volume {volume} is used by {containers} by now. It was not removed.",
                volume=name,
                containers=users,
            )
        )
    if not _is_empty(engine, run, name):
        raise Conflict(
            say(
                "Volume {volume} is not empty any more. It was not removed; `remove-volume {volume}` shows what is in "
                "it.",
                volume=name,
            )
        )
    engine.remove_volume(name)
    if created_by(engine, made_by) is not None:
        raise Conflict(
            say(
                "Docker said that it removed volume {volume}, and still lists it. Look at the host.",
                volume=name,
            )
        )
    return _told(engine.host, name, made_by)


def told_gone(engine: Engine, name: str, made_by: str) -> Reply | None:
    """What is to be said after a crash, once the volume is gone; None while it is there."""
    return None if created_by(engine, made_by) else _told(engine.host, name, made_by)


def _told(host: str, name: str, made_by: str) -> Reply:
    return Reply(
        text=say(
            "Volume {volume}, which run {run} made, is removed: it was empty, and nobody used it.",
            volume=name,
            run=made_by,
        ),
        facts={"volume": name, "host": host},
    )


def _is_empty(engine: Engine, run: RunContext, name: str) -> bool:
    tool = f"shipkeeper-count-{run.run_id}"
    with run.undoable(REMOVE_HELPER, name=tool):
        engine.create_tool(tool, name, run_id=run.run_id, read_only=True)
        with engine.inventory(tool) as items:
            return all(item.path == "." for item in items)

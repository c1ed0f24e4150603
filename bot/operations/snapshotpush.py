"""Sends a snapshot on to a registry, and says what came of both: the one stays whatever becomes of the other.

Leads snapshot and push together; it must not know how a command is written.
"""

from __future__ import annotations

from dataclasses import replace

from bot.engine import Engine
from bot.errors import BotError, Cancelled, Interrupted
from bot.language import later, say
from bot.model import Button, Plan, Reply, Status
from bot.operations.context import RunContext
from bot.operations.push import Pushed, PushPlan, push
from bot.operations.registries import Known, Registries
from bot.operations.snapshotplan import NO_RUN
from bot.operations.snapshots import find
from bot.reference import Reference, parse


def destination(registries: Registries, name: Reference) -> tuple[Known, Reference]:
    """Where a snapshot of that name goes; raises NotFound without a registry, UsageError for what is not allowed."""
    to = registries.destination(name.familiar, None)
    known = registries.of(to)
    known.refuse_unwanted(to)
    return known, to


def sent_on(engine: Engine, run: RunContext, registries: Registries, name: Reference, made: Reply) -> Reply:
    """The snapshot's reply and what came of its push; PARTIAL when that failed.

    Raises only when the run must end: then what is raised says that the snapshot stays.
    """
    try:
        known, to = destination(registries, name)
        plan = PushPlan(image=engine.image(name.text), reference=to, known=known)
        return _with_push(made, known, push(engine, run, plan))
    except (Cancelled, Interrupted) as error:
        error.add_note(say("The snapshot {name} was proven by then, and stays.", name=name))
        raise
    except BotError as error:
        return _without_push(made, str(error), str(error.reason or ""))


def target(registries: Registries, name: Reference) -> str:
    """What a run must hold to push a snapshot of that name; raises as `destination`."""
    known, to = destination(registries, name)
    return known.target(to)


def with_push(planned: Plan, registries: Registries, name: Reference) -> Plan:
    """The plan of a snapshot of that name that is pushed, too; raises as `destination`.

    It holds the name that Docker pushes by, where that is known before the run has an id.
    """
    to = destination(registries, name)[1]
    held = () if NO_RUN in to.tag else (f"image:{to}",)
    steps = (*planned.steps, later("push"), later("read back"))
    return replace(
        planned,
        targets=(*planned.targets, *held),
        text=" ".join((planned.text, say("Then push it, and read its digest back."))),
        steps=steps,
    )


def sent_on_before_crash(
    engine: Engine, registries: Registries, run_id: str, made: Reply | None
) -> Reply | None:
    """The snapshot's reply, and whether the registry serves it; as it is when there is no image.

    That a registry does not answer makes the snapshot no less proven.
    """
    if made is None or "image" not in made.facts:
        return made
    image, problem = find(engine, run_id).image, None
    for name in image.references:
        try:
            known, to = destination(registries, parse(name))
        except BotError:
            continue
        try:
            digest = known.registry.has_image(to, image.id)
        except BotError as error:
            problem = error
            continue
        if digest is not None:
            return _with_push(made, known, Pushed(reference=to, digest=digest))
    if problem is not None:
        return _perhaps_pushed(made, problem)
    return _without_push(made, say("The bot was stopped before the registry served it."), "")


def offered(made: Reply, registries: Registries, host: str) -> Reply:
    """The reply with a button to push it, where there is anywhere to."""
    reference = made.facts.get("reference")
    if not registries.known or not reference:
        return made
    return replace(
        made,
        buttons=(
            *made.buttons,
            Button(label=say("Push"), line=f"push {reference} --host {host}"),
        ),
    )


def _with_push(made: Reply, known: Known, pushed: Pushed) -> Reply:
    told = say(
        "It is pushed as {reference}: the registry {registry} serves {digest}.",
        reference=pushed.reference,
        registry=known.name,
        digest=pushed.digest,
    )
    return replace(
        made,
        text=f"{made.text} {told}",
        facts={
            **made.facts,
            "pushed": pushed.reference.text,
            "digest": pushed.digest,
            "registry": known.name,
        },
    )


def _perhaps_pushed(made: Reply, error: BotError) -> Reply:
    facts = {**made.facts, "reason": str(error.reason)} if error.reason else made.facts
    told = say(
        "The snapshot is made and stays, but whether it is pushed cannot be told now: “{error}” Look with `tags` "
        "before you push it again.",
        error=error,
    )
    return replace(made, text=f"{made.text} {told}", facts=facts, status=Status.PARTIAL)


def _without_push(made: Reply, why: str, reason: str) -> Reply:
    facts = {**made.facts, "reason": reason} if reason else made.facts
    told = say("The snapshot is made and stays, but it is not pushed: {reason}", reason=why)
    return replace(made, text=f"{made.text} {told}", facts=facts, status=Status.PARTIAL)

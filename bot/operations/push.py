"""Push: an image to a registry, done only when the registry itself serves the digest that was pushed.

Must not know who asked for it. An immutable tag is asked about before anything is sent; nobody holds the registry,
so somebody who pushes past us between that question and the push is not seen. Docker pushes whatever has the name
when it is asked, so the name is looked at before each try and once more at the end.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from bot.engine import Engine
from bot.engine.image_contract import Image
from bot.errors import Conflict, RegistryError
from bot.language import say
from bot.operations.context import RunContext
from bot.operations.registries import Known
from bot.operations.tagging import holder, named
from bot.operations.unproven import Started, after_all
from bot.reasons import Reason
from bot.reference import Reference

_WAITS = (1.0, 4.0)
_LOOK_SECONDS = 0.2
_QUIET_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class PushPlan:
    """An image of the engine, and where it goes."""

    image: Image
    reference: Reference
    known: Known


@dataclass(frozen=True, kw_only=True)
class Pushed:
    """What the registry serves now. `was_there`: it did so before, and nothing was sent."""

    reference: Reference
    digest: str
    was_there: bool = False


def push(engine: Engine, run: RunContext, plan: PushPlan) -> Pushed:
    """Tag, push, read back. Raises Conflict for an immutable tag, RegistryError, EngineError, or what `check` raises.

    The name that the image gets for it on the host stays only if the push is proven.
    """
    registry, reference = plan.known.registry, plan.reference
    run.progress(say("asking the registry"))
    present = registry.digest(reference, run.check)
    if present is not None and plan.known.rules.keeps(reference.tag):
        return _already(run, plan, present)
    with named(engine, run, plan.image, reference) as step:
        with after_all(lambda: _there_now(plan, present)) as started:
            digest = _pushed(engine, run, plan, started)
            run.progress(say("reading back"))
            served = registry.digest(reference, run.check)
            has_name = holder(engine, reference) == plan.image.id
        _refuse_other(plan, digest, served)
        if not has_name:
            raise _moved(plan, say("{reference} was pushed as {digest}.", reference=reference, digest=digest))
        step.keep()
    return Pushed(reference=reference, digest=digest)


def _already(run: RunContext, plan: PushPlan, present: str) -> Pushed:
    """The immutable tag is there: well if it is this image, else it is not moved."""
    reference = plan.reference
    same = any(one.endswith(f"@{present}") for one in plan.image.repo_digests)
    if same or plan.known.registry.has_image(reference, plan.image.id, run.check):
        return Pushed(reference=reference, digest=present, was_there=True)
    raise Conflict(
        say(
            "{reference} exists, and the settings make it immutable ({patterns}). It is not "
            "the image that would be pushed: the registry serves {digest}. Nothing was sent, and nothing was changed. "
            "Push it under another tag.",
            reference=reference,
            patterns=", ".join(plan.known.rules.immutable),
            digest=present,
        )
    )


def _pushed(engine: Engine, run: RunContext, plan: PushPlan, started: Started) -> str:
    """The digest; what may pass is tried again, unless the registry does not even answer us."""
    registry = plan.known.registry
    login = registry.login()
    for wait in (*_WAITS, None):
        watch = _Watch(run, plan.known)
        if holder(engine, plan.reference) != plan.image.id:
            raise _moved(plan, "")
        started.now()
        try:
            return engine.push(plan.reference, login, watch.moved, watch.check)
        except RegistryError as error:
            if wait is None or not error.is_transient:
                raise
        run.progress(say("waiting to push again"))
        _pause(wait, run.check)
        registry.prove(run.check)
    raise AssertionError("unreachable")


class _Watch:
    """Looks after a push: when nothing moves, it asks the registry itself; Docker waits a minute for a dead one."""

    def __init__(self, run: RunContext, known: Known) -> None:
        self._run = run
        self._registry = known.registry
        self._moved_at = time.monotonic()
        self._done = 0

    def moved(self, done: int, total: int | None) -> None:
        """So far it is."""
        if done != self._done:
            self._done, self._moved_at = done, time.monotonic()
        self._run.progress(say("pushing"), done, total)

    def check(self) -> None:
        """Raises what the run's check raises, or RegistryError when the registry does not answer any more."""
        self._run.check()
        if time.monotonic() - self._moved_at > _QUIET_SECONDS:
            self._registry.prove(self._run.check)
            self._moved_at = time.monotonic()


def _there_now(plan: PushPlan, before: str | None) -> str:
    """What the registry serves in the end, if that is not what it served before; raises RegistryError."""
    served = plan.known.registry.digest(plan.reference)
    if served in (before, None):
        return ""
    return say(
        "But the push had begun by then, and the registry {registry} serves {digest} as {reference} now. It is not "
        "proven. Push it again, or see who else pushes there.",
        registry=plan.known.name,
        digest=served,
        reference=plan.reference,
    )


def _moved(plan: PushPlan, pushed: str) -> RegistryError:
    """Docker may have sent another image than the one that was meant."""
    told = say(
        "Somebody gave the name {reference} to another image of this host meanwhile, so it does not count as pushed. "
        "See who tags there, and what `tags {repository}` lists, then push it again.",
        reference=plan.reference,
        repository=plan.reference.name,
    )
    return RegistryError(f"{pushed} {told}".strip(), reason=Reason.DIGEST)


def _refuse_other(plan: PushPlan, pushed: str, served: str | None) -> None:
    if served == pushed:
        return
    values = {"reference": plan.reference, "pushed": pushed, "registry": plan.known.name}
    found = (
        say(
            "Docker says that it pushed {reference} as {pushed}, but the registry {registry} serves {served} there.",
            served=served,
            **values,
        )
        if served
        else say(
            "Docker says that it pushed {reference} as {pushed}, but the registry {registry} serves nothing there.",
            **values,
        )
    )
    advice = say("It does not count as pushed. See who else pushes there, then push it again.")
    raise RegistryError(f"{found} {advice}", reason=Reason.DIGEST)


def _pause(seconds: float, check: Callable[[], None]) -> None:
    quiet, until = threading.Event(), time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        check()
        quiet.wait(min(left, _LOOK_SECONDS))

"""Pull: an image from a registry of the settings, done only when the host has what the registry serves.

Must not know who asked for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bot.engine import Engine
from bot.engine.image_contract import Image
from bot.errors import NotFound, RegistryError
from bot.language import say
from bot.operations.context import RunContext
from bot.operations.registries import Known
from bot.operations.tagging import holder
from bot.operations.unproven import after_all
from bot.reasons import Reason
from bot.reference import Reference
from bot.registry import unasked


@dataclass(frozen=True, kw_only=True)
class Pulled:
    """The image that the host has now, and the digest that the registry serves it under."""

    image: Image
    digest: str


def pull(engine: Engine, run: RunContext, known: Known, reference: Reference) -> Pulled:
    """Fetch and compare. Raises NotFound, RegistryError, EngineError, or what `check` raises."""
    run.progress(say("asking the registry"))
    digest = known.registry.digest(reference, run.check)
    if digest is None:
        raise NotFound(
            say(
                "The registry {registry} has no {reference}. Nothing was changed; `tags {repository}` lists what "
                "it has.",
                registry=known.name,
                reference=reference,
                repository=reference.name,
            )
        )
    login, before = known.registry.login(), holder(engine, reference)
    with after_all(lambda: _there_now(engine, reference, before)) as started:
        started.now()
        image = engine.pull(
            reference, login, lambda done, total: run.progress(say("pulling"), done, total), run.check
        )
        is_same = _is_served(known, (reference, digest), image, run.check)
    if not is_same:
        raise RegistryError(
            say(
                "{reference} was pulled, but it is not {digest}, which the registry {registry} served when it was "
                "asked. The host has it as {image}. See who pushes there, then pull it again.",
                reference=reference,
                digest=digest,
                registry=known.name,
                image=image.id,
            ),
            reason=Reason.DIGEST,
        )
    return Pulled(image=image, digest=digest)


def found(engine: Engine, known: Known, reference: Reference) -> Pulled | None:
    """What a pull came to that nobody saw the end of; None when the host has not got what the registry serves.

    Raises RegistryError, EngineError.
    """
    try:
        image = engine.image(reference.text)
    except NotFound:
        return None
    digest = known.registry.digest(reference)
    if digest is None or not _is_served(known, (reference, digest), image):
        return None
    return Pulled(image=image, digest=digest)


def _is_served(
    known: Known, served: tuple[Reference, str], image: Image, check: Callable[[], None] = unasked
) -> bool:
    """Whether the image is what the registry served under that digest; somebody may have pushed since."""
    reference, digest = served
    if image.id == digest or any(one.endswith(f"@{digest}") for one in image.repo_digests):
        return True
    return known.registry.has_image(reference, image.id, check) == digest


def _there_now(engine: Engine, reference: Reference, before: str) -> str:
    """What the host has in the end, if that is not what it had before; raises EngineError."""
    now = holder(engine, reference)
    if now in (before, ""):
        return ""
    return say(
        "But the pull had begun by then, and host {host} has {image} as {reference} now. It is not proven. Pull it "
        "again.",
        host=engine.host,
        image=now,
        reference=reference,
    )

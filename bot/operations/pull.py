"""Pull: an image from a registry of the settings, done only when the host has what the registry serves.

Must not know who asked for it.
"""

from __future__ import annotations

from dataclasses import dataclass

from bot.engine import Engine
from bot.engine.image_contract import Image
from bot.errors import NotFound, RegistryError
from bot.language import say
from bot.operations.context import RunContext
from bot.operations.registries import Known
from bot.reasons import Reason
from bot.reference import Reference


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
    login = known.registry.login()
    image = engine.pull(
        reference, login, lambda done, total: run.progress(say("pulling"), done, total), run.check
    )
    same = image.id == digest or any(one.endswith(f"@{digest}") for one in image.repo_digests)
    if not same and not known.registry.has_image(reference, image.id, run.check):
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

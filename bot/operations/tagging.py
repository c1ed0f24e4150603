"""Gives an image one more name, and takes it back: for a push that may fail, and for good.

Must not know registries; a name that belonged to another image goes back to that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from bot.engine import Engine
from bot.engine.image_contract import Image
from bot.errors import NotFound
from bot.operations.context import UNTAG, RunContext, Step
from bot.reference import Reference, parse


def holder(engine: Engine, reference: Reference) -> str:
    """The id of the image that has the name; empty when none has."""
    with suppress(NotFound):
        return engine.image(reference.text).id
    return ""


@contextmanager
def named(engine: Engine, run: RunContext, image: Image, reference: Reference) -> Iterator[Step]:
    """While the body runs the image has that name, too; afterwards as before, unless the step is kept."""
    before = holder(engine, reference)
    with run.undoable(
        UNTAG, reference=reference.text, image=image.id, before=before, name=str(reference)
    ) as step:
        if before != image.id:
            engine.tag(image.id, reference)
        yield step


def take_back(engine: Engine, arguments: Mapping[str, str]) -> None:
    """The name is where it was before; nothing happens if it is not the image's (any more)."""
    reference, image, before = parse(arguments["reference"]), arguments["image"], arguments["before"]
    if before == image or holder(engine, reference) != image:
        return
    if before:
        with suppress(NotFound):  # removed meanwhile: then the name goes away
            engine.tag(before, reference)
            return
    engine.untag(reference, image)

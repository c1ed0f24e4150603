"""A build as people read it: what is planned, what came of it, what a later process finds of it.

Must not know engines.
"""

from __future__ import annotations

from collections.abc import Iterable

from bot import words
from bot.engine import RUN_LABEL
from bot.engine.image_contract import Image
from bot.language import later, say, say_count
from bot.model import Attachment, Reply, Status, Value
from bot.operations.build import BUILD_LABEL, BuildPlan, Built
from bot.reasons import Reason


def planned(made: BuildPlan, host: str, registry: str | None) -> str:
    """What will be built from what, and where it goes."""
    content = [say_count("1 entry", "{number} entries", len(made.context.paths))]
    content.append(words.size(made.context.size_bytes))
    if made.checkout is not None:
        commit = later("commit {commit}, with changes") if made.checkout.dirty else later("commit {commit}")
        content.append(say(commit, commit=made.checkout.commit[:12]))
    text = say(
        "Build {image} on host {host} from {directory} ({content}).",
        image=made.reference,
        host=host,
        directory=made.rule.context,
        content=", ".join(content),
    )
    then = say("Then push it to the registry {registry}.", registry=registry) if registry else ""
    return " ".join(filter(None, (text, then)))


def told(made: BuildPlan, image: Image, pushed: str, host: str, file: Attachment) -> Reply:
    """It is built, and perhaps `pushed`, which says whom to and with which digest."""
    facts: dict[str, Value] = {
        "build": made.rule.name,
        "reference": made.reference.text,
        "image": image.id,
        "size_bytes": image.size_bytes,
        "host": host,
    }
    if made.checkout:
        facts |= {"commit": made.checkout.commit, "dirty": made.checkout.dirty}
    text = say("{image} is built on host {host}.", image=made.reference, host=host)
    return Reply(
        text=" ".join(filter(None, (text, pushed.strip()))),
        facts=facts,
        attachments=(file,),
    )


def failed(made: BuildPlan, built: Built, file: Attachment) -> Reply:
    """What the builder said, and the end of its log."""
    return Reply(
        text=say(
            "{problem} No image was named {image}; what had that name still has it. The log is "
            "attached; its last lines:\n{lines}",
            problem=built.problem,
            image=made.reference,
            lines="\n".join(built.last_lines),
        ),
        facts={"build": made.rule.name, "reason": Reason.BUILD.value},
        attachments=(file,),
        status=Status.FAILED,
    )


def found(images: Iterable[Image], run_id: str, host: str) -> Reply | None:
    """What a run that was cut off had built and named; None if nothing."""
    for image in images:
        if image.labels.get(RUN_LABEL) == run_id and BUILD_LABEL in image.labels and image.references:
            return Reply(
                text=say(
                    "{image} is built on host {host}. The bot was stopped after that: its log is lost, "
                    "and if it was to be pushed, push it now.",
                    image=image.references[0],
                    host=host,
                ),
                facts={
                    "build": image.labels[BUILD_LABEL],
                    "reference": image.references[0],
                    "image": image.id,
                },
                status=Status.PARTIAL,
            )
    return None

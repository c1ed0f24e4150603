"""What is said of images that get names, here and in registries, before and after. Must not know engines."""

from __future__ import annotations

from bot.language import later, say
from bot.model import Reply
from bot.operations.push import Pushed, PushPlan
from bot.reference import Reference

_GIVE = later("Give {image} ({id}) on host {host} the name {reference}.")
_GIVE_AND_TAKE = later("Give {image} ({id}) on host {host} the name {reference}, which {loser} loses.")


def will_tag(image: tuple[str, str], host: str, reference: Reference, loser: str) -> str:
    """The image, by what it was called and its id, gets the name; `loser`, if there is one, has it now."""
    sentence = _GIVE_AND_TAKE if loser else _GIVE
    return say(sentence, image=image[0], id=image[1], host=host, reference=reference, loser=loser)


def tagged(image: tuple[str, str], host: str, reference: Reference) -> Reply:
    """The image, by what it was called and its id, has the name now, too."""
    return Reply(
        text=say(
            "{image} is called {reference}, too, on host {host}.",
            image=image[0],
            reference=reference,
            host=host,
        ),
        facts={"reference": reference.text, "image": image[1], "host": host},
    )


def will_push(image: str, host: str, made: PushPlan, holder: str) -> str:
    """The image goes there; `holder` is the id of the image that has the name on the host now, if one has."""
    text = say(
        "Push {image} of host {host} to the registry {registry} as {reference}.",
        image=image,
        host=host,
        registry=made.known.name,
        reference=made.reference,
    )
    if holder in ("", made.image.id):
        return text
    moved = say("The host’s own name {reference} moves to it from another image.", reference=made.reference)
    return f"{text} {moved}"


def pushed(made: PushPlan, done: Pushed, host: str) -> Reply:
    """The registry serves it."""
    sentence = later("{reference} is pushed: the registry {registry} serves {digest}.")
    if done.was_there:
        sentence = later(
            "{reference} was there already, the same image, so nothing was sent: the registry {registry} serves "
            "{digest}."
        )
    return Reply(
        text=say(sentence, reference=done.reference, registry=made.known.name, digest=done.digest),
        facts={
            "reference": done.reference.text,
            "digest": done.digest,
            "registry": made.known.name,
            "image": made.image.id,
            "size_bytes": made.image.size_bytes,
            "host": host,
        },
    )

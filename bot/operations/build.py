"""Build: an image from a context that the settings allow, labelled with who, when and from what, then named.

Must not know who asked for it. The name is given to a whole image only, so a failed build leaves none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain
from pathlib import Path

from bot.engine import RUN_LABEL, Engine
from bot.engine.build_context import Context, gather
from bot.engine.build_contract import Recipe
from bot.engine.image_contract import Image
from bot.entry import printable
from bot.errors import BotError, BuildFailed, Conflict
from bot.language import say
from bot.operations.checkout import Checkout, checkout_of
from bot.operations.context import RunContext
from bot.operations.identities import sha256_of
from bot.operations.tagging import holder, named
from bot.reference import Reference

BUILD_LABEL = "shipkeeper.build"
_LAST_LINES = 10
_LONGEST_LINE = 300


@dataclass(frozen=True, kw_only=True)
class BuildRule:
    """A build of the settings; `registry` is the name of the one that --push may send it to, or empty."""

    name: str
    context: Path
    image: str
    recipe: Recipe
    registry: str = ""
    most_bytes: int = 1 << 30


@dataclass(frozen=True, kw_only=True)
class BuildPlan:
    """What is about to be built, and what it will be called."""

    rule: BuildRule
    reference: Reference
    context: Context
    checkout: Checkout | None

    def binds(self) -> dict[str, str]:
        """The recipe and the whole context by their content; reads all of it. Raises BuildFailed."""
        recipe = repr((self.rule.recipe, self.rule.image)).encode()
        return {f"build:{self.rule.name}": sha256_of(chain((recipe,), self.context.tar()))}


@dataclass(frozen=True, kw_only=True)
class Built:
    """What came of it: the image, or what the builder said instead, with the last lines of its log."""

    image: Image | None
    problem: str = ""
    last_lines: tuple[str, ...] = ()


def plan(rule: BuildRule, reference: Reference) -> BuildPlan:
    """Look at the context; raises BuildFailed."""
    context = gather(rule.context, rule.recipe.dockerfile, rule.most_bytes)
    return BuildPlan(rule=rule, reference=reference, context=context, checkout=checkout_of(rule.context))


def build(
    engine: Engine, run: RunContext, made: BuildPlan, write: Callable[[bytes], None], at: datetime
) -> Built:
    """Build and name it; `write` takes the log. Raises EngineError, Conflict, or what `check` raises."""
    log = _Log(run, write)
    run.progress(say("sending"), 0, made.context.size_bytes)
    recipe = replace(made.rule.recipe, labels=_labels(run, made, at))
    try:
        image = engine.image(engine.build(recipe, _counted(run, made.context), log.line, run.check))
    except BuildFailed as error:
        return Built(image=None, problem=str(error), last_lines=tuple(log.last))
    with named(engine, run, image, made.reference) as step:
        if holder(engine, made.reference) != image.id:
            raise Conflict(
                say(
                    "Somebody else took the name {image} at the same moment. Build it again.",
                    image=made.reference,
                )
            )
        step.keep()
    return Built(image=image)


@contextmanager
def kept_all_the_same(reference: Reference) -> Iterator[None]:
    """What fails within it says that the image is there nevertheless."""
    try:
        yield
    except BotError as error:
        error.add_note(say("The image was built before that and is {image} on its host.", image=reference))
        raise


class _Log:
    def __init__(self, run: RunContext, write: Callable[[bytes], None]) -> None:
        self._run = run
        self._write = write
        self.last: list[str] = []

    def line(self, line: str) -> None:
        """Keep it; a step of the Dockerfile is shown as progress."""
        self._write(line.encode("utf-8", "replace") + b"\n")
        shown = printable(line.strip())[:_LONGEST_LINE]
        if shown:
            self.last = [*self.last[1 - _LAST_LINES :], shown]
        if shown.startswith("Step "):
            self._run.progress(shown)


def _counted(run: RunContext, context: Context) -> Iterator[bytes]:
    done = 0
    for piece in context.tar():
        run.check()
        yield piece
        done += len(piece)


def _labels(run: RunContext, made: BuildPlan, at: datetime) -> dict[str, str]:
    labels = {
        RUN_LABEL: run.run_id,
        BUILD_LABEL: made.rule.name,
        f"{BUILD_LABEL}.by": run.actor.id,
        f"{BUILD_LABEL}.at": at.isoformat(timespec="seconds"),
    }
    if made.checkout is not None:
        labels[f"{BUILD_LABEL}.commit"] = made.checkout.commit
        labels[f"{BUILD_LABEL}.dirty"] = str(made.checkout.dirty).lower()
    return labels

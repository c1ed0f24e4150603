"""The builder of the fake engine: it understands enough of a Dockerfile to be right or wrong about it.

`FROM scratch` or an image that is here, `COPY path …` of the context, `RUN true`, `RUN false`, `RUN hang`.
"""

from __future__ import annotations

import io
import tarfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from bot.engine.build_contract import Recipe
from bot.errors import BuildFailed
from tests.support.fake_images import FakeImages

_LOOK_SECONDS = 0.005


class FakeBuilds(FakeImages):
    """`contexts` holds what was sent, `recipes` how it was to be built; `building` is set while a build hangs."""

    def __init__(self, *arguments: Any, **how: Any) -> None:
        super().__init__(*arguments, **how)
        self.contexts: list[dict[str, bytes | None]] = []
        """Path -> content, None for what is no file."""
        self.recipes: list[Recipe] = []
        self.building = threading.Event()

    def build(
        self,
        recipe: Recipe,
        context: Iterator[bytes],
        on_line: Callable[[str], None],
        check: Callable[[], None] = lambda: None,
    ) -> str:
        """Read the whole context, carry the steps out, keep an image without a name."""
        self._enter("build")
        self.recipes.append(recipe)
        held: dict[str, bytes | None] = {}
        with tarfile.open(fileobj=io.BytesIO(b"".join(context))) as tar:
            for entry in tar:
                file = tar.extractfile(entry) if entry.isfile() else None
                held[entry.name] = file.read() if file else None
        self.contexts.append(held)
        steps = (held.get(recipe.dockerfile) or b"").decode().splitlines()
        for number, step in enumerate(steps, 1):
            on_line(f"Step {number}/{len(steps)} : {step}")
            self._carry_out(step, held, on_line, check)
        name = f"fake-build-{len(self.recipes)}"
        made = self.add_image(name, **recipe.labels)
        self.kept_images[made.id] = replace(made, references=())
        on_line(f"Successfully built {made.id}")
        return made.id

    def _carry_out(
        self,
        step: str,
        held: dict[str, bytes | None],
        on_line: Callable[[str], None],
        check: Callable[[], None],
    ) -> None:
        word, _, rest = step.partition(" ")
        quiet = threading.Event()
        while rest == "hang":
            self.building.set()
            quiet.wait(_LOOK_SECONDS)
            check()
        is_bad = (
            (word == "FROM" and rest != "scratch" and self.holder_of(rest) is None)
            or (word == "COPY" and rest.split()[0] not in held)
            or (word == "RUN" and "false" in rest)
        )
        if is_bad:
            on_line(f"The step “{step}” failed")
            raise BuildFailed(f"Docker on host “{self.host}” could not build it: the step “{step}” failed.")

"""What every engine does to build images: the part of its contract that takes contexts. It must not know the SDK."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to build: `dockerfile` is a path in the context, `network` Docker's word for what its steps reach."""

    dockerfile: str = "Dockerfile"
    arguments: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    network: str = "none"
    no_cache: bool = False
    limit: timedelta = timedelta(hours=1)


class BuildEngine(Protocol):
    """The verb for building. It raises `EngineError` when the daemon fails or does not answer."""

    def build(
        self,
        recipe: Recipe,
        context: Iterator[bytes],
        on_line: Callable[[str], None],
        check: Callable[[], None] = lambda: None,
    ) -> str:
        """Build an image without a name from the tar of a context; its id.

        `on_line` is told each line of the log. `check` is asked several times a second, also in silence; what it
        raises ends the build, and what is raised after the recipe's limit is EngineError (reason `stalled`). Raises
        BuildFailed with the engine's own words when a step fails, and what `context` raises.
        """

"""The settings' sections `[builds.NAME]`: which contexts may be built, how, and what comes of it.

Words only: nobody reads a context here.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import Field, field_validator, model_validator

from bot.errors import UsageError
from bot.reference import names_registry, parse
from bot.sections import Section

_ARGUMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class BuildSection(Section):
    """An image that `build NAME` makes. Its steps run on the Docker host, so whoever may write there decides."""

    context: Path = Field(description="a directory of the bot’s machine, perhaps in a git checkout")
    image: str = Field(description="what the image is called, such as team/web:nightly")
    dockerfile: str = Field("Dockerfile", description="its path in the context")
    arguments: dict[str, str] = Field(
        default_factory=dict,
        description="build arguments, always the same; anybody can read them: no secrets",
    )
    registry: str = Field(
        "", description="a registry of the settings, whose name it bears and --push sends it to"
    )
    network: Literal["none", "host", "bridge"] = Field("none", description="what its steps reach")
    seconds: int = Field(3600, ge=1, le=86_400, description="how long it may take")
    most_bytes: int = Field(1 << 30, ge=1, description="how large the context may be")

    @field_validator("context")
    @classmethod
    def _absolute(cls, context: Path) -> Path:
        if not context.is_absolute():
            raise ValueError("give an absolute path")
        return context

    @field_validator("dockerfile")
    @classmethod
    def _inside(cls, dockerfile: str) -> str:
        path = PurePosixPath(dockerfile)
        if not dockerfile or path.is_absolute() or ".." in path.parts:
            raise ValueError("give a path in the context")
        return dockerfile

    @field_validator("arguments")
    @classmethod
    def _named(cls, arguments: dict[str, str]) -> dict[str, str]:
        odd = [name for name in arguments if not _ARGUMENT.fullmatch(name)]
        if odd:
            raise ValueError(f"{', '.join(map(repr, odd))} cannot be the name of a build argument")
        return arguments

    @model_validator(mode="after")
    def _a_name(self) -> BuildSection:
        try:
            reference = parse(self.image)
        except UsageError as error:
            raise ValueError(f"image: {error}") from error
        if reference.digest:
            raise ValueError("image: a digest is decided by what is built; give a tag")
        if self.registry and names_registry(self.image):
            raise ValueError("image: leave out the registry, which `registry` says")
        return self


def refuse_unknown_registries(
    sections: Mapping[str, BuildSection], registries: Collection[str] | None
) -> None:
    """Raises ValueError for a registry not in the settings; without `registries` they are wrong themselves."""
    if registries is None:
        return
    for name, section in sections.items():
        if section.registry and section.registry not in registries:
            near = difflib.get_close_matches(section.registry, list(registries), n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ValueError(f"{name}.registry: there is no registry {section.registry!r}{hint}")

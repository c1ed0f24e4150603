"""What building does on every engine, as tests that the fake engine and the real one both pass."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.engine import Engine
from bot.engine.build_context import gather
from bot.engine.build_contract import Recipe
from bot.errors import BuildFailed, Cancelled

_MANY = 1 << 20


def context(directory: Path, dockerfile: str, **files: bytes) -> Iterator[bytes]:
    """The tar of a context with these files and this Dockerfile."""
    (directory / "Dockerfile").write_text(dockerfile)
    for name, data in files.items():
        (directory / name).write_bytes(data)
    return gather(directory, "Dockerfile", 1 << 30).tar()


class BuildContract:
    """To be subclassed with a fixture `engine`."""

    def test_an_image_is_built_and_has_no_name(self, engine: Engine, tmp_path: Path) -> None:
        """It bears the labels, the log tells the steps, and nothing was named."""
        lines: list[str] = []
        recipe = Recipe(labels={"a": "b"}, arguments={"VERSION": "1"})
        made = engine.image(
            engine.build(recipe, context(tmp_path, "FROM scratch\nCOPY f /f\n", f=b"x"), lines.append)
        )
        assert made.labels["a"] == "b"
        assert made.references == ()
        assert any(line.startswith("Step 2/") and "COPY f /f" in line for line in lines)

    def test_a_step_that_fails_is_a_failure(self, engine: Engine, tmp_path: Path) -> None:
        """The engine answers 200 and says it in its stream: that is no image."""
        lines: list[str] = []
        with pytest.raises(BuildFailed, match="could not build it"):
            engine.build(Recipe(), context(tmp_path, "FROM scratch\nCOPY nothing /f\n"), lines.append)
        assert lines[0].startswith("Step 1/2")

    def test_what_the_context_raises_is_raised(self, engine: Engine) -> None:
        """A context that breaks off is no shorter context."""

        def broken() -> Iterator[bytes]:
            yield bytes(512)
            raise BuildFailed("It cannot be read.")

        with pytest.raises(BuildFailed, match="cannot be read"):
            engine.build(Recipe(), broken(), lambda _line: None)

    def test_whoever_listens_may_end_it(self, engine: Engine, tmp_path: Path) -> None:
        """What the listener raises ends the build, and is raised."""

        def listen(line: str) -> None:
            raise Cancelled(line)

        with pytest.raises(Cancelled, match="Step 1"):
            engine.build(Recipe(), context(tmp_path, "FROM scratch\nCOPY f /f\n", f=bytes(_MANY)), listen)

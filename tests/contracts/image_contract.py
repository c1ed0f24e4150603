"""What every engine must do with images and registries. It must not know which engine it has."""

from __future__ import annotations

from typing import Protocol

import pytest

from bot.engine.image_contract import ImageEngine
from bot.errors import Cancelled, NotFound, RegistryError
from bot.reasons import Reason
from bot.reference import Reference, parse
from bot.secrecy import Login

USER = Login(username="bot", password="hunter2-right")
WRONG = Login(username="bot", password="hunter2-wrong")


class ImageBench(Protocol):
    """What the contract needs beside the engine; the subclass's `bench` fixture gives it, and cleans up."""

    free: str
    """The host of a registry that lets everybody in."""
    guarded: str
    """Of one that lets `USER` in."""
    read_only: str
    """Of one that takes nothing."""
    down: str
    """Of one that does not run."""

    def add(self, name: str) -> str:
        """A new image of that name, with the label `made=here`; its id."""

    def served(self, reference: Reference) -> str | None:
        """The digest that the registry of that name serves for it."""

    def forget(self, image_id: str) -> None:
        """Take the image away, with all its names."""


def _deaf(_done: int, _total: int | None) -> None:
    """Nobody looks how far it is."""


class ImageContract:
    """Subclass it; give the fixtures `engine`, `bench` (an ImageBench) and `word` (one that no other test has)."""

    def test_an_image_is_found_by_name_and_by_id(
        self, engine: ImageEngine, bench: ImageBench, word: str
    ) -> None:
        """Both lead to the same; its names are in full; the list has it, too."""
        made = bench.add(f"{word}-web:1")
        engine.tag(made, parse(f"x.y/{word}-web:2"))
        image = engine.image(f"{word}-web:1")
        assert image == engine.image(made) == engine.image(f"docker.io/library/{word}-web:1")
        assert image.id == made
        assert image.references == (f"docker.io/library/{word}-web:1", f"x.y/{word}-web:2")
        assert image.labels == {"made": "here"}
        assert image.size_bytes > 0
        assert image.created_at is not None
        assert image in engine.images()

    def test_a_missing_image_names_the_nearest(
        self, engine: ImageEngine, bench: ImageBench, word: str
    ) -> None:
        """A slip of the hand is answered with what there is, as far as that may be touched."""
        bench.add(f"{word}-frontend:1")
        with pytest.raises(NotFound) as raised:
            engine.image(f"{word}-fronted:1")
        target = f"image:docker.io/library/{word}-frontend:1"
        assert f"{word}-frontend:1" in raised.value.told_to(lambda of: of == target)
        assert f"{word}-frontend:1" not in str(raised.value)

    def test_a_tag_is_taken_away_from_its_image_only(
        self, engine: ImageEngine, bench: ImageBench, word: str
    ) -> None:
        """Not when another image has it by now, not twice, and never an image's last name."""
        one, two = bench.add(f"{word}-one:1"), bench.add(f"{word}-two:1")
        extra = parse(f"{word}-extra:1")
        engine.tag(one, extra)
        assert engine.untag(extra, two) is False
        assert engine.untag(extra, one) is True
        assert engine.untag(extra, one) is False
        assert engine.untag(parse(f"{word}-one:1"), one) is False
        assert engine.image(one).references == (f"docker.io/library/{word}-one:1",)
        engine.tag(two, parse(f"{word}-one:1"))
        assert engine.image(f"{word}-one:1").id == two
        with pytest.raises(NotFound):
            engine.tag("sha256:" + "0" * 64, extra)

    def test_a_push_gives_the_digest_that_is_served(
        self, engine: ImageEngine, bench: ImageBench, word: str
    ) -> None:
        """With the right login where one is needed; how far it is never passes the whole."""
        made = bench.add(f"{word}-push:1")
        for host, login in ((bench.free, None), (bench.guarded, USER)):
            reference = parse(f"{host}/team/{word}:1")
            engine.tag(made, reference)
            steps: list[tuple[int, int | None]] = []
            digest = engine.push(reference, login, lambda done, total, to=steps: to.append((done, total)))
            assert digest == bench.served(reference)
            assert all(total is None or done <= total for done, total in steps)
            engine.untag(reference, made)

    @pytest.mark.parametrize("login", [None, WRONG], ids=["nobody", "wrong"])
    def test_a_push_without_the_right_login_is_unauthorized(
        self, engine: ImageEngine, bench: ImageBench, word: str, login: Login | None
    ) -> None:
        """It is told as such, without the password, and nothing is served."""
        reference = parse(f"{bench.guarded}/team/{word}-no:1")
        engine.tag(bench.add(f"{word}-no:1"), reference)
        with pytest.raises(RegistryError) as refused:
            engine.push(reference, login, _deaf)
        assert refused.value.reason is Reason.UNAUTHORIZED
        assert "hunter2" not in f"{refused.value!r}"
        assert bench.served(reference) is None

    def test_other_failures_are_told_apart(self, engine: ImageEngine, bench: ImageBench, word: str) -> None:
        """Refused, unreachable, not here: three reasons, of which only one may pass."""
        made = bench.add(f"{word}-fail:1")
        for host, reason in ((bench.read_only, Reason.REFUSED), (bench.down, Reason.UNREACHABLE)):
            reference = parse(f"{host}/team/{word}-fail:1")
            engine.tag(made, reference)
            with pytest.raises(RegistryError) as failed:
                engine.push(reference, None, _deaf)
            assert failed.value.reason is reason, str(failed.value)
            assert failed.value.is_transient is (reason is Reason.UNREACHABLE)
            engine.untag(reference, made)
        with pytest.raises(NotFound):
            engine.push(parse(f"{bench.free}/team/{word}-none:1"), None, _deaf)

    def test_what_was_pushed_is_pulled(self, engine: ImageEngine, bench: ImageBench, word: str) -> None:
        """It comes back with its labels under the name that was asked for; what is not there is NotFound."""
        made, reference = bench.add(f"{word}-pull:1"), parse(f"{bench.guarded}/team/{word}-pull:1")
        engine.tag(made, reference)
        engine.push(reference, USER, _deaf)
        bench.forget(made)
        image = engine.pull(reference, USER, _deaf)
        assert reference.text in image.references
        assert image.labels == {"made": "here"}
        assert engine.image(reference.text) == image
        with pytest.raises(NotFound):
            engine.pull(parse(f"{bench.guarded}/team/{word}-pull:2"), USER, _deaf)
        with pytest.raises(RegistryError) as refused:
            engine.pull(reference, WRONG, _deaf)
        assert refused.value.reason is Reason.UNAUTHORIZED

    def test_whoever_is_cancelled_pushes_no_more(
        self, engine: ImageEngine, bench: ImageBench, word: str
    ) -> None:
        """What the check raises comes back unchanged."""
        reference = parse(f"{bench.free}/team/{word}-stop:1")
        engine.tag(bench.add(f"{word}-stop:1"), reference)

        def check() -> None:
            raise Cancelled("enough")

        with pytest.raises(Cancelled, match="enough"):
            engine.push(reference, None, _deaf, check)

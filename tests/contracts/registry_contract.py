"""What every registry must do: the fake one and the real one pass this same suite. It must not know which it has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import pytest

from bot.errors import BotError, Cancelled, NotFound, RegistryError
from bot.reasons import Reason
from bot.reference import Reference, parse
from bot.registry import Registry
from bot.secrecy import Login

USER = Login(username="bot", password="hunter2-right")
WRONG = Login(username="bot", password="hunter2-wrong")


class RegistryBench(Protocol):
    """What the contract needs beside the registry under test; `as_` gives that."""

    open: Callable[[Login | None], Registry]
    """A registry that lets everybody in, seen with a login or without."""
    closed: Callable[[Login | None], Registry]
    """One that lets `USER` in, and nobody else."""
    down: Callable[[], Registry]
    """One that does not run."""
    put: Callable[[str, str, str], str]
    """Put an image (repository, tag, content) into both; its digest."""


def _ref(registry: Registry, rest: str) -> Reference:
    return parse(f"{registry.host}/{rest}")


class RegistryContract:
    """Subclass it; give the fixture `bench` (a RegistryBench)."""

    def test_a_login_is_proven(self, bench: RegistryBench) -> None:
        """Whoever is asked and known gets in; whoever is not asked proves nothing."""
        assert bench.closed(USER).prove() is True
        assert bench.open(None).prove() is False
        assert bench.open(USER).prove() is False

    @pytest.mark.parametrize("login", [None, WRONG], ids=["nobody", "wrong"])
    def test_the_unknown_are_refused(self, bench: RegistryBench, login: Login | None) -> None:
        """Without a login, or with a wrong password, everything is unauthorized, and no password is told."""
        registry = bench.closed(login)
        for ask in (
            registry.prove,
            lambda: registry.digest(_ref(registry, "team/web:1")),
            lambda: registry.tags("team/web"),
        ):
            with pytest.raises(RegistryError) as refused:
                ask()
            assert refused.value.reason is Reason.UNAUTHORIZED
            assert "Nothing was changed" in str(refused.value)
            assert "hunter2" not in f"{refused.value} {refused.value!r}"

    def test_a_digest_is_told(self, bench: RegistryBench) -> None:
        """Of a tag, of a digest, of `latest` when nothing is said; nothing is served where nothing was put."""
        one, two = bench.put("team/web", "1", "one"), bench.put("team/web", "latest", "two")
        registry = bench.closed(USER)
        assert one != two
        assert registry.digest(_ref(registry, "team/web:1")) == one
        assert registry.digest(_ref(registry, "team/web")) == two
        assert registry.digest(_ref(registry, f"team/web@{one}")) == one
        assert registry.digest(_ref(registry, "team/web:2")) is None
        assert registry.digest(_ref(registry, "team/none:1")) is None
        assert registry.digest(_ref(registry, "team/web@sha256:" + "0" * 64)) is None

    def test_an_image_is_recognised(self, bench: RegistryBench) -> None:
        """An engine that calls images by their manifest's digest is told whether that is what is served."""
        one, two = bench.put("team/same", "1", "one"), bench.put("team/same", "2", "two")
        registry = bench.closed(USER)
        assert registry.has_image(_ref(registry, "team/same:1"), one) == one
        assert registry.has_image(_ref(registry, "team/same:1"), two) is None
        assert registry.has_image(_ref(registry, "team/same:3"), one) is None

    def test_tags_are_listed(self, bench: RegistryBench) -> None:
        """All of them, sorted; an unknown repository is NotFound."""
        for tag in ("b", "a", "c"):
            bench.put("team/listed", tag, tag)
        registry = bench.closed(USER)
        assert registry.tags("team/listed") == ("a", "b", "c")
        with pytest.raises(NotFound, match="team/none"):
            registry.tags("team/none")

    def test_one_that_is_down_is_unreachable(self, bench: RegistryBench) -> None:
        """It is told as such, as something that may pass."""
        registry = bench.down()
        for ask in (
            registry.prove,
            lambda: registry.digest(_ref(registry, "a:1")),
            lambda: registry.tags("a"),
        ):
            with pytest.raises(RegistryError) as failed:
                ask()
            assert failed.value.reason is Reason.UNREACHABLE
            assert failed.value.is_transient

    def test_whoever_is_cancelled_asks_no_more(self, bench: RegistryBench) -> None:
        """What the check raises ends every asking, unchanged."""
        registry = bench.open(None)

        def check() -> None:
            raise Cancelled("enough")

        for ask in (registry.prove, lambda check: registry.digest(_ref(registry, "a:1"), check)):
            with pytest.raises(BotError, match="enough"):
                ask(check)

    def test_the_login_is_given_out_without_being_shown(self, bench: RegistryBench) -> None:
        """Docker is told it from here; its text never holds the password."""
        assert bench.closed(USER).login() == USER
        assert bench.open(None).login() is None
        assert "hunter2" not in repr(bench.closed(USER).login())

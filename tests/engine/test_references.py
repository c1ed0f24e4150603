"""A real daemon reads the table of references as we do: it is the distribution project's own parser."""

from __future__ import annotations

import docker
import pytest

from tests.support.busybox import DockerBench
from tests.support.engine_available import require_engine
from tests.unit.test_reference import INVALID, VALID

pytestmark = pytest.mark.engine

# Younger than some daemons: hosts that are IPv6 addresses, and hosts told by their capital letters alone.
_YOUNG = ("[", "REGISTRY/")
# Digests whose algorithm the grammar allows and no daemon knows.
_UNKNOWN = ("@md5", "@a.b")
# What a URL cannot carry, or the daemon's router mends before it is read.
_LOST = ("//", "/../", "./", "\n")


def test_the_daemon_agrees() -> None:
    """Of what is valid it says that there is no such image, of what is not, that it is no name."""
    bench = DockerBench(require_engine())

    def is_name(word: str) -> bool:
        try:
            bench.api.inspect_image(word)
        except docker.errors.APIError as error:
            return bool(error.status_code == 404)
        return True

    valid = [
        word for word, _ in VALID if not word.startswith(_YOUNG) and not any(one in word for one in _UNKNOWN)
    ]
    invalid = [
        word
        for word in INVALID
        if word.strip("/") == word != "" and not any(one in word for one in _LOST) and len(word) != 64
    ]
    # The daemon takes this one, too, but for a repository without a registry, to which nothing can be pushed.
    invalid.remove("a_b.c/web")
    assert min(len(valid), len(invalid)) >= 150
    assert [word for word in valid[::7] if not is_name(word)] == []  # a part of them: they are alike
    assert [word for word in invalid if is_name(word)] == []
    bench.close()

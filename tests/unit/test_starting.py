"""What daemons say when a program cannot be started in a container: what may go over, and what never will."""

from __future__ import annotations

import pytest

from bot.engine.starting import not_started, told_apart
from bot.errors import EngineError, NotStarted

SAID = "OCI runtime exec failed: exec failed: unable to start container process: "


@pytest.mark.parametrize(
    ("said", "is_for_good"),
    [
        (f'{SAID}exec: "/bin/sh": stat /bin/sh: no such file or directory: unknown', True),
        ("crun: executable file `/bin/sh` not found: No such file or directory", True),
        ("unable to find user no-such-user: no matching entries in passwd file", True),
        (f"{SAID}fork/exec /proc/self/exe: resource temporarily unavailable", False),
        (f"{SAID}read init-p: connection reset by peer", False),
        ("", False),
    ],
)
def test_what_never_starts_is_told_from_what_does_not_start_now(said: str, is_for_good: bool) -> None:
    """Without a shell or such a user nobody need try again; while memory or processes are short, one must."""
    found = not_started({"container": "db", "host": "local"}, said.encode())
    assert isinstance(found, NotStarted) is is_for_good
    with pytest.raises(EngineError) as caught, told_apart():
        raise EngineError(f"Docker refused: {said}.")
    assert isinstance(caught.value, NotStarted) is is_for_good

"""Tells somebody of every call that may change something at a daemon, before it is made. Must not know who listens."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit

_CHANGES = frozenset({"POST", "PUT", "DELETE"})
_VERSION = re.compile(r"^/v\d+\.\d+(?=/)")
_CHANGES_NOTHING = re.compile(r"/auth|/session|/(containers|exec)/[^/]+/(wait|resize|attach)(/ws)?")
_TOLD = frozenset(
    ("name", "fromImage", "repo", "tag", "container", "path", "signal", "t", "force", "v", "all", "target")
)
"""Parameters that say what is changed; others may hold secrets, such as the arguments of a build."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call: HTTP's method, and the path below the API's version, with what tells what is changed."""

    host: str
    method: str
    path: str
    undoes: bool = False
    """Whether it takes back or cleans up what was done before."""


_undoes: ContextVar[bool] = ContextVar("undoes", default=False)


@contextmanager
def undoing() -> Iterator[None]:
    """Calls of the body, and of threads that it starts with its context, take something back."""
    before = _undoes.set(True)
    try:
        yield
    finally:
        _undoes.reset(before)


_only_tries: ContextVar[bool] = ContextVar("only_tries", default=False)


@contextmanager
def only_trying() -> Iterator[None]:
    """Calls of the body are about names that nothing has, so that they change nothing: nobody is told."""
    before = _only_tries.set(True)
    try:
        yield
    finally:
        _only_tries.reset(before)


Witness = Callable[[Call], None]
"""Is told of a call; when it raises, the call is not made."""


def nobody(_call: Call) -> None:
    """Hears it and does nothing."""


def changing(host: str, method: str | None, url: str) -> Call | None:
    """The call, if it may change something."""
    if method not in _CHANGES or _only_tries.get():
        return None
    parts = urlsplit(url)
    path = _VERSION.sub("", parts.path)
    if _CHANGES_NOTHING.fullmatch(path):
        return None
    told = urlencode([pair for pair in parse_qsl(parts.query) if pair[0] in _TOLD], safe="/:@")
    return Call(host=host, method=method, path=f"{path}?{told}" if told else path, undoes=_undoes.get())

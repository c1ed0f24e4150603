"""deploy's proxy before Docker's socket: its list of calls, read from its file, and the real program running it."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.process import until

FILE = Path(__file__).parents[2] / "deploy" / "docker-socket-proxy.cfg"
_RULE = re.compile(r"\s*http-request allow if \{ method (?P<method>[A-Z]+) \} \{ path_reg (?P<path>\S+) \}")
_VERSION = re.compile(r"/v1\.[0-9]+(?=/)")


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A method and a pattern of paths that are let through."""

    method: str
    path: str

    def allows(self, method: str, path: str) -> bool:
        """Whether it lets the call through."""
        return method == self.method and re.search(self.path, path) is not None


def rules() -> tuple[Rule, ...]:
    """What the file lets through."""
    found = [_RULE.match(line) for line in FILE.read_text().splitlines() if " allow " in line]
    assert all(found), "a rule is not of the form that this reads"
    return tuple(Rule(method=one["method"], path=one["path"]) for one in found if one)


def rule_for(method: str, url: str) -> Rule | None:
    """The rule that lets the call through, if any does."""
    path = urlsplit(url).path
    if ".." in path or "//" in path:
        return None
    return next((rule for rule in rules() if rule.allows(method, path)), None)


@contextmanager
def proxy(
    engine_url: str, directory: Path, *, forbidding: Collection[str] = (), without: str = ""
) -> Iterator[str]:
    """Address of a real HAProxy with deploy's file before that engine; skips the test without the program.

    It lets no calls of the methods through that it is `forbidding`, nor what the rules `without` this text allow.
    """
    program = shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("The socket proxy needs the program haproxy.")
    if not engine_url.startswith("unix://"):
        pytest.skip("The socket proxy stands before a Unix socket.")
    text, address = FILE.read_text(), directory / "p.sock"
    for old, new in (
        ("unix@/run/docker-proxy/docker.sock mode 660 gid 10001", f"unix@{address} mode 600"),
        ("unix@/var/run/docker.sock", f"unix@{engine_url.removeprefix('unix://')}"),
    ):
        assert text.count(old) == 1
        text = text.replace(old, new)
    kept = [
        line
        for line in text.splitlines(keepends=True)
        if not any(f"method {method} " in line for method in forbidding) and not (without and without in line)
    ]
    text = "".join(kept)
    file = directory / "proxy.cfg"
    file.write_text(text)
    with subprocess.Popen([program, "-db", "-f", str(file)], stderr=subprocess.PIPE) as running:
        try:
            until(lambda: _answers(address), saying="the proxy's socket")
            yield f"unix://{address}"
        finally:
            running.terminate()


def _answers(address: Path) -> bool:
    """Whether somebody listens there: HAProxy binds its socket a moment before it listens."""
    with socket.socket(socket.AF_UNIX) as line:
        return line.connect_ex(str(address)) == 0


def without_version(url: str) -> str:
    """The path of a call, as Docker's reference writes it."""
    return _VERSION.sub("", urlsplit(url).path)

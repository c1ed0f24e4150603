"""Runs shell commands of the product in forks of one process that has imported it, since imports cost a second each.

As a program it listens on a socket; each connection brings one command line and where its output goes, and gets the
exit code back. It must not know what a command does.
"""

from __future__ import annotations

import array
import atexit
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_DESCRIPTORS = 2
_LINE_BYTES = 1 << 16


def carried_out(
    words: tuple[str, ...], environment: Mapping[str, str], *, seconds: float
) -> subprocess.CompletedProcess[str]:
    """Run `shipkeeper WORDS…` to its end; raises TimeoutError after so many seconds, and it is killed."""
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as wire,
        tempfile.TemporaryFile("w+", errors="replace") as output,
        tempfile.TemporaryFile("w+", errors="replace") as errors,
    ):
        wire.settimeout(seconds)
        wire.connect(_server())
        job = json.dumps({"words": words, "environment": dict(environment)}).encode() + b"\n"
        socket.send_fds(wire, [job], [output.fileno(), errors.fileno()])
        answer = wire.makefile("r")
        child = int(answer.readline())
        try:
            code = answer.readline()
        except TimeoutError:
            os.kill(child, signal.SIGKILL)
            raise
        for file in (output, errors):
            file.seek(0)
        # A child that was killed has said nothing.
        return subprocess.CompletedProcess(
            words, int(code) if code else -signal.SIGKILL, output.read(), errors.read()
        )


@cache
def _server() -> str:
    """The address of this test process's own server, which ends with it."""
    directory = tempfile.TemporaryDirectory(prefix="skf-", dir="/tmp")
    address = f"{directory.name}/socket"
    program = [sys.executable, "-m", "tests.support.forking", address]
    server = subprocess.Popen(program, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    assert server.stdout.readline() == "ready\n"

    def end() -> None:
        server.communicate()  # it ends when its standard input does
        directory.cleanup()

    atexit.register(end)
    return address


def _serve(address: str) -> None:
    import handlers

    for name in ("bot.cli", "bot.app", "bot.following"):
        importlib.import_module(name)
    handlers.load()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the children
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
        door.bind(address)
        door.listen(16)
        print("ready", flush=True)
        while door in select.select([door, sys.stdin], [], [])[0]:  # whoever started it closes its input
            wire, _ = door.accept()
            with wire:
                if not os.fork():
                    door.close()
                    _carry_out(wire)


def _carry_out(wire: socket.socket) -> None:
    import handlers
    from bot.cli import main

    data, descriptors = b"", array.array("i")
    while not data.endswith(b"\n"):
        more, found, _, _ = socket.recv_fds(wire, _LINE_BYTES, _DESCRIPTORS)
        data += more
        descriptors.extend(found)
    job = json.loads(data)
    wire.sendall(f"{os.getpid()}\n".encode())
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, descriptor in enumerate(descriptors, start=1):
        os.dup2(descriptor, number)
    os.environ.clear()
    os.environ.update(job["environment"])
    code = main(job["words"], handlers.load())
    sys.stdout.flush()
    sys.stderr.flush()
    wire.sendall(f"{code}\n".encode())
    os._exit(0)


if __name__ == "__main__":
    _serve(sys.argv[1])

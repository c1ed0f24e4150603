"""Makes the image that tools run from: some programs of the machine that the bot runs on, with their libraries.

Nothing is pulled, and only files are read. It must not know what the programs are used for.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import docker

from bot.engine.helpers import import_image
from bot.engine.translate import scrub
from bot.errors import EngineError
from bot.language import say

REPOSITORY = "shipkeeper-tools"

PROGRAMS: Mapping[str, str] = {
    "sh": "dash",
    "find": "findutils",
    "stat": "coreutils",
    "mv": "coreutils",
    "rm": "coreutils",
    "sync": "coreutils",
    "sleep": "coreutils",
    "getfattr": "attr",
}
"""Each program, and the Debian package that has it."""

ENVIRONMENT = {"PATH": "/bin", "LD_LIBRARY_PATH": "/lib", "LC_ALL": "C"}
"""What a container of the image needs; in the C locale errors read the same everywhere."""

_LDD_SECONDS = 30
_TAG_LENGTH = 16


class ToolsImage:
    """The image in one daemon; made when it is missing there, anew when this machine's programs changed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: str | None = None

    def ensure(self, api: Any) -> str:
        """Its reference; raises EngineError when this machine lacks a program, or the SDK's errors."""
        with self._lock:
            if self._known is None or not _is_there(api, self._known):
                tar = tools_tar(PROGRAMS)
                tag = hashlib.sha256(tar).hexdigest()[:_TAG_LENGTH]
                self._known = f"{REPOSITORY}:{tag}"
                if not _is_there(api, self._known):
                    import_image(api, tar, repository=REPOSITORY, tag=tag)
            return self._known


def lacking() -> dict[str, str]:
    """The programs that tools need and this machine does not have, each with the Debian package that has it."""
    wanted = {**PROGRAMS, "ldd": "libc-bin"}
    return {name: package for name, package in wanted.items() if not _is_usable(name)}


def _is_usable(name: str) -> bool:
    """Busybox goes by many of these names, but its programs lack what we need."""
    found = shutil.which(name)
    return found is not None and (name == "ldd" or Path(os.path.realpath(found)).name != "busybox")


def _is_there(api: Any, reference: str) -> bool:
    try:
        api.inspect_image(reference)
    except docker.errors.ImageNotFound:
        return False
    return True


def tools_tar(programs: Mapping[str, str]) -> bytes:
    """A root file system of these programs; the same programs always give the same bytes. Raises EngineError."""
    files: dict[str, Path] = {}
    for name, package in programs.items():
        program = _program(name, package)
        files[f"bin/{name}"] = program
        for library, is_loader in _libraries(program):
            # Programs name the loader by its whole path, and look for the rest where LD_LIBRARY_PATH says.
            place = str(library).lstrip("/") if is_loader else f"lib/{library.name}"
            files[place] = library
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as tar:
        for place, path in sorted(files.items()):
            data = _content(path)
            info = tarfile.TarInfo(place)
            info.size, info.mode = len(data), 0o755
            tar.addfile(info, io.BytesIO(data))
    return held.getvalue()


def _program(name: str, package: str) -> Path:
    found = shutil.which(name)
    if found is None or not _is_usable(name):
        raise EngineError(
            say(
                "Looking into volumes needs the program {program} on the machine that the bot runs on. "
                "Nothing was changed; install the Debian package {package} there, then send the command again.",
                program=name,
                package=package,
            )
        )
    return Path(os.path.realpath(found))


def _libraries(program: Path) -> list[tuple[Path, bool]]:
    """The libraries that ldd(1) finds, and whether each is the dynamic loader; none for a static program."""
    if shutil.which("ldd") is None:
        raise EngineError(
            say(
                "Looking into volumes needs the program ldd on the machine that the bot runs on. "
                "Nothing was changed; install the Debian package libc-bin there, then send the command again."
            )
        )
    done = subprocess.run(
        ["ldd", str(program)],
        env={**os.environ, "LC_ALL": "C"},
        capture_output=True,
        text=True,
        timeout=_LDD_SECONDS,
        check=False,
    )
    if "not found" in done.stdout:
        raise EngineError(
            say(
                "The program {program} of the machine that the bot runs on lacks a library: {reason}. "
                "Nothing was changed; mend it, then send the command again.",
                program=program,
                reason=scrub(done.stdout),
            )
        )
    return libraries_in(done.stdout)


def libraries_in(listing: str) -> list[tuple[Path, bool]]:
    """What ldd listed: `name => /path (address)`, the loader alone as `/path (address)`, and the kernel's part."""
    found = []
    for line in listing.splitlines():
        name, arrow, path = line.strip().partition(" => ")
        words = (path if arrow else name).split(" (")
        if words[0].startswith("/"):
            found.append((Path(words[0]), not arrow))
    return found


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise EngineError(
            say(
                "Looking into volumes needs {path} of the machine that the bot runs on, which cannot be read: "
                "{error}. Nothing was changed; let the bot read it, then send the command again.",
                path=path,
                error=scrub(error),
            )
        ) from error

"""What people use instead, as they would type it: each a contestant that keeps a volume, or puts it back.

It must not know the product.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.ground import MOUNTED, Contestant, Filled, Ground, empty, size_of

LIMIT = "docker cp to nowhere"
ZSTD = "docker cp | zstd -1 -T0"
SYNCED = "the same, then sync"
GZIP = "docker cp | gzip"
CONTAINER = "a container: tar | gzip"
RESTIC = "docker cp | restic backup --stdin"
BORG = "docker cp | borg import-tar"
UNZSTD = "zstd -d | docker cp"

SYNCS = {
    LIMIT: "keeps nothing",
    ZSTD: "no",
    SYNCED: "yes",
    GZIP: "no",
    CONTAINER: "no",
    RESTIC: "yes",
    BORG: "yes",
}
"""Whether what was kept is on the disk when the command says it is done."""


def peers(ground: Ground, filled: Filled, *names: str) -> list[Contestant]:
    """Those of that name, all without any; each keeps the volume in a directory of its own that is new every time."""
    stream = f"docker cp {filled.holder}:{MOUNTED} -"
    image = ground.yard.bench.image
    mounts = f"-v {filled.volume}:/v:ro -v $KEPT:/o"
    packed = "/bin/busybox tar cf - -C /v . | /bin/busybox gzip > /o/volume.tgz"
    lines = {
        LIMIT: f"{stream} > /dev/null",
        ZSTD: f"{stream} | zstd -q -1 -T0 > $KEPT/volume.tar.zst",
        SYNCED: f"{stream} | zstd -q -1 -T0 > $KEPT/volume.tar.zst && sync $KEPT/volume.tar.zst",
        GZIP: f"{stream} | gzip > $KEPT/volume.tar.gz",
        CONTAINER: f"docker run --rm --network none {mounts} {image} /bin/sh -c '{packed}'",
        RESTIC: f"{stream} | restic -q -r $KEPT/repo backup --stdin --stdin-filename volume.tar",
        BORG: f"{stream} | borg import-tar $KEPT/repo::volume -",
    }
    first = {
        RESTIC: "restic -q -r $KEPT/repo init",
        BORG: "borg init --encryption none $KEPT/repo",
    }
    return [_typed(ground, name, lines[name], first.get(name, "")) for name in names or lines]


def _typed(ground: Ground, name: str, line: str, first: str) -> Contestant:
    kept = ground.kept / "peer"

    @contextmanager
    def ready() -> Iterator[Callable[[], None]]:
        with empty(kept):
            if first:
                typed(ground, first, kept)
            yield lambda: typed(ground, line, kept)

    return Contestant(name=name, ready=ready, kept=lambda: size_of(kept))


def unpacking(ground: Ground, archive: Path) -> Contestant:
    """Puts what `docker cp | zstd` kept into a volume that is new every time."""

    @contextmanager
    def ready() -> Iterator[Callable[[], None]]:
        new = ground.volume("peer")
        line = f"zstd -q -d -c {archive} | docker cp - {new.holder}:/"
        try:
            yield lambda: typed(ground, line, ground.kept)
        finally:
            ground.remove(new.volume)

    return Contestant(name=UNZSTD, ready=ready)


def typed(ground: Ground, line: str, kept: Path) -> None:
    """Run a line of a shell, which must go well to its end, in every part."""
    home = ground.kept / "home"
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "DOCKER_HOST": ground.url,
        "KEPT": str(kept),
        "RESTIC_PASSWORD": "bench",
        "RESTIC_CACHE_DIR": str(home / "restic"),
        "BORG_BASE_DIR": str(home),
        "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
    }
    home.mkdir(exist_ok=True)
    done = subprocess.run(
        ["/bin/bash", "-o", "pipefail", "-c", line],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{line}: {done.stderr}"

"""What is known of a snapshot, kept as labels of its image, so that it travels with it and outlives its container.

Words only: it must not know how an image is made or found.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from bot.engine.snapshot_contract import SNAPSHOT_LABEL, SnapshotImage
from bot.errors import EngineError
from bot.language import say
from bot.reference import parse

_MOUNTS = f"{SNAPSHOT_LABEL}.mounts"
_CONFIGURATION = f"{SNAPSHOT_LABEL}.configuration"
_MOST_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Mounted:
    """What the container mounted at `destination`; `kind` is Docker's word, `backup` what a backup is filed under.

    Without a backup that is empty.
    """

    kind: str
    source: str
    destination: str
    backup: str = ""

    @property
    def words(self) -> str:
        """How sentences name it."""
        what = {
            "volume": say("volume {volume}", volume=self.source),
            "bind": say("{path} of the host", path=self.source),
        }
        return say("{what} at {path}", what=what.get(self.kind, self.kind), path=self.destination)


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Who made a snapshot (`by_id` decides, `by` is for reading), of what, when (ISO 8601, UTC), and how it ran."""

    by: str
    by_id: str
    made_at: str
    container: str
    host: str
    image: str
    mounts: tuple[Mounted, ...] = ()
    configuration: str = ""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A snapshot that a host has: its id is that of the run that made it."""

    id: str
    image: SnapshotImage
    facts: Facts

    @property
    def reference(self) -> str:
        """A name to call its image by, the shortest; its id when it has none."""
        names = [parse(name).familiar for name in self.image.references]
        return min(names, key=len) if names else self.image.id


def labels_of(facts: Facts) -> dict[str, str]:
    """The labels that say all of it."""
    mounts = [asdict(mounted) for mounted in facts.mounts]
    packed = zlib.compress(facts.configuration.encode(), level=9)
    return {
        f"{SNAPSHOT_LABEL}.by": facts.by,
        f"{SNAPSHOT_LABEL}.by-id": facts.by_id,
        f"{SNAPSHOT_LABEL}.at": facts.made_at,
        f"{SNAPSHOT_LABEL}.container": facts.container,
        f"{SNAPSHOT_LABEL}.host": facts.host,
        f"{SNAPSHOT_LABEL}.image": facts.image,
        _MOUNTS: json.dumps(mounts, sort_keys=True, separators=(",", ":")),
        _CONFIGURATION: base64.b64encode(packed).decode("ascii"),
    }


def read(image: SnapshotImage) -> Snapshot:
    """The snapshot that the image's labels speak of; raises EngineError for labels that nobody can read."""
    labels = image.labels
    try:
        facts = Facts(
            by=labels[f"{SNAPSHOT_LABEL}.by"],
            by_id=labels[f"{SNAPSHOT_LABEL}.by-id"],
            made_at=labels[f"{SNAPSHOT_LABEL}.at"],
            container=labels[f"{SNAPSHOT_LABEL}.container"],
            host=labels[f"{SNAPSHOT_LABEL}.host"],
            image=labels[f"{SNAPSHOT_LABEL}.image"],
            mounts=tuple(_mounted(one) for one in json.loads(labels[_MOUNTS])),
            configuration=_unpacked(labels[_CONFIGURATION]),
        )
    except (KeyError, TypeError, ValueError, binascii.Error, zlib.error) as error:
        raise EngineError(
            say(
                "The labels of image {image} say that it is a snapshot, but cannot be read ({error!r}). Nothing was "
                "changed. Somebody built it from a snapshot, or changed its labels.",
                image=image.id,
                error=error,
            )
        ) from error
    return Snapshot(id=labels[SNAPSHOT_LABEL], image=image, facts=facts)


def _mounted(one: Mapping[str, object]) -> Mounted:
    return Mounted(**{key: str(one[key]) for key in ("kind", "source", "destination", "backup")})


def _unpacked(text: str) -> str:
    """Labels are anybody's: at most a megabyte is unpacked."""
    unpacking = zlib.decompressobj()
    found = unpacking.decompress(base64.b64decode(text, validate=True), _MOST_BYTES)
    if not unpacking.eof:
        raise ValueError("the configuration is cut, or too long")
    return found.decode()

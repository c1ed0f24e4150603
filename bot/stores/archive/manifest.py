"""The manifest: what a backup says about itself, as a frozen noun and as JSON.

Must not know the disk.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from bot.model import Actor
from bot.stores.archive.disk import ENTRIES, TAR

FORMAT = 1
OUTCOME_OK = "ok"
PROOF = ("end-of-archive", "entries-hashed", "stored-read-back")
LOST = (
    "extended attributes",
    "POSIX ACLs",
    "sub-second modification times",
    "sockets",
    "sparseness",
)
"""What Docker's archive API does not hand out, whatever the volume holds."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class EngineFacts:
    """Which engine the bytes came from."""

    name: str
    version: str
    api_version: str


@dataclass(frozen=True, kw_only=True)
class VolumeFacts:
    """The volume as Docker described it, so that it can be made again."""

    name: str
    driver: str
    labels: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class QuiesceFacts:
    """How the volume's users were kept still (`none`, `pause`, `stop`) and which containers that touched."""

    mode: str
    containers: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Content:
    """So many bytes with that SHA-256."""

    bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class StoredFile:
    """A file beside the manifest, by its bare name."""

    bytes: int
    sha256: str
    file: str


@dataclass(frozen=True, kw_only=True)
class EntriesFile:
    """The list of entries beside the manifest; `sha256` is that of the compressed file."""

    count: int
    file: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Everything known about one backup. `started_at` and `ended_at` are UTC."""

    id: str
    host: str
    engine: EngineFacts
    volume: VolumeFacts
    actor: Actor
    run_id: str
    quiesce: QuiesceFacts
    started_at: datetime
    ended_at: datetime
    raw: Content
    stored: StoredFile
    entries: EntriesFile
    outcome: str = OUTCOME_OK
    proof: tuple[str, ...] = PROOF
    lost: tuple[str, ...] = LOST
    note: str = ""

    def to_json(self) -> str:
        """JSON with the format number first and the keys in the order above."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=2, default=_time_text) + "\n"


def _time_text(value: object) -> str:
    if not isinstance(value, datetime):
        raise TypeError(f"{type(value).__name__} cannot be written into a manifest")
    return value.astimezone(UTC).isoformat()


def parse_manifest(text: str) -> Manifest:
    """The manifest in that JSON; raises ValueError saying what is wrong. Unknown keys are ignored."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError("it is not JSON") from error
    top = _Reader(found, "")
    if found.get("format") != FORMAT:
        raise ValueError(f"it has format {found.get('format')!r}, and this version reads only {FORMAT}")
    backup_id = top.text("id")
    actor, entries = top.child("actor"), top.child("entries")
    return Manifest(
        id=backup_id,
        host=top.text("host"),
        engine=_engine(top.child("engine")),
        volume=_volume(top.child("volume")),
        actor=Actor(id=actor.text("id"), name=actor.text("name")),
        run_id=top.text("run_id"),
        quiesce=_quiesce(top.child("quiesce")),
        started_at=top.time("started_at"),
        ended_at=top.time("ended_at"),
        raw=Content(bytes=top.child("raw").whole("bytes"), sha256=top.child("raw").sha256()),
        stored=_stored(top.child("stored"), backup_id + TAR),
        entries=EntriesFile(
            count=entries.whole("count"),
            file=entries.exactly("file", backup_id + ENTRIES),
            sha256=entries.sha256(),
        ),
        outcome=top.exactly("outcome", OUTCOME_OK),
        proof=top.texts("proof"),
        lost=top.texts("lost"),
        note=top.text("note"),
    )


def _engine(reader: _Reader) -> EngineFacts:
    return EngineFacts(
        name=reader.text("name"), version=reader.text("version"), api_version=reader.text("api_version")
    )


def _volume(reader: _Reader) -> VolumeFacts:
    return VolumeFacts(
        name=reader.text("name"),
        driver=reader.text("driver"),
        labels=reader.mapping("labels"),
        options=reader.mapping("options"),
    )


def _quiesce(reader: _Reader) -> QuiesceFacts:
    return QuiesceFacts(mode=reader.text("mode"), containers=reader.texts("containers"))


def _stored(reader: _Reader, name: str) -> StoredFile:
    return StoredFile(bytes=reader.whole("bytes"), sha256=reader.sha256(), file=reader.exactly("file", name))


class _Reader:
    """Takes typed fields out of parsed JSON, or says by name which one is wrong."""

    def __init__(self, found: object, path: str) -> None:
        if not isinstance(found, dict):
            raise ValueError(f"“{path or 'it'}” is not an object")
        self._found: dict[str, Any] = found
        self._path = path

    def _take(self, key: str, what: type) -> Any:
        value = self._found.get(key)
        if not isinstance(value, what) or isinstance(value, bool):
            raise ValueError(f"“{self._path}{key}” is missing or not of the right kind")
        return value

    def text(self, key: str) -> str:
        return str(self._take(key, str))

    def exactly(self, key: str, wanted: str) -> str:
        if self.text(key) != wanted:
            raise ValueError(f"“{self._path}{key}” should be “{wanted}”")
        return wanted

    def whole(self, key: str) -> int:
        value = int(self._take(key, int))
        if value < 0:
            raise ValueError(f"“{self._path}{key}” is negative")
        return value

    def sha256(self) -> str:
        value = self.text("sha256")
        if not _SHA256.fullmatch(value):
            raise ValueError(f"“{self._path}sha256” is not a SHA-256")
        return value

    def time(self, key: str) -> datetime:
        try:
            value = datetime.fromisoformat(self.text(key))
        except ValueError as error:
            raise ValueError(f"“{self._path}{key}” is not a time") from error
        if value.tzinfo is None:
            raise ValueError(f"“{self._path}{key}” has no time zone")
        return value.astimezone(UTC)

    def texts(self, key: str) -> tuple[str, ...]:
        return tuple(str(item) for item in self._take(key, list))

    def mapping(self, key: str) -> dict[str, str]:
        return {str(name): str(value) for name, value in self._take(key, dict).items()}

    def child(self, key: str) -> _Reader:
        return _Reader(self._found.get(key), f"{self._path}{key}.")

"""The manifest: what a backup says about itself, as a frozen noun and as JSON.

Must not know the disk.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime

from bot.errors import ArchiveError
from bot.language import later, say
from bot.model import Actor
from bot.stores.archive.facts import (
    Content,
    DumpFacts,
    EngineFacts,
    EntriesFile,
    HookFacts,
    Problem,
    Problems,
    QuiesceFacts,
    SourceFacts,
    StoredFile,
    VolumeFacts,
)
from bot.stores.archive.fields import Fields, parse_object, write_object
from bot.stores.archive.names import ENTRIES, INVENTORY, TAR
from bot.words import size

OUTCOME_OK = "ok"
OUTCOME_PARTIAL = "partial"
SOURCE_KINDS = ("volume", "path", "dump")
LARGEST_BYTES = 32 << 20
"""More than a thousand problems with paths of 4096 bytes, each written as `\\udcXX`, take."""
SAFETY = "safety"
"""`purpose` of a backup that was made before a volume's content was replaced."""
SNAPSHOT = "snapshot"
"""`purpose` of a backup that was made together with a snapshot."""

PROOF = ("end-of-archive", "entries-hashed", "stored-read-back")
"""What is proven of every backup, whatever it is of."""
PROOF_INVENTORY = "inventory-before-and-after"
"""A walk before and one after the reading found the same, and that is what the tar holds."""
PROOF_READ_TWICE = "read-twice"
"""No walk was possible: the tar was read twice, and held the same both times."""
LOST = (
    later("extended attributes"),
    later("POSIX ACLs"),
    later("sub-second modification times"),
    later("sockets"),
    later("sparseness"),
)
"""What Docker's archive API does not hand out, whatever the volume holds: lost unless an inventory keeps it.

Manifests hold them in English; whoever shows them says them.
"""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Everything known about one backup. `started_at` and `ended_at` are UTC.

    `lost` names what really is lost. `downtime_seconds` is how long users were kept still; None if nobody was.
    """

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
    source: SourceFacts = field(default_factory=SourceFacts)
    problems: Problems = field(default_factory=Problems)
    inventory: EntriesFile | None = None
    downtime_seconds: float | None = None
    hooks: tuple[HookFacts, ...] = ()
    dump: DumpFacts | None = None
    purpose: str = ""

    def to_json(self) -> str:
        """JSON with the format number first, the keys in the order above, and a checksum of it all at its end."""
        return write_object(asdict(self))


def readable_json(manifest: Manifest) -> bytes:
    """Its JSON as it will be read again; raises ArchiveError for one that could not be."""
    text = manifest.to_json()
    try:
        parse_manifest(text)
        if len(text) > LARGEST_BYTES:
            raise ValueError(say("it is larger than {size}", size=size(LARGEST_BYTES)))
    except ValueError as error:
        raise ArchiveError(
            say(
                "The manifest of backup {backup} could not be read again: {reason}. Nothing was published.",
                backup=manifest.id,
                reason=error,
            )
        ) from error
    return text.encode("ascii")


def parse_manifest(text: str) -> Manifest:
    """The manifest in that JSON; raises ValueError saying what is wrong. Unknown keys are ignored.

    The keys from `source` on are younger than the format, so they may be missing.
    """
    top = parse_object(text, sealed_since="source")
    backup_id, actor = top.text("id"), top.child("actor")
    outcome = top.one_of("outcome", OUTCOME_OK, OUTCOME_PARTIAL)
    problems = top.maybe_child("problems", _problems, Problems())
    if outcome == OUTCOME_OK and problems.count:
        raise ValueError(say("“outcome” is “ok”, and yet there are problems"))
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
        entries=_list(top.child("entries"), backup_id + ENTRIES),
        outcome=outcome,
        proof=top.texts("proof"),
        lost=top.texts("lost"),
        note=top.text("note"),
        source=top.maybe_child("source", _source, SourceFacts()),
        problems=problems,
        inventory=top.maybe_child("inventory", lambda found: _list(found, backup_id + INVENTORY), None),
        downtime_seconds=top.maybe_number("downtime_seconds"),
        hooks=top.children("hooks", _hook),
        dump=top.maybe_child("dump", _dump, None),
        purpose=top.text("purpose", default=""),
    )


def _engine(fields: Fields) -> EngineFacts:
    return EngineFacts(
        name=fields.text("name"), version=fields.text("version"), api_version=fields.text("api_version")
    )


def _volume(fields: Fields) -> VolumeFacts:
    return VolumeFacts(
        name=fields.text("name"),
        driver=fields.text("driver"),
        labels=fields.mapping("labels"),
        options=fields.mapping("options"),
    )


def _quiesce(fields: Fields) -> QuiesceFacts:
    return QuiesceFacts(mode=fields.text("mode"), containers=fields.texts("containers"))


def _stored(fields: Fields, name: str) -> StoredFile:
    return StoredFile(bytes=fields.whole("bytes"), sha256=fields.sha256(), file=fields.one_of("file", name))


def _list(fields: Fields, name: str) -> EntriesFile:
    return EntriesFile(count=fields.whole("count"), file=fields.one_of("file", name), sha256=fields.sha256())


def _source(fields: Fields) -> SourceFacts:
    root = fields.text("root")
    if root in ("", ".", "..") or "/" in root or "\0" in root:
        raise ValueError(say("“source.root” is not a name"))
    return SourceFacts(
        kind=fields.one_of("kind", *SOURCE_KINDS),
        container=fields.text("container"),
        path=fields.text("path"),
        root=root,
    )


def _problems(fields: Fields) -> Problems:
    def problem(found: Fields) -> Problem:
        return Problem(path=found.text("path"), reason=found.text("reason"))

    return Problems(count=fields.whole("count"), listed=fields.children("listed", problem))


def _hook(fields: Fields) -> HookFacts:
    return HookFacts(
        container=fields.text("container"),
        which=fields.text("which"),
        command=fields.text("command"),
        exit_code=fields.maybe_whole("exit_code"),
        output=fields.text("output"),
    )


def _dump(fields: Fields) -> DumpFacts:
    return DumpFacts(
        preset=fields.text("preset"),
        command=fields.text("command"),
        bytes=fields.whole("bytes"),
        sha256=fields.sha256(),
    )

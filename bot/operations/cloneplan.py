"""The plan of a restored snapshot: a container under a new name, and what it mounts in place of the original's mounts.

Looks at the engine and the archive, and changes nothing; it must not know how the plan is carried out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import reduce

from bot.engine import Engine, HostPath, Storage
from bot.entry import printable
from bot.errors import Conflict, NotFound
from bot.language import later, say
from bot.model import Value
from bot.operations.identities import of_backups
from bot.operations.restore import default_name, refuse_existing
from bot.operations.snapshotlabels import Mounted, Snapshot
from bot.operations.snapshots import backups_of, find
from bot.stores.archive import Archive, Backup


@dataclass(frozen=True, kw_only=True)
class ClonePlan:
    """A clone to be: `volumes` is new volume -> the backup in it, `mounts` destination -> what lies there.

    `missing` says what is not mounted though the original mounted it, `left_out` what the clone has not of the
    original's configuration, `powers` what it could do to its host; a phrase each.
    """

    snapshot: Snapshot
    name: str
    volumes: Mapping[str, Backup] = field(default_factory=dict)
    mounts: Mapping[str, Storage] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    powers: tuple[str, ...] = ()

    @property
    def targets(self) -> tuple[str, ...]:
        """What roles must allow and the run must hold: the original, the clone, and all that is mounted."""
        facts = self.snapshot.facts
        volumes = [name for into, backup in self.volumes.items() for name in (backup.volume, into)]
        shared = [one for one in self.mounts.values() if one not in self.volumes]
        return tuple(
            dict.fromkeys(
                (
                    f"container:{facts.container}",
                    f"container:{self.name}",
                    *(f"volume:{name}" for name in volumes),
                    *(f"path:{one.path}" if isinstance(one, HostPath) else f"volume:{one}" for one in shared),
                )
            )
        )

    @property
    def text(self) -> str:
        """What will be done, in a few sentences."""
        told = [
            say(
                "Start the container {container} from snapshot {snapshot} of {original}, configured as that was.",
                container=self.name,
                snapshot=self.snapshot.id,
                original=self.snapshot.facts.container,
            )
        ]
        if self.volumes:
            made = [
                say("{volume} from the backup of {source}", volume=into, source=backup.volume)
                for into, backup in self.volumes.items()
            ]
            told.append(say("New volumes are made and proven first: {volumes}.", volumes=", ".join(made)))
        return " ".join((*told, *self.remarks))

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the clone may do to others, shares or lacks, a sentence each."""
        shared = [at for at, one in self.mounts.items() if one not in self.volumes]
        found = []
        if self.powers:
            found.append(
                say(
                    "It has more power over its host than other containers, as the original had: {powers}.",
                    powers="; ".join(self.powers),
                )
            )
        if shared:
            found.append(
                say(
                    "Shared with the original, which sees every change: what is mounted at {paths}.",
                    paths=", ".join(shared),
                )
            )
        if self.missing:
            found.append(say("Not mounted: {mounts}.", mounts="; ".join(self.missing)))
        if self.left_out:
            found.append(say("It does not have {things}.", things=reduce(_nor, self.left_out)))
        return tuple(found)

    @property
    def binds(self) -> dict[str, str]:
        """What it was made from."""
        return {
            f"image:{self.snapshot.reference}": self.snapshot.image.id,
            **of_backups(*self.volumes.values()),
        }

    @property
    def steps(self) -> tuple[str, ...]:
        """What a run of it does, in order."""
        filled = (later("verify"), later("fill"), later("compare")) if self.volumes else ()
        return (*filled, later("start"), later("look"))

    @property
    def facts(self) -> dict[str, Value]:
        """What is known of it before anything is begun."""
        return {
            "snapshot": self.snapshot.id,
            "container": self.name,
            "image": self.snapshot.image.id,
            "volumes": ", ".join(self.volumes),
            "needed_bytes": sum(backup.manifest.raw.bytes for backup in self.volumes.values()),
            "missing": "; ".join(self.missing),
            "left_out": "; ".join(self.left_out),
        }

    def explained(self, engine: Engine) -> str:
        """What would be done; raises Conflict when it would be refused as things stand."""
        self.refuse_taken(engine)
        removed = say("If anything fails, the container and its new volumes are removed again.")
        return f"{self.text} {removed}"

    def refuse_taken(self, engine: Engine) -> None:
        """Raises Conflict when the container or a volume exists already."""
        try:
            engine.container(self.name)
        except NotFound:
            for volume in self.volumes:
                refuse_existing(engine, volume)
            return
        raise Conflict(
            say(
                "There is a container {container} already. It was not touched, and nothing was made. Choose another "
                "name by --as.",
                container=self.name,
            )
        )


def _nor(things: str, other: str) -> str:
    return say("{things}; nor {other}", things=things, other=other)


@dataclass(frozen=True, kw_only=True)
class CloneWish:
    """What was asked for: the snapshot, a name (else one made of the original's), and whether to share live volumes.

    `is_ours(snapshot, image)` says whether that run of ours made that very image: labels are anybody's who can build.
    """

    archive: Archive
    snapshot: str
    name: str = ""
    share_volumes: bool = False
    is_ours: Callable[[str, str], bool] = lambda *_: False

    def targets(self, engine: Callable[[], Engine]) -> tuple[str, ...]:
        """What roles must allow."""
        return self._made(engine()).targets

    def plan(self, engine: Engine) -> ClonePlan:
        """What it comes to.

        Raises NotFound without the snapshot, Conflict for shares of another host and for power that nobody of us gave.
        """
        return self._made(engine)

    def _made(self, engine: Engine) -> ClonePlan:
        snapshot = find(engine, self.snapshot, self.is_ours)
        sorting = _Sorting(self, snapshot, self.archive)
        for mounted in snapshot.facts.mounts:
            sorting.sort(mounted, engine.host)
        powers = engine.powers(snapshot.facts.configuration)
        self._refuse_power(snapshot, (*powers, *sorting.shared_paths))
        return ClonePlan(
            snapshot=snapshot,
            name=self.name or f"{snapshot.facts.container}-restored-{snapshot.id}",
            volumes=sorting.volumes,
            mounts=sorting.mounts,
            missing=tuple(sorting.missing),
            left_out=engine.left_out(snapshot.facts.configuration),
            powers=powers,
        )

    def _refuse_power(self, snapshot: Snapshot, powers: tuple[str, ...]) -> None:
        """Whoever builds or pulls an image writes its labels; that must not make them master of the host."""
        if powers and not self.is_ours(snapshot.id, snapshot.image.id):
            raise Conflict(
                say(
                    "The labels of image {image} want power over its host for a container: {powers}. No run that is "
                    "known here made that image, and anybody who builds one can write such labels. Nothing was made. "
                    "If you trust it, start a container from it by hand.",
                    image=snapshot.reference,
                    powers="; ".join(powers),
                )
            )


class _Sorting:
    """Sorts what the original mounted into new volumes, shared ones, and what is missing."""

    def __init__(self, wish: CloneWish, snapshot: Snapshot, archive: Archive) -> None:
        self._wish = wish
        self._snapshot = snapshot
        self._archive = archive
        self._backups = backups_of(archive, snapshot.id)
        self.volumes: dict[str, Backup] = {}
        self.mounts: dict[str, Storage] = {}
        self.missing: list[str] = []
        self.shared_paths: list[str] = []

    def sort(self, mounted: Mounted, host: str) -> None:
        """One mount; those without a disk come with the configuration."""
        if mounted.kind not in ("volume", "bind"):
            return
        backup = self._backups.get(mounted.backup) if mounted.backup else None
        if backup is not None and self._is_directory(backup):
            into = self._volume(backup)
            self.volumes[into] = backup
            self.mounts[mounted.destination] = into
        elif self._wish.share_volumes:
            self._share(mounted, host)
        elif backup is not None:
            self.missing.append(
                say(
                    "{mount}, a single file (`restore {backup}` brings it back)",
                    mount=mounted.words,
                    backup=printable(f"{backup.volume}/{backup.id}"),
                )
            )
        elif mounted.backup:
            self.missing.append(say("{mount}, for its backup is not there any more", mount=mounted.words))
        else:
            self.missing.append(
                say("{mount}, for it was not backed up with the snapshot", mount=mounted.words)
            )

    def _share(self, mounted: Mounted, host: str) -> None:
        if host != self._snapshot.facts.host:
            raise Conflict(
                say(
                    "Snapshot {snapshot} was made on host {origin}, so {mount} cannot be shared on {host}. Nothing was "
                    "made. Leave out --share-volumes.",
                    snapshot=self._snapshot.id,
                    origin=self._snapshot.facts.host,
                    mount=mounted.words,
                    host=host,
                )
            )
        is_path = mounted.kind == "bind"
        if is_path:
            self.shared_paths.append(mounted.words)
        self.mounts[mounted.destination] = HostPath(mounted.source) if is_path else mounted.source

    def _volume(self, backup: Backup) -> str:
        """By the clone's name, so that a second clone gets volumes of its own."""
        usual, end = default_name(backup), f"-restored-{backup.manifest.run_id}"
        return f"{usual.removesuffix(end)}-{self._wish.name}" if self._wish.name else usual

    def _is_directory(self, backup: Backup) -> bool:
        root = next(iter(self._archive.entries(backup)), None)
        return root is not None and root.kind == "directory"

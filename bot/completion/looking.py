"""Looks at one place and says what can be named there, source by source. Must not know who may name it.

Nothing about a thing names another one: who may touch a volume may not know the containers that use it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from bot import words
from bot.completion.candidates import Candidate
from bot.engine import Engine
from bot.engine.image_contract import Image
from bot.errors import UsageError
from bot.language import later, say
from bot.operations.holds import standing, target_of, target_of_source
from bot.operations.inventory import short
from bot.operations.snapshots import listed
from bot.reference import parse
from bot.sources import Source
from bot.stores.archive import Archive, Backup
from bot.stores.runrow import Run
from bot.stores.runs import Runs

_NEWEST_RUNS = 300

Found = tuple[Source, tuple[Candidate, ...]]


def look_at_host(engine: Engine) -> Iterator[Found]:
    """Volumes, containers, images and snapshots of a host; raises EngineError."""
    containers = engine.list_containers()
    used = {volume for container in containers for volume in container.volumes}
    yield (
        Source.VOLUME,
        tuple(
            Candidate(
                value=volume.name,
                tell=partial(_volume_told, volume.driver, is_used=volume.name in used),
                host=engine.host,
                targets=(f"volume:{volume.name}",),
            )
            for volume in engine.volumes()
        ),
    )
    yield (
        Source.CONTAINER,
        tuple(
            Candidate(
                value=one.name,
                tell=partial(say, one.state),
                host=engine.host,
                targets=(f"container:{one.name}",),
            )
            for one in containers
        ),
    )
    images = tuple(one for image in engine.images() for one in _of_image(engine.host, image))
    yield Source.IMAGE, images
    yield Source.REPOSITORY, _repositories(images)
    yield Source.SNAPSHOT, _snapshots(engine)


def look_at_archive(archive: Archive) -> Iterator[Found]:
    """Backups, newest first, and the paths that they are of; raises ArchiveError."""
    backups = archive.backups()
    made = Counter(backup.manifest.run_id for backup in backups)
    yield (
        Source.BACKUP,
        tuple(_of_backup(archive, one, alone=made[one.manifest.run_id] == 1) for one in backups),
    )
    paths = {(one.volume, one.host) for one in backups if ":/" in one.volume}
    yield (
        Source.BACKED_UP,
        tuple(
            Candidate(
                value=path,
                tell=partial(say, later("was backed up")),
                host=host,
                targets=(target_of_source(path),),
            )
            for path, host in sorted(paths)
        ),
    )


def look_at_runs(runs: Runs) -> Iterator[Found]:
    """The newest runs; raises StoreError."""
    yield Source.RUN, tuple(_of_run(run) for run in runs.newest(limit=_NEWEST_RUNS))


def _volume_told(driver: str, *, is_used: bool) -> str:
    return " · ".join((say("in use") if is_used else say("not in use"), driver))


def _of_image(host: str, image: Image) -> Iterator[Candidate]:
    made = f" · {image.created_at:%Y-%m-%d}" if image.created_at else ""
    for reference in image.references:
        yield Candidate(
            value=short(reference),
            about=f"{words.size(image.size_bytes)}{made}",
            host=host,
            targets=(f"image:{reference}",),
        )


def _repositories(images: tuple[Candidate, ...]) -> tuple[Candidate, ...]:
    """One for each image of it: whoever may touch one of them may name it."""
    return tuple(replace(one, value=name, about="") for one in images if (name := _repository(one.value)))


def _repository(reference: str) -> str:
    try:
        return replace(parse(reference), tag="", digest="").familiar
    except UsageError:
        return ""


def _snapshots(engine: Engine) -> tuple[Candidate, ...]:
    return tuple(
        Candidate(
            value=one.id,
            label=f"{one.id} · {one.facts.container}",
            tell=partial(say, later("snapshot of {time} UTC"), time=one.facts.made_at[:16].replace("T", " ")),
            also=one.facts.container,
            host=engine.host,
            targets=(f"container:{one.facts.container}",),
        )
        for one in listed(engine)
    )


def _of_backup(archive: Archive, backup: Backup, *, alone: bool) -> Candidate:
    manifest = backup.manifest
    about = f"{manifest.started_at:%Y-%m-%d %H:%M} UTC · {words.size(manifest.raw.bytes)}"
    state = standing(backup, archive.marks(backup))
    return Candidate(
        value=manifest.run_id if alone else f"{backup.volume}/{manifest.run_id}",
        label=f"{manifest.run_id} · {backup.volume}",
        long=f"{backup.volume}/{manifest.run_id}",
        tell=lambda: f"{about} · {say(state)}",
        also=f"{backup.volume} {backup.id}",
        host=backup.host,
        targets=(target_of(backup),),
    )


def _of_run(run: Run) -> Candidate:
    """What it was about is found out when it is planned: before that only who may do it to everything sees it."""
    line, status, since = run.invocation.line, run.status.value, f"{run.created_at:%Y-%m-%d %H:%M} UTC"
    return Candidate(
        value=run.id,
        label=f"{run.id} · {line}",
        tell=lambda: f"{say(status)} · {since}",
        also=line,
        host=run.host,
        targets=run.about,
        owner=run.invocation.actor.id,
    )

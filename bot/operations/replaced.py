"""What came of a replacement, and how it is told: by the run that made it, and after a crash by the next process.

Must not know how it was carried out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bot.entry import printable
from bot.errors import ArchiveError, NotFound
from bot.language import say
from bot.model import Button, Reply, Status, Value
from bot.operations.place import Place, inside
from bot.operations.replaceplan import UNDO_DAYS
from bot.operations.selection import select
from bot.reasons import Reason
from bot.stores.archive import SAFETY, Archive, Backup


@dataclass(frozen=True, kw_only=True)
class Replaced:
    """What came of a replacement. `notes` say what is not as it should be although the content is.

    Without `was_there` nothing was at the place's path before. `losses` could not be put back, `differing` is what
    the volume has otherwise than the backup, `unhealthy` says who is not well since.
    """

    place: Place
    backup: Backup
    safety: Backup
    was_there: bool = True
    entries: int
    raw_bytes: int
    downtime_seconds: float
    losses: tuple[str, ...] = ()
    unhealthy: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    differing: tuple[str, ...] = ()


def reply_of(done: Replaced, run_id: str, host: str) -> Reply:
    """The result in words and facts, with the button that takes it back."""
    told = [
        say(
            "{place} now holds what backup {backup} holds: it was made beside the old content, "
            "read back and compared entry by entry, and then exchanged with it.",
            place=_at_first(done.place),
            backup=done.backup.manifest.run_id,
        ),
        _way_back(run_id, done.safety, _new_path(done.place.path, done.was_there)),
    ]
    if done.differing:
        told.append(
            say(
                "These stay as the volume has them, for nobody can change them in place: {differing}.",
                differing=", ".join(done.differing),
            )
        )
    if done.losses:
        told.append(say("Not put back: {losses}.", losses="; ".join(done.losses)))
    if done.unhealthy:
        told.append(
            say("The content is restored and proven, but: {problems}", problems=" ".join(done.unhealthy))
        )
    facts: dict[str, Value] = {
        **_facts(done.place.source.name, done.place.path, done.safety, done.was_there),
        "host": host,
        "backup": done.backup.id,
        "entries": done.entries,
        "raw_bytes": done.raw_bytes,
        "downtime_seconds": done.downtime_seconds,
        "losses": "; ".join(done.losses),
    }
    if done.unhealthy:
        facts["reason"] = Reason.UNHEALTHY.value
    status = Status.PARTIAL if done.unhealthy or done.notes else Status.SUCCEEDED
    return Reply(
        text=" ".join((*told, *done.notes)), facts=facts, buttons=_undo(run_id, done.was_there), status=status
    )


def reply_after_crash(archive: Archive, run_id: str, host: str, path: str) -> Reply | None:
    """The result as far as it is known after the bot died behind the exchange; None without a safety backup."""
    safety = safety_of(archive, run_id)
    if safety is None:
        return None
    path = inside(path)
    was_there = not path or _holds(archive, safety, path)
    told = say(
        "{volume} holds the backup’s content: it was made beside the old one, proven and exchanged with it. "
        "The bot was stopped just after that.",
        volume=safety.volume,
    )
    return Reply(
        text=f"{told} {_way_back(run_id, safety, _new_path(path, was_there))}",
        facts={**_facts(safety.volume, path, safety, was_there), "host": host},
        buttons=_undo(run_id, was_there),
    )


def safety_of(archive: Archive, run_id: str) -> Backup | None:
    """The backup of what the run replaced, if there is one that is whole."""
    made = archive.of_run(run_id)
    return next((backup for backup in made if backup.manifest.purpose == SAFETY and backup.is_ok), None)


def _holds(archive: Archive, safety: Backup, path: str) -> bool:
    """Whether it has anything at the path; one that cannot be read is not said to lack it."""
    try:
        select(lambda: archive.entries(safety), path)
    except NotFound:
        return False
    except ArchiveError:
        return True
    return True


def _facts(name: str, path: str, safety: Backup, was_there: bool) -> Mapping[str, Value]:
    """Without `safety` there is nothing that `undo` could bring back."""
    return {"volume": name, "path": path, **({"safety": safety.id} if was_there else {})}


def _new_path(path: str, was_there: bool) -> str:
    return "" if was_there else path


def _way_back(run_id: str, safety: Backup, new_path: str) -> str:
    """What people can do about it; `new_path` is one at which nothing was before."""
    if new_path:
        return say(
            "Nothing was at “{path}” in {volume} before, so there is nothing to undo: to take it away, remove "
            "“{path}” by hand. All that was in {volume} then is backup {backup}, held for {days} days.",
            path=printable(new_path),
            volume=safety.volume,
            backup=safety.manifest.run_id,
            days=UNDO_DAYS,
        )
    return say(
        "What it held before is backup {backup}, held for {days} days; `undo {run_id}` brings it back.",
        backup=safety.manifest.run_id,
        days=UNDO_DAYS,
        run_id=run_id,
    )


def _undo(run_id: str, was_there: bool) -> tuple[Button, ...]:
    return (Button(label=say("Undo"), line=f"undo {run_id}", danger=True),) if was_there else ()


def _at_first(place: Place) -> str:
    """How the beginning of a sentence calls it; a container's name stays as it is."""
    if place.source.is_volume and not place.path:
        return say("Volume {volume}", volume=place.source.name)
    return place.words

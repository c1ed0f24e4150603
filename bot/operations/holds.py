"""What is known of a backup since it was made: read again, drilled, found bad, held. Changes of its marks.

Pure rules: must not know where marks are kept, nor who asked.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from bot.language import say
from bot.operations.sources import normal
from bot.stores.archive import Backup, Hold, Marks

_DRILL = "drill: "


def target_of(backup: Backup) -> str:
    """What a run holds that reads, marks or removes the backup."""
    return target_of_source(backup.volume)


def elsewhere_of(*backups: Backup) -> tuple[tuple[str, str], ...]:
    """Where that is held, each with its host: wherever the work on a backup is, it is kept from being removed."""
    return tuple(dict.fromkeys((backup.host, target_of(backup)) for backup in backups))


def target_of_source(name: str) -> str:
    """The same, of all backups of a source, which is a volume or a path: `volume:pgdata`, `volume:web:/srv`."""
    return f"volume:{name}"


def filed_as(text: str) -> str:
    """The name that backups of `VOLUME` or `CONTAINER:/PATH` are filed under; raises UsageError for no path."""
    container, colon, path = text.partition(":")
    return f"{container}:{normal(path)}" if colon else text


def is_about(targets: tuple[str, ...], name: str) -> bool:
    """Whether a run that held these was about that source itself, and not about a path in that volume."""
    return name in _named(targets)


def filed_by(targets: tuple[str, ...]) -> str | None:
    """The name that a backup is filed under whose run held these: the path's, else the volume's, if there is one."""
    return next(iter(_named(targets)), None)


def _named(targets: tuple[str, ...]) -> list[str]:
    """The paths among the sources, or all of them where there is none: a run on a path holds its volume, too."""
    named = [target.removeprefix("volume:") for target in targets if target.startswith("volume:")]
    return [name for name in named if ":/" in name] or named


def is_verified(backup: Backup, marks: Marks) -> bool:
    """Whether it counts as a backup to rely on, for retention and in lists: the one place that decides it.

    It is complete; its stored bytes were read back before it was published; and nothing found it bad since then,
    which `verified` and `drilled` take back, and no clock. Marks that cannot be read may have said that it is bad.
    """
    return backup.is_ok and marks.failed_at is None and not marks.unreadable


def verified_at(backup: Backup, marks: Marks) -> datetime | None:
    """When its bytes were last read back and right: by `verify` or a drill, else just before it was published."""
    return marks.verified_at or (backup.manifest.ended_at if is_verified(backup, marks) else None)


def standing(backup: Backup, marks: Marks) -> str:
    """One word for lists: `ok`, `partial` or `failed`."""
    if marks.failed_at is not None:
        return "failed"
    return backup.manifest.outcome


def tried(marks: Marks, at: datetime) -> Marks:
    """It is about to be read again."""
    return replace(_doubted(marks, at), tried_at=at)


def verified(marks: Marks, at: datetime) -> Marks:
    """Its bytes were read again and are right. What a drill found bad, only a drill takes back."""
    if marks.failure.startswith(_DRILL):
        return replace(marks, verified_at=at)
    return replace(marks, verified_at=at, failed_at=None, failure="")


def drilled(marks: Marks, at: datetime) -> Marks:
    """It was read, restored, compared and passed its checks."""
    return replace(marks, verified_at=at, drilled_at=at, failed_at=None, failure="")


def failed(marks: Marks, at: datetime, why: str) -> Marks:
    """Its bytes are not what was written; until it verifies again it does not count. A drill's word stays."""
    is_drilled = marks.failure.startswith(_DRILL)
    return replace(marks, failed_at=at, failure=marks.failure if is_drilled else why)


def failed_drill(marks: Marks, at: datetime, why: str) -> Marks:
    """It could be read, but is not restorable; it does not count until a drill of it passes."""
    return replace(marks, failed_at=at, failure=_DRILL + why)


def held(marks: Marks, hold: Hold) -> Marks:
    """Kept from pruning; takes the place of an earlier hold."""
    return replace(_doubted(marks, hold.at), hold=hold)


def released(marks: Marks, at: datetime) -> Marks:
    """Not held any more."""
    return replace(_doubted(marks, at), hold=None)


def _doubted(marks: Marks, at: datetime) -> Marks:
    """What takes the place of unreadable marks says no less than they did: it does not count until it verifies."""
    return failed(marks, at, say("its marks could not be read")) if marks.unreadable else marks

"""Marks: what happened to a backup since it was made, in a small file beside it; the manifest never changes.

Must not know why a mark is set, nor what follows from it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

from bot.language import say
from bot.stores.archive.disk import BackupFiles
from bot.stores.archive.fields import Fields, parse_object, write_object
from bot.stores.archive.names import MARKS

LARGEST_BYTES = 1 << 20
PRECAUTION = "shipkeeper"
"""Who holds a backup whose marks cannot be read."""


@dataclass(frozen=True, kw_only=True)
class Hold:
    """Somebody wants the backup to stay; without `until` it stays until it is released. Times are UTC."""

    by: str
    at: datetime
    note: str = ""
    until: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Marks:
    """When the backup was last proven (`verified_at`), last restored for a trial (`drilled_at`), last found wanting.

    `tried_at` is when a proof was last begun, whatever came of it.
    `unreadable` says why the file could not be read. A hold may have been in it, so there is one by way of
    precaution until somebody releases it.
    """

    verified_at: datetime | None = None
    drilled_at: datetime | None = None
    failed_at: datetime | None = None
    failure: str = ""
    tried_at: datetime | None = None
    hold: Hold | None = None
    unreadable: str = field(default="", compare=False)

    def is_held(self, now: datetime) -> bool:
        """Whether it must stay; a hold with an end holds up to, and not at, that moment."""
        return self.hold is not None and (self.hold.until is None or now < self.hold.until)

    def to_json(self, backup_id: str) -> str:
        """JSON with the format number and the backup's id first, and a checksum at its end."""
        found = asdict(self)
        del found["unreadable"]
        return write_object({"id": backup_id, **found})


def parse_marks(text: str, backup_id: str) -> Marks:
    """The marks in that JSON; raises ValueError saying what is wrong, also for those of another backup."""
    top = parse_object(text, sealed_since="id")
    if top.text("id") != backup_id:
        raise ValueError(say("they are those of another backup"))
    return Marks(
        verified_at=top.maybe_time("verified_at"),
        drilled_at=top.maybe_time("drilled_at"),
        failed_at=top.maybe_time("failed_at"),
        failure=top.text("failure", default=""),
        tried_at=top.maybe_time("tried_at"),
        hold=top.maybe_child("hold", _hold, None),
    )


def read_marks(files: BackupFiles) -> Marks:
    """The marks beside a backup; none when there is no file. Never raises: what cannot be read says so."""
    try:
        with open(f"{files.directory}/{files.id}{MARKS}", "rb") as file:  # a path for each would take longer
            return parse_marks(file.read(LARGEST_BYTES).decode(), files.id)
    except FileNotFoundError:
        return Marks()
    except OSError as error:
        return _unreadable(files, error.strerror or str(error))
    except ValueError as error:
        return _unreadable(files, str(error))


def _hold(fields: Fields) -> Hold:
    return Hold(
        by=fields.text("by"), at=fields.time("at"), note=fields.text("note"), until=fields.maybe_time("until")
    )


def _unreadable(files: BackupFiles, why: str) -> Marks:
    try:
        at = datetime.fromtimestamp(files.marks.stat().st_mtime, UTC)
    except (OSError, OverflowError, ValueError):
        at = datetime.fromtimestamp(0, UTC)
    note = say("its marks could not be read ({reason}), and a hold may have been among them", reason=why)
    return Marks(hold=Hold(by=PRECAUTION, at=at, note=note), unreadable=why)

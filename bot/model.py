"""The nouns of the road: who asked for what, how it stands, what came of it.

Words only: nothing here knows Slack, Docker, a database or a file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

Value = str | int | float | bool | None
"""What a fact or a table cell may hold. Times are ISO 8601 text in UTC under a name that ends in `_at`."""


class Origin(StrEnum):
    """Where a command line came from."""

    SLACK = "slack"
    SCHEDULE = "schedule"
    CLI = "cli"


class Right(StrEnum):
    """The least right a command needs; each includes the ones before it."""

    NONE = "none"
    VIEW = "view"
    OPERATE = "operate"
    ADMIN = "admin"

    def includes(self, other: Right) -> bool:
        """Whether somebody with this right may do what needs `other`."""
        order = list(Right)
        return order.index(self) >= order.index(other)


class Status(StrEnum):
    """Where a run stands. QUEUED, WAITING (for approval) and RUNNING pass; the others are endings and never change."""

    QUEUED = "queued"
    WAITING = "waiting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    FAILED = "failed"
    DENIED = "denied"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    INTERRUPTED = "interrupted"
    MISSED = "missed"

    @property
    def is_ending(self) -> bool:
        """Whether a run with this status is over."""
        return self not in (Status.QUEUED, Status.WAITING, Status.RUNNING)


@dataclass(frozen=True, kw_only=True)
class Actor:
    """A person or a clock that asks; `id` decides, `name` is only for reading."""

    id: str
    name: str


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where in Slack an answer belongs; `response_url` is good for 30 minutes and 5 posts."""

    channel: str
    user: str
    thread_ts: str | None = None
    response_url: str | None = None
    files: tuple[str, ...] = ()
    """Ids of the files that came with the command."""


@dataclass(frozen=True, kw_only=True)
class Invocation:
    """One use of a command line; never changed.

    `key` names the delivery: the same key always means the same run. `token` is the single-use token
    of the button that was pressed, if one was; its command line is then the button's own. `language` is the one it
    is answered in, by ISO 639-1; None while nobody knows what the actor reads. `schedule` is the name of the one it
    came of, if it did.
    """

    line: str
    actor: Actor
    origin: Origin
    at: datetime
    key: str | None = None
    place: Place | None = None
    token: str | None = None
    language: str | None = None
    schedule: str | None = None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run is about to do, in words, and every target it must hold while it does so.

    A target is `kind:name`, for example `volume:pgdata` or `container:db`, on the run's host; `elsewhere` are those to
    hold on hosts of their own, each a host and a target: backups are held where they were taken. `binds` says what it
    was made from: `kind:name` to whatever tells it from another one (an id, a digest, a moment), the same in every
    language. One that `only_looks` changes nothing when it is carried out. `about` and `right` are what roles were
    asked for when it was made; who is to meddle with the run is asked for the same.
    """

    text: str
    targets: tuple[str, ...] = ()
    elsewhere: tuple[tuple[str, str], ...] = ()
    steps: tuple[str, ...] = ()
    binds: Mapping[str, str] = field(default_factory=dict)
    only_looks: bool = False
    about: tuple[str, ...] = ()
    right: Right | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of text, targets and steps as canonical JSON: the same for the same plan only."""
        words = {"text": self.text, "targets": self.targets, "steps": self.steps}
        text = json.dumps(words, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a run is; `total` is None when nobody can know it."""

    step: str
    done_bytes: int = 0
    total_bytes: int | None = None
    rate: float | None = None


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows under named columns. A column named `…_bytes`, `…_at` or `…_seconds` is printed as such."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Button:
    """A next step offered under a result: what it is called and the command line it stands for."""

    label: str
    line: str
    danger: bool = False


@dataclass(frozen=True, kw_only=True)
class Attachment:
    """A file that goes with a reply. Its bytes lie in the outgoing store until the asker has them.

    `alt` says what a picture shows, for those who do not see it.
    """

    name: str
    size: int
    sha256: str
    alt: str = ""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What a handler says: a sentence, facts by name, perhaps a table and files. No markup of any face."""

    text: str
    facts: Mapping[str, Value] = field(default_factory=dict)
    table: Table | None = None
    buttons: tuple[Button, ...] = ()
    status: Status = Status.SUCCEEDED
    output: str = ""
    """What a program wrote, line by line, shown as it stands; control characters were made visible."""
    attachments: tuple[Attachment, ...] = ()
    is_aloud: bool = False
    """Whether an answer that is otherwise only for the asker is for everybody there."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a run; the faces render this and nothing else."""

    run_id: str
    command: str
    status: Status
    reply: Reply
    started_at: datetime | None
    ended_at: datetime

    @property
    def took(self) -> timedelta:
        """From the start of the work to its ending; zero for a run that never started."""
        return self.ended_at - (self.started_at or self.ended_at)

"""Why a run failed or a file is not in a backup as it should be: one code a reason, in one table.

Codes are for programs and for looking up; people get sentences beside them. Words only.
"""

from __future__ import annotations

from enum import StrEnum

from bot.language import later


class Reason(StrEnum):
    """A code, stable once released; `TABLE` says what each one means."""

    ENGINE = "engine"
    STREAM_CUT = "stream-cut"
    STALLED = "stalled"
    NOT_A_TAR = "not-a-tar"
    DISK_FULL = "disk-full"
    ARCHIVE = "archive"
    DAMAGED = "damaged"
    DIFFERS = "differs"
    DOWNTIME = "downtime"
    HOOK = "hook"
    DUMP = "dump"
    CHECK = "check"
    RUNBOOK = "runbook"
    BUILD = "build"
    UNHEALTHY = "unhealthy"
    REGISTRY = "registry"
    UNAUTHORIZED = "unauthorized"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    DIGEST = "digest"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    BUSY = "busy"
    CONFLICT = "conflict"
    TOO_FAST = "too-fast"
    NOT_FOUND = "not-found"
    STORE = "store"

    VANISHED = "vanished"
    APPEARED = "appeared"
    CHANGED = "changed"
    MISSING = "missing"
    UNEXPECTED = "unexpected"


TABLE: dict[Reason, str] = {
    Reason.ENGINE: later("Docker refused, failed or could not be reached"),
    Reason.STREAM_CUT: later("a stream from Docker ended before what it carries was complete"),
    Reason.STALLED: later("nothing moved for longer than `limits.stall`"),
    Reason.NOT_A_TAR: later("what Docker sent is not a tar of what was asked for"),
    Reason.DISK_FULL: later("there is not enough room"),
    Reason.ARCHIVE: later("the archive's disk failed, or may not be used"),
    Reason.DAMAGED: later("a stored backup is not what was written"),
    Reason.DIFFERS: later("what was restored is not what the backup holds"),
    Reason.DOWNTIME: later("the workload had to be woken before the work was done (`limits.max_downtime`)"),
    Reason.HOOK: later("a hook of the container failed or took too long"),
    Reason.DUMP: later("a database's dump failed, is empty or has no end"),
    Reason.CHECK: later("a drill’s check of what was restored failed"),
    Reason.RUNBOOK: later("a runbook’s program failed or took too long"),
    Reason.BUILD: later("a context could not be sent, or a step of its Dockerfile failed"),
    Reason.UNHEALTHY: later("a container did not become healthy again"),
    Reason.REGISTRY: later("a registry failed, or answered what no registry answers"),
    Reason.UNAUTHORIZED: later("a registry did not accept the credentials, or there are none"),
    Reason.REFUSED: later("a registry, or Docker on its behalf, refused what was asked"),
    Reason.UNREACHABLE: later("a registry could not be reached, or broke off"),
    Reason.DIGEST: later("the registry does not serve what was pushed"),
    Reason.CANCELLED: later("somebody cancelled it"),
    Reason.INTERRUPTED: later("the bot was stopped"),
    Reason.BUSY: later("another run holds what is needed"),
    Reason.CONFLICT: later("something is not in the state that is needed"),
    Reason.TOO_FAST: later("somebody sent more commands in a minute than `limits.per_minute` allows"),
    Reason.NOT_FOUND: later("what was named does not exist"),
    Reason.STORE: later("the database cannot be read or written"),
    Reason.VANISHED: later("the file was there before the copy and is gone after it"),
    Reason.APPEARED: later("the file was not there before the copy and is there after it"),
    Reason.CHANGED: later("the file was written, replaced or altered while it was copied"),
    Reason.MISSING: later("the file was there all the time, and Docker left it out"),
    Reason.UNEXPECTED: later("Docker sent a file that was there neither before nor after the copy"),
}
"""Those up to `store` end a run; the others say of one file why a backup is partial."""

"""`shipkeeper state backup FILE` and `shipkeeper state restore FILE`: all that the bot knows, as one verified file.

It is the shell's, for whoever may read the state directory; nothing of it goes by way of Slack. Part of the
composition root; must not know how a database is copied.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bot import wiring
from bot.errors import StoreError, UsageError
from bot.language import say, say_count
from bot.model import Actor, Origin, Reply, Status, Value
from bot.seals import Head, Verdict
from bot.settings import Settings
from bot.stores.archive.disk import make_directory
from bot.stores.audit import AuditEvent
from bot.stores.claims import Claims
from bot.stores.database import Database
from bot.stores.heads import Heads
from bot.stores.leftover import Leftovers
from bot.stores.sole import Sole
from bot.stores.sqlitefile import copy, file_of, made_whole
from bot.words import size

RESTORED = "restored"
"""The kind of the entry that tells of it in the audit log."""


def done(words: Sequence[str], settings: Settings, user: str) -> Reply:
    """Do what the words say; what came of it. Raises UsageError and StoreError."""
    if len(words) != 2 or words[0] not in ("backup", "restore") or words[1].startswith("-"):
        raise UsageError(
            say(
                "Usage: `shipkeeper state backup FILE`, or `shipkeeper state restore FILE` where no state is. "
                "Nothing was changed."
            )
        )
    Database(settings.database_url, only_looks=True).close()  # an address that means nothing is refused there
    database = file_of(settings.database_url)
    if database is None:
        raise StoreError(_for_postgresql(words[0]))
    file = Path(words[1]).absolute()
    try:
        return (
            backed_up(settings, database, file)
            if words[0] == "backup"
            else restored(settings, database, file, user)
        )
    except OSError as error:
        raise StoreError(
            say(
                "{path} cannot be read or written ({reason}). Nothing was changed. Make sure that the directory is "
                "there, that this user may write to it, and that there is room.",
                path=error.filename or file,
                reason=error.strerror or error,
            )
        ) from error


def _for_postgresql(verb: str) -> str:
    if verb == "backup":
        return say(
            "The state is in a PostgreSQL database, which brings its own tool. Nothing was written. Make the copy with "
            "`pg_dump --format=custom --file=FILE` and the name of that database; it is whole while the bot serves."
        )
    return say(
        "The state is in a PostgreSQL database, which brings its own tool. Nothing was changed. Stop the bot, make an "
        "empty database, and fill it with `pg_restore --exit-on-error --no-owner --dbname=DATABASE FILE`."
    )


# ---- backup ------------------------------------------------------------------------------------------------


def backed_up(settings: Settings, database: Path, file: Path) -> Reply:
    """Write the state to the file, which is there afterwards only if it was verified; the bot may serve meanwhile."""
    if not database.exists():
        raise StoreError(
            say(
                "There is no state at {path}. Nothing was written. Name the state directory with SHIPKEEPER_STATE, and "
                "run this as the user of the bot.",
                path=database,
            )
        )
    before = _head(settings, database)
    with made_whole(file) as part:
        copy(database, part)
        verdict = _examined(settings, part, before)
        stored = part.stat().st_size
    text = say("The state is in {file}: {size}, whole and sound.", file=file, size=size(stored))
    facts: dict[str, Value] = {"file": str(file), "bytes": stored}
    if verdict is None:
        older = say("It is of an older version, so the seals of its audit log were not looked at.")
        return Reply(text=f"{text} {older}", facts=facts)
    facts |= {"entries": verdict.entries, "head": str(verdict.head)}
    if verdict.problem is not None:
        odd = say("The copy is exact, but its audit log cannot be vouched for.")
        return Reply(text=f"{text} {odd} {verdict.problem.in_words()}", facts=facts, status=Status.PARTIAL)
    sealed = say_count(
        "The one entry of its audit log fits its seal; the head is `{head}`.",
        "All {number} entries of its audit log fit their seals; the head is `{head}`.",
        verdict.entries,
        head=verdict.head,
    )
    return Reply(text=f"{text} {sealed}", facts=facts)


def _head(settings: Settings, database: Path) -> Head | None:
    """How far the log reached before the copy was begun, so that it is seen to be in it."""
    with closing(Database(f"sqlite:///{database}", only_looks=True)) as found:
        return wiring.audit(settings, found).head() if found.is_current() else None


def _examined(settings: Settings, part: Path, before: Head | None) -> Verdict | None:
    """What the copy's audit log says when every seal is made anew; None if it is of an older version."""
    with closing(Database(f"sqlite:///{part}", only_looks=True)) as found:
        if not found.is_current():
            return None
        return wiring.audit(settings, found).verify([before] if before else [])


# ---- restore -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Taken:
    """What a restored state says of itself."""

    head: Head | None
    ended: int
    lost: Head | None


def restored(settings: Settings, database: Path, file: Path, user: str) -> Reply:
    """Put the file in the place of a state that is not there; all of it, or nothing."""
    if not file.is_file():
        raise StoreError(say("There is no file {path}. Nothing was changed.", path=file))
    make_directory(settings.state)
    with closing(Database(settings.database_url)) as nothing_yet:
        sole = Sole(settings.state, nothing_yet)
        if not sole.take("state"):
            raise StoreError(
                say(
                    "A shipkeeper is at work in {state}. Nothing was changed. Stop it first; a state is restored only "
                    "where none is.",
                    state=settings.state,
                )
            )
        try:
            with made_whole(database) as part:
                copy(file, part)
                taken = _taken(settings, part, user, file)
        finally:
            sole.free()
    return _told(file, taken)


def _taken(settings: Settings, part: Path, user: str, file: Path) -> _Taken:
    """Bring the copy up to date, verify it and end what was under way in it."""
    actor = Actor(id=f"cli:{user}", name=user)
    with closing(Database(f"sqlite:///{part}")) as database:
        database.migrate()
        audit = wiring.audit(settings, database)
        audit.refuse_without_key()
        head = audit.head()
        known = Heads(settings.heads_path).known()
        reached = head.seq if head else 0
        verdict = audit.verify([one for one in known if one.seq <= reached])
        if verdict.problem is not None:
            raise StoreError(
                say(
                    "The audit log in {file} cannot be vouched for. {problem} Nothing was changed. Take another "
                    "backup; docs/operations.md says how to look at this one.",
                    file=file,
                    problem=verdict.problem.in_words(),
                )
            )
        lost = known[-1] if known and known[-1].seq > reached else None
        leftovers = Leftovers(database, Claims(database, audit, _now, lambda *_: None), _now)
        ended = leftovers.end_all()
        audit.record(_entry(actor, file, head, ended))
        return _Taken(head=head, ended=ended, lost=lost)


def _entry(actor: Actor, file: Path, head: Head | None, ended: int) -> AuditEvent:
    return AuditEvent(
        run_id="",
        kind=RESTORED,
        at=_now(),
        actor=actor,
        origin=Origin.CLI,
        channel=None,
        command=None,
        line=f"state restore {file}",
        host="",
        detail=say(
            "The state was restored from {file}; its log ended with {head}.", file=file, head=head or "0"
        ),
        facts={"head": str(head) if head else None, "ended": ended},
    )


def _told(file: Path, taken: _Taken) -> Reply:
    text = say("The state of {file} was restored, verified and entered in its audit log.", file=file)
    parts = [text]
    if taken.ended:
        parts.append(
            say_count(
                "One run that was under way in it was ended as interrupted, and is not taken up again.",
                "{number} runs that were under way in it were ended as interrupted, and are not taken up again.",
                taken.ended,
            )
        )
    if taken.lost is not None:
        parts.append(
            say(
                "The audit log had reached entry {seq} at {at}; it ends with entry {last} now. Keep the file of heads, "
                "and move it away before the bot starts.",
                seq=taken.lost.seq,
                at=taken.lost.at,
                last=taken.head.seq if taken.head else 0,
            )
        )
    parts.append(say("Start the bot, and type `check --rebuild`."))
    facts: dict[str, Value] = {
        "file": str(file),
        "ended": taken.ended,
        "head": str(taken.head) if taken.head else None,
    }
    return Reply(text=" ".join(parts), facts=facts)


def _now() -> datetime:
    return datetime.now(UTC)

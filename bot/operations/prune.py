"""Prune: remove the backups that no rule keeps, unless something speaks against removing any.

What would be done and what is done come from the same `judge`. Must not know who asked, nor any engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from bot.errors import BotError, Cancelled, Interrupted
from bot.language import say
from bot.operations.context import RunContext
from bot.operations.holds import is_verified
from bot.operations.retention import Candidate, Decision, Retention, decide
from bot.stores.archive import SAFETY, Archive, Backup


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What decides. `last_failure` says of a source which backup run failed last, or nothing if it succeeded."""

    retention: Retention
    last_failure: Callable[[str], str]
    despite_shrink: bool = False


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether a backup stays, and why."""

    backup: Backup
    is_kept: bool
    why: str


@dataclass(frozen=True, kw_only=True)
class Ruling:
    """What is done with the backups of one source, newest first; `refused` says why none of them goes.

    `has_shrunk`: it is a person's word that is waited for.
    """

    source: str
    verdicts: tuple[Verdict, ...]
    refused: str = ""
    has_shrunk: bool = False

    @property
    def removed(self) -> tuple[Backup, ...]:
        """Those that go, the oldest first: the order in which to remove them."""
        return tuple(verdict.backup for verdict in reversed(self.verdicts) if not verdict.is_kept)


def judge(
    archive: Archive, host: str, sources: Iterable[str], rules: Rules, now: datetime
) -> tuple[Ruling, ...]:
    """What is to be done with each source's backups; looks and changes nothing. Raises ArchiveError."""
    return tuple(
        _ruling(archive, archive.backups(host, source, anew=True), source, rules, now) for source in sources
    )


def room_of(backups: Iterable[Backup]) -> int:
    """The bytes that the backups take on the archive's disk, with all their files, as far as that can be known."""
    count = 0
    for backup in backups:
        for path in (*backup.files.contents, backup.files.manifest):
            with suppress(OSError):
                count += path.stat().st_size
    return count


def prune(archive: Archive, run: RunContext, rulings: Iterable[Ruling]) -> int:
    """Remove what the rulings do not keep, and say how many bytes that freed.

    Raises ArchiveError, or what `run.check` raises, with a word on how many are gone: they stay gone.
    """
    going = [backup for ruling in rulings for backup in ruling.removed]
    freed = 0
    for count, backup in enumerate(going):
        try:
            run.check()
            run.progress(say("removing {number} of {total}", number=count + 1, total=len(going)))
            size = room_of([backup])
            archive.remove(backup)
        except (Cancelled, Interrupted) as error:
            raise type(error)(
                say(
                    "Pruning was ended. {number} of {total} backups were removed, and stay so; "
                    "the others were not touched.",
                    number=count,
                    total=len(going),
                )
            ) from error
        except BotError as error:
            error.add_note(
                say(
                    "Before that, {number} of {total} backups were removed, and stay so; "
                    "the others were not touched.",
                    number=count + backup.files.is_gone,
                    total=len(going),
                )
            )
            raise
        freed += size
    return freed


def _ruling(
    archive: Archive, backups: tuple[Backup, ...], source: str, rules: Rules, now: datetime
) -> Ruling:
    decision = _decided(archive, backups, rules, now)
    failure = rules.last_failure(source) if decision.drop else ""
    refused = decision.refused
    if failure:
        refused = say(
            "The last backup run of {source} did not succeed ({failure}), so nothing of it is pruned. When a backup "
            "of it succeeds, pruning goes on.",
            source=source,
            failure=failure,
        )
    kept = dict(decision.keep)
    if refused:
        kept = {backup.id: kept.get(backup.id, say("nothing is pruned")) for backup in backups}
    return Ruling(
        source=source,
        verdicts=tuple(
            Verdict(
                backup=backup, is_kept=backup.id in kept, why=kept.get(backup.id, say("no rule keeps it"))
            )
            for backup in backups
        ),
        refused=refused,
        has_shrunk=bool(decision.refused) and not failure,
    )


def _decided(archive: Archive, backups: tuple[Backup, ...], rules: Rules, now: datetime) -> Decision:
    """Each kind for itself: a database's dump cannot take the place of the volume's bytes, nor be compared in size."""
    kinds: dict[tuple[str, bool], list[Candidate]] = {}
    for one in backups:
        kinds.setdefault(_kind(one), []).append(_candidate(archive, one, rules, now))
    decisions = [decide(candidates, rules.retention) for candidates in kinds.values()]
    return Decision(
        keep=tuple(kept for decision in decisions for kept in decision.keep),
        drop=tuple(dropped for decision in decisions for dropped in decision.drop),
        refused=" ".join(decision.refused for decision in decisions if decision.refused),
    )


def _kind(backup: Backup) -> tuple[str, bool]:
    """What a run put aside is no night's backup: it must not take the place of one."""
    return backup.manifest.source.kind, backup.manifest.purpose == SAFETY


def _candidate(archive: Archive, backup: Backup, rules: Rules, now: datetime) -> Candidate:
    marks, (_, is_safety) = archive.marks(backup), _kind(backup)
    return Candidate(
        id=backup.id,
        started_at=backup.manifest.started_at,
        is_verified=is_verified(backup, marks),
        is_partial=not backup.is_ok,
        is_held=marks.is_held(now),
        # A loss of size that a person has looked at is none any more, nor is one that a person made: all are alike.
        raw_bytes=0 if rules.despite_shrink or is_safety else backup.manifest.raw.bytes,
    )

"""What is said of pruning, before, after, and after a crash, with the buttons for what may follow.

Words only: it must not know how anything is decided or removed.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass

from bot.language import say, say_count
from bot.model import Button, Plan, Reply, Status, Table
from bot.operations.identities import of_backups
from bot.operations.prune import Ruling
from bot.stores.archive import Archive, Backup

_MOST_BUTTONS = 5
_REMOVE = "remove "


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What was asked for: the backups of one source or of all, taken on one host."""

    source: str | None
    host: str
    dry_run: bool = False
    despite_shrink: bool = False


def no_retention() -> Reply:
    """What is said where the settings have no rule: then every backup is kept."""
    return Reply(
        text=say(
            "No retention is set, so every backup is kept: nothing was removed. `[retention]` in the settings says "
            "what to keep."
        )
    )


def plan_of(asked: Asked, rulings: Iterable[Ruling], targets: tuple[str, ...]) -> Plan:
    """What will be done; each step names a backup that goes, so that after a crash it is known which are gone."""
    going = [backup for ruling in rulings for backup in ruling.removed]
    if asked.dry_run:
        text = say_count(
            "Show what would be removed: {number} backup of host {host}.",
            "Show what would be removed: {number} backups of host {host}.",
            len(going),
            host=asked.host,
        )
    else:
        text = say_count(
            "Remove what retention does not keep: {number} backup of host {host}.",
            "Remove what retention does not keep: {number} backups of host {host}.",
            len(going),
            host=asked.host,
        )
    return Plan(
        text=text,
        targets=targets,
        binds=of_backups(*going),
        only_looks=asked.dry_run,
        steps=() if asked.dry_run else tuple(f"{_REMOVE}{_name(backup)}" for backup in going),
    )


def reply_of(asked: Asked, rulings: tuple[Ruling, ...], freed_bytes: int) -> Reply:
    """What came of it; a dry run says the same of what would."""
    status = Status.SUCCEEDED
    if any(ruling.refused for ruling in rulings):
        status = Status.PARTIAL if any(ruling.removed for ruling in rulings) else Status.REJECTED
    freed = "would_free_bytes" if asked.dry_run else "freed_bytes"
    return Reply(
        text=in_words(rulings, dry_run=asked.dry_run),
        facts={"host": asked.host, freed: freed_bytes},
        table=in_rows(rulings),
        buttons=_buttons(asked, rulings),
        status=status,
    )


def reply_after_crash(archive: Archive, host: str, plan: Plan | None) -> Reply | None:
    """What is gone of that host's stays gone, so it must be told; None when nothing is."""
    gone, named = removed_of(archive, host, plan.steps if plan else ())
    if not gone:
        return None
    return Reply(
        text=say(
            "{number} of {total} backups that were to go were removed; then the bot was stopped. `prune` goes on.",
            number=gone,
            total=named,
        ),
        status=Status.SUCCEEDED if gone == named else Status.INTERRUPTED,
    )


def in_words(rulings: Iterable[Ruling], *, dry_run: bool) -> str:
    """What comes of it, and why something does not."""
    made = tuple(rulings)
    going = sum(len(ruling.removed) for ruling in made)
    kept = sum(len(ruling.verdicts) for ruling in made) - going
    if dry_run:
        told = say_count(
            "{number} backup would be removed, {kept} kept.",
            "{number} backups would be removed, {kept} kept.",
            going,
            kept=kept,
        )
    else:
        told = say_count(
            "{number} backup removed, {kept} kept.",
            "{number} backups removed, {kept} kept.",
            going,
            kept=kept,
        )
    return " ".join((told, *(ruling.refused for ruling in made if ruling.refused)))


def in_rows(rulings: Iterable[Ruling]) -> Table | None:
    """Every backup with its verdict, newest first in each source; None without any."""
    rows = tuple(
        (
            verdict.backup.manifest.run_id,
            ruling.source,
            verdict.backup.manifest.started_at.isoformat(),
            verdict.backup.manifest.stored.bytes,
            say("keep") if verdict.is_kept else say("remove"),
            verdict.why,
        )
        for ruling in rulings
        for verdict in ruling.verdicts
    )
    columns = ("backup", "volume", "taken_at", "stored_bytes", "verdict", "why")
    return Table(columns=columns, rows=rows) if rows else None


def removed_of(archive: Archive, host: str, steps: Iterable[str]) -> tuple[int, int]:
    """How many of the host's backups that a plan's steps name are gone, and how many it names."""
    named = {step.removeprefix(_REMOVE) for step in steps if step.startswith(_REMOVE)}
    left = {_name(backup) for backup in archive.backups(host)}
    return len(named - left), len(named)


def _name(backup: Backup) -> str:
    """By its source as well: the backups that one run makes of several sources have the same id."""
    return f"{backup.volume}/{backup.id}"


def _buttons(asked: Asked, rulings: tuple[Ruling, ...]) -> tuple[Button, ...]:
    offered = []
    if asked.dry_run and any(ruling.removed for ruling in rulings):
        words = ["prune", *([asked.source] if asked.source else ()), "--host", asked.host]
        words += ["--despite-shrink"] if asked.despite_shrink else []
        offered.append(Button(label=say("Remove them"), line=shlex.join(words), danger=True))
    for ruling in rulings:
        if ruling.has_shrunk:
            words = ["prune", ruling.source, "--host", asked.host, "--despite-shrink"]
            label = say("Prune {source} all the same", source=ruling.source)
            offered.append(Button(label=label, line=shlex.join(words), danger=True))
    return tuple(offered[:_MOST_BUTTONS])

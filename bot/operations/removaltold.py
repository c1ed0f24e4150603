"""What is said of removing a volume: the plan that asks to be confirmed, and that it is gone, with what may follow.

Words only: it must not know how anything is decided or removed.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from datetime import datetime

from bot import words
from bot.language import say
from bot.model import Button, Reply, Status
from bot.operations.removal import Contents, Doomed
from bot.stores.archive import Backup


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known of what would be lost; `judged` is how it was found that nothing changed, empty if it was not."""

    contents: Contents
    judged: str
    without_backup: bool
    now: datetime


def asks(doomed: Doomed, known: Known) -> Reply:
    """Nothing is done yet: what would be, and the very line that does it."""
    line = ["remove-volume", doomed.volume.name, "--host", doomed.host, "--confirm", doomed.code]
    line += ["--without-backup"] if known.without_backup else []
    return Reply(
        text=" ".join(
            (
                say("Nothing was removed yet."),
                _in_words(doomed, known),
                say("To remove it: `{line}`", line=shlex.join(line)),
            )
        ),
        facts={
            "volume": doomed.volume.name,
            "raw_bytes": known.contents.raw_bytes,
            "backup": doomed.backup.manifest.run_id if doomed.backup else None,
            "code": doomed.code,
        },
        buttons=(Button(label=say("Remove it"), line=shlex.join(line), danger=True),),
        status=Status.PARTIAL,
    )


def gone(host: str, name: str, backup: Backup | None, *, is_unchanged: bool) -> Reply:
    """It is removed, and how it comes back: as it was, if it was looked that nothing changed since the backup."""
    made_by = backup.manifest.run_id if backup else None
    again = f"restore {made_by} --into {name} --host {host}"
    if backup is None:
        comes_back = say("No verified backup holds what was in it.")
    elif is_unchanged:
        comes_back = say("`{line}` brings it back.", line=again)
    else:
        comes_back = say(
            "`{line}` brings back what that backup holds; what changed since then, if anything, is lost.",
            line=again,
        )
    told = say("Volume {volume} is removed: host {host} does not list it any more.", volume=name, host=host)
    return Reply(
        text=f"{told} {comes_back}",
        facts={"volume": name, "host": host, "backup": made_by},
        buttons=(Button(label=say("Restore it"), line=again),) if backup else (),
    )


def _in_words(doomed: Doomed, known: Known) -> str:
    name, backup = doomed.volume.name, doomed.backup
    told = say(
        "Volume {volume} on host {host} holds {entries} entries, {size} in files; no container uses it.",
        volume=name,
        host=doomed.host,
        entries=known.contents.entries,
        size=words.size(known.contents.raw_bytes),
    )
    if backup is None and doomed.dump is not None:
        only = say(
            "Its only verified backups are dumps of a database, which do not bring the volume back; the newest is "
            "dump {backup} and {age} old.",
            backup=doomed.dump.manifest.run_id,
            age=_age(doomed.dump, known),
        )
        return f"{told} {only}"
    if backup is None:
        return " ".join((told, say("It has no verified backup: nothing brings it back.")))
    if known.judged:
        since = say("nothing in it changed since then")
    else:
        since = say("what changed since then, if anything, would be lost")
    comes_back = say(
        "Its newest verified backup is {backup}, {age} old; {since}. It comes back with "
        "`restore {backup} --into {volume}`.",
        backup=backup.manifest.run_id,
        age=_age(backup, known),
        since=since,
        volume=name,
    )
    return " ".join(filter(None, (told, comes_back, known.judged)))


def _age(backup: Backup, known: Known) -> str:
    return words.duration(max(0.0, (known.now - backup.manifest.started_at).total_seconds()))

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
    """What is known of what would be lost; `is_unchanged` is None when nobody could tell, or nobody looked."""

    contents: Contents
    is_unchanged: bool | None
    without_backup: bool
    now: datetime


def asks(doomed: Doomed, known: Known) -> Reply:
    """Nothing is done yet: what would be, and the very line that does it."""
    line = ["remove-volume", doomed.volume.name, "--host", doomed.host, "--confirm", doomed.code]
    line += ["--without-backup"] if known.without_backup else []
    return Reply(
        text=say(
            "Nothing was removed yet. {doomed} To remove it: `{line}`",
            doomed=_in_words(doomed, known),
            line=shlex.join(line),
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


def gone(host: str, name: str, backup: Backup | None) -> Reply:
    """It is removed, and how it comes back."""
    made_by = backup.manifest.run_id if backup else None
    again = say("restore {made_by} --into {name} --host {host}", made_by=made_by, name=name, host=host)
    return Reply(
        text=say("Volume {name} is removed: host {host} does not list it any more.", name=name, host=host)
        + (
            say(" `{again}` brings it back.", again=again)
            if backup
            else say(" No verified backup holds what was in it.")
        ),
        facts={"volume": name, "host": host, "backup": made_by},
        buttons=(Button(label=say("Restore it"), line=again),) if backup else (),
    )


def _in_words(doomed: Doomed, known: Known) -> str:
    name, backup = doomed.volume.name, doomed.backup
    told = say(
        "Volume {name} on host {doomed_host} holds {entries} entries, "
        "{raw_bytes} in files; no container uses it.",
        name=name,
        doomed_host=doomed.host,
        entries=known.contents.entries,
        raw_bytes=words.size(known.contents.raw_bytes),
    )
    if backup is None:
        return say("{told} It has no verified backup: nothing brings it back.", told=told)
    age = words.duration(max(0.0, (known.now - backup.manifest.started_at).total_seconds()))
    if known.is_unchanged:
        since = say("nothing in it changed since then")
    else:
        kind = say("it is a dump of a database, so ") if backup.manifest.dump is not None else ""
        since = say("{kind}what changed since then, if anything, would be lost", kind=kind)
    return say(
        "{told} Its newest verified backup is {run_id}, {age} old; {since}. It comes back with "
        "`restore {run_id} --into {name}`.",
        told=told,
        run_id=backup.manifest.run_id,
        age=age,
        since=since,
        name=name,
    )

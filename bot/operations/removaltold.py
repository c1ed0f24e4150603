"""What is said of removing a volume: the plan that asks to be confirmed, and that it is gone, with what may follow.

Words only: it must not know how anything is decided or removed.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from datetime import datetime

from bot import words
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
        text=f"Nothing was removed yet. {_in_words(doomed, known)} To remove it: `{shlex.join(line)}`",
        facts={
            "volume": doomed.volume.name,
            "raw_bytes": known.contents.raw_bytes,
            "backup": doomed.backup.manifest.run_id if doomed.backup else None,
            "code": doomed.code,
        },
        buttons=(Button(label="Remove it", line=shlex.join(line), danger=True),),
        status=Status.PARTIAL,
    )


def gone(host: str, name: str, backup: Backup | None) -> Reply:
    """It is removed, and how it comes back."""
    made_by = backup.manifest.run_id if backup else None
    again = f"restore {made_by} --into {name} --host {host}"
    return Reply(
        text=f"Volume {name} is removed: host {host} does not list it any more."
        + (f" `{again}` brings it back." if backup else " No verified backup holds what was in it."),
        facts={"volume": name, "host": host, "backup": made_by},
        buttons=(Button(label="Restore it", line=again),) if backup else (),
    )


def _in_words(doomed: Doomed, known: Known) -> str:
    name, backup = doomed.volume.name, doomed.backup
    told = (
        f"Volume {name} on host {doomed.host} holds {known.contents.entries} entries, "
        f"{words.size(known.contents.raw_bytes)} in files; no container uses it."
    )
    if backup is None:
        return f"{told} It has no verified backup: nothing brings it back."
    age = words.duration(max(0.0, (known.now - backup.manifest.started_at).total_seconds()))
    if known.is_unchanged:
        since = "nothing in it changed since then"
    else:
        kind = "it is a dump of a database, so " if backup.manifest.dump is not None else ""
        since = f"{kind}what changed since then, if anything, would be lost"
    return (
        f"{told} Its newest verified backup is {backup.manifest.run_id}, {age} old; {since}. It comes back with "
        f"`restore {backup.manifest.run_id} --into {name}`."
    )

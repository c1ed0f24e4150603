"""What is said of the archive as a whole: what it holds, and what is wrong with it. Must not know where it lies."""

from __future__ import annotations

from bot.language import say, say_count
from bot.stores.archive import Report

_SHOWN = 5


def in_words(report: Report, *, listed: bool) -> str:
    """All of it in sentences; `listed` tells that a table of the volumes stands beneath."""
    backups = say_count("1 backup", "{number} backups", report.backups)
    sources = say_count("one volume or path", "{number} volumes and paths", len(report.sources))
    said = [say("The archive holds {backups} of {sources}.", backups=backups, sources=sources)]
    if listed:
        said.append(
            say("All of this was read from its directory, which is the catalogue: no database was asked.")
        )
    damaged, leftovers = len(report.damaged), len(report.leftovers)
    if damaged:
        files = [f"{item.path.name}: {item.reason}" for item in report.damaged[:_SHOWN]]
        if damaged > _SHOWN:
            files.append(say("and {count} more", count=damaged - _SHOWN))
        said.append(
            say(
                "{count} damaged: {files}. Nothing was changed. Do not rely on those, and look after "
                "the archive’s disk.",
                count=damaged,
                files="; ".join(files),
            )
        )
    if leftovers:
        names = ", ".join(path.name for path in report.leftovers[:_SHOWN])
        if leftovers > _SHOWN:
            names = say("{names} and {count} more", names=names, count=leftovers - _SHOWN)
        said.append(
            say_count(
                "1 file belongs to no backup ({names}): a run that is at work has such, and "
                "what ended runs left is removed when the bot starts.",
                "{number} files belong to no backup ({names}): a run that is at work has such, and "
                "what ended runs left is removed when the bot starts.",
                leftovers,
                names=names,
            )
        )
    return " ".join(said)

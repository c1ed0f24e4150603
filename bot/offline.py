"""`shipkeeper audit verify FILE`: an export of the audit log verified on any machine, without database and settings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bot import auditfile
from bot.errors import UsageError
from bot.language import say
from bot.model import Reply
from bot.operations.auditlog import told
from bot.seals import Head, Sealer
from bot.stores.heads import Heads


def names_a_file(words: Sequence[str]) -> bool:
    """Whether a file is to be verified, and not the log itself."""
    return any(
        not word.startswith("-") and not _takes_value(before)
        for before, word in zip(("", *words), words, strict=False)
    )


def _takes_value(word: str) -> bool:
    return word.startswith("--") and "=" not in word


def verified(words: Sequence[str], key: bytes | None) -> Reply:
    """What came of it; raises StoreError, which names what is wrong, and UsageError."""
    left = list(words)
    files: list[str] = []
    heads: list[Head] = []
    while left:
        word = left.pop(0)
        flag, equals, value = word.partition("=")
        if flag in ("--head", "--heads"):
            value = value if equals else (left.pop(0) if left else "")
            heads += [Head.parse(value)] if flag == "--head" else Heads(_there(value)).known()
        else:
            files.append(word)
    if len(files) != 1 or files[0].startswith("--"):
        raise UsageError(
            say(
                "Usage: `shipkeeper audit verify FILE [--head SEQ:HASH] [--heads FILE]`. Nothing was changed."
            )
        )
    examined = auditfile.examine(Path(files[0]), Sealer(key), heads)
    return told(examined, heads)


def _there(name: str) -> Path:
    path = Path(name)
    if not path.is_file():
        raise UsageError(say("There is no file {path}. Nothing was changed.", path=name))
    return path

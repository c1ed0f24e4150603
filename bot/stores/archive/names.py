"""What the archive's directories and files are called, and whose they are: every name is safe and one thing's own.

Must not know what is in the files.
"""

from __future__ import annotations

import hashlib
import re
from urllib.parse import quote

from bot.errors import ArchiveError
from bot.language import say

PART = ".part"
TAR = ".tar.zst"
ENTRIES = ".entries.jsonl.zst"
INVENTORY = ".inventory.jsonl.zst"
MANIFEST = ".manifest.json"
MARKS = ".marks.json"

LONGEST_NAME = 200
"""Bytes of a directory's or a backup's name: with every ending it stays below the 255 that file systems take."""

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_DIRECTORY = re.compile(r"[A-Za-z0-9%][A-Za-z0-9_.%-]*")
_SPOOL = re.compile(r"[a-z][a-z0-9-]{0,31}")
# A spool of this name could be taken for a part of another run's backup.
_NOT_SPOOLS = ("json", "zst")
_CUT_MARK = "%h"

_ID = r"[0-9]{8}T[0-9]{6}Z-(?P<run>[A-Za-z0-9][A-Za-z0-9_.-]*?)"
_ENDINGS = "|".join(re.escape(ending) for ending in (TAR, ENTRIES, INVENTORY, MANIFEST, MARKS))
FILE = re.compile(
    rf"(?P<id>{_ID})(?:(?P<ending>{_ENDINGS})(?P<part>{re.escape(PART)})?"
    rf"|\.(?P<spool>{_SPOOL.pattern}){re.escape(PART)})"
)
"""The name of any file of a backup: `id`, `run`, and either `ending` (with `part` until whole) or `spool`."""


def is_safe_name(name: str) -> bool:
    """Whether a host, run or backup of that name may have a file here."""
    return _PLAIN.fullmatch(name) is not None and len(name) <= LONGEST_NAME


def safe_name(word: str, name: str) -> str:
    """The name, if it may be a file's; raises ArchiveError otherwise. `word` says of what it is the name."""
    if not is_safe_name(name):
        raise ArchiveError(
            say(
                "“{name}” cannot be the name of a {kind} in the archive: only letters, digits and _ . - are "
                "allowed, the first must be a letter or digit, and {longest} characters are the most. "
                "Nothing was touched.",
                name=name,
                kind=say(word),
                longest=LONGEST_NAME,
            )
        )
    return name


def spool_name(name: str) -> str:
    """The name, if a spool may bear it; raises ValueError otherwise, for it is never a person's choice."""
    if not _SPOOL.fullmatch(name) or name in _NOT_SPOOLS:
        raise ValueError(f"{name!r} cannot be the name of a spool")
    return name


def directory_name(source: str) -> str:
    """The directory of a source: its name, percent-encoded (RFC 3986, 2.1) outside A-Z a-z 0-9 _ . -

    The first character is encoded unless it is a letter or digit, so no name is hidden or leads elsewhere. Of a
    name that is too long the beginning is kept, and a mark that encoding never makes with the whole name's SHA-256
    behind it, so that two sources never share a directory. Raises ArchiveError for no name at all.
    """
    try:
        whole = source.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        whole = b""
    if not whole:
        raise ArchiveError(
            say(
                "{source!a} cannot be the name of a volume in the archive. Nothing was touched.",
                source=source,
            )
        )
    encoded = quote(whole, safe="").replace("~", "%7E")
    if encoded[0] in "_.-":
        encoded = f"%{ord(encoded[0]):02X}{encoded[1:]}"
    if len(encoded) <= LONGEST_NAME:
        return encoded
    rest = _CUT_MARK + hashlib.sha256(whole).hexdigest()
    return encoded[: LONGEST_NAME - len(rest)] + rest


def is_directory_name(name: str) -> bool:
    """Whether a directory may be a source's; `lost+found` and hidden ones are not."""
    return _DIRECTORY.fullmatch(name) is not None and len(name) <= LONGEST_NAME

"""The engine's contract for single files in containers: what is at a path, and names that change in one step.

Docker has no verb that renames or removes in a container that may be stopped or have no shell. What unpacks a tar there
does both: it takes away whatever has an entry's name before it makes the entry, and an entry may be a hard link.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class Found:
    """What stands at a path: `kind` is `file`, `directory`, `symlink` or `other`; `size` is bytes, of a file."""

    kind: str
    size: int = 0


@dataclass(frozen=True, kw_only=True)
class Link:
    """`name` is to become a further name of the file `existing`, which keeps its owner: both in one directory."""

    name: str
    existing: str
    uid: int
    gid: int


class FileVerbs(Protocol):
    """What an engine does with single files; every method raises EngineError when the daemon fails."""

    def look_at(self, holder: str, path: str) -> Found | None:
        """What is at that path in a container of ours or the company's; links on the way are followed, a last is not.

        None when nothing is there; raises NotFound without the container.
        """

    def link_in(self, holder: str, directory: str, link: Link) -> None:
        """Make the link, in the place of what file has that name now. In between the name may be missing for a moment.

        Raises NotFound without `existing`, EngineError when a directory has the name. May be called twice.
        """

    def remove_in(self, holder: str, directory: str, name: str) -> None:
        """Remove the file of that name if it is there; EngineError for a directory. May be called twice."""

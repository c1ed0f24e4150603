"""The small nouns a manifest is made of: what was backed up, how, and which files hold it.

Must not know the disk, nor how they are written down.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

MOST_PROBLEMS = 1_000
MOST_OUTPUT_CHARACTERS = 2_000


@dataclass(frozen=True, kw_only=True)
class EngineFacts:
    """Which engine the bytes came from."""

    name: str
    version: str
    api_version: str


@dataclass(frozen=True, kw_only=True)
class VolumeFacts:
    """The volume as Docker described it, so that it can be made again; `name` is that of the source."""

    name: str
    driver: str
    labels: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SourceFacts:
    """What the tar is of: a `volume`, a `path` in a container, or a `dump` that a program in one made.

    `root` is the last name of what was read: every name in the tar is that or lies below it.
    """

    kind: str = "volume"
    container: str = ""
    path: str = ""
    root: str = "volume"


@dataclass(frozen=True, kw_only=True)
class QuiesceFacts:
    """How the volume's users were kept still (`none`, `pause`, `stop`) and which containers that touched."""

    mode: str
    containers: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class HookFacts:
    """A hook that ran in a container: `which` is `pre` or `post`; no `exit_code` when it did not end.

    Of longer output only the last 2000 characters are kept, for that is where programs say what went wrong.
    """

    container: str
    which: str
    command: str
    exit_code: int | None
    output: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "output", self.output[-MOST_OUTPUT_CHARACTERS:])


@dataclass(frozen=True, kw_only=True)
class DumpFacts:
    """What a database's own program wrote: which preset, the command, its size and SHA-256."""

    preset: str
    command: str
    bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A file that is not in the backup as it should be, and why: a code of `bot.reasons`."""

    path: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Problems:
    """How many files are not as they should be, and which; at most 1000 are listed, however many there are."""

    count: int = 0
    listed: tuple[Problem, ...] = ()

    def __post_init__(self) -> None:
        if self.count < len(self.listed):
            raise ValueError("it lists more problems than it counts")
        object.__setattr__(self, "listed", self.listed[:MOST_PROBLEMS])


@dataclass(frozen=True, kw_only=True)
class Content:
    """So many bytes with that SHA-256."""

    bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class StoredFile:
    """A file beside the manifest, by its bare name."""

    bytes: int
    sha256: str
    file: str


@dataclass(frozen=True, kw_only=True)
class EntriesFile:
    """A list beside the manifest, one thing a line; `sha256` is that of the compressed file."""

    count: int
    file: str
    sha256: str

"""Who people are, as far as a decision hangs on it: whether they may act at all, and which groups they are in.

Words and a protocol. Where it is learned is not known here, nor what anybody may do.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

SHELL = "cli:"
"""How the id of a user of this machine begins; Slack's ids are letters and digits only."""


class Standing(StrEnum):
    """Whether somebody may act at all. UNKNOWN: it could not be learned, or nobody has asked yet."""

    ACTIVE = "active"
    BARRED = "barred"
    UNKNOWN = "unknown"


DELETED = "deleted"
BOT = "bot"
GUEST = "guest"
STRANGER = "stranger"
"""Why somebody is barred: a deactivated account, an app, a guest, a member of another workspace."""


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody, as last learned. `why` is the code of what bars them; `language` is None where it is not known."""

    id: str
    name: str = ""
    standing: Standing = Standing.UNKNOWN
    why: str = ""
    language: str | None = None
    zone: str | None = None


class Directory(Protocol):
    """Who people are and what they are in. May be asked from any thread."""

    @property
    def otherwise(self) -> str:
        """The language, by ISO 639-1, where nobody's own is known, as for what a clock asks."""

    def person(self, user_id: str) -> Person:
        """The person; may ask for it, for seconds. What is older than a minute does not count."""

    def known(self, user_id: str) -> Person | None:
        """The person as far as it was ever learned; asks nobody. A standing that is too old is UNKNOWN."""

    def in_group(self, user_id: str, group_id: str) -> bool | None:
        """Whether they are in that group; may ask for it, for seconds. None when it cannot be learned."""

    def by_memory(self) -> Directory:
        """The same, without asking: what is not known stays unknown, and may be known a moment later."""


def language_of(people: Directory, user_id: str) -> str:
    """What a person reads; may ask for it, for seconds."""
    return people.person(user_id).language or people.otherwise


class Nobody:
    """A directory where there is nobody to ask."""

    def __init__(self, otherwise: str = "en") -> None:
        self.otherwise = otherwise

    def person(self, user_id: str) -> Person:
        """Somebody of whom nothing is known."""
        return Person(id=user_id)

    def known(self, user_id: str) -> Person | None:  # noqa: ARG002
        """Nothing was ever learned."""
        return None

    def in_group(self, user_id: str, group_id: str) -> bool | None:  # noqa: ARG002
        """It cannot be learned."""
        return None

    def by_memory(self) -> Directory:
        """The same."""
        return self

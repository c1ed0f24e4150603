"""Which labels of volumes people were told of, so that each wording is told once. Knows no API of Slack's."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime

from sqlalchemy import delete, insert

from bot.stores.audit import Audit
from bot.stores.coding import storable
from bot.stores.database import Database
from bot.stores.ended import Ended, record_ended
from bot.stores.schema import proposals

Place = tuple[str, str]
"""A host and a volume on it."""


class Proposals:
    """The table of what was told of labels. Every method raises StoreError when the database fails."""

    def __init__(self, database: Database, audit: Audit, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._audit = audit
        self._clock = clock

    def told(self) -> dict[Place, str]:
        """The words that people were told of last, by host and volume."""
        with self._database.read() as connection:
            rows = connection.execute(proposals.select())
            return {(row.host, row.volume): row.words for row in rows}

    def tell(self, message: Ended, fresh: Mapping[Place, str]) -> str:
        """The message with all that is new in it, and that it was told: both, or neither; the id of its run."""
        now = self._clock()
        with self._database.write() as connection:
            for (host, volume), words in fresh.items():
                there = (proposals.c.host == host, proposals.c.volume == volume)
                connection.execute(delete(proposals).where(*there))
                connection.execute(
                    insert(proposals).values(host=host, volume=volume, words=storable(words), told_at=now)
                )
            return record_ended(connection, self._audit, message, now)

    def forget(self, gone: Collection[Place]) -> None:
        """Their labels are gone; should they come back, they are told of again."""
        if not gone:
            return
        with self._database.write() as connection:
            for host, volume in gone:
                there = (proposals.c.host == host, proposals.c.volume == volume)
                connection.execute(delete(proposals).where(*there))

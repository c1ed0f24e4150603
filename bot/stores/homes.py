"""Home pages: who opened theirs and when, which picture each shows, and the buttons on them. Knows no API of Slack's.

A Home button is a row beside those of messages, so that pressing it is the same: one token, one line, one effect.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from bot.model import Button
from bot.stores.coding import label_of
from bot.stores.database import Database
from bot.stores.outbox import StoredButton
from bot.stores.schema import buttons, homes, pictures

_FORGOTTEN_AFTER = timedelta(days=7)
"""A press of a Home button that old is answered as one of a button that never was."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture that Slack holds; `digest` is that of what it shows."""

    digest: str
    file_id: str
    made_at: datetime


class Homes:
    """The Home pages that people look at."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def opened(self, user: str) -> None:
        """Somebody looks at theirs now."""
        now = self._clock()
        with self._database.write() as connection:
            known = connection.execute(update(homes).where(homes.c.user == user).values(opened_at=now))
            if known.rowcount == 0:
                connection.execute(insert(homes).values(user=user, opened_at=now))

    def opened_lately(self, within: timedelta) -> dict[str, datetime]:
        """Who opened theirs within that time, and when."""
        query = select(homes.c.user, homes.c.opened_at).where(homes.c.opened_at > self._clock() - within)
        with self._database.read() as connection:
            return {row.user: row.opened_at for row in connection.execute(query)}

    def offer(self, user: str, offered: Sequence[Button]) -> dict[str, StoredButton]:
        """The buttons of their page by command line, each with a token that nobody has used.

        A button that stood there before keeps its token; one that stands there no longer is withdrawn.
        """
        wanted = {button.line: button for button in offered}
        with self._database.read() as connection:
            tokens = _unused(connection, user)
        if tokens.keys() != wanted.keys():  # most pages that are looked at again have the same buttons
            tokens = self._changed(user, wanted)
        return {
            line: StoredButton(
                token=tokens[line], run_id=None, label=button.label, line=line, danger=button.danger
            )
            for line, button in wanted.items()
        }

    def _changed(self, user: str, wanted: Mapping[str, Button]) -> dict[str, str]:
        """The tokens by line, after rows were made for new buttons and those that left were withdrawn."""
        now = self._clock()
        with self._database.write() as connection:
            tokens = _unused(connection, user)
            gone = [token for line, token in tokens.items() if line not in wanted]
            connection.execute(update(buttons).where(buttons.c.token.in_(gone)).values(used_at=now))
            old = (buttons.c.home_of == user, buttons.c.used_at < now - _FORGOTTEN_AFTER)
            connection.execute(delete(buttons).where(*old))
            for button in (button for line, button in wanted.items() if line not in tokens):
                tokens[button.line] = secrets.token_urlsafe(24)
                row = {"token": tokens[button.line], "home_of": user, "position": 0, "line": button.line}
                connection.execute(
                    insert(buttons).values(**row, label=label_of(button), danger=button.danger)
                )
        return tokens

    def picture(self, digest: str) -> Picture | None:
        """The picture of that, if one was made."""
        with self._database.read() as connection:
            row = connection.execute(select(pictures).where(pictures.c.digest == digest)).one_or_none()
        return None if row is None else _picture(row)

    def made(self, digest: str, file_id: str) -> Picture:
        """Slack holds a picture of that now; it takes the place of an earlier one."""
        picture = Picture(digest=digest, file_id=file_id, made_at=self._clock())
        with self._database.write() as connection:
            connection.execute(delete(pictures).where(pictures.c.digest == digest))
            connection.execute(
                insert(pictures).values(digest=digest, file_id=file_id, made_at=picture.made_at)
            )
        return picture

    def shows(self, user: str, digest: str | None) -> None:
        """Their page shows that picture now, or none."""
        with self._database.write() as connection:
            connection.execute(update(homes).where(homes.c.user == user).values(picture=digest))

    def unseen(self, older_than: timedelta) -> tuple[Picture, ...]:
        """Pictures that no page shows, made at least that long ago."""
        shown = select(homes.c.picture).where(homes.c.picture.is_not(None))
        query = select(pictures).where(
            pictures.c.digest.not_in(shown), pictures.c.made_at < self._clock() - older_than
        )
        with self._database.read() as connection:
            return tuple(_picture(row) for row in connection.execute(query))

    def forget(self, picture: Picture) -> None:
        """Slack does not hold it any more."""
        with self._database.write() as connection:
            connection.execute(delete(pictures).where(pictures.c.file_id == picture.file_id))

    def give_up(self, picture: Picture) -> None:
        """Slack does not show it: it counts as the picture of nothing, so that it is made anew and this one removed."""
        with self._database.write() as connection:
            mine = pictures.c.file_id == picture.file_id
            connection.execute(update(pictures).where(mine).values(digest=picture.file_id))


def _unused(connection: Connection, user: str) -> dict[str, str]:
    mine = select(buttons.c.line, buttons.c.token).where(
        buttons.c.home_of == user, buttons.c.used_at.is_(None)
    )
    return {row.line: row.token for row in connection.execute(mine)}


def _picture(row: Row[Any]) -> Picture:
    return Picture(digest=row.digest, file_id=row.file_id, made_at=row.made_at)

"""Which entries of the audit log are wanted, in words of people and as a condition on the table."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, cast, func, or_, select, true

from bot.stores.schema import audit


@dataclass(frozen=True, kw_only=True)
class Filter:
    """What is wanted; None wants everything. `by` is an id or a name, `until` is the first moment behind it.

    `target` is `kind:name`, or only the name of any kind; `without` is a kind of entries that is left out.
    """

    by: str | None = None
    command: str | None = None
    target: str | None = None
    host: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    ending: str | None = None
    run_id: str | None = None
    without: str | None = None

    @property
    def is_narrow(self) -> bool:
        """Whether it leaves anything out."""
        return any(value is not None for value in asdict(self).values())

    def in_words(self) -> dict[str, str]:
        """What it wants, by name; times as ISO 8601."""
        return {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in asdict(self).items()
            if value is not None
        }


def alternatives(wanted: Filter, is_sqlite: bool) -> tuple[ColumnElement[bool], ...]:
    """The filter as conditions of which one must hold: each is a walk through one index from its newer end."""
    rest = matching(replace(wanted, by=None), is_sqlite)
    if wanted.by is None:
        return (rest,)
    return and_(audit.c.actor_id == wanted.by, rest), and_(audit.c.actor_name == wanted.by, rest)


def matching(wanted: Filter, is_sqlite: bool) -> ColumnElement[bool]:
    """The filter as a condition."""
    equal = {"command": wanted.command, "host": wanted.host, "kind": wanted.ending, "run_id": wanted.run_id}
    conditions: list[ColumnElement[bool]] = [
        audit.c[name] == value for name, value in equal.items() if value is not None
    ]
    if wanted.by is not None:
        conditions.append(or_(audit.c.actor_id == wanted.by, audit.c.actor_name == wanted.by))
    if wanted.without is not None:
        conditions.append(audit.c.kind != wanted.without)
    if wanted.since is not None:
        conditions.append(audit.c.at >= wanted.since)
    if wanted.until is not None:
        conditions.append(audit.c.at < wanted.until)
    if wanted.target is not None:
        conditions.append(_names(wanted.target, is_sqlite))
    return and_(true(), *conditions)


def _names(target: str, is_sqlite: bool) -> ColumnElement[bool]:
    """Whether that target is among those of an entry, which lie there as JSON."""
    text = json.dumps(target)
    if ":" not in target:
        text = ":" + text[1:]
    if not is_sqlite:
        if ":" not in target:
            return audit.c.targets.contains(text, autoescape=True)
        from sqlalchemy.dialects.postgresql import JSONB  # loads every driver of it, asyncio too

        return cast(audit.c.targets, JSONB).contains([target])
    return audit.c.targets.in_(_all_with(text))


def _all_with(text: str) -> Select[Any]:
    """Whatever stands in the column of targets and has that inside; for SQLite, which cannot look into it by an index.

    It steps from one to the next that is different: there are few, for a million entries are about the same things.
    """
    there = select(func.min(audit.c.targets).label("targets")).cte("there", recursive=True)
    further = audit.alias("further")
    next_one = select(func.min(further.c.targets)).where(further.c.targets > there.c.targets)
    there = there.union_all(
        select(next_one.correlate(there).scalar_subquery()).where(there.c.targets.is_not(None))
    )
    return select(there.c.targets).where(func.instr(there.c.targets, text) > 0)


def beside_index(column: ColumnElement[str], is_sqlite: bool) -> ColumnElement[str]:
    """The column for a condition in which nearly all entries are alike, so that no index of it is gone by.

    SQLite cannot know that, and takes an expression as the hint; PostgreSQL knows what the table holds.
    """
    return column.concat("") if is_sqlite else column

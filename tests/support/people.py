"""A directory of people in memory, which tests change: who is barred, who is in which group, what cannot be learned."""

from __future__ import annotations

from dataclasses import dataclass, field

from bot.people import Directory, Person, Standing


@dataclass
class FakePeople:
    """People by id; whoever is not there is of unknown standing. A group that is None or missing cannot be learned."""

    people: dict[str, Person] = field(default_factory=dict)
    groups: dict[str, set[str] | None] = field(default_factory=dict)
    is_remembered: bool = True
    """Whether memory knows what asking would say."""
    otherwise: str = "en"

    def put(self, user_id: str, why: str = "") -> None:
        """Somebody who may act, or is barred for that reason."""
        standing = Standing.BARRED if why else Standing.ACTIVE
        self.people[user_id] = Person(id=user_id, name=user_id.lower(), standing=standing, why=why)

    def person(self, user_id: str) -> Person:
        """As put there."""
        return self.people.get(user_id) or Person(id=user_id)

    def known(self, user_id: str) -> Person | None:
        """The same; None when nobody put them there."""
        return self.people.get(user_id)

    def in_group(self, user_id: str, group_id: str) -> bool | None:
        """As put there."""
        members = self.groups.get(group_id)
        return None if members is None else user_id in members

    def by_memory(self) -> Directory:
        """The same where it is remembered; else somebody who knows nothing."""
        return self if self.is_remembered else FakePeople()

"""What is remembered of people, for threads that may ask nobody; what they miss is looked up on another one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from bot.people import Directory, Person


class Remembering(Protocol):
    """A directory that can tell what it knows without asking."""

    otherwise: str

    def known(self, user_id: str) -> Person | None:
        """The person as far as it was ever learned."""

    def remembered(self, user_id: str, group_id: str) -> bool | None:
        """Whether they are in that group, as far as that was learned."""


class Errands:
    """Looks things up soon, one after the other, on a thread that lives no longer than there is something to do."""

    def __init__(self, look_up: Callable[[str], object]) -> None:
        self._look_up = look_up
        self._lock = threading.Lock()
        self._wanted: dict[str, None] = {}
        self._is_at_work = False

    def want(self, key: str) -> None:
        """Have it looked up; over at once, so that a listener may call it."""
        with self._lock:
            self._wanted[key] = None
            if self._is_at_work:
                return
            self._is_at_work = True
        threading.Thread(target=self._work, name="people", daemon=True).start()

    def _work(self) -> None:
        while (key := self._next()) is not None:
            self._look_up(key)

    def _next(self) -> str | None:
        with self._lock:
            key = next(iter(self._wanted), None)
            if key is None:
                self._is_at_work = False
            else:
                del self._wanted[key]
            return key


class Memory:
    """The directory of a thread that may ask nobody. `want` has something looked up elsewhere."""

    def __init__(self, people: Remembering, want: Callable[[str], None]) -> None:
        self._people = people
        self._want = want
        self.otherwise = people.otherwise

    def person(self, user_id: str) -> Person:
        """The person, as far as that is known."""
        known = self._people.known(user_id)
        self._want(user_id)
        return known or Person(id=user_id)

    def known(self, user_id: str) -> Person | None:
        """The same; None when nothing was ever learned."""
        return self._people.known(user_id)

    def in_group(self, user_id: str, group_id: str) -> bool | None:
        """Whether they are in that group, as far as that is known."""
        remembered = self._people.remembered(user_id, group_id)
        self._want(group_id)
        return remembered

    def by_memory(self) -> Directory:
        """The same."""
        return self

"""Who people are by their Slack accounts, and what user groups they are in. Remembered; decides nothing.

Sources: users.info with `include_locale` (scope users:read), usergroups.users.list (scope usergroups:read), and for
which workspace is ours auth.test. A listener uses what is remembered, as it may ask nobody.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.language import language_of
from bot.people import BOT, DELETED, GUEST, STRANGER, Directory, Person, Standing
from bot.slack.posting import refusal
from bot.slack.recalling import Errands, Memory
from bot.slack.tokens import NO_ANSWER
from bot.slack.trust import trusted

_log = logging.getLogger(__name__)

GOOD_SECONDS = 55.0
"""What was learned counts so long; a minute at most passes until a change of somebody's account has effect."""
_AFTER_REFUSAL = 60.0
_AFTER_SILENCE = 10.0
_AFTER_NO_MEMBERS = 10.0
_CALL_SECONDS = 2
_EARLY = GOOD_SECONDS / 2
"""So long before it is too old, what a listener asks for is looked up again."""
_SLACKBOT = "USLACKBOT"
_GROUP = "S"
"""How the ids of groups begin; those of people begin with U or W."""

T = TypeVar("T")


@dataclass(frozen=True)
class Learned(Generic[T]):
    """What is remembered of one thing; `until` is monotonic. Nothing is forgotten before it is asked again."""

    value: T
    until: float
    is_good: bool


def reached(api_url: str, token: str, otherwise: str) -> SlackPeople:
    """The people of the workspace that the bot's token is for."""
    client = WebClient(token, base_url=api_url, timeout=_CALL_SECONDS, retry_handlers=[], ssl=trusted())
    return SlackPeople(client, otherwise)


class _Method(Generic[T]):
    """One method of Slack's: asked by one thread at a time, never before Slack allows it, and remembered."""

    def __init__(self, ask: Callable[[str, T | None], T], monotonic: Callable[[], float]) -> None:
        self._ask = ask
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._not_before = 0.0
        self.found: dict[str, Learned[T]] = {}
        self.after_refusal = _AFTER_REFUSAL

    def get(self, key: str, otherwise: Callable[[T | None], T], *, early: float = 0.0) -> T:
        """What is known, or what Slack says now; `otherwise` makes of the last word what counts without an answer.

        With `early`, what would be too old in so many seconds is asked for already.
        """
        known = self._fresh(key, early)
        if known is not None:
            return known.value
        with self._lock:
            again = self._fresh(key, early)
            if again is not None:
                return again.value
            learned = self._learned(key, otherwise)
            if learned is not None:
                self.found[key] = learned
                return learned.value
            before = self.found.get(key)
            return otherwise(before.value if before else None)

    def is_due(self, key: str, early: float) -> bool:
        """Whether it is not known, or will be too old in so many seconds; asks nobody."""
        return self._fresh(key, early) is None

    def _fresh(self, key: str, early: float) -> Learned[T] | None:
        found = self.found.get(key)
        if found is None:
            return None
        return found if found.until - (early if found.is_good else 0.0) > self._monotonic() else None

    def _learned(self, key: str, otherwise: Callable[[T | None], T]) -> Learned[T] | None:
        """None while Slack wants not to be asked. Its age counts from before the question."""
        now = self._monotonic()
        if now < self._not_before:
            return None
        before = self.found.get(key)
        try:
            return Learned(self._ask(key, before.value if before else None), now + GOOD_SECONDS, True)
        except SlackApiError as error:
            refused = refusal(error)
            _log.warning("Slack does not say who %s is: %s", key, refused)
            self._not_before = self._monotonic() + (refused.retry_after or 0.0)  # from the answer on
            wait = self.after_refusal if refused.retry_after is None else refused.retry_after
        except NO_ANSWER as error:
            _log.warning("Slack does not say who %s is: %s", key, error)
            wait = _AFTER_SILENCE
        return Learned(otherwise(before.value if before else None), now + wait, False)


class SlackPeople:
    """Everybody, by Slack's word. May be asked from any thread."""

    def __init__(
        self, client: WebClient, otherwise: str, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """`otherwise` is the language of those whose locale Slack does not say."""
        self._client = client
        self.otherwise = otherwise
        self._monotonic = monotonic
        self._team = ""
        self._people: _Method[Person] = _Method(self._person, monotonic)
        self._groups: _Method[frozenset[str] | None] = _Method(self._members, monotonic)
        self._groups.after_refusal = _AFTER_NO_MEMBERS
        self._errands = Errands(self._refresh)

    def person(self, user_id: str) -> Person:
        """The person. Asks Slack when that is a minute ago; the standing of whom it does not know is UNKNOWN."""
        return self._people.get(user_id, lambda before: _stale(user_id, before))

    def known(self, user_id: str) -> Person | None:
        """The person as far as it was ever learned; asks nobody."""
        found = self._people.found.get(user_id)
        if found is None:
            return None
        return found.value if found.until > self._monotonic() else _stale(user_id, found.value)

    def in_group(self, user_id: str, group_id: str) -> bool | None:
        """Whether they are in that group. Asks Slack when that is a minute ago; None when it does not say."""
        members = self._groups.get(group_id, lambda _before: None)
        return None if members is None else user_id in members

    def by_memory(self) -> Directory:
        """The same, without asking; what is missing or soon too old is looked up meanwhile."""
        return Memory(self, self._want)

    def remembered(self, user_id: str, group_id: str) -> bool | None:
        """Whether they are in that group, as far as it was learned within a minute; asks nobody."""
        found = self._groups.found.get(group_id)
        if found is None or found.until <= self._monotonic() or found.value is None:
            return None
        return user_id in found.value

    def _want(self, key: str) -> None:
        """Have it looked up, if a listener asks in vain for it, or soon will."""
        method = self._groups if key.startswith(_GROUP) else self._people
        if method.is_due(key, _EARLY):
            self._errands.want(key)

    def _refresh(self, key: str) -> None:
        if key.startswith(_GROUP):
            self._groups.get(key, lambda _before: None, early=_EARLY)
        else:
            self._people.get(key, lambda before: _stale(key, before), early=_EARLY)

    def _members(self, group_id: str, _before: object) -> frozenset[str] | None:
        users = self._client.usergroups_users_list(usergroup=group_id).get("users")
        return None if users is None else frozenset(str(one) for one in users)

    def _person(self, user_id: str, before: Person | None) -> Person:
        answer = self._client.users_info(user=user_id, include_locale=True)
        user: Mapping[str, Any] = answer.get("user") or {}
        if not user:
            return _stale(user_id, before)
        locale = user.get("locale")
        why = _barred_by(user) or (STRANGER if self._is_elsewhere(user) else "")
        return Person(
            id=user_id,
            name=str(user.get("name") or user_id),
            standing=Standing.BARRED if why else Standing.ACTIVE,
            why=why,
            language=language_of(locale) if locale else before.language if before else None,
            zone=str(user.get("tz") or "") or (before.zone if before else None),
        )

    def _is_elsewhere(self, user: Mapping[str, Any]) -> bool:
        """Whether the account belongs to another workspace; in an organisation it has several."""
        enterprise = user.get("enterprise_user") or {}
        teams = {user.get("team_id"), *(enterprise.get("teams") or ())} - {None, ""}
        if not teams:
            return False
        self._team = self._team or str(self._client.auth_test().get("team_id") or "")
        return bool(self._team) and self._team not in teams


def _barred_by(user: Mapping[str, Any]) -> str:
    """The code of what bars the account, by the user object of Slack's reference; empty when nothing does."""
    if user.get("deleted"):
        return DELETED
    if user.get("is_bot") or user.get("id") == _SLACKBOT:
        return BOT
    if user.get("is_stranger"):
        return STRANGER
    return GUEST if user.get("is_restricted") or user.get("is_ultra_restricted") else ""


def _stale(user_id: str, before: Person | None) -> Person:
    """What still counts of an old word: language and zone, and that somebody was barred, until Slack says otherwise."""
    if before is None or before.standing is Standing.BARRED:
        return before or Person(id=user_id)
    return Person(id=user_id, name=before.name, language=before.language, zone=before.zone)

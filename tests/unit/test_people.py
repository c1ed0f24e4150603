"""Who people are by their Slack accounts: language, standing and groups; how old a word may be, and who is asked."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web import SlackResponse

from bot.people import BOT, DELETED, GUEST, STRANGER, Person, Standing, language_of
from bot.slack.people import SlackPeople
from tests.support.house import wait_for


class _Slack:
    """users.info, usergroups.users.list and auth.test, with answers that a test lays out."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers: dict[str, Any] = {}
        self.threads: set[int] = set()

    def _answer(self, key: str) -> Any:
        self.asked.append(key)
        self.threads.add(threading.get_ident())
        answer = self.answers[key]
        if isinstance(answer, Exception):
            raise answer
        return answer() if callable(answer) else answer

    def users_info(self, *, user: str, include_locale: bool) -> Any:
        assert include_locale
        return {"ok": True, "user": {"id": user, **self._answer(user)}}

    def usergroups_users_list(self, *, usergroup: str) -> Any:
        return {"ok": True, "users": self._answer(usergroup)}

    def auth_test(self) -> Any:
        return {"ok": True, "team_id": self._answer("auth.test")}


@pytest.fixture
def slack() -> _Slack:
    """Slack, as a test lays it out."""
    return _Slack()


@pytest.fixture
def now() -> list[float]:
    """The monotonic clock, in one place."""
    return [0.0]


@pytest.fixture
def people(slack: _Slack, now: list[float]) -> SlackPeople:
    """Everybody, in a workspace whose language is English."""
    return SlackPeople(slack, "en", lambda: now[0])  # type: ignore[arg-type]


def _refused(code: str, **headers: str) -> SlackApiError:
    answer = SlackResponse(
        client=None,
        http_verb="POST",
        api_url="https://slack.test/api/users.info",
        req_args={},
        data={"ok": False, "error": code},
        headers=headers,
        status_code=429 if headers else 200,
    )
    return SlackApiError("refused", answer)


def _known(people: SlackPeople, user: str) -> str | None:
    known = people.known(user)
    return known.language if known else None


# ---- language ---------------------------------------------------------------------------------------------


def test_slack_is_asked_once_a_minute(slack: _Slack, people: SlackPeople, now: list[float]) -> None:
    """The first question is asked; until then nothing is known, and later ones are answered from memory."""
    slack.answers["U1"] = {"locale": "ko-KR"}
    assert people.known("U1") is None
    assert [language_of(people, "U1"), language_of(people, "U1"), _known(people, "U1")] == ["ko"] * 3
    assert slack.asked == ["U1"]
    slack.answers["U1"] = {"locale": "en-US"}
    now[0] = 60
    assert (_known(people, "U1"), language_of(people, "U1"), _known(people, "U1")) == ("ko", "en", "en")


@pytest.mark.parametrize("trouble", [_refused("missing_scope"), OSError("no route"), {}], ids=str)
def test_what_slack_does_not_say_is_the_settings_language(
    slack: _Slack, now: list[float], trouble: Any
) -> None:
    """A missing scope, no answer, a person without a locale; what was known before stays; asked again in a minute."""
    people = SlackPeople(slack, "ko", lambda: now[0])  # type: ignore[arg-type]
    slack.answers["U1"] = trouble
    assert (language_of(people, "U1"), language_of(people, "U1")) == ("ko", "ko")
    assert _known(people, "U1") is None
    assert slack.asked == ["U1"]
    now[0] = 3_601
    slack.answers["U1"] = {"locale": "en-US"}
    assert language_of(people, "U1") == "en"
    now[0] = 9_000
    slack.answers["U1"] = _refused("fatal_error")
    assert language_of(people, "U1") == "en"
    now[0] = 9_059
    slack.answers["U1"] = {"locale": "ko-KR"}
    assert language_of(people, "U1") == "en"
    now[0] = 9_061
    assert language_of(people, "U1") == "ko"


def test_a_limit_of_slacks_is_kept(slack: _Slack, people: SlackPeople, now: list[float]) -> None:
    """After a 429 nobody is asked about before `Retry-After`, neither this person nor another."""
    slack.answers = {"U1": _refused("ratelimited", **{"Retry-After": "90"}), "U2": {"locale": "ko-KR"}}
    assert [language_of(people, one) for one in ("U1", "U2", "U1")] == ["en"] * 3
    assert slack.asked == ["U1"]
    now[0] = 89.0
    assert language_of(people, "U2") == "en"
    now[0] = 90.0
    assert language_of(people, "U2") == "ko"


# ---- standing ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("account", "why"),
    [
        ({}, ""),
        ({"team_id": "T0OURS"}, ""),
        ({"team_id": "E0GRID", "enterprise_user": {"teams": ["T0ELSE", "T0OURS"]}}, ""),
        ({"deleted": True, "is_bot": True}, DELETED),
        ({"is_bot": True}, BOT),
        ({"is_restricted": True}, GUEST),
        ({"is_restricted": True, "is_ultra_restricted": True}, GUEST),
        ({"team_id": "T0ELSE"}, STRANGER),
        ({"team_id": "T0OURS", "is_stranger": True}, STRANGER),
        ({"team_id": "E0GRID", "enterprise_user": {"teams": ["T0ELSE"]}}, STRANGER),
    ],
)
def test_an_account_says_whether_somebody_may_act(
    slack: _Slack, people: SlackPeople, account: dict[str, Any], why: str
) -> None:
    """Deactivated accounts, apps, guests and members of other workspaces are barred, each with its reason."""
    slack.answers = {"U1": {"name": "ann", **account}, "auth.test": "T0OURS"}
    expected = Standing.BARRED if why else Standing.ACTIVE
    assert people.person("U1") == Person(id="U1", name="ann", standing=expected, why=why)


def test_slackbot_is_no_person(slack: _Slack, people: SlackPeople) -> None:
    """Its account says nothing of it."""
    slack.answers["USLACKBOT"] = {}
    assert people.person("USLACKBOT").why == BOT


def test_which_workspace_is_ours_is_asked_once(slack: _Slack, people: SlackPeople) -> None:
    """And where that cannot be learned, nobody's standing is."""
    slack.answers = {"U1": {"team_id": "T1"}, "U2": {"team_id": "T1"}, "U3": {"team_id": "T1"}}
    slack.answers["auth.test"] = OSError("no route")
    assert people.person("U1").standing is Standing.UNKNOWN
    slack.answers["auth.test"] = "T1"
    assert [people.person(one).standing for one in ("U2", "U3")] == [Standing.ACTIVE] * 2
    assert slack.asked.count("auth.test") == 2


def test_a_standing_is_forgotten_after_a_minute_but_a_bar_is_not(
    slack: _Slack, people: SlackPeople, now: list[float]
) -> None:
    """Where Slack does not answer, nobody stays active by an old word, and nobody gets in who was barred."""
    slack.answers = {"U1": {"name": "ann", "locale": "ko-KR"}, "U2": {"deleted": True}}
    assert [people.person(one).standing for one in ("U1", "U2")] == [Standing.ACTIVE, Standing.BARRED]
    slack.answers = dict.fromkeys(slack.answers, _refused("internal_error"))
    now[0] = 59
    for ask in (people.known, people.person):
        assert ask("U1") == Person(id="U1", name="ann", standing=Standing.UNKNOWN, language="ko")
        found = ask("U2")
        assert found is not None
        assert (found.standing, found.why) == (Standing.BARRED, DELETED)
    slack.answers["U2"] = {}
    now[0] = 120
    assert people.person("U2").standing is Standing.ACTIVE


# ---- groups -----------------------------------------------------------------------------------------------


def test_a_group_is_asked_for_once_a_minute(slack: _Slack, people: SlackPeople, now: list[float]) -> None:
    """For all its members alike; who left is out of it within a minute."""
    slack.answers["S1"] = ["U1", "U2"]
    assert [people.in_group(one, "S1") for one in ("U1", "U2", "U3")] == [True, True, False]
    assert slack.asked == ["S1"]
    slack.answers["S1"] = ["U2"]
    now[0] = 60
    assert [people.in_group(one, "S1") for one in ("U1", "U2", "U3")] == [False, True, False]


@pytest.mark.parametrize(
    "trouble", [_refused("no_such_subteam"), _refused("missing_scope"), OSError()], ids=str
)
def test_a_group_that_cannot_be_learned_has_no_members(
    slack: _Slack, people: SlackPeople, now: list[float], trouble: Exception
) -> None:
    """Neither after it was known: an old word does not count. It is asked for again some seconds later."""
    slack.answers["S1"] = ["U1"]
    assert people.in_group("U1", "S1")
    slack.answers["S1"] = trouble
    now[0] = 60
    assert [people.in_group("U1", "S1") for _ in range(3)] == [None] * 3
    assert slack.asked == ["S1", "S1"]
    now[0] = 71
    slack.answers["S1"] = ["U1"]
    assert people.in_group("U1", "S1")


def test_a_limit_on_groups_does_not_stop_people(slack: _Slack, people: SlackPeople, now: list[float]) -> None:
    """Slack limits each method by itself."""
    slack.answers = {"S1": _refused("ratelimited", **{"Retry-After": "30"}), "S2": ["U1"], "U1": {}}
    assert [people.in_group("U1", one) for one in ("S1", "S2")] == [None, None]
    assert people.person("U1").standing is Standing.ACTIVE
    now[0] = 30
    assert people.in_group("U1", "S2")
    assert slack.asked == ["S1", "U1", "S2"]


# ---- memory -----------------------------------------------------------------------------------------------


def test_memory_asks_nobody_and_knows_a_moment_later(
    slack: _Slack, people: SlackPeople, now: list[float]
) -> None:
    """What a listener misses is looked up on another thread, and again before it is too old."""
    slack.answers = {"U1": {"name": "ann"}, "S1": ["U1"]}
    memory = people.by_memory()
    assert (memory.person("U1").standing, memory.in_group("U1", "S1")) == (Standing.UNKNOWN, None)
    wait_for(lambda: memory.in_group("U1", "S1"), saying="the group")
    wait_for(lambda: memory.person("U1").standing is Standing.ACTIVE, saying="the person")
    now[0] = 20
    assert memory.in_group("U1", "S1")
    assert sorted(slack.asked) == ["S1", "U1"]
    now[0] = 40
    slack.answers["S1"] = []
    assert memory.in_group("U1", "S1")
    wait_for(lambda: memory.in_group("U1", "S1") is False, saying="the change")
    assert threading.get_ident() not in slack.threads


def test_a_word_that_is_fresh_does_not_wait_for_one_that_is_asked_for(
    slack: _Slack, people: SlackPeople
) -> None:
    """Slack may be slow about one person; the others are known."""
    slack.answers["U1"] = {}
    people.person("U1")
    slow, go_on = threading.Event(), threading.Event()

    def late() -> dict[str, Any]:
        slow.set()
        assert go_on.wait(10)
        return {}

    slack.answers["U2"] = late
    asking = threading.Thread(target=people.person, args=("U2",))
    asking.start()
    assert slow.wait(10)
    assert people.person("U1").standing is Standing.ACTIVE
    go_on.set()
    asking.join()

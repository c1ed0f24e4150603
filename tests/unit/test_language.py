"""What is said in which language: of a thread, of a shell, of a person of Slack."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web import SlackResponse

from bot import language
from bot.language import language_of, listed, of_environment, say, say_count, speaking, spoken
from bot.slack.locales import Locales

_MONEY = "Nothing was changed."


@pytest.fixture(autouse=True)
def _two_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Any:
    """A catalogue of its own, so that nothing hangs on how a sentence of the product is translated."""
    written = tmp_path / "ko.po"
    written.write_text(
        'msgid ""\nmsgstr "Language: ko\\nContent-Type: text/plain; charset=utf-8\\n'
        'Plural-Forms: nplurals=1; plural=0;\\n"\n\n'
        'msgid "Volume {volume} is gone."\nmsgstr "{volume} 볼륨이 없습니다."\n\n'
        'msgid "one file"\nmsgid_plural "{number} files"\nmsgstr[0] "파일 {number}개"\n\n'
        'msgid "{things} and {last}"\nmsgstr "{things} 및 {last}"\n',
        encoding="utf-8",
    )
    monkeypatch.setattr(language, "path_of", lambda _: written)
    language.catalogue.cache_clear()
    yield
    language.catalogue.cache_clear()


def test_english_is_what_is_written() -> None:
    """Nothing is looked up; values fill the braces, and a value with braces is not looked into."""
    assert say("Volume {volume} is gone.", volume="{pg} {}") == "Volume {pg} {} is gone."
    assert say("a {brace} of its own") == "a {brace} of its own"
    assert say("") == ""
    assert say_count("one file", "{number} files", 1) == "one file"
    assert say_count("one file", "{number} files", 7) == "7 files"


def test_another_language_is_spoken_for_as_long_as_it_should() -> None:
    """Inside the block, also after an error; what has no translation is said in English."""
    with speaking("ko"):
        assert say("Volume {volume} is gone.", volume="pg") == "pg 볼륨이 없습니다."
        assert say_count("one file", "{number} files", 1) == "파일 1개"
        assert listed(["a", "b", "c"]) == "a, b 및 c"
        assert say("Never heard of {it}.", it="that") == "Never heard of that."
        with speaking(None):
            assert spoken() == "en"
    with pytest.raises(ZeroDivisionError), speaking("ko"):
        raise ZeroDivisionError
    assert say("Volume {volume} is gone.", volume="pg") == "Volume pg is gone."
    assert (listed([]), listed(["a"]), listed(["a", "b"])) == ("", "a", "a and b")


def test_a_language_that_the_bot_does_not_speak_is_english() -> None:
    """Of a thread, and of a locale."""
    with speaking("tlh"):
        assert spoken() == "en"
    assert [language_of(one) for one in ("ko-KR", "ko_KR.UTF-8", "ko", "KO-kr")] == ["ko"] * 4
    assert [language_of(one) for one in ("en-GB", "kok-IN", "C", "POSIX", "", None)] == ["en"] * 6


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "en"),
        ({"LANG": "ko_KR.UTF-8"}, "ko"),
        ({"LANG": "ko_KR.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "C.UTF-8", "LC_MESSAGES": "ko_KR.UTF-8"}, "ko"),
        ({"LANG": "en_US.UTF-8", "LC_ALL": ""}, "en"),
    ],
)
def test_a_shell_speaks_as_its_variables_say(variables: dict[str, str], expected: str) -> None:
    """LC_ALL, LC_MESSAGES, LANG, in this order (POSIX, XBD 8.2); an empty one does not count."""
    assert of_environment(variables) == expected


def test_a_thread_speaks_as_the_one_that_made_it() -> None:
    """One of ours does; a plain one begins in English."""
    heard: list[str] = []

    def listen() -> None:
        heard.append(spoken())

    with speaking("ko"):
        threads = [language.Thread(listen, name="ours"), threading.Thread(target=listen)]
    for thread in threads:
        thread.start()
        thread.join()
    assert heard == ["ko", "en"]


class _Slack:
    """users.info, with answers that a test lays out."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers: dict[str, Any] = {}

    def users_info(self, *, user: str, include_locale: bool) -> Any:
        assert include_locale
        self.asked.append(user)
        answer = self.answers[user]
        if isinstance(answer, Exception):
            raise answer
        return {"ok": True, "user": {"id": user, **answer}}


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


def test_slack_is_asked_once_an_hour() -> None:
    """The first question is asked; until then nothing is known, and later ones are answered from memory."""
    slack, now = _Slack(), [0.0]
    people: Any = Locales(slack, "en", lambda: now[0])  # type: ignore[arg-type]
    slack.answers["U1"] = {"locale": "ko-KR"}
    assert people.known("U1") is None
    assert [people.of("U1"), people.of("U1"), people.known("U1")] == ["ko"] * 3
    assert slack.asked == ["U1"]
    slack.answers["U1"] = {"locale": "en-US"}
    now[0] = 3_601
    assert (people.known("U1"), people.of("U1"), people.known("U1")) == ("ko", "en", "en")


@pytest.mark.parametrize("trouble", [_refused("missing_scope"), OSError("no route"), {}], ids=str)
def test_what_slack_does_not_say_is_the_settings_language(trouble: Any) -> None:
    """A missing scope, no answer, a person without a locale; what was known before stays; asked again in a minute."""
    slack, now = _Slack(), [0.0]
    people = Locales(slack, "ko", lambda: now[0])  # type: ignore[arg-type]
    slack.answers["U1"] = trouble
    assert (people.of("U1"), people.of("U1")) == ("ko", "ko")
    assert people.known("U1") is None
    assert slack.asked == ["U1"]
    now[0] = 3_601
    slack.answers["U1"] = {"locale": "en-US"}
    assert people.of("U1") == "en"
    now[0] = 9_000
    slack.answers["U1"] = _refused("fatal_error")
    assert people.of("U1") == "en"
    now[0] = 9_061
    slack.answers["U1"] = {"locale": "ko-KR"}
    assert people.of("U1") == "ko"


def test_a_limit_of_slacks_is_kept() -> None:
    """After a 429 nobody is asked about before `Retry-After`, neither this person nor another."""
    slack, now = _Slack(), [0.0]
    people = Locales(slack, "en", lambda: now[0])  # type: ignore[arg-type]
    slack.answers = {"U1": _refused("ratelimited", **{"Retry-After": "90"}), "U2": {"locale": "ko-KR"}}
    assert [people.of("U1"), people.of("U2"), people.of("U1")] == ["en"] * 3
    assert slack.asked == ["U1"]
    now[0] = 89.0
    assert people.of("U2") == "en"
    now[0] = 90.0
    assert people.of("U2") == "ko"

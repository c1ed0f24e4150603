"""What is said in which language: of a thread, of a shell, of a person of Slack."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from bot import language
from bot.language import language_of, listed, of_environment, say, say_count, speaking, spoken

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

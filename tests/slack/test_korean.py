"""A person whose Slack is Korean is answered in Korean, in messages, forms and on the Home page; others are not."""

from __future__ import annotations

import json
import re

import pytest

from bot.model import Status
from bot.playground import Fault, User
from tests.slack.forming import errors_of, fields_of, form_of, sent
from tests.slack.homes import be_swift, opened
from tests.slack.reading import buttons_of, words_of
from tests.slack.workplace import Workplace
from tests.support.house import wait_for

pytestmark = pytest.mark.slack

_HANGUL = re.compile("[가-힣]")
_ENGLISH = re.compile(r"[A-Za-z]{2,} [a-z]{2,} [a-z]{2,}")
"""Three words in a row. Names, commands and what Docker says stay as they are."""


@pytest.fixture
def korean(work: Workplace) -> Workplace:
    """Ann's Slack is Korean; Ada's is not."""
    work.playground.add_user(User(id="U0ANN", name="ann", real_name="Ann", locale="ko-KR"))
    return work


def _is_korean(text: str) -> bool:
    text = re.sub(r"`[^`]*`|<[^>]*>", "", text)
    return bool(_HANGUL.search(text)) and not _ENGLISH.search(text)


def test_a_run_is_told_in_the_language_of_whoever_asked(korean: Workplace) -> None:
    """The same command of two people: one message in each language, buttons, plan, signature and all."""
    done = korean.slash("/backup", "pgdata")
    message = korean.told(done, Status.SUCCEEDED)
    assert "성공" in words_of(message)
    assert _is_korean(words_of(message)), words_of(message)
    assert all(_HANGUL.search(label) for label in buttons_of(message)), buttons_of(message)
    assert korean.run_of(done).invocation.language == "ko"
    other = korean.told(korean.slash("/backup", "pgdata", user="U0ADA"), Status.SUCCEEDED)
    assert not _HANGUL.search(words_of(other))
    assert buttons_of(other)


def test_a_refusal_is_told_so_too(korean: Workplace) -> None:
    """A command, a backup, a flag and a run that are not there, each with what to do instead."""
    for line in ("bakcup pgdata", "restore 00000000", "backup pgdata --nope", "undo 00000000"):
        message = korean.told(korean.slash("/docker", line), Status.REJECTED)
        assert _is_korean(words_of(message)), words_of(message)


def test_a_form_speaks_it(korean: Workplace) -> None:
    """Title of buttons, labels, hints, and what is wrong at a field."""
    korean.slash("/backup")
    form = form_of(korean)
    shown = json.dumps([form.body["blocks"], form.body["submit"], form.body["close"]], ensure_ascii=False)
    assert _HANGUL.search(form.body["submit"]["text"])
    hints = [block["hint"]["text"] for block in form.body["blocks"] if block.get("hint")]
    labels = [block["label"]["text"] for block in form.body["blocks"] if block.get("label")]
    assert hints
    assert all(map(_HANGUL.search, [*hints, *labels])), shown
    assert "source" in fields_of(form)
    korean.slash("/docker", "create-volume --label nonsense=1")
    wait_for(lambda: "volume" in fields_of(form_of(korean)), saying="the other form")
    refused = sent(korean, form_of(korean), {"volume": "-odd name-"})
    assert _HANGUL.search(json.dumps(errors_of(refused), ensure_ascii=False))


def test_the_home_page_speaks_it(korean: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everybody reads their own, at the same time."""
    be_swift(monkeypatch)
    assert _HANGUL.search(opened(korean))
    assert not _HANGUL.search(opened(korean, user="U0ADA"))


def test_without_slacks_word_it_is_english(work: Workplace) -> None:
    """A Slack that does not say what people read delays nobody and breaks nothing."""
    work.playground.add_user(User(id="U0ANN", name="ann", real_name="Ann", locale="ko-KR"))
    work.playground.faults.next("users.info", Fault.error("missing_scope"))
    message = work.told(work.slash("/backup", "pgdata"), Status.SUCCEEDED)
    assert not _HANGUL.search(words_of(message))


def test_what_was_begun_in_korean_ends_so_after_a_restart(korean: Workplace) -> None:
    """The language is written down with the run, so the next process need not ask."""
    with korean.stalled_reads():
        held = korean.slash("/backup", "pgdata")
        wait_for(korean.engine.faults.stalled.is_set, saying="the read")
        korean.bot.slack.stop()
    korean.restart()
    run = korean.run_of(held)
    wait_for(lambda: korean.run_of(held).status.is_ending, saying="the ending")
    wait_for(lambda: korean.messages_of(run), saying="the message")
    wait_for(lambda: _is_korean(words_of(korean.messages_of(run)[0])), saying="an ending in Korean")

"""Schedules in Slack: made once, shown in the owner's time, refused at once, paused, run and removed; in Korean."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from bot.model import Status
from bot.playground import Fault, User
from bot.schedules.making import ADDED, REMOVED
from tests.slack.forming import form_of, offered, sent
from tests.slack.homes import be_swift, opened, pressed, says
from tests.slack.reading import buttons_of, words_of
from tests.slack.workplace import Workplace
from tests.support.house import wait_for

pytestmark = pytest.mark.slack

NIGHTLY = "nightly daily at 03:00 backup pgdata"
_HANGUL = re.compile("[가-힣]")


@pytest.fixture
def seoul(work: Workplace) -> Workplace:
    """Ann lives in Seoul, and reads English."""
    work.playground.add_user(User(id="U0ANN", name="ann", real_name="Ann", tz="Asia/Seoul"))
    return work


def kinds_of(work: Workplace, run_id: str) -> list[str]:
    """What the audit log has of the run, oldest first."""
    lines = work.bot.app.services.audit.lines(limit=100, run_id=run_id)
    return [line.event.kind for line in reversed(lines)]


def test_the_next_times_are_those_of_the_owner_and_utc(seoul: Workplace) -> None:
    """By the zone that Slack says, shown back; for everybody in the channel, with buttons for what may come next."""
    delivery = seoul.slash("/schedule", NIGHTLY)
    message = seoul.told(delivery, Status.SUCCEEDED)
    said = words_of(message)
    made = seoul.bot.app.services.schedules.get("nightly")
    assert (made.when.zone, made.owner.id, made.channel) == ("Asia/Seoul", "U0ANN", "C0OPS")
    assert "by the clocks of Asia/Seoul" in said
    dues = made.when.first(made.created_at, 5)
    for due in dues:
        assert due.astimezone(ZoneInfo("Asia/Seoul")).strftime("%Y-%m-%d 03:00 KST") in said
        assert due.strftime("%Y-%m-%d 18:00:00 UTC") in said
    assert "It runs as" in said
    assert "Its runs are told here." in said
    assert buttons_of(message) == ["Run now", "Pause", "Unschedule"]
    assert message.ephemeral_for is None
    assert kinds_of(seoul, seoul.run_of(delivery).id) == [ADDED, "succeeded"]


def test_another_zone_is_shown_beside_the_owners(seoul: Workplace) -> None:
    """Three columns then: its own, the owner's, and UTC."""
    said = words_of(seoul.told(seoul.slash("/schedule", f"--zone Europe/Berlin {NIGHTLY}"), Status.SUCCEEDED))
    made = seoul.bot.app.services.schedules.get("nightly")
    due = made.when.after(made.created_at)
    for zone in ("Europe/Berlin", "Asia/Seoul"):
        assert due.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M %Z") in said
    assert made.when.zone == "Europe/Berlin"


def test_delivered_five_times_it_is_made_once(work: Workplace) -> None:
    """One schedule, one entry, one message."""
    delivery = work.slash("/schedule", NIGHTLY)
    work.playground.redeliver(delivery, times=2)
    work.playground.redeliver(delivery, times=2, fresh_retry_counter=True)
    wait_for(lambda: delivery.acks == 5, saying="five acks")
    work.told(delivery, Status.SUCCEEDED)
    assert len(work.runs()) == 1
    assert [one.name for one in work.bot.app.services.schedules.all()] == ["nightly"]
    assert kinds_of(work, work.run_of(delivery).id) == [ADDED, "succeeded"]


def test_who_may_not_is_refused_at_once(work: Workplace) -> None:
    """Cat may back up other1 and not pgdata, Bob nothing at all; nothing is stored."""
    said = words_of(work.told(work.slash("/schedule", NIGHTLY, user="U0CAT"), Status.DENIED))
    assert "pgdata" in said
    work.told(work.slash("/schedule", NIGHTLY, user="U0BOB"), Status.DENIED)
    assert work.bot.app.services.schedules.all() == ()
    work.told(work.slash("/schedule", NIGHTLY.replace("pgdata", "other1"), user="U0CAT"), Status.SUCCEEDED)
    assert work.bot.app.services.schedules.get("nightly").owner.id == "U0CAT"


def test_of_whom_slack_knows_nothing_it_is_refused(work: Workplace) -> None:
    """Nobody would vouch for them when it is due, so it is said now."""
    for _ in range(9):
        work.playground.faults.next("users.info", Fault.error("missing_scope"))
    work.told(work.slash("/schedule", NIGHTLY), Status.DENIED)
    assert work.bot.app.services.schedules.all() == ()


def test_paused_resumed_run_and_removed_by_its_buttons(work: Workplace) -> None:
    """Each of them once, told for all to see; what is run now is the command itself, of whoever pressed."""
    message = work.told(work.slash("/schedule", NIGHTLY), Status.SUCCEEDED)
    paused = work.told(work.press(message, "Pause", user="U0ADA"), Status.SUCCEEDED)
    assert work.bot.app.services.schedules.get("nightly").paused_by == "ada"
    resumed = work.told(work.press(paused, "Resume"), Status.SUCCEEDED)
    assert "fires again" in resumed.text
    made = work.press(message, "Run now", user="U0ADA")
    work.told(made, Status.SUCCEEDED)
    run = work.run_of(made)
    assert (run.invocation.line, run.invocation.schedule) == ("backup pgdata", "nightly")
    assert (run.invocation.actor.id, work.backups()) == ("U0ADA", 1)
    gone = work.press(message, "Unschedule")
    assert "nothing does it now" in work.told(gone, Status.SUCCEEDED).text
    assert kinds_of(work, work.run_of(gone).id) == [REMOVED, "succeeded"]
    assert work.bot.app.services.schedules.all() == ()


def test_a_stranger_presses_in_vain(work: Workplace) -> None:
    """Whoever may not use its command changes nothing, and the button stays for others."""
    message = work.told(work.slash("/schedule", NIGHTLY), Status.SUCCEEDED)
    for label in ("Pause", "Unschedule", "Run now"):
        work.told(work.press(message, label, user="U0CAT"), Status.DENIED)
    assert buttons_of(message) == ["Run now", "Pause", "Unschedule"]
    listed = words_of(work.told(work.slash("/docker", "schedules", user="U0CAT"), Status.SUCCEEDED))
    assert "nightly" not in listed
    assert "1 more is not shown" in listed
    assert work.backups() == 0


def test_run_now_waits_for_nobody_while_one_is_at_work(work: Workplace) -> None:
    """The second is refused with the run that is under way."""
    message = work.told(work.slash("/schedule", NIGHTLY), Status.SUCCEEDED)
    with work.stalled_reads():
        first = work.press(message, "Run now")
        work.shown(first)
        second = work.told(work.slash("/docker", "run-now nightly"), Status.REJECTED)
        assert work.run_of(first).id in second.text
    work.told(first, Status.SUCCEEDED)


def test_the_list_says_when_next_and_what_was_last(work: Workplace) -> None:
    """With the buttons of the one, when only one is there."""
    work.told(work.slash("/schedule", NIGHTLY), Status.SUCCEEDED)
    work.told(work.slash("/docker", "run-now nightly"), Status.SUCCEEDED)
    message = work.told(work.slash("/docker", "schedules"), Status.SUCCEEDED)
    said = words_of(message)
    due = work.bot.app.services.schedules.get("nightly").when.after(datetime.now(UTC))
    for word in ("daily at 03:00", "backup pgdata", "succeeded", due.strftime("%Y-%m-%d 03:00:00 UTC")):
        assert word in said
    assert buttons_of(message) == ["Run now", "Pause", "Unschedule"]


def test_a_form_asks_for_what_is_missing(work: Workplace) -> None:
    """`/schedule` alone opens it; sent off, it is the same as typed."""
    work.slash("/schedule")
    done = sent(
        work,
        form_of(work),
        {"name": "weekly", "when_and_command": 'mondays at 02:30 backup pgdata --note "a b"'},
    )
    work.told(done, Status.SUCCEEDED)
    made = work.bot.app.services.schedules.get("weekly")
    assert (made.when.cron, made.line) == ("30 2 * * 1", "backup pgdata --note 'a b'")


def test_names_are_offered_to_whom_they_concern(work: Workplace) -> None:
    """In the form of `pause`, to its owner and to whoever may do the same; by what it does, too."""
    work.told(work.slash("/schedule", NIGHTLY), Status.SUCCEEDED)
    work.bot.completion.warm()
    work.slash("/docker", "pause")
    view = form_of(work)
    wait_for(lambda: "nightly" in offered(work, view, "schedule"), saying="the schedule")
    assert "nightly" in offered(work, view, "schedule", "pgda")
    work.slash("/docker", "pause", user="U0CAT")
    assert "nightly" not in offered(work, form_of(work, "U0CAT"), "schedule", user="U0CAT")


def test_the_home_page_shows_and_changes_them(work: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is next, what was last, and buttons; nothing of it to whoever may not do the same."""
    be_swift(monkeypatch)
    work.told(work.slash("/schedule", NIGHTLY), Status.SUCCEEDED)
    said = opened(work)
    for word in ("Schedules", "nightly", "daily at 03:00 (Etc/UTC)", "has not run yet"):
        assert word in said
    work.told(pressed(work, "Run now"), Status.SUCCEEDED)
    says(work, "last run")
    work.told(pressed(work, "Pause"), Status.SUCCEEDED)
    opened(work)
    says(work, "paused by ann")
    assert "nightly" not in opened(work, user="U0CAT")


def test_a_korean_makes_one_in_korean(work: Workplace) -> None:
    """The time in Korean words, the answer in Korean, the times of Seoul."""
    work.playground.add_user(User(id="U0ANN", name="ann", real_name="Ann", tz="Asia/Seoul", locale="ko-KR"))
    message = work.told(work.slash("/schedule", "야간 매일 03:00 backup pgdata"), Status.REJECTED)
    assert _HANGUL.search(words_of(message))
    message = work.told(work.slash("/schedule", "nightly 매일 03:00 backup pgdata"), Status.SUCCEEDED)
    made = work.bot.app.services.schedules.get("nightly")
    assert (made.when.cron, made.when.zone, made.language) == ("0 3 * * *", "Asia/Seoul", "ko")
    assert "매일 03:00" in words_of(message)
    assert "03:00 KST" in words_of(message)

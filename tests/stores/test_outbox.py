"""The outbox: who must still be told what, and single-use buttons."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.errors import Conflict, NotFound
from bot.model import Button, Origin, Progress, Status
from bot.stores.outbox import Outbox
from tests.stores.bench import VOLUME, Bench, all_at_once

VERIFY = Button(label="Verify", line="verify 7f3a2c1b")


def _told(bench: Bench) -> list[str]:
    return [message.run.id for message in bench.outbox.behind(10)]


def test_results_come_before_progress(bench: Bench) -> None:
    """Endings are told first, oldest first; then what still runs; what is being decided not at all."""
    running = bench.asked_in_slack("backup running")
    bench.passed_on(running)
    bench.later(1)
    first = bench.asked_in_slack("backup first")
    bench.later(1)
    second = bench.asked_in_slack("backup second")
    bench.finish(bench.claim(second))
    bench.finish(bench.claim(first))
    bench.claim(bench.asked_in_slack("backup undecided"))
    assert _told(bench) == [first.id, second.id, running.id]
    assert [message.run.id for message in bench.outbox.behind(1)] == [first.id]


def test_people_are_told_before_schedules(bench: Bench) -> None:
    """Hundreds of schedules that end at once do not keep an answer from whoever typed a command meanwhile."""
    timed = []
    for number in range(12):
        timed.append(bench.asked_in_slack(f"backup timed{number}", origin=Origin.SCHEDULE))
        bench.later(1)
    asked = bench.asked_in_slack("backup asked")
    for run in (*timed, asked):
        bench.finish(bench.claim(run))
    assert _told(bench) == [asked.id, *(run.id for run in timed[:9])]


def test_only_slack_is_told(bench: Bench) -> None:
    """A command line from a shell has no message."""
    bench.finish(bench.claim(bench.submit("backup pgdata")))
    assert _told(bench) == []


def test_what_was_sent_is_not_sent_again(bench: Bench) -> None:
    """A message is behind until its newest revision was sent; progress makes it behind again."""
    run = bench.asked_in_slack()
    claim = bench.passed_on(run)
    bench.outbox.sent(bench.runs.get(run.id))
    assert _told(bench) == []
    bench.claims.note_progress(claim, Progress(step="copying", done_bytes=5))
    assert _told(bench) == [run.id]


def test_an_old_revision_closes_nothing(bench: Bench) -> None:
    """What changed while it was being sent is sent next, even when an ending had been sent meanwhile."""
    run = bench.asked_in_slack()
    claim = bench.started(run, VOLUME)
    entry = bench.write_down(claim, container="1")
    bench.finish(claim, Status.FAILED)
    ended = bench.runs.get(run.id)
    bench.journal.settle(entry.id, at=bench.now)
    bench.claims.amend(ended, "By now it is.")
    bench.outbox.sent(ended)
    assert _told(bench) == [run.id]
    bench.outbox.sent(bench.runs.get(run.id))
    assert _told(bench) == []


def test_sent_endings_are_closed_until_amended(bench: Bench) -> None:
    """An ending that was told is closed; an amended one is told again, in the same message."""
    run = bench.asked_in_slack()
    bench.finish(bench.claim(run), Status.FAILED)
    bench.outbox.posted(run.id, "C0OPS", "1.5")
    bench.outbox.sent(bench.runs.get(run.id))
    assert _told(bench) == []
    bench.claims.amend(bench.runs.get(run.id), "By now it is.")
    (message,) = bench.outbox.behind(10)
    assert message.ts == "1.5"


def test_at_the_end_results_do_not_wait(bench: Bench) -> None:
    """In the last round results are due whatever they would wait for; progress still waits."""
    ended, running = bench.asked_in_slack("backup ended"), bench.asked_in_slack("backup running")
    claims = [bench.passed_on(run) for run in (ended, running)]
    for run in (ended, running):
        bench.outbox.sent(bench.runs.get(run.id), bench.now + timedelta(seconds=2))
    bench.finish(claims[0])
    bench.claims.note_progress(claims[1], Progress(step="copying"))
    assert _told(bench) == []
    assert [message.run.id for message in bench.outbox.behind(10, is_last=True)] == [ended.id]


def test_waiting_is_kept(bench: Bench) -> None:
    """What is to be tried later is not behind before its time, and failed tries are counted."""
    run = bench.asked_in_slack()
    bench.finish(bench.claim(run))
    bench.outbox.later(run.id, timedelta(seconds=5), "no answer")
    assert _told(bench) == []
    bench.later(5)
    assert bench.outbox.behind(10)[0].attempts == 1
    bench.outbox.later(run.id, timedelta(seconds=5))
    bench.later(5)
    assert bench.outbox.behind(10)[0].attempts == 1


def test_a_post_without_an_answer_is_remembered(bench: Bench) -> None:
    """From when a post was begun is known until Slack said what became of it."""
    run = bench.asked_in_slack()
    bench.finish(bench.claim(run))
    bench.outbox.begin_post(run.id)
    assert bench.outbox.behind(10)[0].posting_since == bench.now
    bench.outbox.not_posted(run.id)
    assert bench.outbox.behind(10)[0].posting_since is None
    bench.outbox.begin_post(run.id)
    bench.outbox.posted(run.id, "C0OPS", "1.5")
    (message,) = bench.outbox.behind(10)
    assert (message.posting_since, message.channel, message.ts) == (None, "C0OPS", "1.5")
    bench.outbox.repost(run.id)
    assert bench.outbox.behind(10)[0].ts is None


def test_a_redirected_message_goes_elsewhere(bench: Bench) -> None:
    """What cannot be said where it was asked is said in the other place from then on, as a new message."""
    run = bench.asked_in_slack()
    bench.finish(bench.claim(run))
    bench.outbox.begin_post(run.id)
    bench.outbox.redirect(run.id, "U0ANN")
    (message,) = bench.outbox.behind(10)
    assert (message.channel, message.ts, message.posting_since) == ("U0ANN", None, None)


def test_what_cannot_be_told_is_given_up(bench: Bench) -> None:
    """A message that Slack will never take is not tried again."""
    run = bench.asked_in_slack()
    bench.finish(bench.claim(run))
    bench.outbox.give_up(bench.runs.get(run.id), "msg_too_long", bench.clock())
    assert _told(bench) == []


def test_what_a_run_comes_to_is_tried_after_its_progress_was_given_up(bench: Bench) -> None:
    """Only the version that Slack refused is given up while the run goes on."""
    run = bench.asked_in_slack()
    claim = bench.claim(run)
    bench.outbox.give_up(bench.runs.get(run.id), "is_inactive", bench.clock())
    assert _told(bench) == []
    bench.finish(claim)
    assert _told(bench) == [run.id]


def test_buttons_stand_for_lines(bench: Bench) -> None:
    """An offered button is shown with the message in its order and stands for its line."""
    run = bench.asked_in_slack()
    copy = Button(label="Restore a copy", line="restore 7f3a2c1b", danger=True)
    bench.finish(bench.claim(run), Status.SUCCEEDED, VERIFY, copy)
    shown = bench.outbox.behind(10)[0].buttons
    assert [(button.label, button.danger) for button in shown] == [
        ("Verify", False),
        ("Restore a copy", True),
    ]
    assert bench.outbox.button(shown[0].token).line == "verify 7f3a2c1b"
    assert len({button.token for button in shown}) == 2
    with pytest.raises(NotFound, match="not one of mine"):
        bench.outbox.button("forged")


def test_a_label_that_is_too_long_is_cut(bench: Bench) -> None:
    """A long name of a volume keeps no run from ending, and no message from being told; the line stays whole."""
    name = "v" * 90
    run = bench.asked_in_slack()
    bench.finish(bench.claim(run), Status.SUCCEEDED, Button(label=f"Back up {name}", line=f"backup {name}"))
    (shown,) = bench.outbox.behind(10)[0].buttons
    assert shown.label == f"Back up {'v' * 66}…"
    assert bench.outbox.button(shown.token).line == f"backup {name}"


def test_a_button_works_once(bench: Bench, database_url: str) -> None:
    """Of eight presses at once, from two programs, one is taken; the others are told which run it was."""
    other = Outbox(Bench(database_url).database, bench.clock)
    run = bench.asked_in_slack()
    bench.finish(bench.claim(run), Status.SUCCEEDED, VERIFY)
    token = bench.outbox.behind(10)[0].buttons[0].token
    ids = [bench.submit("verify 7f3a2c1b").id for _ in range(8)]

    def press(outbox: Outbox, run_id: str) -> str:
        try:
            outbox.use_button(token, by="U0ANN", run_id=run_id)
        except Conflict as conflict:
            return str(conflict)
        return ""

    said = all_at_once(
        [
            lambda n=n, run_id=run_id: press([bench.outbox, other][n % 2], run_id)
            for n, run_id in enumerate(ids)
        ]
    )
    assert said.count("") == 1
    winner = ids[said.index("")]
    assert all(f"by run {winner}" in words for words in said if words)
    bench.outbox.use_button(token, by="U0ANN", run_id=winner)  # the same press, carried on after a crash
    assert _told(bench) == [run.id]
    assert bench.outbox.behind(10)[0].buttons == ()


def test_buttons_of_what_is_over_come_too_late(bench: Bench) -> None:
    """The Cancel button of a run that has ended can no longer be pressed."""
    run = bench.asked_in_slack()
    claim = bench.passed_on(run)
    (cancel,) = bench.outbox.behind(10)[0].buttons
    bench.finish(claim)
    with pytest.raises(Conflict, match="came too late"):
        bench.outbox.use_button(cancel.token, by="U0ANN", run_id="00000000")

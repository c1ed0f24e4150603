"""Commands by slash, mention and button: acked at once, told in the right place, one message a run."""

from __future__ import annotations

import pytest

from bot.errors import EngineError
from bot.model import Status
from bot.playground import User
from tests.slack.reading import buttons_of, words_of
from tests.slack.workplace import Workplace
from tests.support.house import invocation, wait_for

pytestmark = pytest.mark.slack
both_doors = pytest.mark.parametrize("closed", ["socket", "http"], indirect=True)

HOSTILE = "<!channel> <@U0BOB> *bold* `tick` & <https://a.example|https://b.example>"


@both_doors
def test_a_backup_is_told_to_the_channel_in_one_message(work: Workplace) -> None:
    """A backup is acked empty, then planned and reported in one public message that is edited in place."""
    with work.stalled_reads():
        delivery = work.slash("/backup", "pgdata --quiesce pause")
        plan = work.shown(delivery)
        assert "with db paused while it is read" in plan.text
        assert buttons_of(plan) == ["Cancel"]
    message = work.told(delivery, Status.SUCCEEDED)
    assert message is plan
    assert (message.channel, message.ephemeral_for, message.thread_ts) == ("C0OPS", None, None)
    assert message.text.startswith("✅")
    assert "backed up and proven" in words_of(message)
    assert buttons_of(message) == ["Verify", "Restore a copy", "Details"]
    assert work.backups() == 1


@both_doors
def test_each_daily_verb_has_a_slash_command(work: Workplace) -> None:
    """`/restore`, `/audit` and `/docker` do the same as the command lines of those names."""
    backup = work.ended(work.slash("/backup", "pgdata"), Status.SUCCEEDED)
    restored = work.told(work.slash("/restore", f"{backup.id} --into copy"), Status.SUCCEEDED)
    assert restored.ephemeral_for is None
    assert work.engine.files("copy") == work.engine.files("pgdata")
    audit = work.told(work.slash("/audit", "--volume pgdata"), Status.SUCCEEDED)
    assert "fit their seals" in audit.text
    listed = work.told(work.slash("/docker", "backups pgdata"), Status.SUCCEEDED)
    assert backup.id in words_of(listed)
    assert audit.ephemeral_for == listed.ephemeral_for == "U0ANN"


PRIVATE = (
    ("", "U0BOB", Status.SUCCEEDED, "What you may use here"),
    ("help backup", "U0ANN", Status.SUCCEEDED, "backup VOLUME"),
    ("backups", "U0ANN", Status.SUCCEEDED, "0 backups"),
    ("bakcup pgdata", "U0ANN", Status.REJECTED, "Did you mean backup?"),
    ("backup pgdata --quiese pause", "U0ANN", Status.REJECTED, "--quiesce"),
    ("backup", "U0BOB", Status.DENIED, "You may not use `backup`"),
    ("backup pgdta", "U0ANN", Status.REJECTED, "pgdata"),
    ("backup pgdata", "U0BOB", Status.DENIED, "You may not use `backup`"),
    ("backup pgdata", "U0CAT", Status.DENIED, "volume:pgdata"),
)


@both_doors
def test_looks_mistakes_and_refusals_are_private(work: Workplace) -> None:
    """What only the asker needs is shown to the asker alone, and nothing is changed."""
    for line, user, status, says in PRIVATE:
        message = work.told(work.slash("/docker", line, user=user), status)
        assert (message.channel, message.ephemeral_for) == ("C0OPS", user)
        assert says in message.text
    assert work.backups() == 0


@both_doors
def test_a_mention_in_a_channel_is_answered_there(work: Workplace) -> None:
    """A mention that changes something is told in the channel; a mention that looks, to the asker alone."""
    public = work.told(work.mention("backup pgdata"), Status.SUCCEEDED)
    private = work.told(work.mention("help"), Status.SUCCEEDED)
    assert (public.channel, public.thread_ts, public.ephemeral_for) == ("C0OPS", None, None)
    assert (private.channel, private.thread_ts, private.ephemeral_for) == ("C0OPS", None, "U0ANN")


def test_a_mention_in_a_thread_is_answered_in_that_thread(work: Workplace) -> None:
    """Both public and private answers to a mention in a thread stand in the thread."""
    above = work.playground.say("who saves pgdata?")
    public = work.told(work.mention("backup pgdata", thread_ts=above.ts), Status.SUCCEEDED)
    private = work.told(work.mention("whoami", thread_ts=above.ts), Status.SUCCEEDED)
    assert (public.thread_ts, public.ephemeral_for) == (above.ts, None)
    assert (private.thread_ts, private.ephemeral_for) == (above.ts, "U0ANN")


@both_doors
def test_a_button_starts_the_next_step(work: Workplace) -> None:
    """Pressing Verify starts a run of its own with a message of its own, and takes the button away."""
    backup = work.told(work.slash("/backup", "pgdata"), Status.SUCCEEDED)
    verified = work.told(work.press(backup, "Verify", user="U0ADA"), Status.SUCCEEDED)
    assert verified is not backup
    assert "is whole" in verified.text
    assert "<@U0ADA>" in words_of(verified)
    wait_for(lambda: buttons_of(backup) == ["Restore a copy", "Details"], saying="the pressed button's end")


def test_a_command_prefix_is_put_before_every_slash_command(closed: Workplace) -> None:
    """With a prefix the bot listens to `/ops-backup` and `/ops-docker`."""
    closed.prefix = "ops-"
    closed.open()
    try:
        closed.told(closed.slash("/ops-backup", "pgdata"), Status.SUCCEEDED)
        closed.told(closed.slash("/ops-docker", "whoami"), Status.SUCCEEDED)
        closed.refuse_untrue()
    finally:
        closed.close()


def test_hostile_words_in_a_command_line_call_nobody(work: Workplace) -> None:
    """A note, a name that is none, and the asker's own handle may hold any markup; it is shown as text."""
    work.playground.add_user(User(id="U0ANN", name="<!here>", real_name="Ann"))
    with work.stalled_reads():
        first = work.slash("/backup", f'pgdata --note "{HOSTILE}"')
        wait_for(work.engine.faults.stalled.is_set)
        busy = work.told(work.slash("/backup", "pgdata"), Status.REJECTED)
        wrong = work.told(work.slash("/backup", "<!channel>"), Status.REJECTED)
    work.told(first, Status.SUCCEEDED)
    listed = work.told(work.slash("/docker", "runs"), Status.SUCCEEDED)
    assert "&lt;!channel&gt;" in wrong.text
    assert "&lt;!here&gt;" in busy.text
    assert "<!channel>" in words_of(listed), "text leaves of rich text need no escaping"


def test_hostile_words_of_docker_call_nobody(work: Workplace) -> None:
    """An error text of the Docker daemon is foreign: it is escaped, and cut to what a message may hold."""
    work.engine.faults.failing["read_volume"] = EngineError(f"Docker said {HOSTILE} " + "<!here>" * 2_000)
    failed = work.told(work.slash("/backup", "pgdata"), Status.FAILED)
    assert "&lt;!channel&gt;" in failed.text
    assert "<!here" not in words_of(failed)
    work.engine.faults.failing.clear()


def test_over_long_lines_are_refused_or_cut(closed: Workplace) -> None:
    """A line of 3,900 characters is run and shown cut; one of more than 4,000 is refused, and says so."""
    closed.workers = 1
    closed.open()
    try:
        with closed.stalled_reads():
            held = closed.slash("/backup", "other1")
            wait_for(closed.engine.faults.stalled.is_set)
            long = closed.slash("/backup", f'pgdata --note "{"&" * 3_800}"')
            waiting = closed.shown(long, Status.QUEUED)
            assert "waits for a free worker" in words_of(waiting)
            assert len(waiting.text) < 4_000
        closed.told(held, Status.SUCCEEDED)
        closed.told(long, Status.SUCCEEDED)
        longer = closed.told(closed.slash("/backup", f'pgdata --note "{"x" * 4_000}"'), Status.REJECTED)
        assert "at most 4000 are read" in longer.text
        closed.refuse_untrue()
    finally:
        closed.close()


def test_a_long_table_is_cut_and_says_so(work: Workplace) -> None:
    """A listing that does not fit into a message says how many rows are missing."""
    for _ in range(40):
        work.bot.app.dispatcher.accept(invocation(f"nothing {'x' * 3_000}"), told=True)
    table = work.told(work.slash("/docker", "runs --limit 999"), Status.SUCCEEDED)
    assert "more rows" in words_of(table)

"""Approvals in Slack, with three people: who may say what, once, in time, and that self-approval has no disguise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from bot.model import Actor, Origin, Status
from bot.playground import Delivery, Fault, Message
from bot.stores.runrow import Run
from bot.stores.tallies import Tallies
from tests.slack.forming import form_of, sent
from tests.slack.homes import be_swift, opened, pressed, says, words_on
from tests.slack.reading import buttons_of, words_of
from tests.slack.workplace import Workplace
from tests.support.approving import RULES, TWO, asked_of, let_a_day_pass, let_time_pass, waits
from tests.support.house import invocation, wait_for

pytestmark = pytest.mark.slack


@pytest.fixture
def rules() -> str:
    """One person's approval is enough."""
    return RULES


@pytest.fixture
def work(closed: Workplace, rules: str) -> Iterator[Workplace]:
    """A workplace where backing up pgdata needs approval; afterwards everything must be true."""
    closed.more_toml = rules
    closed.open()
    try:
        yield closed
        closed.refuse_untrue()
    finally:
        closed.close()


two_people = pytest.mark.parametrize("rules", [TWO])


def asked_for(work: Workplace) -> tuple[Delivery, Message, Run]:
    """Ann asks; the message that waits, and the run."""
    delivery = work.slash("/backup", "pgdata")
    message = work.shown(delivery, Status.WAITING)
    return delivery, message, work.run_of(delivery)


def said(work: Workplace, line: str, user: str) -> Delivery:
    """Type it."""
    return work.slash("/docker", line, user=user)


def kinds_of(work: Workplace, run: Run) -> list[str]:
    """What the audit log has of the run, oldest first."""
    lines = work.bot.app.services.audit.lines(limit=100, run_id=run.id)
    return [line.event.kind for line in reversed(lines)]


def test_somebody_else_approves_by_the_button(work: Workplace) -> None:
    """The message shows the plan, what binds it and whose word is wanted; pressed, it goes on in the same message."""
    delivery, message, run = asked_for(work)
    told = words_of(message)
    assert "Back up volume pgdata" in told
    assert "volume pgdata (" in told
    assert "Rule prod wants 1 more person of role leads" in told
    assert asked_of(work.bot.app, run.id).digest[:12] in told
    assert buttons_of(message) == ["Approve", "Deny", "Cancel"]
    assert work.bot.app.queue.workers() == ()
    work.told(work.press(message, "Approve", user="U0ADA"), Status.SUCCEEDED)
    assert work.told(delivery, Status.SUCCEEDED) is message
    assert work.backups() == 1
    assert kinds_of(work, run) == ["approval-requested", "approved", "started", "succeeded"]


def test_somebody_else_denies(work: Workplace) -> None:
    """The run ends denied, with the reason, and nothing was run."""
    delivery, message, run = asked_for(work)
    work.told(said(work, f"deny {run.id} not before the release", "U0ADA"), Status.SUCCEEDED)
    ended = work.told(delivery, Status.DENIED)
    assert "not before the release" in ended.text
    assert ended is message
    assert work.backups() == 0
    assert kinds_of(work, run) == ["approval-requested", "approval-denied", "denied"]


def test_a_stranger_decides_nothing(work: Workplace) -> None:
    """Whoever lacks the role is refused, and the button stays for others."""
    _, message, _ = asked_for(work)
    work.told(work.press(message, "Approve", user="U0BOB"), Status.DENIED)
    work.told(work.press(message, "Deny", user="U0BOB"), Status.DENIED)
    assert buttons_of(message) == ["Approve", "Deny", "Cancel"]
    work.told(work.press(message, "Approve", user="U0CAT"), Status.SUCCEEDED)


def test_whoever_asked_may_take_it_back(work: Workplace) -> None:
    """`cancel` ends what waits, and nobody can approve it any more."""
    delivery, message, run = asked_for(work)
    work.told(work.press(message, "Cancel"), Status.SUCCEEDED)
    work.told(delivery, Status.CANCELLED)
    work.told(said(work, f"approve {run.id}", "U0ADA"), Status.REJECTED)
    assert work.backups() == 0


@two_people
def test_two_people_approve(work: Workplace) -> None:
    """Both press the same button; it stays until there are enough, and says who was first."""
    delivery, message, run = asked_for(work)
    first = work.told(work.press(message, "Approve", user="U0ADA"), Status.SUCCEEDED)
    assert "wants 1 more person" in first.text
    wait_for(lambda: "Approved by ada" in words_of(message), saying="who was first")
    assert work.run_of(delivery).status is Status.WAITING
    work.told(work.press(message, "Approve", user="U0CAT"), Status.SUCCEEDED)
    work.told(delivery, Status.SUCCEEDED)
    assert [vote.person for vote in asked_of(work.bot.app, run.id).votes] == ["U0ADA", "U0CAT"]


@two_people
def test_whose_word_is_wanted_is_told_as_things_stand(
    work: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When an earlier approver lost the role, the answer, the message and Home say that one more person is wanted."""
    be_swift(monkeypatch)
    delivery, message, run = asked_for(work)
    work.told(work.press(message, "Approve", user="U0ADA"), Status.SUCCEEDED)
    wait_for(lambda: "Approved by ada" in words_of(message), saying="who was first")
    work.close()
    work.more_toml = TWO.replace('"U0ADA", ', '"U0BOB", ')
    work.open()
    second = work.told(work.press(message, "Approve", user="U0CAT"), Status.SUCCEEDED)
    assert "wants 1 more person" in second.text
    wait_for(lambda: "Approved by cat" in words_of(message), saying="who counts")
    assert "not entitled any more: ada" in words_of(message)
    assert "wants 1 more person" in words_of(message)
    assert work.run_of(delivery).status is Status.WAITING
    opened(work, "U0BOB")
    says(work, "wants 1 more person", "U0BOB")
    work.told(said(work, f"approve {run.id}", "U0BOB"), Status.SUCCEEDED)
    work.told(delivery, Status.SUCCEEDED)


@two_people
def test_one_person_counts_once(work: Workplace) -> None:
    """Approved twice by button and once by command, it is one approval."""
    delivery, message, run = asked_for(work)
    work.told(work.press(message, "Approve", user="U0ADA"), Status.SUCCEEDED)
    for again in (work.press(message, "Approve", user="U0ADA"), said(work, f"approve {run.id}", "U0ADA")):
        assert "one person counts once" in work.told(again, Status.DENIED).text
    assert work.run_of(delivery).status is Status.WAITING
    work.told(work.press(message, "Cancel"), Status.SUCCEEDED)


@two_people
def test_two_people_at_once_and_five_deliveries_each(work: Workplace) -> None:
    """Ten deliveries are two approvals and one backup."""
    delivery, message, run = asked_for(work)
    presses = [work.playground.press(message, "Approve", user=user) for user in ("U0ADA", "U0CAT")]
    for press in presses:
        work.playground.redeliver(press, times=2)
        work.playground.redeliver(press, times=2, fresh_retry_counter=True)
    for press in presses:
        wait_for(lambda press=press: press.acks == 5, saying="five acks")
        work.told(press, Status.SUCCEEDED)
    work.told(delivery, Status.SUCCEEDED)
    assert kinds_of(work, run).count("approved") == 2
    assert work.backups() == 1
    assert len(work.runs()) == 3


def test_what_was_approved_cannot_be_approved_or_denied_again(work: Workplace) -> None:
    """A press of the old message and both commands are refused with who decided."""
    delivery, message, run = asked_for(work)
    asking = len(message.versions) - 1
    work.told(work.press(message, "Approve", user="U0ADA"), Status.SUCCEEDED)
    work.told(delivery, Status.SUCCEEDED)
    late = work.press(message, "Approve", user="U0CAT", version=asking)
    for again in (late, said(work, f"approve {run.id}", "U0CAT"), said(work, f"deny {run.id}", "U0CAT")):
        assert "was approved already, last by ada" in work.told(again, Status.REJECTED).text
    assert work.backups() == 1


def by_command(work: Workplace, message: Message, run: Run) -> Delivery:  # noqa: ARG001
    """Typed."""
    return said(work, f"approve {run.id}", "U0ANN")


def by_mention(work: Workplace, message: Message, run: Run) -> Delivery:  # noqa: ARG001
    """Said to the bot."""
    return work.mention(f"approve {run.id}")


def by_button(work: Workplace, message: Message, run: Run) -> Delivery:  # noqa: ARG001
    """Under the own message."""
    return work.press(message, "Approve")


def by_deny_button(work: Workplace, message: Message, run: Run) -> Delivery:  # noqa: ARG001
    """Denying is deciding, too."""
    return work.press(message, "Deny")


def by_form(work: Workplace, message: Message, run: Run) -> Delivery:  # noqa: ARG001
    """In the form that opens without a run."""
    said(work, "approve", "U0ANN")
    return sent(work, form_of(work), {"run": run.id})


def by_anothers_home(work: Workplace, message: Message, run: Run) -> Delivery:  # noqa: ARG001
    """With the token of Ada's Home page."""
    opened(work, "U0ADA")
    says(work, "Waiting for your approval", "U0ADA")
    view = work.playground.views.home("U0ADA")
    assert view is not None
    return work.acked(work.playground.press_in_view(view, "Approve", user="U0ANN"))


def by_another_channel(work: Workplace, message: Message, run: Run) -> Delivery:  # noqa: ARG001
    """From elsewhere."""
    return work.slash("/docker", f"approve {run.id}", channel="C0RANDOM")


DISGUISES = [by_command, by_mention, by_button, by_deny_button, by_form, by_anothers_home, by_another_channel]


@pytest.mark.parametrize("disguise", DISGUISES, ids=lambda disguise: disguise.__name__)
def test_nobody_approves_their_own(
    work: Workplace,
    disguise: Callable[[Workplace, Message, Run], Delivery],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever asked is refused on every way, though they have the role, and the run waits on."""
    be_swift(monkeypatch)
    delivery, message, run = asked_for(work)
    refused = disguise(work, message, run)
    work.playground.redeliver(refused, times=2)
    assert "You asked for run" in work.told(refused, Status.DENIED).text
    assert work.run_of(delivery).status is Status.WAITING
    assert asked_of(work.bot.app, run.id).votes == ()
    work.told(work.press(message, "Cancel"), Status.SUCCEEDED)


def test_retrying_anothers_approval_is_ones_own_word(work: Workplace) -> None:
    """`retry` of what Ada said is said by whoever retries it, and so refused to whoever asked."""
    delivery, message, run = asked_for(work)
    approving = said(work, f"approve {run.id}", "U0BOB")
    work.told(approving, Status.DENIED)
    again = said(work, f"retry {work.run_of(approving).id}", "U0ANN")
    assert work.ended(again, Status.DENIED)
    assert work.run_of(delivery).status is Status.WAITING
    work.told(work.press(message, "Cancel"), Status.SUCCEEDED)


def test_retrying_anothers_run_makes_it_ones_own(work: Workplace) -> None:
    """Ada's run that Ann repeats was asked for by Ann."""
    first = work.slash("/backup", "pgdata", user="U0ADA")
    work.shown(first, Status.WAITING)
    work.told(said(work, f"deny {work.run_of(first).id}", "U0CAT"), Status.SUCCEEDED)
    again = said(work, f"retry {work.run_of(first).id}", "U0ANN")
    work.shown(again, Status.WAITING)
    work.told(said(work, f"approve {work.run_of(again).id}", "U0ANN"), Status.DENIED)
    work.told(said(work, f"approve {work.run_of(again).id}", "U0ADA"), Status.SUCCEEDED)
    work.told(again, Status.SUCCEEDED)


def test_a_shell_user_whom_nobody_knows_approves_nothing(work: Workplace) -> None:
    """Whoever has a shell may do everything but decide about what somebody asked for."""
    delivery, message, run = asked_for(work)
    actor, runs = Actor(id="cli:ann", name="ann"), work.bot.app.services.runs
    for line in (f"approve {run.id}", f"deny {run.id}"):
        made = invocation(line, actor=actor, origin=Origin.CLI)
        run_id = work.bot.app.dispatcher.accept(made, told=True).run_id
        wait_for(lambda run_id=run_id: runs.get(run_id).status.is_ending, saying="the refusal")
        assert runs.get(run_id).status is Status.DENIED
    assert work.run_of(delivery).status is Status.WAITING
    work.told(work.press(message, "Cancel"), Status.SUCCEEDED)


def test_a_clock_approves_nothing(work: Workplace) -> None:
    """A schedule that says `approve`, as whoever owns it, is refused."""
    _, message, run = asked_for(work)
    made = invocation(f"approve {run.id}", actor=Actor(id="U0ADA", name="ada"), origin=Origin.SCHEDULE)
    run_id = work.bot.app.dispatcher.accept(made, told=True).run_id
    runs = work.bot.app.services.runs
    wait_for(lambda: runs.get(run_id).status is Status.DENIED, saying="the refusal")
    work.told(work.press(message, "Cancel"), Status.SUCCEEDED)


def test_what_waited_too_long_expires(work: Workplace) -> None:
    """It ends expired, nothing was run, and an approval that comes later is refused."""
    delivery, message, run = asked_for(work)
    let_time_pass(work.bot.app, run.id)
    refused = work.press(message, "Approve", user="U0ADA")
    assert "expired" in work.told(refused, Status.REJECTED).text
    assert "did not come in time" in work.told(delivery, Status.EXPIRED).text
    work.told(said(work, f"approve {run.id}", "U0ADA"), Status.REJECTED)
    assert kinds_of(work, run) == ["approval-requested", "approval-expired", "expired"]
    assert work.backups() == 0


def test_a_restart_keeps_what_waits(work: Workplace) -> None:
    """After a restart the same button works, and what expired meanwhile has expired."""
    delivery, message, _ = asked_for(work)
    work.restart()
    second = work.slash("/snapshot", "db")
    work.shown(second, Status.WAITING)
    work.told(work.press(message, "Approve", user="U0ADA"), Status.SUCCEEDED)
    work.told(delivery, Status.SUCCEEDED)
    work.close()
    let_time_pass(work.make().app, work.run_of(second).id)
    work.bot.app.end()
    work.open()
    work.told(second, Status.EXPIRED)


def test_whoever_lost_the_role_has_not_approved(work: Workplace) -> None:
    """An approval of somebody who is no lead any more when it would begin does not count."""
    delivery, message, run = asked_for(work)
    with work.stalled_reads():
        busy = [work.slash("/backup", f"other{n}") for n in (1, 2, 3)]
        for one in busy:
            work.shown(one)
        work.close()
        work.more_toml = RULES.replace('"U0ADA", ', "")
        assert work.more_toml != RULES
    work.open()
    refused = work.press(message, "Approve", user="U0ADA")
    work.told(refused, Status.DENIED)
    assert work.run_of(delivery).status is Status.WAITING
    work.told(work.press(message, "Approve", user="U0CAT"), Status.SUCCEEDED)
    work.told(delivery, Status.SUCCEEDED)
    assert [vote.person for vote in asked_of(work.bot.app, run.id).votes] == ["U0CAT"]


def test_the_rules_of_the_time_of_the_request_stay(work: Workplace) -> None:
    """A rule that was taken out of the settings meanwhile is still asked of what waits."""
    delivery, message, run = asked_for(work)
    work.close()
    work.more_toml = RULES.partition("[approvals.prod]")[0]
    work.open()
    assert waits(work.bot.app, run.id)
    work.told(work.press(message, "Approve"), Status.DENIED)
    work.told(work.press(message, "Approve", user="U0ADA"), Status.SUCCEEDED)
    work.told(delivery, Status.SUCCEEDED)


def test_a_role_that_vanished_approves_nothing(work: Workplace) -> None:
    """Without the role in the settings nobody can approve what waits for it."""
    _, message, _ = asked_for(work)
    work.close()
    work.more_toml = ""
    work.open()
    work.told(work.press(message, "Approve", user="U0ADA"), Status.DENIED)
    work.told(work.press(message, "Cancel"), Status.SUCCEEDED)


def test_the_home_page_shows_what_waits_for_ones_word(
    work: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ada sees it with both buttons, Ann and strangers do not; pressed, it goes on and leaves the page."""
    be_swift(monkeypatch)
    delivery, _, run = asked_for(work)
    for user in ("U0ANN", "U0BOB"):
        assert "Waiting for your approval" not in opened(work, user)
    opened(work, "U0ADA")
    says(work, "Waiting for your approval", "U0ADA")
    assert run.id in words_on(work, "U0ADA")
    work.told(pressed(work, "Approve", "U0ADA"), Status.SUCCEEDED)
    work.told(delivery, Status.SUCCEEDED)
    wait_for(lambda: "Waiting for your approval" not in words_on(work, "U0ADA"), saying="an empty page")


def alerts(work: Workplace) -> list[Message]:
    """What the owners' channel was told."""
    return [m for m in work.world.messages() if m.channel == "C0RANDOM" and "glass" in m.text]


def test_breaking_the_glass(work: Workplace) -> None:
    """Whoever may needs a reason; it goes on, owners hear of it once, are reminded, and somebody else closes it."""
    delivery, _, run = asked_for(work)
    work.told(said(work, f"break-glass {run.id} I want to", "U0ADA"), Status.DENIED)
    work.told(work.mention(f"break-glass {run.id}"), Status.REJECTED)
    assert work.run_of(delivery).status is Status.WAITING
    work.told(said(work, f"break-glass {run.id} the shop is down", "U0ANN"), Status.SUCCEEDED)
    work.told(delivery, Status.SUCCEEDED)
    wait_for(lambda: alerts(work), saying="the alert")
    (alert,) = alerts(work)
    assert "the shop is down" in alert.text
    assert run.id in alert.text
    let_a_day_pass(work.bot.app, run.id)
    wait_for(lambda: len(alerts(work)) == 2, saying="the reminder")
    work.told(said(work, f"close-review {run.id} all well", "U0ANN"), Status.DENIED)
    work.told(said(work, f"close-review {run.id} all well", "U0BOB"), Status.DENIED)
    work.told(said(work, f"close-review {run.id} looked at, rightly done", "U0ADA"), Status.SUCCEEDED)
    let_a_day_pass(work.bot.app, run.id)
    work.told(said(work, f"close-review {run.id} again", "U0ADA"), Status.REJECTED)
    assert len(alerts(work)) == 2
    kinds = kinds_of(work, run)
    assert kinds[:2] == ["approval-requested", "break-glass"]
    assert kinds.count("review-reminded") == kinds.count("review-closed") == 1
    assert "approved" not in kinds


def refused_alert(work: Workplace) -> Run:
    """Ann breaks the glass while the owners' channel cannot be reached; the run of the alert."""
    delivery, _, run = asked_for(work)
    work.playground.faults.next("chat.postMessage", Fault.error("not_in_channel"))
    work.told(said(work, f"break-glass {run.id} the shop is down", "U0ANN"), Status.SUCCEEDED)
    work.told(delivery, Status.SUCCEEDED)
    wait_for(lambda: work.playground.faults.times_used("chat.postMessage"), saying="the refusal")
    return next(one for one in work.runs() if one.invocation.line == f"alert {run.id}")


def test_whoever_broke_the_glass_does_not_hear_the_alert_instead(work: Workplace) -> None:
    """While the owners' channel cannot be reached the alert stays behind, counted as refused, until it can."""
    alert, tallies = refused_alert(work), Tallies(work.bot.app.database)
    wait_for(lambda: tallies.behind().failing == 1, saying="that it is counted")
    assert work.messages_of(alert) == []
    assert not alerts(work)
    work.ahead += timedelta(minutes=2)
    wait_for(lambda: alerts(work), saying="the alert")
    wait_for(lambda: tallies.behind().failing == 0, saying="that nothing is refused any more")
    assert [one.channel for one in work.messages_of(alert)] == ["C0RANDOM"]


@pytest.mark.parametrize("rules", [f'{RULES}\n[alarms]\nchannel = "C0OPS"\n'])
def test_an_alert_that_the_owners_cannot_get_is_told_where_alarms_are(work: Workplace) -> None:
    """Somebody hears of it at once, and it is not who broke the glass."""
    alert = refused_alert(work)
    wait_for(lambda: work.messages_of(alert), saying="the alert")
    (message,) = work.messages_of(alert)
    assert message.channel == "C0OPS"
    assert "the shop is down" in message.text


def test_details_show_who_approved_what(work: Workplace) -> None:
    """The digest, the people and what it was bound to stand in the details."""
    delivery, message, run = asked_for(work)
    work.told(work.press(message, "Approve", user="U0ADA"), Status.SUCCEEDED)
    work.told(delivery, Status.SUCCEEDED)
    told = words_of(work.told(said(work, f"details {run.id}", "U0ANN"), Status.SUCCEEDED))
    assert asked_of(work.bot.app, run.id).digest in told
    assert "ada" in told
    assert "volume pgdata" in told
    waiting = work.told(said(work, "runs --status waiting", "U0ANN"), Status.SUCCEEDED)
    assert run.id not in words_of(waiting)

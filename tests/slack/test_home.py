"""Home pages: what each person sees, when they are kept fresh, and what their buttons do."""

from __future__ import annotations

from itertools import pairwise

import pytest

from bot.model import Status
from bot.playground import Fault
from tests.slack.homes import be_swift, opened, pressed, published, says, words_on
from tests.slack.workplace import Workplace
from tests.support.house import wait_for

pytestmark = pytest.mark.slack

both_doors = pytest.mark.parametrize("closed", ["socket", "http"], indirect=True)


@pytest.fixture(autouse=True)
def _swift(monkeypatch: pytest.MonkeyPatch) -> None:
    be_swift(monkeypatch)


@both_doors
def test_a_first_visit_is_greeted_and_sees_what_is_there(work: Workplace) -> None:
    """Who opens the page for the first time is told how to begin, and sees every volume that has no backup."""
    said = opened(work)
    assert "Welcome to shipkeeper" in said
    assert "`/docker backup VOLUME`" in said
    for name in ("pgdata", "other1", "other2", "other3"):
        assert f"`{name}` has no verified backup" in said
    assert "used by db" in said
    assert said.index("`pgdata`") < said.index("`other1`")  # what is in use comes first
    assert said.count("Back up") == 4
    for empty in ("At work now", "Went wrong lately", "How backups grow", "Approvals", "Schedules"):
        assert empty not in said


def test_the_greeting_ends_with_the_first_run(work: Workplace) -> None:
    """Somebody who has asked for something is not welcomed any more."""
    opened(work)
    work.told(work.slash("/docker", "volumes"), Status.SUCCEEDED)
    assert "Welcome" not in opened(work)
    assert "Welcome" in opened(work, "U0ADA")


def test_a_stranger_sees_a_greeting_and_nothing_else(work: Workplace) -> None:
    """Without a role no volume, no run and no host is named, and no button is offered."""
    work.told(work.slash("/backup", "pgdata"), Status.SUCCEEDED)
    said = opened(work, "U0BOB")
    assert "You have no role yet" in said
    for hidden in ("pgdata", "other1", "local", "button", "image"):
        assert hidden not in said


def test_a_role_sees_what_it_reaches(work: Workplace) -> None:
    """Volumes, runs and pictures of what somebody's role does not reach are not on their page."""
    with work.stalled_reads():
        delivery = work.slash("/backup", "pgdata")
        work.shown(delivery)
        said = opened(work, "U0CAT")
        assert "pgdata" not in said
        assert "At work now" not in said
        assert said.count("Back up") == 3
        assert "Back up volume pgdata" in opened(work)
    work.told(delivery, Status.SUCCEEDED)


@both_doors
def test_a_page_follows_the_work(work: Workplace) -> None:
    """A run that begins and ends is shown without opening the page again; then its volume is protected."""
    opened(work)
    with work.stalled_reads():
        delivery = work.slash("/backup", "pgdata")
        says(work, "At work now")
        says(work, "Back up volume pgdata")
        says(work, "`pgdata` has no verified backup; a run holds it now")
        assert words_on(work).count('Back up"') == 3
    work.told(delivery, Status.SUCCEEDED)
    says(work, "`pgdata` · last verified backup <!date^")
    wait_for(lambda: "At work now" not in words_on(work), saying="the end on the page")


def test_what_went_wrong_is_shown(work: Workplace) -> None:
    """A run that failed stands on the page with its sentence."""
    opened(work)
    work.engine.faults.cut_at_byte = 600
    run = work.ended(work.slash("/backup", "pgdata"), Status.FAILED)
    work.engine.faults.cut_at_byte = None
    says(work, "Went wrong lately")
    assert f"run {run.id}" in words_on(work)
    work.wait_until_quiet()


def test_nothing_is_published_without_a_change(work: Workplace) -> None:
    """Looks of others, and pages that nobody looks at, cost no call."""
    opened(work)
    work.told(work.slash("/backup", "other1", user="U0ADA"), Status.SUCCEEDED)
    says(work, "`other1` · last verified backup")
    count = published(work)
    for _ in range(3):
        work.told(work.slash("/docker", "backups", user="U0ADA"), Status.SUCCEEDED)
    assert published(work) == count
    assert work.playground.views.home("U0ADA") is None


def test_a_page_is_not_published_too_often(work: Workplace) -> None:
    """However much happens, a person's page has a new version at most every so often, and is true in the end."""
    opened(work)
    for volume in ("other1", "other2", "other3", "pgdata"):
        work.told(work.slash("/backup", volume, user="U0ADA"), Status.SUCCEEDED)
    for volume in ("other1", "other2", "other3", "pgdata"):
        says(work, f"`{volume}` · last verified backup")
    times = [call.at for call in work.world.calls("views.publish") if call.args["user_id"] == "U0ANN"]
    gaps = [after - before for before, after in pairwise(times)]
    assert min(gaps) >= 0.3
    assert len(times) >= 3


def test_what_one_may_not_see_does_not_change_ones_page(work: Workplace) -> None:
    """Work on other volumes publishes nothing to who may not see it."""
    opened(work, "U0CAT")
    opened(work)
    count = len([call for call in work.world.calls("views.publish") if call.args["user_id"] == "U0CAT"])
    work.told(work.slash("/backup", "pgdata"), Status.SUCCEEDED)
    says(work, "`pgdata` · last verified backup")
    assert count == len(
        [call for call in work.world.calls("views.publish") if call.args["user_id"] == "U0CAT"]
    )


@both_doors
def test_a_home_button_works_once(work: Workplace) -> None:
    """Five deliveries of one press, and a second press of the same button, make one backup."""
    opened(work)
    view = work.playground.views.home("U0ANN")
    assert view is not None
    old = dict(view.body)
    delivery = pressed(work, "Back up")
    work.playground.redeliver(delivery, times=4)
    message = work.told(delivery, Status.SUCCEEDED)
    assert message.channel.startswith("D")
    assert work.backups() == 1
    says(work, "`pgdata` · last verified backup")
    assert words_on(work).count('Back up"') == 3
    view.body, now = old, view.body  # a client that did not redraw yet
    again = work.told(pressed(work, "Back up"), Status.REJECTED)
    assert "was pressed already, by run" in again.text
    view.body = now
    assert work.backups() == 1


def test_a_button_that_left_the_page_does_nothing(work: Workplace) -> None:
    """A button of an older version of the page, whose volume was backed up meanwhile, came too late."""
    opened(work)
    view = work.playground.views.home("U0ANN")
    assert view is not None
    old = dict(view.body)
    work.told(work.slash("/backup", "pgdata"), Status.SUCCEEDED)
    says(work, "`pgdata` · last verified backup")
    view.body, now = old, view.body
    late = work.told(pressed(work, "Back up"), Status.REJECTED)
    assert "came too late" in late.text
    view.body = now
    assert work.backups() == 1


def test_a_strangers_press_of_a_home_button_is_refused(work: Workplace) -> None:
    """Permission is asked again when it is pressed, and the button then still works for its owner."""
    opened(work)
    view = work.playground.views.home("U0ANN")
    assert view is not None
    stolen = work.acked(work.playground.press_in_view(view, "Back up", user="U0BOB"))
    work.told(stolen, Status.DENIED)
    work.told(pressed(work, "Back up"), Status.SUCCEEDED)


def test_a_run_is_cancelled_from_home(work: Workplace) -> None:
    """The button beside a run at work ends it, and is gone with it; what it had paused runs again."""
    opened(work)
    with work.stalled_reads():
        delivery = work.slash("/backup", "pgdata --quiesce pause")
        work.shown(delivery)
        says(work, '"Cancel"')
        work.told(pressed(work, "Cancel"), Status.SUCCEEDED)
    work.told(delivery, Status.CANCELLED)
    wait_for(lambda: "At work now" not in words_on(work), saying="the end on the page")
    assert work.engine.container("db").state == "running"


@pytest.mark.parametrize(
    "fault",
    [
        Fault.rate_limited(1),
        Fault.status(500),
        Fault.reset_after_store(),
        Fault.reset_before_store(),
        Fault.error("internal_error"),
    ],
    ids=["429", "500", "reset-after", "reset-before", "internal"],
)
def test_a_slack_that_fails_gets_the_page_later(work: Workplace, fault: Fault) -> None:
    """Whatever Slack answers meanwhile, the page says in the end what is true; Retry-After is kept."""
    work.playground.faults.next("views.publish", fault, times=2)
    work.acked(work.playground.open_home())
    says(work, "`pgdata` has no verified backup")
    work.told(work.slash("/backup", "pgdata"), Status.SUCCEEDED)
    says(work, "`pgdata` · last verified backup")


def test_an_app_without_a_home_tab_is_left_alone(work: Workplace) -> None:
    """Where the Home tab is off the page is given up until it is opened again, and all else goes on."""
    work.playground.home_tab_on = False
    work.acked(work.playground.open_home())
    wait_for(lambda: work.world.calls("views.publish"), saying="the call")
    work.told(work.slash("/backup", "pgdata"), Status.SUCCEEDED)
    assert len(work.world.calls("views.publish")) == 1
    work.playground.home_tab_on = True
    opened(work)


def test_a_page_is_true_again_after_a_restart(work: Workplace) -> None:
    """The next bot corrects the pages of those who were looking, and its buttons are the same ones."""
    opened(work)
    with work.stalled_reads():
        delivery = work.slash("/backup", "pgdata")
        says(work, "At work now")
        work.playground.faults.outage(True)
    work.ended(delivery, Status.SUCCEEDED)
    work.playground.faults.outage(False)
    work.restart()
    says(work, "`pgdata` · last verified backup")
    work.told(pressed(work, "Back up"), Status.SUCCEEDED)

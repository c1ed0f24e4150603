"""Home pages in the database: who looks, which button stands where, which picture is shown; and what goes on."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.errors import Conflict, NotFound
from bot.model import Button, Status
from bot.stores.activity import Activity
from bot.stores.homes import Homes
from tests.stores.bench import VOLUME, Bench, all_at_once

BACK_UP = Button(label="Back up", line="backup pgdata")
OTHER = Button(label="Back up", line="backup other1")


@pytest.fixture
def homes(bench: Bench) -> Homes:
    """The pages in the bench's database."""
    return Homes(bench.database, bench.clock)


def test_who_opened_theirs_is_known_for_a_while(bench: Bench, homes: Homes) -> None:
    """Opening again counts from then on, and who has not done so for long is not looking."""
    homes.opened("U0ANN")
    homes.opened("U0BOB")
    bench.later(400)
    homes.opened("U0ANN")
    bench.later(300)
    assert set(homes.opened_lately(timedelta(minutes=10))) == {"U0ANN"}
    assert set(homes.opened_lately(timedelta(minutes=20))) == {"U0ANN", "U0BOB"}


def test_a_button_keeps_its_token_while_it_stands_there(bench: Bench, homes: Homes) -> None:
    """The same page has the same tokens; a button that leaves is withdrawn, and is a new one when it comes back."""
    first = homes.offer("U0ANN", [BACK_UP, OTHER])
    assert homes.offer("U0ANN", [OTHER, BACK_UP]) == first
    assert len({button.token for button in first.values()}) == 2
    assert homes.offer("U0BOB", [BACK_UP])[BACK_UP.line].token != first[BACK_UP.line].token
    homes.offer("U0ANN", [OTHER])
    run = bench.submit("backup pgdata")
    with pytest.raises(Conflict, match="came too late"):
        bench.outbox.use_button(first[BACK_UP.line].token, by="U0ANN", run_id=run.id)
    assert homes.offer("U0ANN", [BACK_UP])[BACK_UP.line].token != first[BACK_UP.line].token


def test_a_home_button_of_a_long_name_can_be_stored(bench: Bench, homes: Homes) -> None:
    """Its label is cut to what the column takes."""
    line = f"backup {'v' * 90}"
    token = homes.offer("U0ANN", [Button(label=f"Back up {'v' * 90}", line=line)])[line].token
    assert len(bench.outbox.button(token).label) == 75


def test_a_home_button_is_used_once(bench: Bench, homes: Homes) -> None:
    """Of two runs at once one gets it; a refused one gives it back; the page then offers another."""
    token = homes.offer("U0ANN", [BACK_UP])[BACK_UP.line].token
    runs = [bench.submit("backup pgdata"), bench.submit("backup pgdata")]

    def use(run_id: str) -> bool:
        try:
            bench.outbox.use_button(token, by="U0ANN", run_id=run_id)
        except Conflict:
            return False
        return True

    used = all_at_once([lambda run=run: use(run.id) for run in runs])  # type: ignore[misc]
    assert sorted(used) == [False, True]
    assert bench.outbox.button(token).run_id is None
    winner = runs[used.index(True)].id
    bench.outbox.give_back_button(token, run_id=winner)
    assert homes.offer("U0ANN", [BACK_UP])[BACK_UP.line].token == token
    assert use(winner)
    assert homes.offer("U0ANN", [BACK_UP])[BACK_UP.line].token != token


def test_old_home_buttons_are_forgotten(bench: Bench, homes: Homes) -> None:
    """A week after it left the page a button is none of ours any more, so that they do not pile up."""
    token = homes.offer("U0ANN", [BACK_UP])[BACK_UP.line].token
    homes.offer("U0ANN", [])
    bench.later(8 * 86_400)
    homes.offer("U0ANN", [OTHER])
    with pytest.raises(NotFound):
        bench.outbox.button(token)


def test_a_picture_is_kept_while_a_page_shows_it(bench: Bench, homes: Homes) -> None:
    """It is found by what it shows; one that no page shows any more is to be removed, but not at once."""
    homes.opened("U0ANN")
    homes.opened("U0BOB")
    one = homes.made("a" * 64, "F01")
    homes.made("b" * 64, "F02")
    assert homes.picture("a" * 64) == one
    assert homes.picture("c" * 64) is None
    homes.shows("U0ANN", "a" * 64)
    homes.shows("U0BOB", "b" * 64)
    bench.later(100)
    assert homes.unseen(timedelta(minutes=1)) == ()
    homes.shows("U0ANN", "b" * 64)
    assert homes.unseen(timedelta(minutes=5)) == ()
    assert [picture.file_id for picture in homes.unseen(timedelta(minutes=1))] == ["F01"]
    homes.forget(one)
    assert homes.picture("a" * 64) is None
    homes.shows("U0ANN", None)
    homes.shows("U0BOB", None)
    assert [picture.file_id for picture in homes.unseen(timedelta(minutes=1))] == ["F02"]


def test_a_picture_that_is_given_up_is_made_again(bench: Bench, homes: Homes) -> None:
    """It counts as the picture of nothing, and is to be removed though a page still names it."""
    homes.opened("U0ANN")
    homes.shows("U0ANN", "a" * 64)
    homes.give_up(homes.made("a" * 64, "F01"))
    assert homes.picture("a" * 64) is None
    homes.made("a" * 64, "F02")
    bench.later(100)
    assert [picture.file_id for picture in homes.unseen(timedelta(minutes=1))] == ["F01"]


def test_the_pulse_tells_that_something_happened(bench: Bench) -> None:
    """It changes when a run begins, comes further or ends, and not for a look; each is seen where it stands."""
    activity = Activity(bench.database)
    start = activity.pulse()
    look = bench.submit("backups")
    assert activity.pulse() == start
    claim = bench.passed_on(bench.asked_in_slack())
    begun = activity.pulse()
    assert begun.runs != start.runs
    bench.runs.ask_to_cancel(claim.run.id, "U0ANN")
    further = activity.pulse()
    assert further.runs == begun.runs
    assert further.progress != begun.progress
    assert [run.id for run in activity.at_work(9)] == [claim.run.id]
    bench.finish(claim, Status.FAILED)
    assert activity.pulse().runs != begun.runs
    assert activity.at_work(9) == ()
    since = bench.now - timedelta(hours=1)
    assert [run.id for run in activity.troubled((Status.FAILED,), since, 9)] == [claim.run.id]
    assert activity.troubled((Status.PARTIAL,), since, 9) == ()
    assert activity.troubled((Status.FAILED,), bench.now + timedelta(hours=1), 9) == ()
    assert look.id != claim.run.id


def test_a_run_that_began_and_ended_between_two_looks_is_noticed(bench: Bench) -> None:
    """However short it was, the next look differs from the one before."""
    activity = Activity(bench.database)
    before = activity.pulse()
    bench.finish(bench.passed_on(bench.submit(f"backup {VOLUME.removeprefix('volume:')}")))
    assert activity.pulse().runs != before.runs

"""Forms: a command that lacks its arguments asks for them, once, of those who may use it."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from bot.completion import inventory
from bot.model import Status
from bot.playground import Fault
from tests.fakes import FakeEngine
from tests.slack.forming import errors_of, fields_of, form_of, no_form, offered, sent
from tests.slack.reading import buttons_of, words_of
from tests.slack.workplace import Workplace
from tests.support.house import wait_for

pytestmark = pytest.mark.slack
both_doors = pytest.mark.parametrize("closed", ["socket", "http"], indirect=True)


@both_doors
def test_a_command_without_its_arguments_opens_a_form(work: Workplace) -> None:
    """/backup asks for the volume; what was chosen is backed up, and told where the command was typed."""
    work.slash("/backup")
    form = form_of(work)
    assert work.runs() == ()
    assert form.body["title"]["text"] == "Backup"
    wait_for(lambda: offered(work, form, "source") == ["other1", "other2", "other3", "pgdata"], saying="all")
    done = sent(work, form, {"source": "pgdata", "note": 'before "2.0" & <after>', "quiesce": "pause"})
    message = work.told(done, Status.SUCCEEDED)
    assert (message.channel, message.ephemeral_for) == ("C0OPS", None)
    run = work.run_of(done)
    assert run.invocation.line == "backup pgdata --quiesce pause --note 'before \"2.0\" & <after>'"
    assert work.backups() == 1
    assert no_form(work)


def test_what_was_typed_is_in_the_form(work: Workplace) -> None:
    """/docker restore --into new --replace shows the volume and the tick, and asks for the backup alone."""
    backup = work.run_of(work.slash("/backup", "pgdata"))
    wait_for(lambda: work.backups(), saying="the backup")
    work.slash("/docker", "restore --into copy --dry-run")
    form = form_of(work)
    shown = fields_of(form)
    assert shown["into"]["initial_option"]["value"] == "copy"
    assert [one["value"] for one in shown["switches0"]["initial_options"]] == ["dry_run"]
    wait_for(lambda: offered(work, form, "backup", "pgd") == [backup.id], saying="the backup is listed")
    done = sent(work, form, {"backup": backup.id})
    work.told(done, Status.SUCCEEDED)
    assert work.run_of(done).invocation.line == f"restore {backup.id} --into copy --dry-run"


def test_nothing_is_asked_where_nothing_lacks(work: Workplace) -> None:
    """/docker alone is help, a list is a list, and a mistake is told in words: no form opens."""
    for line, status in (
        ("", Status.SUCCEEDED),
        ("volumes", Status.SUCCEEDED),
        ("backup --nope", Status.REJECTED),
    ):
        work.told(work.slash("/docker", line), status)
    assert no_form(work)


@both_doors
def test_a_form_sent_off_five_times_is_one_run(work: Workplace) -> None:
    """The form opens once and runs once, however often Slack delivers the command and the form."""
    asked = work.slash("/backup")
    work.playground.redeliver(asked, times=2)
    work.playground.redeliver(asked, times=2, fresh_retry_counter=True)
    wait_for(lambda: asked.acks == 5, saying="five acks")
    done = sent(work, form_of(work), {"source": "pgdata"})
    work.playground.redeliver(done, times=2)
    work.playground.redeliver(done, times=2, fresh_retry_counter=True)
    wait_for(lambda: done.acks == 5, saying="five acks")
    work.told(done, Status.SUCCEEDED)
    assert (len(work.runs()), work.backups()) == (1, 1)
    assert len([call for call in work.world.calls() if call.method == "views.open"]) == 1


@both_doors
def test_what_is_wrong_stands_at_its_field(work: Workplace) -> None:
    """An odd name is refused where it was typed, the form stays, and what is right then runs."""
    work.slash("/docker", "create-volume --label nonsense=1")
    form = form_of(work)
    refused = sent(work, form, {"volume": "-odd name-", "label": "a=b\nnothing"})
    told = errors_of(refused)
    assert set(told) == {"volume", "label"}
    assert "is not the name of a volume" in told["volume"]
    assert work.runs() == ()
    assert "NAME=VALUE" in told["label"]
    done = sent(work, form, {"volume": "fine", "label": "a=b\nc=d e"})
    work.told(done, Status.SUCCEEDED)
    assert work.engine.volume("fine").labels.items() >= {"a": "b", "c": "d e"}.items()


def test_who_may_not_use_a_command_sees_no_form_of_it(work: Workplace) -> None:
    """A stranger gets the same refusal as ever, by all ways, and nobody opens a form for them."""
    work.told(work.slash("/backup", user="U0BOB"), Status.DENIED)
    work.told(work.mention("backup", user="U0BOB"), Status.DENIED)
    work.told(work.slash("/docker", "remove-volume", user="U0CAT"), Status.DENIED)
    assert no_form(work, "U0BOB")
    assert no_form(work, "U0CAT")


def test_only_what_may_be_touched_is_offered(work: Workplace) -> None:
    """A person of some volumes is offered those alone, whatever is typed; what does not exist is offered as typed."""
    work.told(work.slash("/backup", "pgdata"), Status.SUCCEEDED)
    work.slash("/backup", user="U0CAT")
    form = form_of(work, "U0CAT")
    wait_for(
        lambda: offered(work, form, "source", user="U0CAT") == ["other1", "other2", "other3"], saying="theirs"
    )
    assert offered(work, form, "source", "data", user="U0CAT") == ["data"]
    work.playground.views.close(form)
    work.slash("/docker", "verify", user="U0CAT")
    assert offered(work, form_of(work, "U0CAT"), "backup", user="U0CAT") == []


def test_a_mention_offers_a_form_by_a_button(work: Workplace) -> None:
    """A mention cannot open a form; the private answer has a button that does, as often as it is pressed."""
    above = work.playground.say("who saves pgdata?")
    asked = work.told(work.mention("backup --quiesce pause", thread_ts=above.ts), Status.REJECTED)
    assert (asked.ephemeral_for, buttons_of(asked)) == ("U0ANN", ["Fill in a form"])
    assert "is missing" in words_of(asked)
    work.press(asked, "Fill in a form")
    work.playground.views.close(form_of(work))
    work.press(asked, "Fill in a form")
    form = form_of(work)
    assert fields_of(form)["quiesce"]["initial_option"]["value"] == "pause"
    message = work.told(sent(work, form, {"source": "pgdata"}), Status.SUCCEEDED)
    assert (message.thread_ts, message.ephemeral_for) == (above.ts, None)


def test_the_form_of_a_mention_keeps_its_file(work: Workplace) -> None:
    """A file that came with the mention is still the one that is meant when the rest was filled in."""
    work.engine.add_container("web", files={"etc/app/app.toml": b"0"})
    file = work.playground.upload("app.toml", b"answer = 42\n")
    asked = work.told(work.mention("cp upload", files=[file]), Status.REJECTED)
    work.press(asked, "Fill in a form")
    form = form_of(work)
    assert fields_of(form)["source"]["initial_value"] == "upload"
    work.told(sent(work, form, {"destination": "web:/etc/app/"}), Status.SUCCEEDED)
    assert work.engine.layer("web").files()["etc/app/app.toml"] == b"answer = 42\n"


def test_a_form_that_cannot_be_opened_is_told_in_words(work: Workplace) -> None:
    """When Slack does not open it, the person learns privately what is missing, and may try again by a button."""
    work.playground.faults.next("views.open", Fault.status(500))
    told = work.told(work.slash("/backup"), Status.REJECTED)
    assert told.ephemeral_for == "U0ANN"
    assert buttons_of(told) == ["Fill in a form"]
    work.press(told, "Fill in a form")
    work.told(sent(work, form_of(work), {"source": "pgdata"}), Status.SUCCEEDED)


def test_a_form_opens_while_docker_is_silent(work: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    """No host is waited for before a form opens, nor while somebody types: what is known is offered at once."""
    monkeypatch.setattr(inventory, "FRESH_SECONDS", 0.0)
    work.slash("/backup")
    form = form_of(work)
    wait_for(lambda: "pgdata" in offered(work, form, "source"), saying="the volumes are known")
    work.playground.views.close(form)
    asked, go_on = threading.Event(), threading.Event()
    work.engine.faults.before["list_containers"] = [lambda _: (asked.set(), go_on.wait(30))] * 5
    try:
        work.slash("/backup")
        form = form_of(work)
        wait_for(lambda: offered(work, form, "source", "pg") and asked.is_set(), saying="a look at the host")
        assert offered(work, form, "source", "other") == ["other1", "other2", "other3", "other"]
    finally:
        work.engine.faults.before.clear()
        go_on.set()
    work.told(sent(work, form, {"source": "pgdata"}), Status.SUCCEEDED)


def test_the_chosen_host_decides_what_is_offered(closed: Workplace) -> None:
    """With several hosts the form asks for one, and then offers what that one has; the default host's without."""
    far = FakeEngine("far", stall=timedelta(seconds=90))
    far.add_volume("far-away", {"file": b"x"})
    closed.more_engines = {"far": far}
    closed.open()
    try:
        closed.slash("/backup")
        form = form_of(closed)
        wait_for(lambda: "pgdata" in offered(closed, form, "source"), saying="the default host's")
        assert offered(closed, form, "host") == ["far", "local"]
        chosen = {"host": "far"}
        wait_for(
            lambda: offered(closed, form, "source", values=chosen) == ["far-away"], saying="the other one's"
        )
        done = closed.playground.submit(form, {"source": "far-away", "host": "far"})
        closed.told(done, Status.SUCCEEDED)
        assert closed.run_of(done).invocation.line == "backup far-away --host far"
        closed.refuse_untrue()
    finally:
        closed.close()

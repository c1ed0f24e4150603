"""The shortcuts of Slack's own menus: any command by its form, and a message's file into a container."""

from __future__ import annotations

import pytest

from bot.model import Status
from bot.playground import Delivery
from bot.slack.shortcuts import COPY_FILE, RUN_COMMAND
from tests.slack.forming import answered, errors_of, fields_of, form_of, no_form, sent
from tests.slack.workplace import Workplace

pytestmark = pytest.mark.slack
both_doors = pytest.mark.parametrize("closed", ["socket", "http"], indirect=True)


def chosen(work: Workplace, command: str, channel: str | None, *, user: str = "U0ANN") -> Delivery:
    """Choose the global shortcut, then a command in its form, and perhaps a channel."""
    answered(work.playground.shortcut(RUN_COMMAND, user=user))
    where = {"channel": channel} if channel else {}
    return sent(work, form_of(work, user), {"command": command, **where}, user=user)


@both_doors
def test_any_command_by_the_global_shortcut(work: Workplace) -> None:
    """The chosen command's form takes the place of the first one, and the channel hears of what it did."""
    chosen(work, "backup", "C0OPS")
    form = form_of(work)
    assert form.body["title"]["text"] == "Backup"
    message = work.told(sent(work, form, {"source": "pgdata"}), Status.SUCCEEDED)
    assert (message.channel, message.ephemeral_for) == ("C0OPS", None)
    assert work.backups() == 1


def test_without_a_channel_the_answer_is_a_direct_message(work: Workplace) -> None:
    """A command that asks for nothing more runs at once; whoever named no channel is told alone."""
    done = chosen(work, "whoami", None)
    message = work.told(done, Status.SUCCEEDED)
    assert message.channel.startswith("D")
    assert no_form(work)


def test_the_shortcut_offers_what_the_person_may_use(work: Workplace) -> None:
    """A stranger chooses among what everybody may; somebody with some right sees no more than theirs."""
    answered(work.playground.shortcut(RUN_COMMAND, user="U0BOB"))
    offered = [one["value"] for one in fields_of(form_of(work, "U0BOB"))["command"]["options"]]
    assert offered == ["help", "whoami"]
    answered(work.playground.shortcut(RUN_COMMAND, user="U0CAT"))
    offered = [one["value"] for one in fields_of(form_of(work, "U0CAT"))["command"]["options"]]
    assert "backup" in offered
    assert "remove-volume" not in offered


def test_permission_is_asked_as_if_from_the_chosen_channel(closed: Workplace) -> None:
    """A role for one channel gives nothing in another, and the form says so at once."""
    closed.more_toml = '[roles.here]\nmembers = ["U0BOB"]\nright = "operate"\nchannels = ["C0OPS"]\n'
    closed.open()
    try:
        refused = chosen(closed, "backup", "C0RANDOM", user="U0BOB")
        assert "may not use backup from there" in errors_of(refused)["command"]
        again = {"command": "backup", "channel": "C0OPS"}
        answered(closed.playground.submit(form_of(closed, "U0BOB"), again, user="U0BOB"))
        done = sent(closed, form_of(closed, "U0BOB"), {"source": "other1"}, user="U0BOB")
        closed.told(done, Status.SUCCEEDED)
        closed.refuse_untrue()
    finally:
        closed.close()


@both_doors
def test_a_messages_file_goes_into_a_container(work: Workplace) -> None:
    """The message's file stands in the form; with a place filled in it is copied there."""
    work.engine.add_container("web", files={"etc/app/app.toml": b"answer = 41\n"})
    file = work.playground.upload("app.toml", b"answer = 42\n")
    message = work.playground.say("the new settings", files=[file])
    answered(work.playground.message_shortcut(COPY_FILE, message))
    form = form_of(work)
    assert fields_of(form)["source"]["initial_value"] == file.id
    done = sent(work, form, {"destination": "web:/etc/app/"})
    work.told(done, Status.SUCCEEDED)
    assert work.run_of(done).invocation.line == f"cp {file.id} web:/etc/app/"
    assert work.engine.layer("web").files()["etc/app/app.toml"] == b"answer = 42\n"


def test_a_message_without_a_file_says_so(work: Workplace) -> None:
    """The form has nothing to fill in: it says what is missing, and what else to do."""
    answered(work.playground.message_shortcut(COPY_FILE, work.playground.say("no file here")))
    form = form_of(work)
    assert fields_of(form) == {}
    assert "has no file" in form.body["blocks"][0]["text"]["text"]
    assert work.runs() == ()


def test_a_stranger_copies_nothing(work: Workplace) -> None:
    """Who may not copy is refused by the ordinary road, and sees no form."""
    file = work.playground.upload("app.toml", b"answer = 42\n", user="U0BOB")
    message = work.playground.say("the new settings", files=[file], user="U0BOB")
    work.told(answered(work.playground.message_shortcut(COPY_FILE, message, user="U0BOB")), Status.DENIED)
    assert no_form(work, "U0BOB")

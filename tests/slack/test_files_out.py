"""Files of replies: each is in the thread of its result once, whole, whatever Slack does meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from bot.command import Command, arg
from bot.kinds import Text
from bot.model import Reply, Right, Status
from bot.playground import Channel, Fault, Message
from bot.playground.files import StoredFile
from tests.slack.scopes import NOT_WHERE_IT_IS_NO_MEMBER, SCOPES
from tests.slack.workplace import BOT_USER, Workplace
from tests.support.house import wait_for

pytestmark = pytest.mark.slack

CONTENT = bytes(range(256)) * 700


@dataclass(frozen=True)
class Arguments:
    """What the commands of these tests take."""

    name: Text = arg("the file's name", default=Text("report.txt"))


def _report(arguments: Arguments, services: Any, run: Any) -> Reply:
    with services.outgoing.begin(run.run_id) as draft:
        draft.write(CONTENT)
        return Reply(text="The report follows.", attachments=(draft.keep(arguments.name),))


def _command(name: str, *, changes: bool) -> Command:
    return Command(
        name=name,
        summary="Give a file",
        right=Right.VIEW,
        arguments=Arguments,
        run=_report,
        targets=(lambda _arguments, _services: ("volume:pgdata",)) if changes else None,
    )


@pytest.fixture
def work(closed: Workplace) -> Any:
    """A workplace whose bot has a command that gives a file, and one that only looks and gives one."""
    closed.more = {"report": _command("report", changes=True), "look": _command("look", changes=False)}
    closed.open()
    try:
        yield closed
        closed.refuse_untrue()
    finally:
        closed.close()


def _shared(work: Workplace) -> list[tuple[Message, StoredFile]]:
    """Every file that people see by the bot, with the message that it came with."""
    found = []
    for message in work.world.messages():
        for file_id in message.files if message.user == BOT_USER else ():
            file = work.playground.files.get(file_id)
            assert file is not None
            found.append((message, file))
    return found


def _the_file(work: Workplace) -> tuple[Message, StoredFile]:
    wait_for(lambda: _shared(work), seconds=20, saying="the file")
    work.wait_until_quiet()
    (one,) = _shared(work)
    assert one[1].content == CONTENT
    return one


def test_a_file_lies_under_its_result(work: Workplace) -> None:
    """The file of a result comes after it, in its thread, under its name."""
    told = work.told(work.slash("/docker", "report"), Status.SUCCEEDED)
    message, file = _the_file(work)
    assert (message.channel, message.thread_ts, file.name) == (told.channel, told.ts, "report.txt")
    assert message.order > told.order


def test_a_file_asked_for_in_a_thread_stays_there(work: Workplace) -> None:
    """Who asks in a thread finds the file in that thread."""
    above = work.playground.say("how is pgdata?")
    work.told(work.mention("report", thread_ts=above.ts), Status.SUCCEEDED)
    assert _the_file(work)[0].thread_ts == above.ts


def test_a_private_answers_file_is_private(work: Workplace) -> None:
    """The file of an answer that only the asker sees comes in their direct message, and nowhere else."""
    work.told(work.slash("/docker", "look"), Status.SUCCEEDED)
    message, _ = _the_file(work)
    assert message.channel == work.world.direct_channel("U0ANN").id


def test_a_file_that_may_not_go_where_the_result_is_goes_to_the_asker(work: Workplace) -> None:
    """Where the bot may speak but not share files, the file comes in a direct message."""
    work.playground.faults.next("files.completeUploadExternal", Fault.error("not_in_channel"))
    work.told(work.slash("/docker", "report"), Status.SUCCEEDED)
    assert _the_file(work)[0].channel == work.world.direct_channel("U0ANN").id


FAULTS: dict[str, Callable[[], Fault]] = {
    "500": lambda: Fault.status(500),
    "429": lambda: Fault.rate_limited(1),
    "reset_before": Fault.reset_before_store,
    "reset_after": Fault.reset_after_store,
}
STEPS = ("files.getUploadURLExternal", "upload", "files.completeUploadExternal")


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("step", STEPS)
def test_a_step_that_fails_shows_the_file_once(
    work: Workplace, step: str, fault: Callable[[], Fault]
) -> None:
    """Two failures in a row of any step of the upload, whichever they are, neither lose nor double the file."""
    work.playground.faults.next(step, fault(), times=2)
    work.told(work.slash("/docker", "report"), Status.SUCCEEDED)
    _the_file(work)
    assert work.playground.faults.times_used(step) >= 1


@pytest.mark.parametrize("trouble", [Fault.status(500), Fault.reset_before_store()], ids=["500", "reset"])
def test_trouble_with_looking_doubles_no_file(work: Workplace, trouble: Fault) -> None:
    """The answer to sharing is lost, and then the file cannot be looked for: still it is shown once."""
    work.playground.faults.next("files.completeUploadExternal", Fault.reset_after_store())
    work.playground.faults.next("files.info", trouble)
    work.told(work.slash("/docker", "report"), Status.SUCCEEDED)
    _the_file(work)


@pytest.mark.parametrize("scopes", [SCOPES - {"files:read"}], ids=["no-files-read"])
def test_without_the_right_to_look_no_file_is_lost(work: Workplace) -> None:
    """When the bot may not look whether its file is there, it rather shows it twice than never."""
    work.playground.faults.next("files.completeUploadExternal", Fault.reset_after_store())
    work.told(work.slash("/docker", "report"), Status.SUCCEEDED)
    work.wait_until_quiet()
    assert {file.content for _, file in _shared(work)} == {CONTENT}


@pytest.mark.parametrize("scopes", [SCOPES - {"files:write"}], ids=["no-files-write"])
def test_a_file_that_can_never_be_sent_is_said_to_be_missing(work: Workplace) -> None:
    """Without the right to upload, people are told once under the result that there will be no file, and why."""
    told = work.told(work.slash("/docker", "report"), Status.SUCCEEDED)
    missing = lambda: [m for m in work.world.messages() if "cannot be sent here" in m.text]  # noqa: E731
    wait_for(missing, saying="the word about the file")
    (said,) = missing()
    assert said.thread_ts == told.ts
    assert "missing_scope" in said.text


def test_a_file_outlives_the_bot(work: Workplace) -> None:
    """A file that Slack did not take before the bot ended is sent by the next one, once."""
    work.playground.faults.next("upload", Fault.status(500), times=50)
    work.told(work.slash("/docker", "report"), Status.SUCCEEDED)
    wait_for(lambda: work.playground.faults.times_used("upload"), saying="a vain try")
    work.close()
    work.playground.faults.clear()
    work.make().start(threading.Event())
    _the_file(work)


def test_a_bot_that_died_after_sharing_does_not_share_again(work: Workplace) -> None:
    """What was shared just before the bot died, unknown to it, is found by the next one."""
    work.playground.faults.next("files.completeUploadExternal", Fault.reset_after_store())
    work.playground.faults.next("files.info", Fault.status(500), times=50)
    work.told(work.slash("/docker", "report"), Status.SUCCEEDED)
    wait_for(lambda: work.playground.faults.times_used("files.info"), saying="a vain look")
    work.close()
    work.playground.faults.clear()
    work.make().start(threading.Event())
    _the_file(work)


@pytest.mark.parametrize("scopes", [SCOPES, NOT_WHERE_IT_IS_NO_MEMBER], ids=["public", "not-public"])
def test_a_bot_that_is_no_member_sends_the_file_to_the_asker(work: Workplace) -> None:
    """From a channel that the bot is not in the file comes in a direct message, wherever the answer may stand."""
    work.playground.add_channel(Channel(id="C0FAR", name="far", members=frozenset({"U0ANN"})))
    work.told(work.slash("/docker", "report", channel="C0FAR"), Status.SUCCEEDED)
    assert _the_file(work)[0].channel == work.world.direct_channel("U0ANN").id

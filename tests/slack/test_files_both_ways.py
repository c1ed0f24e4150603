"""`cp` in Slack: a file of a container in the thread, and an upload in a container."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bot.model import Status
from bot.playground import Fault
from tests.slack.reading import words_of
from tests.slack.scopes import SCOPES
from tests.slack.workplace import BOT_USER, Workplace
from tests.support.house import wait_for

pytestmark = pytest.mark.slack

CONF = b"listen 80;\n" * 200


@pytest.fixture
def work(closed: Workplace) -> Iterator[Workplace]:
    """A workplace with a container that has a file of its own."""
    closed.engine.add_container("web", files={"etc/app/app.conf": CONF})
    closed.open()
    try:
        yield closed
        closed.refuse_untrue()
    finally:
        closed.close()


def test_a_file_comes_into_the_thread(work: Workplace) -> None:
    """`cp` from a container to slack puts the file, byte for byte, under the answer."""
    told = work.told(work.slash("/docker", "cp web:/etc/app/app.conf slack"), Status.SUCCEEDED)
    work.wait_until_quiet()
    (message,) = [one for one in work.world.messages() if one.files and one.user == BOT_USER]
    file = work.playground.files.get(message.files[0])
    assert file is not None
    assert (message.thread_ts, file.name, file.content) == (told.ts, "app.conf", CONF)


def test_an_attached_file_goes_into_the_container(work: Workplace) -> None:
    """A mention with a file and `cp upload` puts that file there, and its Undo button takes it back."""
    file = work.playground.upload("app.conf", b"listen 81;\n")
    told = work.told(work.mention("cp upload web:/etc/app/", files=[file]), Status.SUCCEEDED)
    assert work.engine.layer("web").files()["etc/app/app.conf"] == b"listen 81;\n"
    work.told(work.press(told, "Undo"), Status.SUCCEEDED)
    assert work.engine.layer("web").files()["etc/app/app.conf"] == CONF


def test_a_file_is_named_by_its_id_or_link(work: Workplace) -> None:
    """Who uploaded a file before may name it by its id, and by the link that Slack gives for it."""
    file = work.playground.upload("one.txt", b"one")
    link = file.payload(work.playground.url)["permalink"]
    work.told(work.slash("/docker", f"cp {file.id} web:/etc/app/"), Status.SUCCEEDED)
    work.told(work.mention(f"cp <{link}> web:/etc/app/two.txt"), Status.SUCCEEDED)
    files = work.engine.layer("web").files()
    assert (files["etc/app/one.txt"], files["etc/app/two.txt"]) == (b"one", b"one")


def test_somebody_elses_file_cannot_be_named(work: Workplace) -> None:
    """A file that is neither the asker's nor in this conversation is as if it did not exist."""
    file = work.playground.upload("secret.txt", b"secret", user="U0ADA")
    message = work.told(work.slash("/docker", f"cp {file.id} web:/etc/app/"), Status.REJECTED)
    assert "no file" in words_of(message)
    assert "etc/app/secret.txt" not in work.engine.layer("web").files()


@pytest.mark.parametrize("count", [0, 2])
def test_upload_means_one_file(work: Workplace, count: int) -> None:
    """Without a file, or with several, `upload` is refused with a sentence that says so."""
    files = [work.playground.upload(f"{number}.txt", b"x") for number in range(count)]
    delivery = work.mention("cp upload web:/etc/app/", files=files)
    message = work.told(delivery, Status.REJECTED)
    assert ("No file came" if count == 0 else "2 files came") in words_of(message)


@pytest.mark.parametrize("scopes", [SCOPES - {"files:read"}], ids=["no-files-read"])
def test_without_the_right_to_read_nothing_is_put_there(work: Workplace) -> None:
    """Without `files:read` people learn which scope is missing, and the container stays as it was."""
    file = work.playground.upload("app.conf", b"new")
    message = work.told(work.mention("cp upload web:/etc/app/", files=[file]), Status.FAILED)
    assert "files:read" in words_of(message)
    assert work.engine.layer("web").files()["etc/app/app.conf"] == CONF


def test_a_slack_that_fails_to_tell_of_the_file_fails_the_run(work: Workplace) -> None:
    """When Slack does not tell of the upload, nothing is changed and the sentence says what to do."""
    file = work.playground.upload("app.conf", b"new")
    work.playground.faults.next("files.info", Fault.status(500))
    message = work.told(work.mention("cp upload web:/etc/app/", files=[file]), Status.FAILED)
    assert "Nothing was changed" in words_of(message)
    wait_for(lambda: work.engine.layer("web").files()["etc/app/app.conf"] == CONF)

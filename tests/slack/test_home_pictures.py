"""The picture on Home pages: made once for the same numbers, shown when Slack can, and never in the way."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bot.model import Status
from bot.playground import Fault
from bot.slack import home, homepictures
from tests.slack.homes import be_swift, blocks_of, opened, says, words_on
from tests.slack.scopes import SCOPES
from tests.slack.workplace import Workplace
from tests.support.house import wait_for

pytestmark = pytest.mark.slack


@pytest.fixture(autouse=True)
def _swift(monkeypatch: pytest.MonkeyPatch) -> None:
    be_swift(monkeypatch)
    monkeypatch.setattr(homepictures, "_PROCESSED", timedelta(seconds=0.3))
    monkeypatch.setattr(homepictures, "_AFTER_REFUSAL", 0.5)
    monkeypatch.setattr(homepictures, "_AFTER_FAILURE", 0.5)


def picture_on(work: Workplace, user: str = "U0ANN") -> dict[str, Any]:
    """The picture that stands on somebody's page, as soon as one does."""

    def shown() -> list[dict[str, Any]]:
        return [block for block in blocks_of(work, user) if block["type"] == "image"]

    (found,) = wait_for(shown, seconds=15, saying="the picture")
    return found


def uploads(work: Workplace) -> int:
    """How many files were announced."""
    return len(work.world.calls("files.getUploadURLExternal"))


def two_backups(work: Workplace, volume: str = "pgdata") -> None:
    """Enough for a trend."""
    for _ in range(2):
        work.told(work.slash("/backup", volume), Status.SUCCEEDED)


@pytest.mark.parametrize("closed", ["socket", "http"], indirect=True)
def test_the_trend_is_a_picture_that_is_made_once(work: Workplace) -> None:
    """It is uploaded, shown with its numbers in words, shared by those who may see the same, and not made again."""
    two_backups(work)
    opened(work)
    picture = picture_on(work)
    assert "pgdata: 2 backups from" in picture["alt_text"]
    file = work.playground.files.get(picture["slack_file"]["id"])
    assert file is not None
    assert file.is_picture
    assert file.shared_in == ()
    opened(work, "U0ADA")
    assert picture_on(work, "U0ADA")["slack_file"] == picture["slack_file"]
    opened(work)
    work.told(work.slash("/docker", "volumes"), Status.SUCCEEDED)
    assert uploads(work) == 1


def test_new_numbers_are_a_new_picture_and_the_old_one_goes(
    work: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After another backup the page shows a new picture, without a moment without one, and the old is removed."""
    monkeypatch.setattr(homepictures, "_KEPT_UNSEEN", timedelta(seconds=2))
    monkeypatch.setattr(home, "_TIDY_SECONDS", 0.1)
    two_backups(work)
    opened(work)
    first = picture_on(work)["slack_file"]["id"]
    work.told(work.slash("/backup", "pgdata"), Status.SUCCEEDED)
    says(work, "pgdata: 3 backups from")
    assert picture_on(work)["slack_file"]["id"] != first
    wait_for(lambda: work.playground.files.get(first) is None, saying="the removal")
    assert uploads(work) == 2
    shown = [call.args["view"]["blocks"] for call in work.world.calls("views.publish")]
    with_picture = [any(block["type"] == "image" for block in blocks) for blocks in shown]
    assert with_picture == sorted(with_picture)


def test_a_picture_outlives_the_bot(work: Workplace) -> None:
    """The next bot shows the same file at once."""
    two_backups(work)
    opened(work)
    before = picture_on(work)
    work.restart()
    opened(work)
    assert picture_on(work)["slack_file"] == before["slack_file"]
    assert uploads(work) == 1


def test_a_picture_that_takes_its_time(work: Workplace) -> None:
    """While Slack does not show it yet, the page is there without it; then with it."""
    work.playground.files.processing_seconds = 1.5
    two_backups(work)
    opened(work)
    says(work, "`pgdata` · last verified backup")
    picture_on(work)
    refused = [call for call in work.world.calls("views.publish") if call.error == "invalid_arguments"]
    assert refused
    assert uploads(work) == 1


def test_a_picture_that_somebody_removed_is_made_again(work: Workplace) -> None:
    """A file that is gone from Slack costs the page nothing but its picture, until there is a new one."""
    two_backups(work)
    opened(work)
    gone = picture_on(work)["slack_file"]["id"]
    file = work.playground.files.get(gone)
    assert file is not None
    work.playground.files.delete(file)
    opened(work)
    wait_for(lambda: picture_on(work)["slack_file"]["id"] != gone, seconds=20, saying="another picture")
    assert uploads(work) == 2


@pytest.mark.parametrize("scopes", [SCOPES - {"files:write"}], ids=["no-files-write"])
def test_without_the_right_to_upload_there_is_no_picture(work: Workplace) -> None:
    """A token that may not upload files gets pages all the same."""
    two_backups(work)
    opened(work)
    says(work, "`pgdata` · last verified backup")
    assert '"image"' not in words_on(work)


@pytest.mark.parametrize(
    ("method", "fault"),
    [
        ("files.getUploadURLExternal", Fault.rate_limited(1)),
        ("files.getUploadURLExternal", Fault.status(500)),
        ("upload", Fault.status(503)),
        ("upload", Fault.reset_before_store()),
        ("files.completeUploadExternal", Fault.reset_after_store()),
        ("files.completeUploadExternal", Fault.error("internal_error")),
    ],
)
def test_an_upload_that_fails_is_made_again(work: Workplace, method: str, fault: Fault) -> None:
    """At whichever step, the page goes without its picture, and gets one later."""
    two_backups(work)
    work.playground.faults.next(method, fault)
    opened(work)
    says(work, "`pgdata` · last verified backup")
    picture_on(work)

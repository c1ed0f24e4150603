"""An answer that is too long for a message is in a file, whole, for those who may see the answer."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

import pytest

from bot.command import Command
from bot.model import Reply, Right, Status, Table
from bot.playground.files import StoredFile
from tests.slack.workplace import Workplace
from tests.support.house import wait_for

pytestmark = pytest.mark.slack

OUTPUT = "".join(f"line {number} <!channel>\n" for number in range(60_000))
ROWS = tuple((f"name{number}", number, "=cmd") for number in range(2_000))


@dataclass(frozen=True)
class Nothing:
    """No arguments."""


def saying(name: str, reply: Reply) -> Command:
    """A look that answers so."""
    return Command(name=name, summary=name, right=Right.NONE, arguments=Nothing, run=lambda *_: reply)


@pytest.fixture
def closed(closed: Workplace) -> Workplace:
    """With two commands that have much to say."""
    table = Table(columns=("name", "count", "odd"), rows=ROWS)
    closed.more = {
        "talk": saying("talk", Reply(text="Much was said.", output=OUTPUT)),
        "list": saying("list", Reply(text="There is much.", table=table)),
    }
    return closed


def file_in(work: Workplace, channel: str) -> StoredFile | None:
    """What the bot shared there."""
    ids = [file_id for message in work.world.messages(channel) for file_id in message.files]
    return work.playground.files.get(ids[0]) if ids else None


def test_a_megabyte_of_output_is_a_file(work: Workplace) -> None:
    """The message shows the beginning; the file has every byte, and goes to the asker alone."""
    assert len(OUTPUT) > 1_000_000
    message = work.told(work.slash("/docker", "talk"), Status.SUCCEEDED)
    assert message.ephemeral_for == "U0ANN"
    file = wait_for(lambda: file_in(work, "D0ANN"), saying="the file")
    assert file.content == OUTPUT.encode()
    assert file.name.startswith("talk-")


def test_a_long_table_is_a_file_for_spreadsheets(work: Workplace) -> None:
    """Every row is in it, and no cell is taken for a formula."""
    work.told(work.slash("/docker", "list"), Status.SUCCEEDED)
    file = wait_for(lambda: file_in(work, "D0ANN"), saying="the file")
    rows = list(csv.reader(io.StringIO(file.content.decode())))
    assert rows[0] == ["name", "count", "odd"]
    assert rows[1:] == [[name, str(count), "'=cmd"] for name, count, _ in ROWS]

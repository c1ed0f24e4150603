"""The shell's face: exit codes, JSON for programs, and text that cannot play tricks on a terminal."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from bot import terminal
from bot.model import Outcome, Reply, Status, Table

_BEGAN = datetime(2026, 11, 24, 12, tzinfo=UTC)


def _outcome(reply: Reply, status: Status = Status.SUCCEEDED, *, started: bool = True) -> Outcome:
    return Outcome(
        run_id="7f3a2c1b",
        command="backup",
        status=status,
        reply=reply,
        started_at=_BEGAN if started else None,
        ended_at=_BEGAN + timedelta(seconds=90),
    )


def _shown(outcome: Outcome, width: int = 100) -> str:
    out = io.StringIO()
    terminal.show(outcome, Console(file=out, width=width, highlight=False))
    return out.getvalue()


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (Status.SUCCEEDED, 0),
        (Status.FAILED, 1),
        (Status.REJECTED, 2),
        (Status.DENIED, 3),
        (Status.PARTIAL, 4),
        (Status.CANCELLED, 1),
        (Status.EXPIRED, 1),
        (Status.INTERRUPTED, 1),
        (Status.MISSED, 1),
    ],
)
def test_exit_codes(status: Status, code: int) -> None:
    """Each ending has the exit code that the manual promises; zero means success alone."""
    assert terminal.exit_code(status) == code


def test_every_ending_has_an_exit_code() -> None:
    """No ending but success ends a script's line with zero."""
    assert [s for s in Status if s.is_ending and terminal.exit_code(s) == 0] == [Status.SUCCEEDED]


def test_json_has_its_keys() -> None:
    """The JSON holds these keys and no others, facts by name, rows by column, times in UTC, sizes in bytes."""
    reply = Reply(
        text="Fertig ☕",
        facts={"raw_bytes": 1500, "not_kept": ""},
        table=Table(columns=("volume", "raw_bytes"), rows=(("a", 1), ("b", None))),
    )
    assert json.loads(terminal.as_json(_outcome(reply))) == {
        "run_id": "7f3a2c1b",
        "command": "backup",
        "status": "succeeded",
        "text": "Fertig ☕",
        "facts": {"raw_bytes": 1500, "not_kept": ""},
        "output": "",
        "files": [],
        "rows": [{"volume": "a", "raw_bytes": 1}, {"volume": "b", "raw_bytes": None}],
        "started_at": "2026-11-24T12:00:00+00:00",
        "ended_at": "2026-11-24T12:01:30+00:00",
        "took_seconds": 90.0,
    }


def test_json_of_what_never_started() -> None:
    """Without a beginning the times say so."""
    said = json.loads(terminal.as_json(_outcome(Reply(text="No."), Status.DENIED, started=False)))
    assert (said["started_at"], said["took_seconds"], said["rows"]) == (None, 0.0, [])


def test_people_see_words() -> None:
    """Text, facts, table and ending are shown, values in words."""
    table = Table(columns=("volume", "raw_bytes"), rows=(("pgdata", 2_400_000),))
    said = _shown(_outcome(Reply(text="Backed up.", facts={"stored_bytes": 1500}, table=table)))
    for words in (
        "✅ Backed up.",
        "Stored:",
        "1.5 kB",
        "pgdata",
        "2.4 MB",
        "run 7f3a2c1b succeeded, 1 min 30 s",
    ):
        assert words in said


def test_people_see_what_a_program_wrote() -> None:
    """Its output stands as it is, line by line, and steers nothing."""
    said = _shown(_outcome(Reply(text="Done.", output="one [bold]\n  two\x1b[2J")))
    assert "\none [bold]\n  two[2J\n" in said
    assert json.loads(terminal.as_json(_outcome(Reply(text="", output="a\nb"))))["output"] == "a\nb"


def test_text_from_outside_is_no_markup() -> None:
    """Brackets in names and texts are shown as they are."""
    table = Table(columns=("note",), rows=(("[link=http://x]y[/]",),))
    said = _shown(_outcome(Reply(text="[bold]x[/bold]", facts={"note": "[red]z"}, table=table)))
    assert "[bold]x[/bold]" in said
    assert "[red]z" in said
    assert "[link=http://x]y[/]" in said


def test_text_from_outside_cannot_steer_the_terminal() -> None:
    """Escape codes and other control characters in names and texts do not reach the terminal."""
    evil = "a\x1b]0;owned\x07b\x1b[2Jc\x9b1md\re\x08f"
    table = Table(columns=("note",), rows=((evil,),))
    said = _shown(_outcome(Reply(text=evil, facts={"note": evil}, table=table)))
    assert not [letter for letter in said if ord(letter) < 32 and letter != "\n"]
    assert "\x9b" not in said

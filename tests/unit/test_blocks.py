"""Runs as Slack messages: every status, the longest and the most hostile words, within Slack's limits."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from slack_sdk.models.blocks import Block

from bot.model import Actor, Invocation, Origin, Place, Plan, Progress, Reply, Status, Table
from bot.playground.blockkit import message_problems, too_long_together
from bot.slack.blocks import render
from bot.slack.mrkdwn import columns, cut, escape, plain
from bot.stores.outbox import Message, StoredButton
from bot.stores.runrow import Lane, Run

GOLDEN = Path(__file__).parents[1] / "golden"
_AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOSTILE = "<!channel> <@U0ANN> <https://evil.example|click> `x` *b* & \x1b[31m\u202egnp.exe\x00 ```"


def _run(status: Status, **changes: Any) -> Run:
    line = changes.pop("line", "backup pgdata --quiesce pause")
    ended = status.is_ending
    made: dict[str, Any] = {
        "id": "7f3a2c1b",
        "invocation": Invocation(
            line=line,
            actor=Actor(id="U0ANN", name="ann"),
            origin=Origin.SLACK,
            at=_AT,
            place=Place(channel="C0OPS", user="U0ANN"),
        ),
        "command": "backup",
        "host": "local",
        "lane": Lane.WORK,
        "status": status,
        "epoch": 2,
        "released": True,
        "cancel_requested_by": None,
        "plan": Plan(text="Back up volume pgdata, with db paused while it is read."),
        "progress": None,
        "reply": Reply(text="It is over. Nothing was changed.", status=status) if ended else None,
        "revision": 3,
        "created_at": _AT,
        "started_at": _AT,
        "ended_at": _AT + timedelta(seconds=90) if ended else None,
    }
    return Run(**{**made, **changes})


def _message(run: Run, *buttons: StoredButton) -> Message:
    return Message(
        run=run,
        channel="C0OPS",
        thread_ts=None,
        ts="1.5",
        posting_since=None,
        attempts=0,
        buttons=buttons,
        was_sent=False,
    )


def _button(label: str = "Verify", line: str = "verify 7f3a2c1b", *, danger: bool = False) -> StoredButton:
    return StoredButton(token="t" * 32, run_id="7f3a2c1b", label=label, line=line, danger=danger)


def _good(message: Message, waiting_before: int = 0) -> list[dict[str, Any]]:
    """The blocks, after Slack's own checks on them and on the text."""
    rendered = render(message, waiting_before)
    assert message_problems(rendered.blocks) == []
    assert not too_long_together(rendered.blocks)
    assert 0 < len(rendered.text) <= 4_000
    for block in rendered.blocks:
        parsed = Block.parse(block)
        assert parsed is not None
        parsed.validate_json()
    return rendered.blocks


def _mrkdwn(blocks: list[dict[str, Any]]) -> list[str]:
    """Every text that Slack reads as markup."""
    if isinstance(blocks, list):
        return [text for block in blocks for text in _mrkdwn(block)]  # type: ignore[arg-type]
    if isinstance(blocks, dict):
        own = [blocks["text"]] if blocks.get("type") == "mrkdwn" else []
        return own + [text for value in blocks.values() for text in _mrkdwn(value)]
    return []


@pytest.mark.parametrize("status", list(Status))
def test_every_status_is_a_good_message(status: Status) -> None:
    """A run in any status is a message that Slack takes, which names the run and its status."""
    said = json.dumps(_good(_message(_run(status), _button(danger=True))), ensure_ascii=False)
    assert f"run 7f3a2c1b · {status.value}" in said
    assert ("✅" in said) is (status is Status.SUCCEEDED)


def test_a_whole_message_is_as_written_down() -> None:
    """A finished backup is exactly the message of the golden file."""
    reply = Reply(
        text="Volume pgdata is backed up and proven.",
        facts={"backup": "20261124T120000Z-7f3a2c1b", "raw_bytes": 2_400_000, "not_kept": ""},
        table=Table(columns=("volume", "raw_bytes"), rows=(("pgdata", 2_400_000), ("logs", None))),
        status=Status.SUCCEEDED,
    )
    copy = _button("Restore a copy", "restore 7f3a2c1b", danger=True)
    message = _message(_run(Status.SUCCEEDED, reply=reply), _button(), copy)
    wanted = json.loads((GOLDEN / "backup_succeeded.json").read_text())
    rendered = render(message)
    assert {"text": rendered.text, "blocks": rendered.blocks} == wanted


def test_a_programs_output_is_shown_as_it_stands() -> None:
    """It is laid out as written, is no markup, and says how much of it does not fit; also below a table."""
    table = Table(columns=("a",), rows=(("x" * 70,),) * 100)
    for shown in (None, table):
        reply = Reply(text="Done.", output="<!channel> *x*\n  two\n" + "y" * 90_000, table=shown)
        blocks = _good(_message(_run(Status.FAILED, reply=reply)))
        said = json.dumps([block for block in blocks if block["type"] == "rich_text"], ensure_ascii=False)
        assert "<!channel> *x*\\n  two" in said
        assert "more characters; all of it is in the file." in said
        assert not [text for text in _mrkdwn(blocks) if "<!channel>" in text]


def test_running_shows_how_far_it_is() -> None:
    """Step, bytes, rate and time left are shown; a cancel that was asked for as well."""
    progress = Progress(step="reading back", done_bytes=500_000_000, total_bytes=10**9, rate=5_000_000.0)
    run = _run(Status.RUNNING, progress=progress, cancel_requested_by="U0BOB")
    said = json.dumps(_good(_message(run, _button("Cancel", danger=True))), ensure_ascii=False)
    assert "reading back · 500 MB of 1 GB · 5.0 MB/s · 1 min 40 s left" in said
    assert "Asked to end" in said


def test_waiting_shows_the_line_and_who_is_before() -> None:
    """A queued run shows what was typed and how many are before it."""
    said = json.dumps(_good(_message(_run(Status.QUEUED)), waiting_before=3), ensure_ascii=False)
    assert "`backup pgdata --quiesce pause` waits for a free worker; 3 before it." in said


@pytest.mark.parametrize("status", [Status.QUEUED, Status.RUNNING, Status.SUCCEEDED, Status.FAILED])
def test_hostile_words_do_nothing(status: Status) -> None:
    """Mentions, links and control characters in names, lines, errors, plans and steps are only text."""
    reply = Reply(
        text=HOSTILE,
        facts={"note": HOSTILE},
        table=Table(columns=("note",), rows=((HOSTILE,),)),
        status=status,
    )
    run = _run(
        status,
        line=HOSTILE,
        plan=Plan(text=HOSTILE),
        progress=Progress(step=HOSTILE),
        reply=reply if status.is_ending else None,
    )
    blocks = _good(_message(run, _button(HOSTILE, HOSTILE, danger=True)))
    texts = [*_mrkdwn(blocks), render(_message(run)).text]
    for text in texts:
        assert "<!" not in text
        assert "<http" not in text
        assert text.replace("<@U0ANN>", "", 1).count("<") == 0  # only our own mention of the asker
    everything = json.dumps(blocks, ensure_ascii=False)
    assert "\\u001b" not in everything
    assert "\\u0000" not in everything
    assert "\u202e" not in everything


def test_a_typed_line_cannot_leave_its_quotes() -> None:
    """Backticks in a command line do not end the code that it is shown as."""
    section = _good(_message(_run(Status.QUEUED, line="say `*bold*`")))[0]["text"]["text"]
    assert section.count("`") == 2


def test_ten_thousand_rows_fit() -> None:
    """A table of ten thousand rows is cut to what Slack takes, and says how many are missing."""
    rows = tuple((f"volume-{n}", n, "2026-11-24T12:00:00+00:00") for n in range(10_000))
    table = Table(columns=("volume", "raw_bytes", "taken_at"), rows=rows)
    blocks = _good(_message(_run(Status.SUCCEEDED, reply=Reply(text="Many.", table=table))))
    laid_out = blocks[1]["elements"][0]["elements"][0]["text"]
    lines = laid_out.splitlines()
    shown = len(lines) - 2
    assert shown > 50
    assert lines[-1] == f"… {10_000 - shown} more rows; all of them are in the file."


def test_one_long_cell_leaves_the_others() -> None:
    """A cell of four thousand characters is cut; the rest of its table is shown all the same."""
    rows = (("a", "x" * 4_000), ("b", "line\nbreak\tand tab"), ("c", "short"))
    laid_out = columns(Table(columns=("run", "line"), rows=rows), 6_000)
    assert [line.split()[0] for line in laid_out.splitlines()] == ["Run", "a", "b", "c"]
    assert "line break and tab" in laid_out


@pytest.mark.parametrize("letter", ["x", "&", "<", "é", "한", "\n", '"'])
def test_long_texts_fit(letter: str) -> None:
    """Texts, plans, facts, lines and labels of any length are cut to Slack's limits, escapes counted."""
    long = letter * 10_000
    reply = Reply(text=long, facts={"one": long[:500], "two": long[:500]}, status=Status.FAILED)
    _good(_message(_run(Status.FAILED, reply=reply), _button("B" + long, long, danger=True)))
    _good(_message(_run(Status.RUNNING, plan=Plan(text=long), progress=Progress(step="s" + long))))
    _good(_message(_run(Status.QUEUED, line=long)))


def test_many_facts_and_buttons_fit() -> None:
    """More facts and buttons than Slack takes are left out, the first ones are shown; each limit holds."""
    facts = {f"fact_{n}": "v" * 5_000 for n in range(30)}
    run = _run(Status.SUCCEEDED, reply=Reply(text="Done.", facts=facts))
    rendered = render(_message(run, *(_button(f"B{n}") for n in range(40))))
    assert message_problems(rendered.blocks) == []
    assert len(rendered.blocks[1]["fields"]) == 10
    assert len(rendered.blocks[-1]["elements"]) == 25


def test_many_long_facts_are_not_too_much_together() -> None:
    """Ten long facts beside a long text and a long table still make a message that Slack takes."""
    facts = {f"fact_{n}": "v" * 5_000 for n in range(10)}
    table = Table(columns=("a", "b"), rows=tuple(("x" * 70, "y" * 70) for _ in range(500)))
    _good(_message(_run(Status.SUCCEEDED, reply=Reply(text="z" * 5_000, facts=facts, table=table))))


def test_buttons_carry_a_token_only() -> None:
    """A button's value is its token; the line is only shown, in the question of a dangerous one."""
    actions = _good(_message(_run(Status.SUCCEEDED), _button(), _button("Drop", "drop it", danger=True)))[-1]
    plain_one, dangerous = actions["elements"]
    assert plain_one["value"] == "t" * 32
    assert "verify" not in json.dumps({**plain_one, "text": None})
    assert dangerous["confirm"]["text"]["text"] == "This runs: drop it"


def test_text_helpers() -> None:
    """Escaping, cutting and cleaning do what they say at their edges."""
    assert escape("<a & b>") == "&lt;a &amp; b&gt;"
    assert cut("abc", 3) == "abc"
    assert cut("abcd", 3) == "ab…"
    assert plain("a\x1b[31mb\x07c\u202ed\te\nf") == "abcd\te\nf"


def test_times_are_the_readers_own() -> None:
    """A fact that is a moment is a date of Slack's with UTC to fall back on; in a table it is plain UTC."""
    taken_at = "2026-11-24T12:00:00+00:00"
    table = Table(columns=("volume", "taken_at"), rows=(("pgdata", taken_at),))
    reply = Reply(text="Done.", facts={"taken_at": taken_at, "ended_at": None}, table=table)
    blocks = _good(_message(_run(Status.SUCCEEDED, reply=reply)))
    fields = [field["text"] for field in blocks[1]["fields"]]
    shown = "<!date^1795521600^{date_short_pretty} {time}|2026-11-24 12:00:00 UTC>"
    assert fields == [f"*Taken*\n{shown}", "*Ended*\n–"]
    assert "2026-11-24 12:00:00 UTC" in json.dumps(blocks[2])
    assert "<!date" not in json.dumps(blocks[2])


_ODD = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=255)
_LONG = st.builds(
    lambda odd, size: (odd * (size // len(odd) + 1))[:size],
    _ODD,
    st.sampled_from([0, 1, 100, 2_999, 3_001, 13_201, 100_000, 1_000_000]),
)


@settings(max_examples=60, deadline=None)
@given(_ODD, _LONG, st.sampled_from(list(Status)), st.booleans())
@example("0", "\n" * 2_999, Status.SUCCEEDED, False)
@example('"', '"' * 13_201, Status.FAILED, True)
def test_any_name_and_any_output_make_a_message_that_slack_takes(
    name: str, output: str, status: Status, has_table: bool
) -> None:
    """Names of 1 to 255 odd characters and outputs of up to 1 MB make blocks that both validators take."""
    ended = status.is_ending
    row = (name, 7, "2026-11-24T12:00:00+00:00")
    reply = Reply(
        text=f"{name} is done. {output[:5_000]}",
        facts={
            "volume": name,
            "raw_bytes": 7,
            "taken_at": "2026-11-24T12:00:00+00:00",
            "note": output[:9_000],
        },
        table=Table(columns=("volume", "raw_bytes", "taken_at"), rows=(row,) * 200) if has_table else None,
        output=output,
        status=status,
    )
    progress = Progress(step=name, done_bytes=1, total_bytes=2, rate=1.0)
    changes = {"line": name, "plan": Plan(text=name * 9), "progress": progress}
    run = _run(status, reply=reply if ended else None, **changes)
    blocks = _good(_message(run, _button(name, name, danger=True), _button(name, name)))
    for text in _mrkdwn(blocks):
        assert "<" not in text.replace("<!date^", "").replace("<@U0ANN>", "")

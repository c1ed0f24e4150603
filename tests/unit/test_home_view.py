"""Home pages as Block Kit: what they say, and that Slack takes them whatever things are called."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from slack_sdk.models.blocks import Block
from slack_sdk.models.views import View

from bot.charts.trends import Figures, Point, Trend
from bot.model import Actor, Button, Invocation, Origin, Place, Plan, Progress, Reply, Status
from bot.playground.blockkit import view_problems, view_too_large
from bot.schedules.seen import Foremost, Seen
from bot.seen import Overview, SeenHost, SeenRun, SeenVolume
from bot.slack.homepaper import Paper, Shown
from bot.slack.homeview import buttons_of, home, picture
from bot.stores.outbox import StoredButton
from bot.stores.runrow import Lane, Run
from bot.stores.schedules import Schedule
from bot.times.when import by_cron

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
ANN = Actor(id="U0ANN", name="U0ANN")


def _overview(**changes: Any) -> Overview:
    made: dict[str, Any] = {
        "actor": ANN,
        "is_new": False,
        "has_role": True,
        "may": ("backup", "backups", "cancel"),
    }
    return Overview(**{**made, **changes})


def _volume(name: str, *, days: float | None = None, **changes: Any) -> SeenVolume:
    made: dict[str, Any] = {
        "name": name,
        "users": (),
        "backed_up_at": None if days is None else AT - timedelta(days=days),
        "is_at_work": False,
        "back_up": Button(label="Back up", line=f"backup {name}") if days is None else None,
    }
    return SeenVolume(**{**made, **changes})


def _run(number: int = 0, status: Status = Status.RUNNING, **changes: Any) -> Run:
    line = changes.pop("line", "backup pgdata")
    place = Place(channel="C0OPS", user="U0ANN")
    made: dict[str, Any] = {
        "id": f"{number:08x}",
        "invocation": Invocation(line=line, actor=ANN, origin=Origin.SLACK, at=AT, place=place),
        "command": "backup",
        "host": "local",
        "lane": Lane.WORK,
        "status": status,
        "epoch": 1,
        "released": True,
        "cancel_requested_by": None,
        "plan": Plan(text="Back up volume pgdata."),
        "progress": Progress(step="reading", done_bytes=500_000_000, total_bytes=10**9),
        "reply": None,
        "revision": 1,
        "created_at": AT,
        "started_at": AT,
        "ended_at": None,
    }
    return Run(**{**made, **changes})


def _seen(run: Run) -> SeenRun:
    return SeenRun(run=run, cancel=Button(label="Cancel", line=f"cancel {run.id}", danger=True))


def _page(overview: Overview, shown: Shown | None = None) -> list[dict[str, Any]]:
    """The blocks, after the checks of Slack's own library and of the stand-in."""
    tokens = {
        button.line: StoredButton(
            token=f"token-{n}", run_id=None, label=button.label, line=button.line, danger=button.danger
        )
        for n, button in enumerate(buttons_of(overview))
    }
    view = home(Paper(overview=overview, docker="/x-docker", tokens=tokens, picture=shown), AT)
    assert view_problems(view) == []
    assert not view_too_large(view)
    View(**view).validate_json()
    for block in view["blocks"]:
        parsed = Block.parse(block)
        assert parsed is not None
        parsed.validate_json()
    return list(view["blocks"])


def _said(blocks: Iterable[dict[str, Any]]) -> str:
    return json.dumps(list(blocks), ensure_ascii=False)


def test_five_hundred_volumes_fit() -> None:
    """The worst are shown with a button, then the others; the rest is counted, with the command that lists it."""
    bare = tuple(_volume(f"bare-{n:03}") for n in range(200))
    safe = tuple(_volume(f"safe-{n:03}", days=300 - n) for n in range(300))
    blocks = _page(_overview(hosts=(SeenHost(name="local", volumes=(*bare, *safe)),)))
    said = _said(blocks)
    assert "*local*: 200 without a verified backup, 300 with one." in said
    shown_bare = said.count("has no verified backup")
    shown_safe = said.count("· last verified backup")
    assert said.count('"Back up"') == shown_bare > 20
    assert f"and {200 - shown_bare} more: `/x-docker volumes --unprotected`" in said
    assert f"and {300 - shown_safe} more: `/x-docker backups`" in said
    assert "bare-000" in said
    assert "safe-000" in said
    assert len(blocks) <= 100


def test_schedules_say_what_is_next_and_was_last() -> None:
    """Each with its two buttons, a suspended one with the reason, however long its line; the rest is counted."""
    when = by_cron("0 3 * * *", "Asia/Seoul", text="daily at 03:00")
    made = Schedule(
        name="nightly",
        line="backup " + "x" * 4_000,
        when=when,
        owner=ANN,
        language=None,
        channel=None,
        created_at=AT,
        dealt_with_at=AT,
    )
    stopped = replace(made, name="n" * 64, line="backup pgdata", suspended="<!channel> may not")
    seen = (
        Seen(schedule=stopped, next_at=None, last=_run(7, Status.FAILED, ended_at=AT)),
        Seen(schedule=made, next_at=when.after(AT), last=None),
    )
    blocks = _page(_overview(schedules=Foremost(shown=seen, more=12)))
    said = _said(blocks)
    for word in ("suspended: &lt;!channel&gt; may not", "last run 00000007 ❌ failed", "has not run yet"):
        assert word in said
    assert "and 12 more: `/x-docker schedules`" in said
    labels = [one["text"]["text"] for block in blocks for one in block.get("elements", ()) if "value" in one]
    assert labels == ["Run now", "Resume", "Run now", "Pause"]


def test_many_hosts_share_the_page() -> None:
    """Each of the first hosts gets its part, one that does not answer says why, and the others are counted."""
    hosts = [SeenHost(name=f"h{n}", volumes=tuple(_volume(f"v{i}") for i in range(99))) for n in range(8)]
    hosts[1] = SeenHost(name="h1", trouble="Docker on host “h1” does not answer. Nothing was changed.")
    said = _said(_page(_overview(hosts=tuple(hosts))))
    assert "*h1* does not say what it holds: Docker on host “h1” does not answer." in said
    assert "*h5*: 99 without" in said
    assert "*h6*" not in said
    assert "and 2 more hosts: `/x-docker hosts`" in said
    assert "`/x-docker volumes --unprotected --host h0`" in said


def test_runs_at_work_say_how_far_they_are() -> None:
    """What, who, since when, how far, and a button that asks before it ends the run; many are counted."""
    runs = [_run(n) for n in range(14)]
    waiting = _run(99, Status.QUEUED, started_at=None, plan=None, progress=None, line="backup `x` --wait")
    asked = _seen(_run(98, cancel_requested_by="U0ADA"))
    seen = (_seen(waiting), SeenRun(run=asked.run, cancel=None), *map(_seen, runs))
    blocks = _page(_overview(at_work=seen))
    said = _said(blocks)
    assert "⏳ `backup ˋxˋ --wait`\\nrun 00000063 · <@U0ANN> · waiting for a free worker" in said
    assert (
        "run 00000062 · <@U0ANN> · since <!date^1795521600^{date_short_pretty} {time}|2026-11-24 12:00:00 UTC>"
        in said
    )
    assert "Asked to end" in said
    assert "reading · 500 MB of 1 GB" in said
    assert "and 6 more: `/x-docker runs --status running`" in said
    buttons = [block["accessory"] for block in blocks if "accessory" in block]
    assert len(buttons) == 9
    assert all(button["confirm"]["text"]["text"].startswith("This runs: cancel ") for button in buttons)
    assert all(button["value"].startswith("token-") for button in buttons)


def test_what_went_wrong_says_why() -> None:
    """A failed run stands there with its line, its sentence and when it ended."""
    reply = Reply(text="Docker went away. Nothing was kept.", status=Status.FAILED)
    run = _run(7, Status.FAILED, reply=reply, ended_at=AT, progress=None)
    said = _said(_page(_overview(troubled=(run,))))
    assert "❌ `backup pgdata` · failed <!date^" in said
    assert "Docker went away." in said


def test_a_page_without_anything_has_no_empty_heading() -> None:
    """Somebody with rights and nothing to see gets one line of help."""
    blocks = _page(_overview())
    assert [block["type"] for block in blocks] == ["context", "context"]
    assert "`/x-docker help`" in _said(blocks)


def test_who_has_no_rights_is_told_whom_to_ask() -> None:
    """A first visit is greeted; without a role, or with roles for channels only, it says what to do."""
    new = _said(_page(_overview(is_new=True, has_role=False, may=())))
    assert "Welcome to shipkeeper" in new
    assert "You have no role yet" in new
    assert "backup VOLUME" not in new
    assert "for certain channels" in _said(_page(_overview(may=())))


def test_the_picture_says_its_numbers() -> None:
    """The image block has the numbers in words, cut to what Slack takes."""
    points = tuple(
        Point(at=AT + timedelta(days=n), size_bytes=10**9 * (n + 1), seconds=9.0 * n) for n in range(3)
    )
    trends = tuple(Trend(host="local", source=f"{n}" * 900, points=points) for n in range(5))
    overview = _overview(figures=Figures(trends=trends))
    image = _page(overview, picture(overview, "F01"))[-2]
    assert image["slack_file"] == {"id": "F01"}
    assert "3 backups from 2026-11-24 to 2026-11-26, 1.0 GB at first and 3.0 GB at last" in image["alt_text"]
    assert "they took 0.0 s to 18 s" in image["alt_text"]


_ODD = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=255) | st.sampled_from(
    [
        "<!channel>",
        "`" * 255,
        "&" * 255,
        "<" * 255,
        "*_~" * 85,
        "\u202egnp",
        "\x00",
        "한" * 255,
        "🐳" * 255,
        "\n" * 255,
    ]
)


@settings(max_examples=60, deadline=None)
@given(st.lists(_ODD, min_size=1, max_size=8), st.booleans())
def test_any_name_makes_a_page_that_slack_takes(names: list[str], is_safe: bool) -> None:
    """Names of 1 to 255 odd characters, of everything on the page, do nothing and break nothing."""
    days = 1.0 if is_safe else None
    volumes = tuple(_volume(name, days=days, users=tuple(names)) for name in names * 6)
    run = _run(1, line=names[0], plan=Plan(text=names[0] * 20), progress=Progress(step=names[0]))
    failed = _run(2, Status.FAILED, line=names[0], reply=Reply(text=names[0] * 20), ended_at=AT)
    cli = _run(
        3,
        invocation=Invocation(
            line=names[0], actor=Actor(id="cli:x", name=names[0]), origin=Origin.CLI, at=AT
        ),
    )
    points = (Point(at=AT, size_bytes=1, seconds=1.0), Point(at=AT, size_bytes=2, seconds=1.0))
    overview = _overview(
        at_work=(_seen(run), _seen(cli)),
        troubled=(failed,) * 5,
        hosts=(
            *(SeenHost(name=name, volumes=volumes) for name in names),
            SeenHost(name="away", trouble=names[0] * 20),
        ),
        figures=Figures(trends=(Trend(host=names[0], source=names[0], points=points),)),
    )
    blocks = _page(overview, picture(overview, "F01"))
    for text in _mrkdwn(blocks):
        left = text.replace("<!date^", "").replace("<@U0ANN>", "")
        assert "<" not in left
        assert not [c for c in text if unicodedata.category(c) == "Cc" and c not in "\n\t"]


def _mrkdwn(part: Any) -> list[str]:
    if isinstance(part, list):
        return [text for inner in part for text in _mrkdwn(inner)]
    if isinstance(part, dict):
        own = [part["text"]] if part.get("type") == "mrkdwn" else []
        return own + [text for inner in part.values() for text in _mrkdwn(inner)]
    return []

"""A Home page as Block Kit: what a person may see, section by section, within Slack's limits. Pure.

Limits: 100 blocks, 3,000 characters a section, 250 KB in all. What does not fit is counted, with its command.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from bot import words
from bot.language import say
from bot.model import Button, Status
from bot.seen import Overview, SeenHost, SeenRun, SeenVolume
from bot.slack.blocks import Block, context, progress_in_words, section
from bot.slack.homealarms import alarms
from bot.slack.homeapprovals import MOST_REQUESTS, requests
from bot.slack.homegreeting import greeting
from bot.slack.homepaper import Paper, Section, Shown, header
from bot.slack.homeschedules import schedule_buttons, schedules
from bot.slack.mrkdwn import code, cut, escape, moment, plain
from bot.stores.runrow import Run

_MOST_BLOCKS = 100
_MOST_BYTES = 240_000
_RUNS = 10
_HOSTS = 6
_ROWS = 36
"""Volumes with a block each, on all hosts together."""
_LINES = 36
"""Volumes in lines of a section, on all hosts together."""
_NAME = 255
_SENTENCE = 300
_PAGE = 2_900
_ALT = 2_000


def home(paper: Paper, now: datetime) -> dict[str, Any]:
    """The view for views.publish. Two that differ in nothing but their last block say the same."""
    blocks = [block for part in SECTIONS for block in part(paper)]
    shown = say(
        "As of {time}; it keeps itself fresh for ten minutes after you open it.",
        time=moment(now, "{time_secs}"),
    )
    return {"type": "home", "blocks": [*_that_fit(blocks), context(shown)]}


def _that_fit(blocks: list[Block]) -> Iterator[Block]:
    """Slack counts bytes of JSON, too: odd names could make a page of few blocks too large for it."""
    left = _MOST_BYTES
    for number, block in enumerate(blocks):
        left -= len(json.dumps(block))
        if left < 0 or number >= _MOST_BLOCKS - 2:
            yield context(say("There is more than fits on this page."))
            return
        yield block


def _at_work(paper: Paper) -> Iterator[Block]:
    runs = paper.overview.at_work
    if not runs:
        return
    yield header(say("At work now"))
    for seen in runs[:_RUNS]:
        block = section(_run_at_work(seen))
        if seen.cancel is not None:
            block["accessory"] = paper.button(seen.cancel)
        yield block
    yield from _more(len(runs) - _RUNS, paper.typed("runs --status running"))


def _run_at_work(seen: SeenRun) -> str:
    run = seen.run
    what = escape(cut(plain(run.plan.text), _SENTENCE)) if run.plan else code(run.invocation.line)
    since = (
        say("since {time}", time=moment(run.started_at))
        if run.started_at
        else say("waiting for approval")
        if run.status is Status.WAITING
        else say("waiting for a free worker")
    )
    lines = [
        f"{words.MARKS[run.status]} {what}",
        say("run {run_id} · {who} · {since}", run_id=run.id, who=_asker(run), since=since),
    ]
    if run.cancel_requested_by is not None:
        lines.append(say("Asked to end; it stops at its next step."))
    elif run.progress is not None:
        lines.append(cut(progress_in_words(run.progress), _SENTENCE))
    return "\n".join(lines)


def _troubled(paper: Paper) -> Iterator[Block]:
    runs = paper.overview.troubled
    if not runs:
        return
    yield header(say("Went wrong lately"))
    for run in runs:
        why = escape(cut(plain(run.reply.text), _SENTENCE)) if run.reply else ""
        when = moment(run.ended_at or run.created_at)
        yield section(
            f"{words.MARKS[run.status]} {code(run.invocation.line)} · {words.status(run.status)} {when}\n{why}\n"
            + say("run {run_id} · {who}", run_id=run.id, who=_asker(run))
        )


def _volumes(paper: Paper) -> Iterator[Block]:
    hosts = paper.overview.hosts
    if not hosts:
        return
    yield header(say("Volumes"))
    share = _share(paper.overview)
    for host in hosts[:_HOSTS]:
        yield from _host(paper, host, share)
    yield from _more(len(hosts) - _HOSTS, paper.typed("hosts"), are_hosts=True)


def _host(paper: Paper, host: SeenHost, share: int) -> Iterator[Block]:
    name = f"*{escape(cut(plain(host.name), _NAME))}*"
    if host.trouble:
        yield section(
            say(
                "{host} does not say what it holds: {trouble}",
                host=name,
                trouble=escape(cut(plain(host.trouble), _SENTENCE)),
            )
        )
        return
    bare = _bare(host)
    safe = [volume for volume in host.volumes if volume.backed_up_at is not None]
    yield section(
        say(
            "{host}: {bare} without a verified backup, {safe} with one.",
            host=name,
            bare=len(bare),
            safe=len(safe),
        )
    )
    for volume in bare[: _ROWS // share]:
        block = section(_unprotected(volume))
        if volume.back_up is not None:
            block["accessory"] = paper.button(volume.back_up)
        yield block
    on = f" --host {host.name}" if len(paper.overview.hosts) > 1 else ""
    yield from _more(len(bare) - _ROWS // share, paper.typed(f"volumes --unprotected{escape(on)}"))
    lines = [_protected(volume) for volume in safe[: _LINES // share]]
    page = _fitting(lines)
    if page:
        yield section("\n".join(page))
    yield from _more(len(safe) - len(page), paper.typed(f"backups{escape(on)}"))


def _bare(host: SeenHost) -> list[SeenVolume]:
    return [volume for volume in host.volumes if volume.backed_up_at is None]


def _share(overview: Overview) -> int:
    """Among how many hosts the places are shared out."""
    return max(1, min(len(overview.hosts), _HOSTS))


def _unprotected(volume: SeenVolume) -> str:
    name = code(volume.name, _NAME)
    if volume.is_at_work:
        state = say("{volume} has no verified backup; a run holds it now", volume=name)
    else:
        state = say("{volume} has no verified backup", volume=name)
    names = escape(cut(plain(", ".join(volume.users)), _SENTENCE))
    users = say("used by {containers}", containers=names) if names else say("not in use")
    return f"⚠️ {state} · {users}"


def _protected(volume: SeenVolume) -> str:
    age = moment(volume.backed_up_at, "{ago}") if volume.backed_up_at else ""
    return say("{volume} · last verified backup {age}", volume=code(volume.name, _NAME), age=age)


def _trend(paper: Paper) -> Iterator[Block]:
    if paper.picture is None:
        return
    yield header(say("How backups grow"))
    yield {
        "type": "image",
        "slack_file": {"id": paper.picture.file_id},
        "alt_text": cut(plain(paper.picture.alt_text), _ALT),
    }


SECTIONS: tuple[Section, ...] = (
    greeting,
    requests,
    alarms,
    _at_work,
    _troubled,
    schedules,
    _volumes,
    _trend,
)
"""The page from top to bottom; a section that has nothing to say yields nothing."""


def buttons_of(overview: Overview) -> tuple[Button, ...]:
    """The buttons that the page has room for."""
    rows = _ROWS // _share(overview)
    words_wanted = [one for seen in overview.requests[:MOST_REQUESTS] for one in (seen.approve, seen.deny)]
    ends = [seen.cancel for seen in overview.at_work[:_RUNS]]
    makes = [volume.back_up for host in overview.hosts[:_HOSTS] for volume in _bare(host)[:rows]]
    found = (*words_wanted, *ends, *schedule_buttons(overview), *makes)
    return tuple(button for button in found if button is not None)


def picture(overview: Overview, file_id: str) -> Shown:
    """The picture of its figures."""
    return Shown(file_id=file_id, alt_text=overview.figures.in_words)


def _more(number: int, command: str, *, are_hosts: bool = False) -> Iterator[Block]:
    if number <= 0:
        return
    if are_hosts:
        yield context(say("and {number} more hosts: {command}", number=number, command=command))
    else:
        yield context(say("and {number} more: {command}", number=number, command=command))


def _fitting(lines: list[str]) -> list[str]:
    """As many of them as a section takes."""
    kept: list[str] = []
    for line in lines:
        if sum(map(len, kept)) + len(kept) + len(line) > _PAGE:
            break
        kept.append(line)
    return kept


def _asker(run: Run) -> str:
    place = run.invocation.place
    return f"<@{place.user}>" if place else escape(cut(run.invocation.actor.name, _NAME))

"""A Home page as Block Kit: what a person may see, section by section, within Slack's limits. Pure.

Limits: 100 blocks, 3,000 characters a section, 250 KB in all. What does not fit is counted, with its command.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot import words
from bot.language import say
from bot.model import Button
from bot.overview import Overview, SeenHost, SeenRun, SeenVolume
from bot.slack.blocks import PRESS, Block, button_of, context, progress_in_words, section
from bot.slack.mrkdwn import code, cut, escape, moment, plain
from bot.stores.outbox import StoredButton
from bot.stores.runs import Run
from bot.trends import in_words

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


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A picture that Slack can show, and what it shows in words."""

    file_id: str
    alt_text: str


@dataclass(frozen=True, kw_only=True)
class Paper:
    """What the sections are written from. `docker` is the slash command that takes any command line."""

    overview: Overview
    docker: str
    tokens: Mapping[str, StoredButton]
    picture: Shown | None

    def button(self, button: Button) -> Block:
        """The element, with the token that stands for its line."""
        stored = self.tokens[button.line]
        return button_of(f"{PRESS}:{stored.token}", stored)

    def typed(self, line: str) -> str:
        """How a command line is typed here."""
        return f"`{self.docker} {line}`"


Section = Callable[[Paper], Iterator[Block]]


def home(paper: Paper, now: datetime) -> dict[str, Any]:
    """The view for views.publish. Two that differ in nothing but their last block say the same."""
    blocks = [block for part in SECTIONS for block in part(paper)]
    shown = say(
        "As of {now}; it keeps itself fresh for ten minutes after you open it.",
        now=moment(now, "{time_secs}"),
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


def _greeting(paper: Paper) -> Iterator[Block]:
    overview = paper.overview
    if overview.is_new:
        yield _header(say("Welcome to shipkeeper"))
        yield section(
            say(
                "I run Docker’s daily verbs from chat: backups, restores, snapshots, pushes. Nothing is called done that "
                "is not proven done.\nType {typed} in any channel to see what you may do there; in a "
                "thread, mention me instead. What you ask for is answered by one message, which follows the work.",
                typed=paper.typed("help"),
            )
        )
        if "backup" in overview.may:
            yield section(
                say(
                    "To begin: {typed} lists what there is, {typed_2} makes a "
                    "proven backup, and {typed_3} shows it.",
                    typed=paper.typed("volumes"),
                    typed_2=paper.typed("backup VOLUME"),
                    typed_3=paper.typed("backups"),
                )
            )
    if not overview.may:
        yield section(_without_rights(paper))
    elif not overview.is_new:
        yield context(
            say(
                "{typed} shows what you may do; {typed_2} why not more.",
                typed=paper.typed("help"),
                typed_2=paper.typed("why COMMAND TARGET"),
            )
        )


def _without_rights(paper: Paper) -> str:
    if paper.overview.has_role:
        return say(
            "Your roles are for certain channels, so there is nothing for you to see here. Type your commands there; "
            "{typed} explains each.",
            typed=paper.typed("why COMMAND"),
        )
    return say(
        "You have no role yet, so there is nothing for you to see here. {typed} shows your id; "
        "whoever keeps the settings can give you a role.",
        typed=paper.typed("whoami"),
    )


def _at_work(paper: Paper) -> Iterator[Block]:
    runs = paper.overview.at_work
    if not runs:
        return
    yield _header(say("At work now"))
    for seen in runs[:_RUNS]:
        block = section(_run_at_work(seen))
        if seen.cancel is not None:
            block["accessory"] = paper.button(seen.cancel)
        yield block
    yield from _more(len(runs) - _RUNS, paper.typed(say("runs --status running")))


def _run_at_work(seen: SeenRun) -> str:
    run = seen.run
    what = escape(cut(plain(run.plan.text), _SENTENCE)) if run.plan else code(run.invocation.line)
    since = (
        say("since {started_at}", started_at=moment(run.started_at))
        if run.started_at
        else say("waiting for a free worker")
    )
    lines = [
        f"{words.MARKS[run.status]} {what}",
        say("run {run_id} · {run} · {since}", run_id=run.id, run=_asker(run), since=since),
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
    yield _header(say("Went wrong lately"))
    for run in runs:
        why = escape(cut(plain(run.reply.text), _SENTENCE)) if run.reply else ""
        when = moment(run.ended_at or run.created_at)
        yield section(
            f"{words.MARKS[run.status]} {code(run.invocation.line)} · {run.status.value} {when}\n{why}\n"
            f"run {run.id} · {_asker(run)}"
        )


def _volumes(paper: Paper) -> Iterator[Block]:
    hosts = paper.overview.hosts
    if not hosts:
        return
    yield _header("Volumes")
    share = _share(paper.overview)
    for host in hosts[:_HOSTS]:
        yield from _host(paper, host, share)
    yield from _more(len(hosts) - _HOSTS, paper.typed("hosts"), "hosts")


def _host(paper: Paper, host: SeenHost, share: int) -> Iterator[Block]:
    name = f"*{escape(cut(plain(host.name), _NAME))}*"
    if host.trouble:
        yield section(
            say(
                "{name} does not say what it holds: {trouble}",
                name=name,
                trouble=escape(cut(plain(host.trouble), _SENTENCE)),
            )
        )
        return
    bare = _bare(host)
    safe = [volume for volume in host.volumes if volume.backed_up_at is not None]
    yield section(
        say(
            "{name}: {bare_count} without a verified backup, {safe_count} with one.",
            name=name,
            bare_count=len(bare),
            safe_count=len(safe),
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
    users = (
        say(" · used by {users}", users=escape(cut(plain(", ".join(volume.users)), _SENTENCE)))
        if volume.users
        else say(" · not in use")
    )
    now = say("; a run holds it now") if volume.is_at_work else ""
    return say(
        "⚠️ {volume} has no verified backup{now}{users}", volume=code(volume.name, _NAME), now=now, users=users
    )


def _protected(volume: SeenVolume) -> str:
    age = moment(volume.backed_up_at, "{ago}") if volume.backed_up_at else ""
    return say("{volume} · last verified backup {age}", volume=code(volume.name, _NAME), age=age)


def _trend(paper: Paper) -> Iterator[Block]:
    if paper.picture is None:
        return
    yield _header(say("How backups grow"))
    yield {
        "type": "image",
        "slack_file": {"id": paper.picture.file_id},
        "alt_text": cut(plain(paper.picture.alt_text), _ALT),
    }


SECTIONS: tuple[Section, ...] = (_greeting, _at_work, _troubled, _volumes, _trend)
"""The page from top to bottom; a section that has nothing to say yields nothing."""


def buttons_of(overview: Overview) -> tuple[Button, ...]:
    """The buttons that the page has room for."""
    rows = _ROWS // _share(overview)
    ends = [seen.cancel for seen in overview.at_work[:_RUNS]]
    makes = [volume.back_up for host in overview.hosts[:_HOSTS] for volume in _bare(host)[:rows]]
    return tuple(button for button in (*ends, *makes) if button is not None)


def picture(overview: Overview, file_id: str) -> Shown:
    """The picture of its trends."""
    return Shown(file_id=file_id, alt_text=in_words(overview.trends))


def _header(text: str) -> Block:
    return {"type": "header", "text": {"type": "plain_text", "text": text}}


def _more(count: int, command: str, what: str = "") -> Iterator[Block]:
    if count > 0:
        yield context(
            say(
                "and {count} more{extra}: {command}",
                count=count,
                extra=f" {what}" if what else "",
                command=command,
            )
        )


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

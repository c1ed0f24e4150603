"""What people are told of labels that ask for schedules: proposals with their buttons, and what was done by itself.

Words only: it must not know who decides, nor where any of it is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.language import say, say_count
from bot.model import Button, Reply, Table
from bot.operations.labelled import LABEL, Labelled
from bot.times.when import When

_MOST_BUTTONS = 5
_MOST_LINES = 10
_LONGEST_LABEL = 75
_COLUMNS = ("volume", "host", "when", "command")


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A schedule that nobody made yet: the command makes it."""

    of: Labelled
    when: When
    command: str


@dataclass(frozen=True, kw_only=True)
class Unclear:
    """A label that says no time, and why; `stays` is the schedule that was made of what it said before."""

    of: Labelled
    why: str
    stays: str = ""


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What is to be told at once: `done` are sentences of what was made, changed and removed."""

    done: tuple[str, ...] = ()
    proposals: tuple[Proposal, ...] = ()
    unclear: tuple[Unclear, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.done or self.proposals or self.unclear)


def proposal_of(one: Labelled, when: When, line: str, name: str) -> Proposal:
    """The command says the zone: whoever presses the button may live in another one than the label means."""
    command = f"schedule {name} --zone {when.zone} {when.text} {line}"
    return Proposal(of=one, when=when, command=command)


def reply_of(found: Findings) -> Reply:
    """One message of all that is new."""
    said = list(found.done[:_MOST_LINES])
    if len(found.done) > _MOST_LINES:
        said.append(say("And {number} more; `schedules` lists them.", number=len(found.done) - _MOST_LINES))
    if found.proposals:
        said.append(_proposed(found.proposals))
    said += [_unclear(one) for one in found.unclear[:_MOST_LINES]]
    if len(found.unclear) > _MOST_LINES:
        said.append(say("And {number} more such labels.", number=len(found.unclear) - _MOST_LINES))
    rows = tuple((one.of.volume, one.of.host, one.when.text, one.command) for one in found.proposals)
    return Reply(
        text="\n".join(said),
        table=Table(columns=_COLUMNS, rows=rows) if rows else None,
        buttons=tuple(map(_button, found.proposals[:_MOST_BUTTONS])),
    )


def _proposed(proposals: Sequence[Proposal]) -> str:
    told = say_count(
        "The label `{label}` asks for a schedule for {number} volume that has none. Nothing was scheduled: press the "
        "button, or type the command in the list.",
        "The label `{label}` asks for schedules for {number} volumes that have none. Nothing was scheduled: press a "
        "button, or type the commands in the list.",
        len(proposals),
        label=LABEL,
    )
    if len(proposals) <= _MOST_BUTTONS:
        return told
    few = say("There are buttons for the first {number}.", number=_MOST_BUTTONS)
    return f"{told} {few}"


def _button(proposal: Proposal) -> Button:
    label = say("Schedule {volume}", volume=proposal.of.volume)
    return Button(label=label[:_LONGEST_LABEL], line=proposal.command)


def _unclear(one: Unclear) -> str:
    told = say(
        "The label `{label}` of volume {volume} on host {host}: {why}",
        label=LABEL,
        volume=one.of.volume,
        host=one.of.host,
        why=one.why,
    )
    if not one.stays:
        return told
    stays = say("Schedule {name} stays as it was.", name=one.stays)
    return f"{told} {stays}"


def added(name: str, line: str, when: When) -> str:
    """A schedule was made of a label."""
    return say(
        "Schedule {name} was made of a label: `{line}`, {when} ({zone}).",
        name=name,
        line=line,
        when=when.text,
        zone=when.zone,
    )


def changed(name: str, line: str, when: When) -> str:
    """A schedule follows its label."""
    return say(
        "Schedule {name} follows its label: `{line}`, now {when} ({zone}).",
        name=name,
        line=line,
        when=when.text,
        zone=when.zone,
    )


def removed(name: str, line: str) -> str:
    """The label of a schedule is gone."""
    return say("Schedule {name} (`{line}`) was removed, for its label is gone.", name=name, line=line)


def removed_with_host(name: str, line: str) -> str:
    """The host of a schedule is gone."""
    return say(
        "Schedule {name} (`{line}`) was removed, for its host is not in the settings any more.",
        name=name,
        line=line,
    )

"""The greeting of a Home page: who the bot is, how to begin, and what to do about missing rights. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from bot.language import say
from bot.slack.blocks import Block, context, section
from bot.slack.homepaper import Paper, header


def greeting(paper: Paper) -> Iterator[Block]:
    """The first section of the page."""
    overview = paper.overview
    if overview.is_new:
        yield from _welcome(paper)
    if not overview.may:
        yield section(_without_rights(paper))
    elif not overview.is_new:
        sentence = say(
            "{help} shows what you may do; {why} why not more.",
            help=paper.typed("help"),
            why=paper.typed("why COMMAND TARGET"),
        )
        yield context(sentence)


def _welcome(paper: Paper) -> Iterator[Block]:
    yield header(say("Welcome to shipkeeper"))
    who = say(
        "I run Docker’s daily verbs from chat: backups, restores, snapshots, pushes. Nothing is called done that is "
        "not proven done."
    )
    how = say(
        "Type {help} in any channel to see what you may do there; in a thread, mention me instead. What you ask for is "
        "answered by one message, which follows the work.",
        help=paper.typed("help"),
    )
    yield section(f"{who}\n{how}")
    if "backup" in paper.overview.may:
        first = say(
            "To begin: {volumes} lists what there is, {backup} makes a proven backup, and {backups} shows it.",
            volumes=paper.typed("volumes"),
            backup=paper.typed("backup VOLUME"),
            backups=paper.typed("backups"),
        )
        yield section(first)


def _without_rights(paper: Paper) -> str:
    if paper.overview.barred:
        return paper.overview.barred
    if paper.overview.has_role:
        return say(
            "Your roles are for certain channels, so there is nothing for you to see here. Type your commands there; "
            "{why} explains each.",
            why=paper.typed("why COMMAND"),
        )
    return say(
        "You have no role yet, so there is nothing for you to see here. {whoami} shows your id; "
        "whoever keeps the settings can give you a role.",
        whoami=paper.typed("whoami"),
    )

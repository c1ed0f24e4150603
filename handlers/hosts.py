"""`hosts`: the Docker hosts of the settings, and which of them answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from bot.command import Command, arg
from bot.commandline import split
from bot.context import RunContext
from bot.engine import Engine
from bot.engine.inventory_contract import HostSurvey
from bot.errors import BotError, EngineError
from bot.kinds import Count, PageNumber, Pattern
from bot.language import later, say_count
from bot.model import Reply, Right, Table, Value
from bot.operations.hostwide import Answers, ask_all
from bot.operations.paging import fits, page_of
from bot.services import Services

_LIMIT = timedelta(seconds=3)
_PATIENCE = timedelta(seconds=5)
"""A little longer than the limit, so that a host’s own sentence is the one that is shown."""
_COLUMNS = ("host", "address", "default", "answers", "version", "api", "containers", "running", "volumes")


@dataclass(frozen=True)
class Arguments:
    """What `hosts` takes."""

    name: Pattern | None = arg("only those with such a name, * for anything", default=None, positional=True)
    limit: Count = arg("how many a page", default=Count("15"))
    page: PageNumber = arg("which page", default=PageNumber("1"))


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:
    names = [
        name
        for name in services.engines
        if fits(name, arguments.name) and services.policy.allows(run.request(COMMAND, host=name))
    ]
    page = page_of(names, limit=arguments.limit, number=arguments.page)
    answers = _asked({name: services.engines[name] for name in page.rows})
    rows = tuple(_cells(name, services, answers.given.get(name)) for name in page.rows)
    return Reply(
        text=page.in_words(say_count("{number} host", "{number} hosts", page.total)) + answers.in_words,
        table=Table(columns=_COLUMNS, rows=rows) if rows else None,
        buttons=page.buttons(split(run.invocation.line)),
    )


def _asked(engines: dict[str, Engine]) -> Answers[HostSurvey]:
    try:
        return ask_all(engines, lambda engine: engine.survey(_LIMIT), _PATIENCE)
    except BotError as error:  # the only one is down, which is what people want to see here
        return Answers(refused={name: error for name in engines})


def _cells(name: str, services: Services, survey: HostSurvey | None) -> tuple[Value, ...]:
    at = (name, _address(services.engines[name]), name == services.default_host, survey is not None)
    if survey is None:
        return (*at, None, None, None, None, None)
    return (*at, survey.version, survey.api_version, survey.containers, survey.running, survey.volumes)


def _address(engine: Engine) -> str:
    try:
        return engine.address
    except EngineError:
        return ""  # its refusal is told beside the table


COMMAND = Command(
    name="hosts",
    summary=later("List the Docker hosts and which of them answer"),
    right=Right.VIEW,
    arguments=Arguments,
    run=_run,
    examples=("hosts", later("hosts shop-*")),
)

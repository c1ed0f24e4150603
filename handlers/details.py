"""`details RUN`: everything that is known of a run: its plan, what it did when, its facts and its output."""

from __future__ import annotations

from dataclasses import dataclass

from bot import words
from bot.approvals.binding import in_words
from bot.command import Command, arg
from bot.consent import Approval, Decision, stands
from bot.context import RunContext
from bot.kinds import RunId
from bot.language import later, say
from bot.model import Reply, Right, Table, Value
from bot.operations.steps import done
from bot.services import Services
from bot.stores.audit import AuditLine
from bot.stores.journal import Noted
from bot.stores.runrow import Run

_COLUMNS = ("at", "what", "until_at", "then")


@dataclass(frozen=True)
class Arguments:
    """What `details` takes."""

    run: RunId = arg("the run to look into")


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:
    wanted = services.run_of(arguments.run, run.invocation)
    reply = wanted.reply
    rows = [
        *((line.event.at.isoformat(), line.event.kind, None, "") for line in _audited(wanted, services)),
        *(_row(noted) for noted in services.noted(wanted.id)),
    ]
    return Reply(
        text=_text(wanted),
        facts={**_facts(wanted, services.approvals.of(wanted.id)), **(reply.facts if reply else {})},
        table=Table(columns=_COLUMNS, rows=tuple(sorted(rows, key=lambda row: str(row[0]))))
        if rows
        else None,
        output=reply.output if reply else "",
        is_aloud=run.invocation.token is not None,
    )


def _text(run: Run) -> str:
    line, status = run.invocation.line, say(run.status.value)
    said = [say("Run {run}: `{line}`, {status}.", run=run.id, line=line, status=status)]
    if run.plan is not None:
        said.append(say("Its plan: {plan}", plan=run.plan.text))
        if run.plan.steps:
            said.append(say("Steps: {steps}.", steps=", ".join(say(step) for step in run.plan.steps)))
    return " ".join(said)


def _facts(run: Run, asked: Approval | None) -> dict[str, Value]:
    facts: dict[str, Value] = {"by": run.invocation.actor.name, "asked_at": run.created_at.isoformat()}
    facts |= {"schedule": run.invocation.schedule} if run.invocation.schedule else {}
    if run.plan is not None:
        facts["held"] = ", ".join(run.plan.targets)
    if asked is not None:
        people = ", ".join(vote.actor.name for vote in asked.votes)
        facts["approved_by"] = people or (asked.decided_by if asked.decision is Decision.BROKEN else None)
        facts["decision"] = stands(asked)
        facts["rules"] = ", ".join(rule.name for rule in asked.rules)
        facts["bound_to"] = in_words(asked.binds)
        facts["plan_digest"] = asked.digest
    if run.outcome is not None:
        facts["took"] = words.duration(run.outcome.took.total_seconds())
    return facts


def _audited(run: Run, services: Services) -> list[AuditLine]:
    lines = services.audit.lines(limit=1000, run_id=run.id)
    return [line for line in lines if line.event.kind != "docker"]


def _row(noted: Noted) -> tuple[str, str, str | None, str]:
    then = (
        say("stays")
        if noted.kept
        else say("taken back")
        if noted.settled_at
        else noted.error or say("to be taken back")
    )
    until = noted.settled_at.isoformat() if noted.settled_at else None
    return noted.written_at.isoformat(), done(noted.verb, noted.arguments), until, then


COMMAND = Command(
    name="details",
    summary=later("Show all that is known of a run: plan, steps with their times, facts, output"),
    right=Right.VIEW,
    arguments=Arguments,
    run=_run,
    examples=("details 7f3a2c1b",),
    beneath=True,
)

"""`prune [VOLUME]`: remove the backups that retention does not keep; `--dry-run` shows exactly which."""

from __future__ import annotations

from dataclasses import dataclass

from bot.command import Command, arg
from bot.context import RunContext
from bot.errors import NotFound
from bot.kinds import HostName, SourceName
from bot.language import later, say
from bot.model import Plan, Reply, Right, Status
from bot.operations.holds import filed_as, is_about, target_of_source
from bot.operations.prune import Rules, Ruling, judge, prune, room_of
from bot.operations.prunetold import Asked, no_retention, plan_of, reply_after_crash, reply_of
from bot.services import Services


@dataclass(frozen=True)
class Arguments:
    """What `prune` takes."""

    source: SourceName | None = arg("only this volume’s or path’s", default=None, positional=True)
    host: HostName | None = arg("the Docker host that the backups were taken on", default=None)
    dry_run: bool = arg("only show what would be removed", default=False)
    despite_shrink: bool = arg("also where the newest backup is less than half as large", default=False)
    wait: bool = arg("queue behind whoever holds a volume", default=False)


def _asked(arguments: Arguments, services: Services) -> Asked:
    return Asked(
        source=filed_as(arguments.source) if arguments.source else None,
        host=arguments.host or services.default_host,
        dry_run=arguments.dry_run,
        despite_shrink=arguments.despite_shrink,
    )


def _sources(asked: Asked, services: Services) -> tuple[str, ...]:
    found = sorted({backup.volume for backup in services.archive.backups(asked.host, asked.source)})
    if asked.source and not found:
        raise NotFound(
            say(
                "There are no backups of {source} on host {host}. Nothing was pruned.",
                source=asked.source,
                host=asked.host,
            )
        )
    return tuple(found)


def _targets(arguments: Arguments, services: Services) -> tuple[str, ...]:
    return tuple(target_of_source(source) for source in _sources(_asked(arguments, services), services))


def _rulings(asked: Asked, services: Services, held: tuple[str, ...]) -> tuple[Ruling, ...]:
    def last_failure(source: str) -> str:
        ending = services.audit.last_ending(
            "backup", asked.host, target_of_source(source), lambda targets: is_about(targets, source)
        )
        if ending is None or ending.kind == Status.SUCCEEDED.value:
            return ""
        return say("run {run}: {status}", run=ending.run_id, status=say(ending.kind))

    rules = Rules(
        retention=services.retention, last_failure=last_failure, despite_shrink=asked.despite_shrink
    )
    sources = [one for one in _sources(asked, services) if target_of_source(one) in held]
    return judge(services.archive, asked.host, sources, rules, services.clock())


def _plan(arguments: Arguments, services: Services) -> Plan:
    asked, targets = _asked(arguments, services), _targets(arguments, services)
    return plan_of(asked, _rulings(asked, services, targets), targets)


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:
    if not services.retention.is_set:
        return no_retention()
    asked, plan = _asked(arguments, services), services.runs.get(run.run_id).plan
    rulings = _rulings(asked, services, plan.targets if plan else ())
    if asked.dry_run:
        return reply_of(asked, rulings, room_of(one for ruling in rulings for one in ruling.removed))
    return reply_of(asked, rulings, prune(services.archive, run, rulings))


def _done(run_id: str, services: Services) -> Reply | None:
    run = services.runs.get(run_id)
    return reply_after_crash(services.archive, run.host, run.plan)


COMMAND = Command(
    name="prune",
    summary=later("Remove the backups that retention does not keep"),
    # Nothing brings a pruned backup back; a command has one right, so it is that of its gravest use.
    right=Right.ADMIN,
    arguments=Arguments,
    targets=_targets,
    plan=_plan,
    run=_run,
    done=_done,
    examples=("prune --dry-run", "prune pgdata", "prune pgdata --despite-shrink"),
)

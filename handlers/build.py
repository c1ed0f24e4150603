"""`build NAME`: an image from a context that the settings allow, with its log, and pushed if that is wanted."""

from __future__ import annotations

from dataclasses import dataclass

from bot.command import Command, arg
from bot.context import RunContext
from bot.errors import UsageError
from bot.kinds import BuildName, HostName
from bot.language import later, say
from bot.model import Plan, Reply, Right
from bot.operations import buildtold
from bot.operations.build import BuildRule, build, kept_all_the_same, plan
from bot.operations.push import PushPlan, push
from bot.operations.registries import Known
from bot.reference import Reference, parse
from bot.services import Services

_NO_REGISTRY = later("The settings name no registry for the build {build}. Nothing was built or pushed.")
_STEPS = (later("send"), later("build"), later("name"))
_PUSH_STEPS = (later("push"), later("read back"))


@dataclass(frozen=True)
class Arguments:
    """What `build` takes."""

    name: BuildName = arg("the build, as the settings call it")
    push: bool = arg("send it to its registry, too", default=False)
    no_cache: bool = arg("carry out every step anew", default=False)
    host: HostName | None = arg("the Docker host that builds it", default=None)
    wait: bool = arg("queue behind whoever builds it", default=False)


def _reference(rule: BuildRule, services: Services) -> tuple[Reference, Known | None]:
    if not rule.registry:
        return parse(rule.image).tagged, None
    known = services.registries.named(rule.registry)
    namespace = f"{known.rules.namespace}/" if known.rules.namespace else ""
    return parse(f"{known.registry.host}/{namespace}{rule.image}").tagged, known


def _asked(arguments: Arguments, services: Services) -> tuple[BuildRule, Reference, Known | None]:
    rule = services.build(arguments.name, no_cache=arguments.no_cache)
    reference, known = _reference(rule, services)
    if not arguments.push:
        return rule, reference, None
    if known is None:
        raise UsageError(say(_NO_REGISTRY, build=rule.name))
    known.refuse_unwanted(reference)
    return rule, reference, known


def _targets(arguments: Arguments, services: Services) -> tuple[str, ...]:
    rule, reference, known = _asked(arguments, services)
    return (f"build:{rule.name}", f"image:{reference}", *((known.target(reference),) if known else ()))


def _plan(arguments: Arguments, services: Services) -> Plan:
    rule, reference, known = _asked(arguments, services)
    host = services.engine(arguments.host).host
    return Plan(
        text=buildtold.planned(plan(rule, reference), host, known.name if known else None),
        targets=_targets(arguments, services),
        steps=(*_STEPS, *(_PUSH_STEPS if known else ())),
    )


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:
    rule, reference, known = _asked(arguments, services)
    engine, made, pushed = services.engine(run.host), plan(rule, reference), ""
    with services.outgoing.begin(run.run_id) as log:
        built = build(engine, run, made, log.write, services.clock())
        file = log.keep(f"build-{rule.name}-{run.run_id}.log")
    if built.image is None:
        return buildtold.failed(made, built, file)
    if known is not None:
        with kept_all_the_same(reference):
            done = push(engine, run, PushPlan(image=built.image, reference=reference, known=known))
        pushed = " " + say(
            "The registry {registry} serves {digest}.", registry=known.name, digest=done.digest
        )
    return buildtold.told(made, built.image, pushed, run.host, file)


def _done(run_id: str, services: Services) -> Reply | None:
    host = services.runs.get(run_id).host
    return buildtold.found(services.engine(host).images(), run_id, host)


COMMAND = Command(
    name="build",
    summary=later("Build an image from a context of the settings"),
    right=Right.OPERATE,
    arguments=Arguments,
    targets=_targets,
    plan=_plan,
    binds=lambda arguments, services, _: plan(*_asked(arguments, services)[:2]).binds(),
    run=_run,
    done=_done,
    examples=("build web", "build web --no-cache --push"),
)

"""`build NAME`: an image from a context that the settings allow, with its log, and pushed if that is wanted."""

from __future__ import annotations

from dataclasses import dataclass

from bot.command import Command, arg
from bot.context import RunContext
from bot.engine import RUN_LABEL
from bot.errors import UsageError
from bot.kinds import BuildName, HostName
from bot.model import Attachment, Plan, Reply, Right, Status
from bot.operations.build import BUILD_LABEL, BuildPlan, BuildRule, Built, build, kept_all_the_same, plan
from bot.operations.push import PushPlan, push
from bot.operations.registries import Known
from bot.reasons import Reason
from bot.reference import Reference, parse
from bot.services import Services


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
        raise UsageError(
            f"The settings name no registry for the build {rule.name}. Nothing was built or pushed."
        )
    known.refuse_unwanted(reference)
    return rule, reference, known


def _targets(arguments: Arguments, services: Services) -> tuple[str, ...]:
    rule, reference, known = _asked(arguments, services)
    pushed = (known.target(reference),) if known else ()
    return (f"build:{rule.name}", f"image:{reference}", *pushed)


def _plan(arguments: Arguments, services: Services) -> Plan:
    rule, reference, known = _asked(arguments, services)
    made = plan(rule, reference)
    at = (
        f", commit {made.checkout.commit[:12]}{', with changes' if made.checkout.dirty else ''}"
        if made.checkout
        else ""
    )
    then = f" Then push it to the registry {known.name}." if known else ""
    return Plan(
        text=f"Build {reference} on host {services.engine(arguments.host).host} from {rule.context} "
        f"({len(made.context.paths)} entries, {made.context.size_bytes} bytes{at}).{then}",
        targets=_targets(arguments, services),
        steps=("send", "build", "name", *(("push", "read back") if known else ())),
    )


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:
    rule, reference, known = _asked(arguments, services)
    engine, made = services.engine(run.host), plan(rule, reference)
    with services.outgoing.begin(run.run_id) as log:
        built = build(engine, run, made, log.write, services.clock())
        file = log.keep(f"build-{rule.name}-{run.run_id}.log")
    if built.image is None:
        return _failed(made, built, file)
    digest = None
    if known is not None:
        with kept_all_the_same(reference):
            digest = push(engine, run, PushPlan(image=built.image, reference=reference, known=known)).digest
    text = f"{reference} is built on host {run.host}."
    text += f" The registry {known.name} serves {digest}." if known else ""
    return _told(
        made, text, {"image": built.image.id, "image_bytes": built.image.size_bytes, "digest": digest}, file
    )


def _told(made: BuildPlan, text: str, facts: dict[str, str | int | None], file: Attachment | None) -> Reply:
    checkout = made.checkout
    facts = {"build": made.rule.name, "reference": made.reference.text, **facts}
    facts |= {"commit": checkout.commit, "dirty": checkout.dirty} if checkout else {}
    known = {name: value for name, value in facts.items() if value is not None}
    return Reply(text=text, facts=known, attachments=(file,) if file else ())


def _failed(made: BuildPlan, built: Built, file: Attachment) -> Reply:
    last = "\n".join(built.last_lines)
    return Reply(
        text=f"{built.problem} No image was named {made.reference}; what had that name still has it. The log is "
        f"attached; its last lines:\n{last}",
        facts={"build": made.rule.name, "reason": Reason.BUILD.value},
        attachments=(file,),
        status=Status.FAILED,
    )


def _done(run_id: str, services: Services) -> Reply | None:
    run = services.runs.get(run_id)
    labels = {RUN_LABEL: run_id}
    for image in services.engine(run.host).images():
        if labels.items() <= image.labels.items() and BUILD_LABEL in image.labels and image.references:
            return Reply(
                text=f"{image.references[0]} is built on host {run.host}. The bot was stopped after that: its log is "
                "lost, and if it was to be pushed, push it now.",
                facts={
                    "build": image.labels[BUILD_LABEL],
                    "reference": image.references[0],
                    "image": image.id,
                },
                status=Status.PARTIAL,
            )
    return None


COMMAND = Command(
    name="build",
    summary="Build an image from a context of the settings",
    right=Right.OPERATE,
    arguments=Arguments,
    targets=_targets,
    plan=_plan,
    run=_run,
    done=_done,
    examples=("build web", "build web --no-cache --push"),
)

"""Makes engines, registries and rules from the sections of the settings; asks none of them anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

from bot.approvals.deciding import Approvals
from bot.command import Command
from bot.consent import Rule
from bot.engine import Check, Engine
from bot.engine.address import Access
from bot.engine.build_contract import Recipe
from bot.engine.real import DockerEngine
from bot.engine.witness import Witness
from bot.model import Actor, Right
from bot.operations.build import BuildRule
from bot.operations.drill import DrillRule
from bot.operations.quiesce import Quiesce, QuiescePolicy
from bot.operations.registries import Known, Registries, Rules
from bot.operations.runbooks import Runbook
from bot.pace import Pace
from bot.people import SHELL
from bot.permissions import Policy, Role
from bot.permissions import Rules as PolicyRules
from bot.registry.client import HttpRegistry
from bot.registry.credentials import Source, from_docker_config, from_file, from_helper, nobody
from bot.registry.wire import Tls
from bot.reload import Swapper
from bot.schedules.discovery import DiscoveryRules
from bot.seals import Sealer
from bot.secrecy import Login, masked
from bot.sections import DrillSection, HostSection
from bot.sections.approvals import idle_pattern
from bot.sections.builds import BuildSection
from bot.sections.registries import RegistrySection
from bot.sections.runbooks import RunbookSection
from bot.settings import Settings, SettingsError
from bot.stores.audit import Audit
from bot.stores.database import Database

DEFAULT_HOST = "local"
"""The one host of settings that name none."""

_SHORTEST_SECRET = 4
_LONGEST_ANSWER = timedelta(seconds=60)
_FILES_OF_A_HOST = ("ca_file", "cert_file", "key_file", "ssh_config")


def engines(settings: Settings, witness: Witness) -> dict[str, Engine]:
    """All hosts by name; the one that Docker's own variables mean, if none is set."""
    made = _engines(settings)
    for engine in made.values():
        engine.tell(witness)
    return dict(made)


def ignores_docker_host(settings: Settings) -> bool:
    """Whether DOCKER_HOST leads to a Docker that no host of the settings is."""
    addresses = {host.address for host in settings.hosts.values()}
    return bool(addresses and settings.docker_host) and settings.docker_host not in addresses


def _engines(settings: Settings) -> dict[str, DockerEngine]:
    stall = settings.stall_limit
    answer = min(stall, _LONGEST_ANSWER)
    if not settings.hosts:
        engine = DockerEngine(
            DEFAULT_HOST, base_url=settings.docker_host, stall=stall, request_timeout=answer
        )
        return {DEFAULT_HOST: engine}
    return {
        name: DockerEngine(
            name, base_url=host.address, stall=stall, request_timeout=answer, access=_access(host)
        )
        for name, host in settings.hosts.items()
    }


def _access(host: HostSection) -> Access:
    files = {name: str(path) for name in _FILES_OF_A_HOST if (path := getattr(host, name)) is not None}
    return Access(**files, contact=timedelta(seconds=host.seconds))


def audit(settings: Settings, database: Database) -> Audit:
    """The audit log, which knows every secret of the settings only to leave it out."""
    held = [settings.bot_token, settings.app_token, settings.signing_secret, settings.audit_key]
    held += [settings.alarms.heartbeat, *settings.registry_passwords.values(), *settings.secrets.values()]
    # What is shorter than this is a word like others: masking it would spoil the record and tell what it is.
    secrets = [value for one in held if one and len(value := one.get_secret_value()) >= _SHORTEST_SECRET]
    key = settings.audit_key.get_secret_value().encode() if settings.audit_key else None
    return Audit(database, Sealer(key), lambda text: masked(text, secrets))


def quiesce(settings: Settings) -> QuiescePolicy:
    """How users of a volume are put to sleep."""
    section = settings.quiesce
    return QuiescePolicy(
        default=Quiesce(section.default),
        stop_grace_seconds=section.stop_grace,
        health=timedelta(seconds=section.health),
        hook=timedelta(seconds=section.hook),
        max_downtime=timedelta(seconds=settings.limits.max_downtime),
    )


def drills(settings: Settings) -> dict[str, DrillRule]:
    """The checks of drills, by name."""
    return {name: _drill(section) for name, section in settings.drills.items()}


def _drill(section: DrillSection) -> DrillRule:
    check = Check(image=section.image, words=section.command, limit=timedelta(seconds=section.seconds))
    return DrillRule(volumes=section.volumes, check=check)


def runbooks(settings: Settings) -> dict[str, Runbook]:
    """All of them, by name, with the secrets that are set."""
    return {name: _runbook(name, section, settings) for name, section in settings.runbooks.items()}


def _runbook(name: str, section: RunbookSection, settings: Settings) -> Runbook:
    known = {key: settings.secrets.get(one.variable) for key, one in section.parameters.items()}
    return Runbook(
        name=name,
        summary=section.summary,
        command=section.command,
        containers=section.containers,
        user=section.user,
        limit=timedelta(seconds=section.seconds),
        output_bytes=section.output_bytes,
        is_shell=section.shell,
        right=Right(section.right),
        parameters=tuple(one.parameter(key) for key, one in section.parameters.items()),
        secrets={key: value.get_secret_value() for key, value in known.items() if value is not None},
    )


def rules(settings: Settings) -> PolicyRules:
    """Who may do what."""
    roles = tuple(
        Role(
            name=name,
            members=frozenset(role.members),
            groups=role.groups,
            right=Right(role.right) if role.right else Right.NONE,
            commands=role.commands,
            targets=role.targets,
            channels=role.channels,
            hosts=role.hosts,
        )
        for name, role in settings.roles.items()
    )
    return PolicyRules(roles=roles, shell_users=settings.shell_users.slack_ids)


def policy_swapper(policy: Policy) -> Swapper:
    """Takes new roles and shell users, both at once."""

    def prepare(settings: Settings) -> Callable[[], None]:
        fresh = rules(settings)
        return lambda: policy.replace(fresh)

    return Swapper(sections=("roles", "shell_users"), prepare=prepare)


def pace_swapper(pace: Pace) -> Swapper:
    """Takes a new limit of commands a minute."""

    def prepare(settings: Settings) -> Callable[[], None]:
        return lambda: pace.replace(settings.limits.per_minute)

    return Swapper(sections=("limits.per_minute",), prepare=prepare)


def approvals(settings: Settings, commands: Mapping[str, Command]) -> tuple[Rule, ...]:
    """Which runs need approval; raises SettingsError for a pattern that no command which changes something has."""
    changing = [name for name, command in commands.items() if not command.only_looks]
    problem = idle_pattern(settings.approvals, changing)
    if problem:
        raise SettingsError(problem)
    return tuple(
        Rule(
            name=name,
            commands=section.commands,
            targets=section.targets,
            hosts=section.hosts,
            approvers=section.approvers,
            count=section.count,
            minutes=section.minutes,
            break_glass=section.break_glass,
            owners=section.owners,
        )
        for name, section in settings.approvals.items()
    )


def approvals_swapper(taken: Approvals, commands: Mapping[str, Command]) -> Swapper:
    """Takes new rules for what is asked from then on."""

    def prepare(settings: Settings) -> Callable[[], None]:
        fresh = approvals(settings, commands)
        return lambda: taken.replace(fresh)

    return Swapper(sections=("approvals",), prepare=prepare)


def builds(settings: Settings) -> dict[str, BuildRule]:
    """All of them, by name."""
    return {name: _build(name, section) for name, section in settings.builds.items()}


def _build(name: str, section: BuildSection) -> BuildRule:
    recipe = Recipe(
        dockerfile=section.dockerfile,
        arguments=section.arguments,
        network=section.network,
        limit=timedelta(seconds=section.seconds),
    )
    return BuildRule(
        name=name,
        context=section.context,
        image=section.image,
        recipe=recipe,
        registry=section.registry,
        most_bytes=section.most_bytes,
    )


def discovery(settings: Settings) -> DiscoveryRules:
    """What comes of labels that ask for schedules."""
    section = settings.discovery
    return DiscoveryRules(
        apply=section.apply,
        owner=Actor(id=section.owner, name=section.owner.removeprefix(SHELL)),
        zone=section.zone,
        every=timedelta(minutes=section.minutes),
        quiet=section.quiet,
        prune=section.prune,
    )


def registries(settings: Settings) -> Registries:
    """All of them, the default first."""
    names = sorted(settings.registries, key=lambda name: not settings.registries[name].default)
    return Registries([_known(name, settings) for name in names])


def _known(name: str, settings: Settings) -> Known:
    section = settings.registries[name]
    source, words = _source(name, section, settings)
    tls = Tls(
        ca_file=section.ca_file,
        client_cert=section.client_cert,
        client_key=section.client_key,
        insecure_http=section.insecure_http,
    )
    rules = Rules(
        namespace=section.namespace,
        repositories=section.repositories,
        tag_pattern=section.tag_pattern,
        immutable=section.immutable,
    )
    registry = HttpRegistry(name, section.host, source=source, tls=tls)
    return Known(registry=registry, rules=rules, login=words)


def _source(name: str, section: RegistrySection, settings: Settings) -> tuple[Source, str]:
    """Where the login lies, as something to ask and in words."""
    if section.password_env:
        login = Login(
            username=section.username, password=settings.registry_passwords[name].get_secret_value()
        )
        return lambda: login, section.username
    if section.password_file:
        return from_file(name, section.username, section.password_file), section.username
    if section.credential_helper:
        helper = section.credential_helper
        return from_helper(name, helper, section.host), f"docker-credential-{helper}"
    if section.docker_config:
        return from_docker_config(name, settings.docker_config, section.host), "Docker’s config.json"
    return nobody, ""

"""The settings: one TOML file and a few environment variables, read once, checked whole, then frozen.

Only the composition root and the command line read them; no other room knows that they exist.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator, model_validator

from bot.environment import state_directory, variable
from bot.sections import (
    ArchiveSection,
    DrillSection,
    HostSection,
    LimitsSection,
    QuiesceSection,
    RetentionSection,
    Section,
    SlackSection,
    SnapshotsSection,
    refuse_odd_hosts,
)
from bot.sections.alarms import AlarmsSection
from bot.sections.approvals import ApprovalSection, refuse_unknown_roles
from bot.sections.audit import AuditSection
from bot.sections.builds import BuildSection, refuse_unknown_registries
from bot.sections.discovery import DiscoverySection
from bot.sections.example import example_of, section_in
from bot.sections.manual import settings_manual
from bot.sections.registries import RegistrySection, refuse_unclear
from bot.sections.roles import RoleSection, ShellUsersSection
from bot.sections.runbooks import RunbookSection
from bot.sections.schedules import ScheduleSection, refuse_odd_names


class SettingsError(Exception):
    """The settings cannot be used; the text lists everything that is wrong, a line each."""


class Settings(Section):
    """Everything that can be set. Secrets never appear in a repr."""

    slack: SlackSection
    archive: ArchiveSection
    hosts: dict[str, HostSection] = Field(default_factory=dict)
    roles: dict[str, RoleSection] = Field(default_factory=dict)
    approvals: dict[str, ApprovalSection] = Field(default_factory=dict)
    shell_users: ShellUsersSection
    limits: LimitsSection
    quiesce: QuiesceSection
    retention: RetentionSection
    drills: dict[str, DrillSection] = Field(default_factory=dict)
    runbooks: dict[str, RunbookSection] = Field(default_factory=dict)
    schedules: dict[str, ScheduleSection] = Field(default_factory=dict)
    registries: dict[str, RegistrySection] = Field(default_factory=dict)
    builds: dict[str, BuildSection] = Field(default_factory=dict)
    snapshots: SnapshotsSection
    audit: AuditSection
    alarms: AlarmsSection
    discovery: DiscoverySection

    registry_passwords: dict[str, SecretStr] = Field(default_factory=dict, exclude=True)
    """Registry -> its password, where an environment variable has it."""
    docker_config: Path | None = Field(None, exclude=True)
    """What `docker login` keeps, whether it is there or not; None when nobody knows a home."""
    state: Path = Field(exclude=True)
    database_url: str = Field(exclude=True, repr=False)
    docker_host: str | None = Field(None, exclude=True)
    slack_api_url: str = Field("https://slack.com/api/", exclude=True)
    bot_token: SecretStr | None = Field(None, exclude=True)
    app_token: SecretStr | None = Field(None, exclude=True)
    signing_secret: SecretStr | None = Field(None, exclude=True)
    audit_key: SecretStr | None = Field(None, exclude=True)
    secrets: dict[str, SecretStr] = Field(default_factory=dict, exclude=True)
    """By the name of the variable that holds it, of those that the sections name."""

    @model_validator(mode="before")
    @classmethod
    def _with_each_section(cls, values: dict[str, Any]) -> dict[str, Any]:
        """A section that nobody wrote has its defaults; made here once, not for every start beforehand."""
        return {name: {} for name in _ALWAYS_THERE} | values

    @field_validator("hosts")
    @classmethod
    def _known_apart(cls, hosts: dict[str, HostSection]) -> dict[str, HostSection]:
        refuse_odd_hosts(hosts)
        return hosts

    @field_validator("approvals")
    @classmethod
    def _asks_roles(
        cls, approvals: dict[str, ApprovalSection], info: ValidationInfo
    ) -> dict[str, ApprovalSection]:
        refuse_unknown_roles(approvals, info.data.get("roles"))
        return approvals

    @field_validator("schedules")
    @classmethod
    def _nameable(cls, schedules: dict[str, ScheduleSection]) -> dict[str, ScheduleSection]:
        refuse_odd_names(schedules)
        return schedules

    @property
    def default_host(self) -> str | None:
        """The host that is meant where none is named; None when no host is set."""
        return next((name for name, host in self.hosts.items() if host.default), next(iter(self.hosts), None))

    @field_validator("registries")
    @classmethod
    def _clear(cls, registries: dict[str, RegistrySection]) -> dict[str, RegistrySection]:
        refuse_unclear(registries)
        return registries

    @field_validator("builds")
    @classmethod
    def _go_to_registries(
        cls, builds: dict[str, BuildSection], info: ValidationInfo
    ) -> dict[str, BuildSection]:
        refuse_unknown_registries(builds, info.data.get("registries"))
        return builds

    @property
    def archive_path(self) -> Path:
        """Where backups live: as set, else below the state directory."""
        return self.archive.path or self.state / "archive"

    @property
    def heads_path(self) -> Path:
        """Where heads of the audit log are published: as set, else in the state directory."""
        return self.audit.heads or self.state / "audit-heads.jsonl"

    @property
    def stall_limit(self) -> timedelta:
        """The longest silence of Docker that a run bears."""
        return timedelta(seconds=self.limits.stall)


def file_of(environment: Mapping[str, str] = os.environ) -> Path | None:
    """The settings file; None when there is none."""
    path = variable(environment, "SHIPKEEPER_SETTINGS", [])
    return Path(path) if path else None


def read(environment: Mapping[str, str] = os.environ) -> Settings:
    """What the environment and its TOML file give; raises SettingsError with all that is wrong."""
    problems: list[str] = []
    values = _file(environment, problems)
    state = state_directory(environment, problems)
    archive = variable(environment, "SHIPKEEPER_ARCHIVE", problems)
    if archive and isinstance(values.setdefault("archive", {}), dict):
        values["archive"]["path"] = archive
    database = variable(environment, "SHIPKEEPER_DATABASE_URL", problems)
    reserved = [key for key in values if key not in _SECTIONS]
    problems += [_unknown((key,), _SECTIONS) for key in reserved]
    values = {key: value for key, value in values.items() if key not in reserved}
    api_url = variable(environment, "SLACK_API_URL", problems)
    try:
        settings = Settings(
            **values,
            state=state,
            database_url=database or f"sqlite:///{state / 'shipkeeper.db'}",
            docker_host=variable(environment, "DOCKER_HOST", problems),
            slack_api_url=api_url.rstrip("/") + "/" if api_url else "https://slack.com/api/",
            bot_token=_secret(environment, "SLACK_BOT_TOKEN", problems),
            app_token=_secret(environment, "SLACK_APP_TOKEN", problems),
            signing_secret=_secret(environment, "SLACK_SIGNING_SECRET", problems),
            audit_key=_audit_key(environment, problems),
            registry_passwords=_registry_passwords(values.get("registries"), environment, problems),
            docker_config=_docker_config(environment),
        )
        settings = settings.model_copy(update={"secrets": _named_secrets(settings, environment, problems)})
    except ValidationError as error:
        problems += [_sentence(problem) for problem in error.errors()]
    if problems:
        raise SettingsError("The settings cannot be used:\n" + "\n".join(f"  - {line}" for line in problems))
    return settings


_SHORTEST_KEY = 16
_SECRET_KEYS = ("heartbeat", "password_env", "variable")
"""Keys whose value is a secret itself, or names one: somebody may have put the secret in the place of its name."""
_SECTIONS = tuple(name for name, info in Settings.model_fields.items() if not info.exclude)
_ALWAYS_THERE = tuple(name for name in _SECTIONS if Settings.model_fields[name].is_required())


def _file(environment: Mapping[str, str], problems: list[str]) -> dict[str, Any]:
    path = variable(environment, "SHIPKEEPER_SETTINGS", problems)
    if not path:
        return {}
    try:
        with Path(path).open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        problems.append(f"SHIPKEEPER_SETTINGS: {path} cannot be read ({error.strerror})")
    except (ValueError, RecursionError) as error:  # of which TOML’s own errors are some
        problems.append(f"SHIPKEEPER_SETTINGS: {path} is not TOML: {error}")
    return {}


def _secret(environment: Mapping[str, str], name: str, problems: list[str]) -> SecretStr | None:
    value = variable(environment, name, problems)
    return SecretStr(value) if value else None


def audit_key(environment: Mapping[str, str] = os.environ) -> bytes | None:
    """The key of the audit log alone, for who verifies a file without settings; raises SettingsError."""
    problems: list[str] = []
    key = _audit_key(environment, problems)
    if problems:
        raise SettingsError("\n".join(problems))
    return key.get_secret_value().encode() if key else None


def _audit_key(environment: Mapping[str, str], problems: list[str]) -> SecretStr | None:
    key = _secret(environment, "SHIPKEEPER_AUDIT_KEY", problems)
    if key is not None and len(key.get_secret_value()) < _SHORTEST_KEY:
        problems.append(f"SHIPKEEPER_AUDIT_KEY: a key has at least {_SHORTEST_KEY} characters")
    return key


def _named_secrets(
    settings: Settings, environment: Mapping[str, str], problems: list[str]
) -> dict[str, SecretStr]:
    """Those that are set. One that is not is missed by whoever wants to use it, and by nobody else."""
    sections = [one for runbook in settings.runbooks.values() for one in runbook.parameters.values()]
    found = {one.variable: _secret(environment, one.variable, problems) for one in sections if one.secret}
    return {name: secret for name, secret in found.items() if secret is not None}


def _registry_passwords(
    registries: object, environment: Mapping[str, str], problems: list[str]
) -> dict[str, SecretStr]:
    """What the variables hold that `password_env` names; a name that is not even text is told of elsewhere."""
    found = {}
    for name, section in registries.items() if isinstance(registries, dict) else ():
        variable = section.get("password_env") if isinstance(section, dict) else None
        if isinstance(variable, str) and variable:
            secret = _secret(environment, variable, problems)
            if secret is None:
                # Which one is not said: somebody may have put the password itself there.
                problems.append(f"registries.{name}.password_env: the variable that it names is not set")
            else:
                found[name] = secret
    return found


def _docker_config(environment: Mapping[str, str]) -> Path | None:
    """Where Docker's command line keeps its settings (its manual, `DOCKER_CONFIG`)."""
    home = environment.get("HOME")
    directory = environment.get("DOCKER_CONFIG") or (home and str(Path(home) / ".docker"))
    return Path(directory) / "config.json" if directory else None


def _sentence(problem: Any) -> str:
    place = tuple(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return _unknown(place, _known_keys(place))
    value = problem.get("input")
    is_secret = bool(place) and place[-1] in _SECRET_KEYS
    shown = f" (it is {value!r})" if isinstance(value, str | int | float) and not is_secret else ""
    return f"{'.'.join(place) or 'settings'}: {problem['msg'].removeprefix('Value error, ')}{shown}"


def _unknown(place: tuple[str, ...], known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(place[-1], known, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]}?" if near else f"; known are {', '.join(known)}"
    return f"{'.'.join(place)}: there is no such key{hint}"


def _known_keys(place: tuple[str, ...]) -> tuple[str, ...]:
    section = _section_of(place[0])
    for part in place[1:-1]:
        field = section.model_fields.get(part)
        section = section_in(field.annotation) or section if field else section
    return tuple(section.model_fields)


def _section_of(name: str) -> type[Section]:
    found = section_in(Settings.model_fields[name].annotation)
    if found is None:
        raise KeyError(name)
    return found


def example() -> str:
    """An example file with every key, its default and what it means; a test compares it with deploy's."""
    return example_of({name: _section_of(name) for name in _SECTIONS})


def manual() -> str:
    """docs/settings.md, which a test compares."""
    return settings_manual({name: _section_of(name) for name in _SECTIONS})

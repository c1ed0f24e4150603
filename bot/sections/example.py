"""Writes an example of the settings file: every key of every section, its default and what it means.

It must not know what a section is for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from bot.sections import Section


def section_in(annotation: Any) -> type[Section] | None:
    """The section that a field holds, itself or by names; None for any other field."""
    for candidate in (annotation, *get_args(annotation)):
        if isinstance(candidate, type) and issubclass(candidate, Section):
            return candidate
    return None


def example_of(sections: Mapping[str, type[Section]]) -> str:
    """The file, as TOML; what has no default is filled in, everything else and every host is a comment."""
    return "\n".join(_lines(sections)) + "\n"


NAMES = {
    "hosts": "local",
    "roles": "operators",
    "approvals": "removals",
    "drills": "postgresql",
    "registries": "company",
    "runbooks": "vacuum",
    "parameters": "table",
    "builds": "web",
    "schedules": "nightly",
}
"""Sections that have names of their own, each with a name for an example."""
_VALUES = {
    ("hosts", "address"): '"unix:///var/run/docker.sock"',
    ("builds", "context"): '"/srv/web"',
    ("builds", "image"): '"team/web:nightly"',
    ("roles", "members"): '["U012ABCDEF"]',
    ("roles", "right"): '"operate"',
    ("approvals", "commands"): '["remove-volume", "prune"]',
    ("approvals", "approvers"): '"operators"',
    ("drills", "volumes"): '["pg*"]',
    ("drills", "image"): '"postgres:16"',
    ("registries", "host"): '"registry.example.com"',
    ("drills", "command"): '["sh", "-c", "test -s /volume/PG_VERSION"]',
    ("runbooks", "command"): '["vacuumdb", "--table", "{table}", "shop"]',
    ("runbooks", "containers"): '["db*"]',
    ("schedules", "when"): '"daily at 03:00"',
    ("schedules", "command"): '"backup pgdata"',
    ("parameters", "pattern"): '"[a-z_]+"',
}

_OFF = ("hosts",)
"""Sections that stand in the example as a comment: a file that is copied must not keep the bot from DOCKER_HOST."""

FREE = {"shell_users": ('ann = "U012ABCDEF"',)}
"""Lines of sections whose keys are names that people choose."""


def _lines(sections: Mapping[str, type[Section]]) -> Iterator[str]:
    yield "# shipkeeper's settings. SHIPKEEPER_SETTINGS names the file. Every key may be left out."
    for name, section in sections.items():
        heading = f"{name}.{NAMES[name]}" if name in NAMES else name
        yield from _section(name, heading, section)


def _section(name: str, heading: str, section: type[Section]) -> Iterator[str]:
    yield ""
    for line in filter(None, map(str.strip, (section.__doc__ or "").splitlines())):
        yield f"# {line}"
    off = "# " if name in _OFF else ""
    yield f"{off}[{heading}]"
    yield from (f"# {line}" for line in FREE.get(name, ()))
    inner: list[tuple[str, type[Section]]] = []
    for key, info in section.model_fields.items():
        below = section_in(info.annotation)
        if below is not None:
            inner.append((key, below))
            continue
        given = _VALUES.get((name, key))
        value = given or written(info.get_default(call_default_factory=True))
        yield f"{off if given else '# '}{key} = {value}  # {info.description}"
    for key, below in inner:
        yield from _section(key, f"{heading}.{key}.{NAMES[key]}", below)


def written(value: Any) -> str:
    """A default as TOML writes it; empty text for none."""
    if isinstance(value, dict):
        return "{}"
    if isinstance(value, tuple):
        return "[" + ", ".join(f'"{item}"' for item in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int) else f'"{value or ""}"'

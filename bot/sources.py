"""Where words of a command line can be looked up: the names of places, and nothing about how to look there."""

from __future__ import annotations

from enum import StrEnum


class Source(StrEnum):
    """Where what could stand in the place of a word comes from: things of hosts, of the archive, of the settings."""

    VOLUME = "volume"
    CONTAINER = "container"
    IMAGE = "image"
    REPOSITORY = "repository"
    SNAPSHOT = "snapshot"
    BACKUP = "backup"
    BACKED_UP = "backed up"
    """Paths in containers that backups are of."""
    RUN = "run"
    HOST = "host"
    RUNBOOK = "runbook"
    BUILD = "build"
    REGISTRY = "registry"
    COMMAND = "command"
    SCHEDULE = "schedule"

"""In which order containers go to sleep and wake: as their Compose labels say they depend on each other.

Must not know how they are put to sleep, nor why.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from bot.engine import Container

PROJECT_LABEL = "com.docker.compose.project"
SERVICE_LABEL = "com.docker.compose.service"
DEPENDS_LABEL = "com.docker.compose.depends_on"
"""`db:service_healthy:false,redis:service_started:true`; older versions of Compose leave out the ends of each."""


def dependents_first(containers: Iterable[Container]) -> tuple[Container, ...]:
    """Each container before all that it depends on; by name where nothing is said, and to leave a circle."""
    left = sorted(containers, key=lambda container: container.name)
    ordered = []
    while left:
        free = (one for one in left if not has_dependents(one, left))
        following = next(free, left[0])
        left.remove(following)
        ordered.append(following)
    return tuple(ordered)


def has_dependents(container: Container, among: Collection[Container]) -> bool:
    """Whether one of them depends on the container."""
    return any(depends_on(other, container) for other in among)


def depends_on(container: Container, other: Container) -> bool:
    """Whether the container's Compose labels say that it needs the other one; the same service needs nothing."""
    project, service = other.labels.get(PROJECT_LABEL), other.labels.get(SERVICE_LABEL)
    if not project or not service or container.labels.get(PROJECT_LABEL) != project:
        return False
    return service != container.labels.get(SERVICE_LABEL) and service in _needed(container)


def _needed(container: Container) -> set[str]:
    parts = container.labels.get(DEPENDS_LABEL, "").split(",")
    return {part.partition(":")[0].strip() for part in parts} - {""}

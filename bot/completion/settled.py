"""What the settings and the commands themselves let people name: nobody has to be asked for it."""

from __future__ import annotations

from dataclasses import replace

from bot.completion.candidates import Candidate
from bot.completion.known import Rooms
from bot.language import say
from bot.sources import Source


def settled(services: Rooms, source: Source) -> tuple[Candidate, ...] | None:
    """What the settings have of it; None for what is found elsewhere."""
    if source is Source.HOST:
        return tuple(Candidate(value=name, host=name) for name in sorted(services.engines))
    if source is Source.RUNBOOK:
        return _runbooks(services)
    if source is Source.BUILD:
        rules = sorted(services.builds.values(), key=lambda rule: rule.name)
        return tuple(
            Candidate(value=one.name, about=one.image, targets=(f"build:{one.name}",)) for one in rules
        )
    if source is Source.REGISTRY:
        return tuple(Candidate(value=one.name, about=one.registry.host) for one in services.registries.known)
    return None


def commands_of(services: Rooms) -> tuple[Candidate, ...]:
    """All commands; each is for whoever may use it."""
    return tuple(
        Candidate(value=one.name, about=say(one.summary), command=one) for one in services.commands.values()
    )


def _runbooks(services: Rooms) -> tuple[Candidate, ...]:
    """Each has a right of its own, which `exec` then needs."""
    command = services.commands.get("exec")
    if command is None:
        return ()
    return tuple(
        Candidate(
            value=one.name,
            about=one.summary,
            targets=(f"runbook:{one.name}",),
            command=replace(command, right=one.right),
        )
        for _, one in sorted(services.runbooks.items())
    )

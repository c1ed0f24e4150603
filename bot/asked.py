"""A command line that was understood: what it is about, and what the policy is asked of it."""

from __future__ import annotations

from dataclasses import dataclass

from bot.command import Command
from bot.errors import Conflict
from bot.language import say
from bot.permissions import Request
from bot.stores.runrow import Run


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A command line that was understood."""

    command: Command
    arguments: object
    host: str
    targets: tuple[str, ...]

    def request_of(self, run: Run) -> Request:
        """What the policy is asked about it."""
        asked = run.invocation
        return Request(
            actor=asked.actor,
            origin=asked.origin,
            channel=asked.place.channel if asked.place else None,
            command=self.command,
            targets=self.targets,
            host=self.host if self.host and self.command.is_about_a_host else None,
        )

    def refuse_moved(self, run: Run) -> None:
        """Raises Conflict where the line means another host than it did: what is done is undone on that one."""
        if self.host != run.host:
            raise Conflict(
                say(
                    "When it was typed it meant host {before}, and now, by the settings or the archive, it means "
                    "{now}. Nothing was changed. Type it again, with --host.",
                    before=run.host,
                    now=self.host,
                )
            )

"""Runs programs in the company's own containers, in the life that they were seen in. It must not know why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from bot.engine import NOTHING_AROUND, Container, Execution, Surroundings
from bot.engine.containers import ContainerVerbs
from bot.engine.programs import Job, running
from bot.language import later


class ExecutionVerbs(ContainerVerbs):
    """The part of the engine that runs programs where the company's work is done."""

    @contextmanager
    def execute(
        self,
        container: Container,
        words: Sequence[str],
        *,
        limit: timedelta,
        user: str = "",
        around: Surroundings = NOTHING_AROUND,
    ) -> Iterator[Execution]:
        """Run a program; raises Conflict unless the container runs in this life, or EngineError.

        Only `limit` ends it, not silence: a database may think for long before it says anything. It needs
        a /bin/sh in the container.
        """

        def may_start() -> None:
            self._same_life(container, ("running",), later("asked to run a program"))

        may_start()
        job = Job(
            container=container.id,
            shown=container.name,
            words=words,
            user=user,
            limit=limit,
            errors=around.on_errors,
            environment=around.environment,
        )
        with running(self._connection, job, may_start) as program:
            yield program

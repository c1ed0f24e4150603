"""Asks several hosts the same at once, so that one that does not answer delays nobody's answer.

Must not know what is asked.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Generic, TypeVar

from bot.engine import Engine
from bot.errors import BotError, EngineError
from bot.language import Thread, say
from bot.reasons import Reason

T = TypeVar("T")


LOOK_LIMIT = timedelta(seconds=10)
"""How long a host gets for the answers that a list is made of."""


@dataclass(frozen=True, kw_only=True)
class Answers(Generic[T]):
    """What each host said, by its name, and why the others said nothing."""

    given: Mapping[str, T] = field(default_factory=dict)
    refused: Mapping[str, BotError] = field(default_factory=dict)

    @property
    def in_words(self) -> str:
        """What is said of those who gave no answer."""
        return "".join(f" {error}" for error in self.refused.values())


def ask_all(engines: Mapping[str, Engine], ask: Callable[[Engine], T], limit: timedelta) -> Answers[T]:
    """Ask every host, side by side; who has not answered within the limit has not answered.

    When only one is asked, its error is raised. Answers stand in the order of `engines`.
    """
    questions = {name: _Question(engine, ask) for name, engine in engines.items()}
    deadline = time.monotonic() + limit.total_seconds()
    given: dict[str, T] = {}
    refused: dict[str, BotError] = {}
    for name, question in questions.items():
        if not question.over.wait(max(0.0, deadline - time.monotonic())):
            refused[name] = EngineError(
                say(
                    "Host {host} did not answer within {limit:g} seconds. Nothing was changed.",
                    host=name,
                    limit=limit.total_seconds(),
                ),
                reason=Reason.STALLED,
            )
        elif question.answers:
            given[name] = question.answers[0]
        else:
            refused[name] = question.error
    if len(engines) == 1:
        for error in refused.values():
            raise error
    return Answers(given=given, refused=refused)


class _Question(Generic[T]):
    """One host being asked, on a thread of its own that nobody waits for at the end of the process."""

    def __init__(self, engine: Engine, ask: Callable[[Engine], T]) -> None:
        self.answers: list[T] = []
        self.error: BotError = EngineError(
            say(
                "Asking host {host} broke on our side; the log says how. Nothing was changed.",
                host=engine.host,
            )
        )
        self.over = threading.Event()
        self._engine, self._ask = engine, ask
        Thread(self._put, name=f"ask-{engine.host}").start()

    def _put(self) -> None:
        try:
            self.answers.append(self._ask(self._engine))
        except BotError as error:
            self.error = error
        finally:
            self.over.set()

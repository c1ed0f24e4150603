"""How far runs are, in a terminal: a bar for each, or lines where nothing may be steered. Decides nothing.

Standard error only: what a program reads stays on standard output. The environment says what may be steered: NO_COLOR
(no-color.org) and TERM=dumb mean lines.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID
from rich.table import Column
from rich.text import Text

from bot import terminal, words
from bot.language import say
from bot.stores.runrow import Run

_STEP_SECONDS = 10.0
"""Where a person reads lines: how often there is one while a step goes on."""

_PIPE_SECONDS = 60.0
"""Into a file or a pipe only what takes long says so, and as seldom as this: most runs leave nothing there."""

_LAYOUTS = (
    (90, 24, ("amount", "pace", "elapsed", "run_id")),
    (70, 10, ("amount", "pace", "elapsed", "run_id")),
    (50, 8, ("amount", "elapsed")),
    (0, 0, ("amount", "elapsed")),
)
"""From so many columns on: how long a bar is, and what stands beside it."""


@dataclass(frozen=True, kw_only=True)
class Far:
    """How far one run is: the step it is at, its bytes, and the seconds since it began."""

    run_id: str
    step: str
    done_bytes: int = 0
    total_bytes: int | None = None
    rate: float | None = None
    seconds: float | None = None

    @property
    def amount(self) -> str:
        """`1.04 GB of 4.1 GB`; empty while there are no bytes."""
        if not self.done_bytes:
            return ""
        done = words.precise_size(self.done_bytes)
        if not self.total_bytes:
            return done
        return say("{done} of {total}", done=done, total=words.precise_size(self.total_bytes))

    @property
    def pace(self) -> str:
        """`52 MB/s`."""
        return f"{words.precise_size(self.rate)}/s" if self.rate and self.done_bytes else ""

    @property
    def elapsed(self) -> str:
        """`12 s`, by the second."""
        return "" if self.seconds is None else words.duration(max(int(self.seconds), 0) or 0.0)


def far(run: Run, now: datetime, step: str = "") -> Far:
    """How far the run is, by its row: whoever carries it out writes it there. `step` in the place of its own."""
    progress = run.progress
    began = run.started_at or run.created_at
    return Far(
        run_id=run.id,
        step=step or (say(progress.step) if progress else words.status(run.status)),
        done_bytes=progress.done_bytes if progress and not step else 0,
        total_bytes=progress.total_bytes if progress and not step else None,
        rate=progress.rate if progress else None,
        seconds=(now - began).total_seconds(),
    )


class Face(Protocol):
    """Where it is shown."""

    def __enter__(self) -> Face:
        """Begin."""

    def __exit__(self, *_: object) -> None:
        """End; of bars nothing stays."""

    def show(self, runs: Sequence[Far]) -> None:
        """How far each of them is now, in the place of what was shown before."""

    def tell(self, sentence: str) -> None:
        """A sentence that stays."""


def face_of(stream: TextIO, environment: Mapping[str, str] = os.environ) -> Face:
    """Bars, where a person looks at a terminal that may be steered."""
    if terminal.may_be_steered(stream, environment):
        return Bars(Console(file=stream, highlight=False))
    return Lines(
        terminal.console(stream, environment), every=_STEP_SECONDS if stream.isatty() else _PIPE_SECONDS
    )


class Lines:
    """A line for each step where a person looks, and one now and then while it goes on."""

    def __init__(
        self, console: Console, *, every: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._console = console
        self._every = every
        self._clock = clock
        self._said: dict[str, tuple[str, float]] = {}

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, runs: Sequence[Far]) -> None:
        """Those that came to another step, or have been at it for long."""
        now = self._clock()
        for run in runs:
            step, said_at = self._said.get(run.run_id, ("", now))
            is_new = run.step != step and self._console.file.isatty()
            if run.run_id not in self._said:
                self._said[run.run_id] = (run.step, now)
            if is_new or now - said_at >= self._every:
                self._said[run.run_id] = (run.step, now)
                self.tell(_line(run))

    def tell(self, sentence: str) -> None:
        """A line."""
        self._console.print(terminal.plain(sentence), soft_wrap=True)


class Bars:
    """A bar for each run, drawn over and over in the same place; sentences stay above them."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._tasks: dict[str, TaskID] = {}
        self._progress = Progress(
            *_columns(console.width),
            console=console,
            transient=True,
            expand=True,
        )

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, runs: Sequence[Far]) -> None:
        """Draw them; the bars of runs that are not among them go."""
        for gone in self._tasks.keys() - {run.run_id for run in runs}:
            self._progress.remove_task(self._tasks.pop(gone))
        for run in runs:
            if run.run_id not in self._tasks:
                self._tasks[run.run_id] = self._progress.add_task("", total=None, far=run)
            self._progress.update(
                self._tasks[run.run_id],
                total=float(run.total_bytes) if run.total_bytes and run.done_bytes else None,
                completed=float(run.done_bytes),
                far=run,
            )

    def tell(self, sentence: str) -> None:
        """A line above the bars."""
        self._console.print(terminal.plain(sentence), soft_wrap=True)


class _Words(ProgressColumn):
    """One property of how far it is. Names from outside are no markup and steer nothing."""

    max_refresh = None

    def __init__(self, name: str, column: Column) -> None:
        super().__init__(column)
        self._name = name

    def render(self, task: Task) -> Text:
        """What it says now."""
        return terminal.plain(str(getattr(task.fields["far"], self._name)))


def _columns(width: int) -> list[ProgressColumn]:
    """As much as there is room for; what is left is the step's."""
    bar, names = next((bar, names) for least, bar, names in _LAYOUTS if width >= least)
    return [
        _Words("step", Column(ratio=1, no_wrap=True, overflow="ellipsis")),
        *([BarColumn(bar)] if bar else []),
        *(_Words(name, Column(no_wrap=True)) for name in names),
    ]


def _line(run: Far) -> str:
    told = say("{told} (run {run_id})", told=run.step, run_id=run.run_id)
    return " · ".join(part for part in (told, run.amount, run.pace, run.elapsed) if part)

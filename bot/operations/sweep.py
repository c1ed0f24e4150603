"""Sweep: helpers and drafts of runs that are over, which nothing else would ever remove."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from bot.engine import RUN_LABEL, Engine
from bot.errors import EngineError
from bot.stores.archive import Archive

_log = logging.getLogger(__name__)


def sweep(engines: Iterable[Engine], archive: Archive, is_over: Callable[[str], bool]) -> None:
    """Remove what runs that are over left behind. What belongs to runs we do not know is another bot's.

    Raises EngineError or ArchiveError when one of them cannot be asked.
    """
    for path in archive.sweep(is_over):
        _log.warning("removed a leftover of a run that is over: %s", path.name)
    unreachable: list[EngineError] = []
    for engine in engines:
        try:
            _sweep_helpers(engine, is_over)
        except EngineError as error:  # one host that is away must not keep the others unswept
            unreachable.append(error)
    if unreachable:
        raise unreachable[0]


def _sweep_helpers(engine: Engine, is_over: Callable[[str], bool]) -> None:
    for helper in engine.helpers():
        if is_over(helper.labels.get(RUN_LABEL, "")):
            engine.remove_helper(helper.name)
            _log.warning("removed a helper container of a run that is over: %s", helper.name)

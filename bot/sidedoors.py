"""The doors of a served bot beside Slack's: candidates for shells, and figures for whoever scrapes. Decides nothing."""

from __future__ import annotations

from collections.abc import Sequence

from bot.app import App
from bot.completion import Completion
from bot.completion.shells import Shells
from bot.language import speaking
from bot.metrics import Histogram
from bot.metrics.gathering import Known, Metrics
from bot.stores.tallies import Tallies
from bot.tabdoor import TabDoor

_TAB_SECONDS = 0.3
"""So long a shell waits for what is known to be looked at anew; then it gets what was known."""


def tabs(app: App, completion: Completion) -> TabDoor:
    """Where shells ask what could follow in a command line."""
    shells = Shells(completion, app.services.commands, _TAB_SECONDS)

    def answer(words: Sequence[str], user: str, language: str) -> str:
        with speaking(language):
            return shells.offers(words, user).text

    return TabDoor(app.settings.state, answer)


def metrics(app: App, acks: Histogram) -> Metrics:
    """All that is measured beside what the bot knows of itself; `acks` is how soon Slack was acknowledged."""
    known = Known(
        commands=app.services.commands.keys(),
        taken=lambda: app.alarms.taken,
        acks=acks,
        clock=app.services.clock,
    )
    return Metrics(Tallies(app.database), known)

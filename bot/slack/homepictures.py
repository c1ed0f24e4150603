"""The pictures of Home pages: brought to Slack once for the same numbers, and removed when no page shows them.

Slack shows a picture only some time after it has its bytes, and does not say when.
"""

from __future__ import annotations

import io
import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.charts import chart
from bot.charts.trends import Figures
from bot.slack.files import NO_ANSWER, GivenUp, SlackFiles, UploadRefused
from bot.slack.posting import refusal
from bot.slack.rates import Budget
from bot.stores.homes import Homes, Picture

_log = logging.getLogger(__name__)

_NAME = "backups.png"
_PROCESSED = timedelta(seconds=1)
_AFTER_REFUSAL = 2.0
_MOST_REFUSALS = 5
_AFTER_FAILURE = 30.0
_AFTER_LASTING = 600.0
_KEPT_UNSEEN = timedelta(minutes=1)


class HomePictures:
    """For one thread only. What goes wrong here leaves a page without its picture, and no more."""

    def __init__(
        self, client: WebClient, homes: Homes, clock: Callable[[], datetime], is_wanted: Callable[[], bool]
    ) -> None:
        self._files = SlackFiles(client)
        self._homes = homes
        self._clock = clock
        self._is_wanted = is_wanted
        self._budget = Budget()
        self._refusals: dict[str, int] = {}
        self._hidden_until: dict[str, float] = {}
        self._make_after = 0.0

    def ready(self, figures: Figures) -> Picture | None:
        """The picture of just these numbers, if Slack can show it."""
        picture = self._homes.picture(figures.digest) if figures else None
        if picture is None or self._clock() < picture.made_at + _PROCESSED:
            return None
        return None if time.monotonic() < self._hidden_until.get(picture.file_id, 0.0) else picture

    def make(self, figures: Figures) -> float:
        """Draw it and bring it to Slack, unless that was done. In so many seconds it is time to look again."""
        digest = figures.digest
        if self._homes.picture(digest) is None and self._may_make():
            try:
                self._homes.made(digest, self._uploaded(chart.png(figures)))
            except SlackApiError as error:
                refused = refusal(error)
                self._failed(str(refused), refused.retry_after, is_lasting=refused.is_lasting)
            except UploadRefused as refused_bytes:
                self._failed(str(refused_bytes), refused_bytes.retry_after)
            except GivenUp:
                self._failed("the bot ends", None)
            except NO_ANSWER as error:
                self._failed(f"no answer from Slack: {error}", None)
        return max(_PROCESSED.total_seconds(), self._make_after - time.monotonic())

    def _may_make(self) -> bool:
        return time.monotonic() >= self._make_after and self._budget.may("files.getUploadURLExternal")

    def refused(self, picture: Picture) -> None:
        """A page with it was not taken: it is left out for a while, and given up when that happens again and again."""
        count = self._refusals[picture.file_id] = self._refusals.get(picture.file_id, 0) + 1
        self._hidden_until[picture.file_id] = time.monotonic() + _AFTER_REFUSAL
        if count >= _MOST_REFUSALS:
            _log.error("Slack does not show picture %s; it is made anew later", picture.file_id)
            self._homes.give_up(picture)
            self._make_after = time.monotonic() + _AFTER_FAILURE

    def tidy(self) -> None:
        """Remove one that no page shows any more."""
        for picture in self._homes.unseen(_KEPT_UNSEEN)[:1]:
            try:
                self._files.delete(picture.file_id)
            except SlackApiError as error:
                _log.warning("picture %s stays with Slack: %s", picture.file_id, refusal(error))
                if not refusal(error).is_lasting:
                    return
            except NO_ANSWER as error:
                _log.warning("picture %s is removed later: no answer from Slack: %s", picture.file_id, error)
                return
            self._homes.forget(picture)

    def _uploaded(self, content: bytes) -> str:
        file_id, url = self._files.announce(_NAME, len(content))
        self._files.send(url, io.BytesIO(content), len(content), self._is_wanted)
        self._files.finish(file_id, _NAME)
        return file_id

    def _failed(self, why: str, retry_after: float | None, *, is_lasting: bool = False) -> None:
        wait = _AFTER_LASTING if is_lasting else max(_AFTER_FAILURE, retry_after or 0.0)
        _log.warning("Home pages go without their picture for %.0f s: %s", wait, why)
        self._make_after = time.monotonic() + wait

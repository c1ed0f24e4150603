"""Publishes the head of the audit log, daily: to its file, and from there to a channel until it is posted.

Whoever cuts the end of the log cannot take back what others have read. Must not know what is in the log.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from http.client import HTTPException
from pathlib import Path

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from bot.errors import StoreError
from bot.language import say, speaking
from bot.model import Origin
from bot.seals import Head
from bot.slack.posting import refusal
from bot.slack.rates import Budget
from bot.stores.archive.disk import create_file, sync_directory, write_all
from bot.stores.audit import Audit, AuditEvent
from bot.stores.heads import Heads
from bot.witnessing import ITSELF

_log = logging.getLogger(__name__)

DAILY = timedelta(days=1)
_POLL_SECONDS = 20.0
_FIRST_WAIT = timedelta(seconds=20)
_LONGEST_WAIT = timedelta(minutes=15)
_POST = "chat.postMessage"
_UNFORESEEN = (SlackClientError, LookupError, TypeError, ValueError, AttributeError)


@dataclass(frozen=True, kw_only=True)
class Publishing:
    """What is published, and where: `channel` may be empty; `posted` remembers what was posted last."""

    audit: Audit
    heads: Heads
    channel: str
    posted: Path
    language: str
    clock: Callable[[], datetime]


class HeadPublisher:
    """A thread that publishes the head when the last one is older than a day, and posts it until that is done.

    While the log disagrees with the last head none is published over that one: the channel is warned instead, once.
    """

    def __init__(self, client: WebClient, publishing: Publishing) -> None:
        self._client = client
        self._to = publishing
        self._budget = Budget()
        self._doubted: Head | None = None
        self._not_before: datetime | None = None
        self._wait = _FIRST_WAIT
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, on a thread of its own."""
        self._thread = threading.Thread(target=self._keep, name="audit-heads", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End; what is not posted yet is posted by the next bot. May be called twice."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def look(self) -> None:
        """Publish what is due; log what cannot be done now, and do it at a later look."""
        try:
            self._publish()
            self._post()
        except StoreError as error:
            _log.error("the audit log's head is not published yet: %s", error)

    def _keep(self) -> None:
        self.look()
        while not self._stop.wait(_POLL_SECONDS):
            self.look()

    def _publish(self) -> None:
        last, now = self._to.heads.last(), self._to.clock()
        if last is not None and now - datetime.fromisoformat(last.at) < DAILY:
            return
        if last is not None and not self._to.audit.agrees(last):
            self._doubt(last)
            return
        head = self._to.audit.head()
        if head is None:
            return
        self._to.heads.publish(Head(seq=head.seq, hash=head.hash, at=now.isoformat()))
        self._to.audit.record(_published(head, now))

    def _doubt(self, last: Head) -> None:
        if last != self._doubted:
            self._doubted = last
            _log.critical(
                "the audit log does not agree with head %s, published at %s: no other is published while that one "
                "is in %s",
                last,
                last.at,
                self._to.heads.path,
            )

    def _post(self) -> None:
        head, now = self._to.heads.last(), self._to.clock()
        if not self._to.channel or head is None or (self._not_before and now < self._not_before):
            return
        agrees = self._to.audit.agrees(head)
        mark = str(head) if agrees else f"{head} disagrees"
        if _read(self._to.posted) == mark or not self._budget.may(_POST, self._to.channel):
            return
        try:
            with speaking(self._to.language):
                text = _in_words(head, agrees=agrees)
            self._client.chat_postMessage(
                channel=self._to.channel, text=text, unfurl_links=False, unfurl_media=False
            )
        except SlackApiError as error:
            refused = refusal(error)
            self._later(now, str(refused), refused.retry_after)
        except (OSError, HTTPException, *_UNFORESEEN) as error:
            self._later(now, f"no answer from Slack: {error}")
        else:
            _write(self._to.posted, mark)
            self._not_before, self._wait = None, _FIRST_WAIT

    def _later(self, now: datetime, why: str, retry_after: float | None = None) -> None:
        wait = self._wait
        if retry_after is not None:
            self._budget.refused(_POST, self._to.channel, retry_after)
            wait = timedelta(seconds=retry_after)
        else:
            self._wait = min(self._wait * 2, _LONGEST_WAIT)
        self._not_before = now + wait
        _log.warning("the audit log's head is posted again in %s: %s", wait, why)


def _in_words(head: Head, *, agrees: bool) -> str:
    if not agrees:
        return say(
            ":warning: The audit log was changed behind our back: it does not agree with the head `{head}` that "
            "was published at {at}. Keep the database as it is, and type `audit verify`.",
            head=head,
            at=head.at,
        )
    return say(
        "Head of the audit log at {at}: `{head}`. Whoever has this message can tell whether the log was cut or "
        "rewritten since: `audit verify --head {head}`.",
        head=head,
        at=head.at,
    )


def _published(head: Head, at: datetime) -> AuditEvent:
    return AuditEvent(
        run_id="",
        kind="head",
        at=at,
        actor=ITSELF,
        origin=Origin.SCHEDULE,
        channel=None,
        command=None,
        line="",
        host="",
        detail=str(head),
    )


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, ValueError):
        return ""


def _write(path: Path, text: str) -> None:
    """Whole or not at all; without it the head would only be posted once more."""
    part = path.with_name(f"{path.name}.part")
    try:
        part.unlink(missing_ok=True)
        descriptor = create_file(part)
        try:
            write_all(descriptor, text.encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        part.rename(path)
        sync_directory(path.parent)
    except OSError as error:
        _log.warning("what was posted cannot be remembered, so it may be posted again: %s", error)

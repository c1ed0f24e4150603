"""Brings the files of replies to where their results were told: each once, after the result, on a thread of its own.

A file whose bytes are with Slack is seen by nobody until it is shared. Only that step must not be done twice, so it is
written down before, and looked for when its answer was lost.
"""

from __future__ import annotations

import logging
import threading
from datetime import timedelta

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from bot.errors import StoreError
from bot.slack.files import NO_ANSWER, GivenUp, SlackFiles, UploadRefused, is_missing_scope
from bot.slack.posting import Refusal, refusal
from bot.slack.rates import Budget
from bot.stores.outgoing import Outgoing
from bot.stores.uploads import Upload, Uploads

_log = logging.getLogger(__name__)

_POLL_SECONDS = 0.25
_AT_ONCE = 20
_FIRST_WAIT = 0.5
_LONGEST_WAIT = 15.0
_BETWEEN_LOOKS = timedelta(seconds=1)
_LOOKS = 3
"""Slack shows where a file is shared a little after it was: so often it is looked for before it counts as not."""
_TOO_LONG_AGO = {"file_not_found", "file_deleted", "file_update_failed"}
_UNFORESEEN = (SlackClientError, LookupError, TypeError, ValueError, AttributeError, ArithmeticError)


class Uploading:
    """A thread that sends what the stores say is still to be sent."""

    def __init__(self, client: WebClient, uploads: Uploads, outgoing: Outgoing) -> None:
        self._files = SlackFiles(client)
        self._uploads = uploads
        self._outgoing = outgoing
        self._budget = Budget()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, on a thread of its own."""
        self._thread = threading.Thread(target=self._upload, name="uploads", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End; what is under way is begun again by the next bot. May be called twice."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _upload(self) -> None:
        while not self._stop.wait(_POLL_SECONDS):
            try:
                for upload in self._uploads.due(_AT_ONCE):
                    if self._stop.is_set() or not self._send(upload):
                        break
            except StoreError as error:
                _log.error("files cannot be sent while the database is away: %s", error)

    def _send(self, upload: Upload) -> bool:
        """One step further, as far as that may be now; False when Slack does not answer at all."""
        try:
            self._step(upload)
        except SlackApiError as error:
            self._refused(upload, refusal(error))
        except UploadRefused as refused:
            self._later(upload, str(refused), refused.retry_after)
        except GivenUp:
            return False
        except NO_ANSWER as error:
            self._later(upload, f"no answer from Slack: {error}")
            return False
        except _UNFORESEEN as error:
            _log.exception("run %s: sending its file broke", upload.run.id)
            self._later(upload, f"sending it broke: {type(error).__name__}")
        return True

    def _step(self, upload: Upload) -> None:
        if upload.file_id is None:
            self._send_bytes(upload)
        elif upload.sharing_since is not None:
            self._look(upload, upload.file_id)
        else:
            self._share(upload, upload.file_id)

    def _send_bytes(self, upload: Upload) -> None:
        if not self._budget.may("files.getUploadURLExternal"):
            return
        file_id, url = self._files.announce(upload.file.name, upload.file.size, upload.file.alt)
        try:
            content = self._outgoing.open(upload.run.id, upload.file)
        except StoreError as error:
            self._give_up(upload, str(error))
            return
        with content:
            self._files.send(url, content, upload.file.size, lambda: not self._stop.is_set())
        self._uploads.bytes_are_there(upload, file_id)

    def _share(self, upload: Upload, file_id: str) -> None:
        if not self._budget.may("files.completeUploadExternal"):
            return
        channel, thread_ts = self._place(upload)
        self._uploads.begin_sharing(upload, channel, thread_ts)
        self._files.share(file_id, upload.file.name, channel, thread_ts)
        self._done(upload)

    def _look(self, upload: Upload, file_id: str) -> None:
        """Whether the file whose answer was lost is where it was to be."""
        if not self._budget.may("files.info"):
            return
        found = self._files.info(file_id)
        if found is None:
            self._uploads.begin_again(upload)
        elif upload.channel in found.places:
            self._done(upload)
        elif upload.looks + 1 < _LOOKS:
            self._uploads.looked(upload, _BETWEEN_LOOKS)
        else:
            self._uploads.not_shared(upload)

    def _place(self, upload: Upload) -> tuple[str, str | None]:
        """Under the message that told the result; what was told privately goes to the person's own conversation."""
        own = upload.run.invocation.actor.id
        is_refused_there = upload.channel not in (None, upload.message_channel)
        if upload.message_ts is None or is_refused_there:
            return self._files.direct(own), None
        asked = upload.run.invocation.place
        is_where_asked = asked is not None and asked.channel == upload.message_channel
        thread = asked.thread_ts if asked is not None and is_where_asked else None
        return upload.message_channel, thread or upload.message_ts

    def _refused(self, upload: Upload, refused: Refusal) -> None:
        if refused.retry_after is not None:
            self._budget.refused(refused.method, "", refused.retry_after)
            if refused.method == "files.completeUploadExternal":
                self._uploads.not_shared(upload)
            self._uploads.later(upload, timedelta(seconds=refused.retry_after))
        elif refused.method == "files.info" and is_missing_scope(refused):
            _log.warning(
                "run %s: its file may be there twice, for we may not look: %s", upload.run.id, refused
            )
            self._uploads.not_shared(upload)
        elif refused.method == "files.completeUploadExternal" and refused.is_lasting:
            self._not_there(upload, refused)
        elif refused.is_lasting:
            self._give_up(upload, str(refused))
        else:
            self._later(upload, str(refused))

    def _not_there(self, upload: Upload, refused: Refusal) -> None:
        """It was not shared there, and never will be."""
        if refused.code in _TOO_LONG_AGO:
            self._uploads.begin_again(upload)
            self._later(upload, str(refused))
        elif refused.is_unreachable and upload.channel in (None, upload.message_channel):
            _log.warning("run %s: its file goes to its asker, for Slack says %s", upload.run.id, refused.code)
            self._uploads.redirect(upload, upload.run.invocation.actor.id)
        else:
            self._give_up(upload, str(refused))

    def _give_up(self, upload: Upload, why: str) -> None:
        """The result speaks of a file that nobody will get: that is said, at most once."""
        _log.error("run %s: its file %s cannot be sent: %s", upload.run.id, upload.file.name, why)
        self._done(upload, why)
        try:
            self._files.say_missing(upload, why)
        except (SlackApiError, *NO_ANSWER, *_UNFORESEEN) as error:
            _log.error("run %s: nor can that be told: %s", upload.run.id, error)

    def _done(self, upload: Upload, error: str | None = None) -> None:
        self._uploads.done(upload, error)
        self._outgoing.remove(upload.run.id, upload.file)

    def _later(self, upload: Upload, why: str, seconds: float | None = None) -> None:
        wait = min(_FIRST_WAIT * 2**upload.attempts, _LONGEST_WAIT) if seconds is None else seconds
        _log.warning("run %s: its file is tried again in %.1f s: %s", upload.run.id, wait, why)
        self._uploads.later(upload, timedelta(seconds=wait), why)

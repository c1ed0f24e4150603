"""The calls that bring files to Slack and fetch them from it. Decides nothing about when.

Source: Slack's reference of files.getUploadURLExternal, files.completeUploadExternal and files.info. The bytes go to,
and come from, addresses that Slack names; our token only ever goes to Slack's own hosts.
"""

from __future__ import annotations

import http.client
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import IO, Any, BinaryIO

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.language import say
from bot.slack.mrkdwn import cut, escape, plain
from bot.slack.posting import Refusal, refusal
from bot.stores.uploads import Upload

_CHUNK_BYTES = 1 << 16
_SECONDS = 30
_SLACK = "slack.com"
_LONGEST_ALT = 1_000
"""More is refused as `alt_txt_too_large`."""


class UploadRefused(Exception):
    """The place where the bytes go did not take them; `status` is its HTTP status."""

    def __init__(self, status: int, retry_after: float | None) -> None:
        super().__init__(say("the upload was answered with HTTP {status}", status=status))
        self.status = status
        self.retry_after = retry_after


class GivenUp(Exception):
    """Whoever asked for the transfer does not want it any more."""


@dataclass(frozen=True, kw_only=True)
class SlackFile:
    """A file as files.info tells of it; `places` are the conversations that it is shared in."""

    id: str
    name: str
    size: int
    user: str
    mimetype: str
    url: str
    places: frozenset[str]


class SlackFiles:
    """The calls. The client must not retry by itself."""

    def __init__(self, client: WebClient) -> None:
        self._client = client
        self._opener = urllib.request.build_opener(_NoRedirect())

    def announce(self, name: str, size: int, alt: str = "") -> tuple[str, str]:
        """A new file's id, and where its bytes go. Nobody sees it before it is shared.

        `alt` says what a picture shows, for those who do not see it.
        """
        said = cut(plain(alt), _LONGEST_ALT) or None
        answer: Any = self._client.files_getUploadURLExternal(filename=name, length=size, alt_txt=said)
        return str(answer["file_id"]), str(answer["upload_url"])

    def send(self, url: str, content: BinaryIO, size: int, is_wanted: Callable[[], bool]) -> None:
        """Post the bytes; raises UploadRefused, GivenUp, or OSError and HTTPException when no answer came."""
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        body = _Watched(content, is_wanted)
        request = urllib.request.Request(url, data=body, headers=headers, method="POST")
        try:
            with closing(self._opener.open(request, timeout=_SECONDS)) as answer:
                answer.read()
        except urllib.error.HTTPError as error:
            with error:
                raise UploadRefused(error.code, _seconds(error.headers.get("Retry-After"))) from error

    def share(self, file_id: str, name: str, channel: str, thread_ts: str | None) -> None:
        """Let people see it in a conversation. Must not be repeated before it was looked for."""
        self._client.files_completeUploadExternal(
            files=[{"id": file_id, "title": name}], channel_id=channel, thread_ts=thread_ts
        )

    def finish(self, file_id: str, name: str) -> None:
        """All its bytes are there: it may be shown by blocks, and is shared nowhere. May be repeated."""
        self._client.files_completeUploadExternal(files=[{"id": file_id, "title": name}])

    def delete(self, file_id: str) -> None:
        """Remove a file of ours from Slack; one that is gone already is no error."""
        try:
            self._client.files_delete(file=file_id)
        except SlackApiError as error:
            if refusal(error).code not in ("file_not_found", "file_deleted"):
                raise

    def say_missing(self, upload: Upload, why: str) -> None:
        """Say under the result that its file cannot be had, and why."""
        text = say(
            "The file {file} cannot be sent here ({why}). Ask for it again once that is mended.",
            file=upload.file.name,
            why=why,
        )
        self._client.chat_postMessage(
            channel=upload.message_channel if upload.message_ts else upload.run.invocation.actor.id,
            text=escape(text),
            unfurl_links=False,
            unfurl_media=False,
            thread_ts=upload.message_ts,
        )

    def info(self, file_id: str) -> SlackFile | None:
        """What Slack tells of a file; None when it has none of that id, or we may not see it."""
        try:
            answer: Any = self._client.files_info(file=file_id)
        except SlackApiError as error:
            if refusal(error).code in ("file_not_found", "file_deleted", "not_visible"):
                return None
            raise
        return _file(answer["file"])

    def direct(self, user: str) -> str:
        """The id of the conversation with a person."""
        opened: Any = self._client.conversations_open(users=user)
        return str(opened["channel"]["id"])

    @contextmanager
    def content(self, file: SlackFile) -> Iterator[IO[bytes]]:
        """Its bytes, read with our token; raises LoginPage when Slack shows that instead, OSError, HTTPException.

        A redirect is not followed: our token would go along.
        """
        self._refuse_foreign(file.url)
        headers = {"Authorization": f"Bearer {self._client.token}"}
        request = urllib.request.Request(file.url, headers=headers)
        with closing(self._opener.open(request, timeout=_SECONDS)) as answer:
            kind = str(answer.headers.get("Content-Type") or "")
            if kind.startswith("text/html") and not file.mimetype.startswith("text/html"):
                raise LoginPage
            yield answer

    def _refuse_foreign(self, url: str) -> None:
        """Slack's own hosts, or the one that our Web API is at."""
        asked, ours = urllib.parse.urlsplit(url), urllib.parse.urlsplit(self._client.base_url)
        host = asked.hostname or ""
        is_slacks = asked.scheme == "https" and (host == _SLACK or host.endswith(f".{_SLACK}"))
        if not is_slacks and (asked.scheme, asked.netloc) != (ours.scheme, ours.netloc):
            raise ForeignHost(host)


class LoginPage(Exception):
    """Instead of the file Slack sent the page that asks people to sign in: our token may not read files."""


class ForeignHost(Exception):
    """A file lies at a host that is none of Slack's; the text names it. Our token does not go there."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """None: urllib then raises HTTPError."""
        return


class _Watched:
    """A file that stops to be read once nobody wants it."""

    def __init__(self, content: BinaryIO, is_wanted: Callable[[], bool]) -> None:
        self._content = content
        self._is_wanted = is_wanted

    def read(self, size: int = -1) -> bytes:
        """The next bytes; http.client asks for a few thousand at a time."""
        if not self._is_wanted():
            raise GivenUp
        return self._content.read(_CHUNK_BYTES if size < 0 else max(size, _CHUNK_BYTES))


def is_missing_scope(refused: Refusal) -> bool:
    """Whether we lack the right to do that at all."""
    return refused.code in ("missing_scope", "not_allowed_token_type", "unknown_method")


def _seconds(retry_after: str | None) -> float | None:
    return float(retry_after) if retry_after and retry_after.isdecimal() else None


def _file(raw: Mapping[str, Any]) -> SlackFile:
    shares = raw.get("shares") or {}
    places = {channel for kind in shares.values() for channel in kind}
    for kind in ("channels", "groups", "ims"):
        places |= set(raw.get(kind) or ())
    return SlackFile(
        id=str(raw["id"]),
        name=str(raw.get("name") or raw["id"]),
        size=int(raw.get("size") or 0),
        user=str(raw.get("user") or ""),
        mimetype=str(raw.get("mimetype") or ""),
        url=str(raw.get("url_private_download") or raw.get("url_private") or ""),
        places=frozenset(str(place) for place in places),
    )


NO_ANSWER = (OSError, http.client.HTTPException)
"""What a transfer raises when the connection broke; urllib's own errors are OSErrors."""

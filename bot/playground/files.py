"""Uploaded files: promised, received, shared. Knows nothing of HTTP."""

from __future__ import annotations

import mimetypes
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import quote

from bot.playground.records import BOT_USER_ID, Json


@dataclass(frozen=True, kw_only=True)
class StoredFile:
    """A file of the workspace; `content` is None until its bytes arrived."""

    id: str
    name: str
    length: int
    secret: str
    title: str = ""
    user: str = BOT_USER_ID
    alt: str = ""
    content: bytes | None = None
    shared_in: tuple[str, ...] = ()
    deleted: bool = False
    processed_at: float | None = None
    """When Slack is through with looking at it, in unix seconds; None until its upload was completed."""

    def payload(self, base_url: str) -> Json:
        """The file object of Slack's API."""
        url = f"{base_url}/files/{self.id}/{quote(self.name)}"
        return {
            "id": self.id,
            "name": self.name,
            "title": self.title or self.name,
            "user": self.user,
            "size": self.length,
            "mimetype": self.mimetype,
            "mode": "hosted",
            "url_private": url,
            "url_private_download": url,
            "permalink": f"{base_url}/archives/files/{self.user}/{self.id}/{quote(self.name)}",
            **({"alt_txt": self.alt} if self.alt else {}),
            **self._places(),
        }

    def _places(self) -> Json:
        """Where it is shared: `channels` and `ims` by the kind of conversation, as in Slack's file object."""
        channels = [place for place in self.shared_in if not place.startswith("D")]
        direct = [place for place in self.shared_in if place.startswith("D")]
        return {"channels": channels, "groups": [], "ims": direct}

    @property
    def is_picture(self) -> bool:
        """Whether its bytes are those of a PNG, JPEG or GIF, which are what an image block can show."""
        return (self.content or b"").startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8"))

    @property
    def mimetype(self) -> str:
        """Slack's guess from the name."""
        return mimetypes.guess_type(self.name)[0] or "application/octet-stream"


class Files:
    """All files by id. A file can be shown by blocks only some `processing_seconds` after its upload was completed."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.processing_seconds = 0.2
        self._clock = clock
        self._files: dict[str, StoredFile] = {}
        self._lock = threading.Lock()

    def promise(self, name: str, length: int, user: str = BOT_USER_ID, alt: str = "") -> StoredFile:
        """Announce a file whose bytes will follow; `alt` says what a picture shows."""
        with self._lock:
            number = len(self._files) + 1
            secret, file_id = secrets.token_hex(8), f"F{number:08d}"
            file = StoredFile(id=file_id, name=name, length=length, secret=secret, user=user, alt=alt)
            self._files[file.id] = file
            return file

    def get(self, file_id: str) -> StoredFile | None:
        """The file with this id that was not deleted, or None."""
        with self._lock:
            file = self._files.get(file_id)
            return None if file is None or file.deleted else file

    def receive(self, file: StoredFile, content: bytes) -> StoredFile:
        """Store the bytes of a promised file."""
        return self._put(replace(file, content=content))

    def share(self, file: StoredFile, title: str, channel: str | None) -> StoredFile:
        """Complete an upload, optionally into a channel."""
        shared_in = file.shared_in if channel is None else (*file.shared_in, channel)
        at = self._clock() + self.processing_seconds if file.processed_at is None else file.processed_at
        return self._put(replace(file, title=title or file.title, shared_in=shared_in, processed_at=at))

    def is_showable(self, file_id: str) -> bool:
        """Whether an image block may show it now."""
        file = self.get(file_id)
        if file is None or file.processed_at is None:
            return False
        return file.is_picture and file.processed_at <= self._clock()

    def delete(self, file: StoredFile) -> None:
        """Delete a file; its id stays taken."""
        self._put(replace(file, deleted=True, content=None))

    def _put(self, file: StoredFile) -> StoredFile:
        with self._lock:
            self._files[file.id] = file
            return file

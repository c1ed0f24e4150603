"""Single files in containers over docker-py; it must not know what is in them nor why they change."""

from __future__ import annotations

import base64
import io
import json
import secrets
import tarfile
from http import HTTPStatus

from bot.engine.copy_contract import Found, Link
from bot.engine.helpers import STAT_HEADER, HelperVerbs
from bot.engine.translate import scrub
from bot.errors import EngineError, NotFound
from bot.language import say

# Go's os.FileMode, as the archive API gives it in its header (API 1.41, ContainerArchiveInfo).
_DIRECTORY, _SYMLINK = 1 << 31, 1 << 27
_ODD = 1 << 26 | 1 << 25 | 1 << 24 | 1 << 21 | 1 << 19


class SingleFileVerbs(HelperVerbs):
    """The part of the engine that deals with single files in any container, running or not."""

    def look_at(self, holder: str, path: str) -> Found | None:
        """What is at that path; None when nothing is; raises NotFound without the container, or EngineError."""
        with self._connection.call(
            say("look at “{path}” in “{holder}”", path=scrub(path), holder=holder)
        ) as api:
            answer = api.head(
                api._url("/containers/{0}/archive", holder),
                params={"path": path.encode("utf-8", "surrogateescape")},
                timeout=self._connection.limits.request.total_seconds(),
            )
            if answer.status_code == HTTPStatus.NOT_FOUND:
                api.inspect_container(holder)  # 404 means either; this says NotFound when it is the container
                return None
            api._raise_for_status(answer)
        return _found(answer.headers.get(STAT_HEADER, ""), path)

    def link_in(self, holder: str, directory: str, link: Link) -> None:
        """Make the link; raises NotFound without what it is to be a name of, or EngineError.

        The daemon removes what has the name, and gives it the owner that the entry says; nothing else of an entry that
        is a hard link is looked at (seen with 20.10 and 28.5).
        """
        if self.look_at(holder, f"{directory}/{link.existing}") is None:
            raise NotFound(
                say(
                    "There is no {existing} in {directory} any more, so {link} was left as "
                    "it is. Look who else writes there, then send the command again.",
                    existing=scrub(link.existing),
                    directory=scrub(directory),
                    link=scrub(link.name),
                )
            )
        self._put(holder, iter([_link_tar(link)]), directory, keep_directories=True)

    def remove_in(self, holder: str, directory: str, name: str) -> None:
        """Remove the file if it is there; raises EngineError.

        By an entry that cannot be made: a hard link to what does not exist. What had its name is gone by then.
        """
        place = f"{directory}/{name}"
        if self.look_at(holder, place) is None:
            return
        nothing = Link(name=name, existing=f".shipkeeper-nothing-{secrets.token_hex(8)}", uid=0, gid=0)
        try:
            self._put(holder, iter([_link_tar(nothing)]), directory, keep_directories=True)
        except (EngineError, NotFound):
            if self.look_at(holder, place) is not None:
                raise
            return
        raise EngineError(
            say(
                "Docker made {place} in “{holder}” out of nothing instead of removing it. Look at the host, and "
                "remove it by hand.",
                place=scrub(place),
                holder=holder,
            )
        )


def _link_tar(link: Link) -> bytes:
    info = tarfile.TarInfo(link.name)
    info.type, info.linkname, info.uid, info.gid = tarfile.LNKTYPE, link.existing, link.uid, link.gid
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(info)
    return held.getvalue()


def _found(header: str, path: str) -> Found:
    try:
        raw = json.loads(base64.b64decode(header))
        mode, size = int(raw["mode"]), int(raw["size"])
    except (ValueError, KeyError, TypeError) as error:
        raise EngineError(
            say(
                "Docker did not say what “{path}” is. Nothing was changed; look at the host, then send the command "
                "again.",
                path=scrub(path),
            )
        ) from error
    if mode & _DIRECTORY:
        return Found(kind="directory")
    if mode & _SYMLINK:
        return Found(kind="symlink")
    return Found(kind="other") if mode & _ODD else Found(kind="file", size=size)

"""Runs a check that somebody configured, from an image the host has, on a restored volume.

It must not know what the check looks for.
"""

from __future__ import annotations

from contextlib import closing
from typing import Any

import docker
import requests

from bot.engine import HELPER_LABEL, RUN_LABEL, Check, Checked
from bot.engine.mounts import docker_mount
from bot.engine.streams import Frames, Wire
from bot.engine.translate import is_timeout, our_errors, scrub
from bot.engine.volumes import VolumeVerbs
from bot.engine.witness import undoing
from bot.errors import EngineError, NotFound
from bot.language import say
from bot.reasons import Reason

_MOUNT_POINT = "/volume"
_TAIL_CHARACTERS = 4000
_TAIL_BYTES = 4 * _TAIL_CHARACTERS
_TAIL_LINES = 200
_READ_BYTES = 1 << 16
_MOST_PROCESSES = 512

# Whatever a check writes must not fill the host's disk, and must be there to be read, whatever the daemon's default.
_LOGS = {"Type": "json-file", "Config": {"max-size": "1m", "max-file": "2"}}


class CheckVerbs(VolumeVerbs):
    """The part of the engine that runs checks."""

    def run_check(self, name: str, check: Check, volume: str, *, run_id: str) -> Checked:
        """Run it and wait; raises NotFound without the image or the volume, EngineError (`stalled`) at its limit."""
        self.volume(volume)  # Docker would make a missing volume without a word (engine fact 13)
        with self._connection.call(say("start the check “{name}”", name=name), changes=True) as api:
            self._refuse_missing_image(api, check.image)
            made = api.create_container(
                check.image,
                command=list(check.words) or None,
                name=name,
                labels={HELPER_LABEL: "check", RUN_LABEL: run_id},
                host_config=api.create_host_config(
                    mounts=[docker_mount(volume, _MOUNT_POINT, read_only=True)],
                    network_mode="none",
                    security_opt=["no-new-privileges"],
                    pids_limit=_MOST_PROCESSES,
                    log_config=_LOGS,
                ),
            )
            api.start(made["Id"])
        code = self._wait(name, made["Id"], check)
        return Checked(exit_code=code, output=self._tail(name, made["Id"]))

    def _refuse_missing_image(self, api: Any, image: str) -> None:
        try:
            api.inspect_image(image)
        except docker.errors.ImageNotFound as error:
            raise NotFound(
                say(
                    "There is no image “{image}” on host “{host}”, and none is pulled for a "
                    "check. Nothing was changed; pull it, or correct the settings.",
                    image=scrub(image),
                    host=self._connection.host,
                )
            ) from error

    def _wait(self, name: str, identifier: str, check: Check) -> int:
        """Its exit code. A connection of its own, for the shared one would keep the check's long time limit."""
        limit = check.limit.total_seconds()
        attempt = self._connection.attempt(say("wait for the check “{name}”", name=name))
        with self._connection.transfer(attempt) as api, our_errors(attempt):
            try:
                ended = api.wait(identifier, timeout=limit)
            except (requests.RequestException, OSError) as error:
                if not is_timeout(error):
                    raise
                self._kill(name, identifier)
                raise EngineError(
                    say(
                        "The check “{name}” took longer than {limit:g} seconds, so it was stopped. What it looked "
                        "at was not changed; give it more time in the settings, or look at what it does.",
                        name=name,
                        limit=limit,
                    ),
                    reason=Reason.STALLED,
                ) from error
        return int(ended["StatusCode"])

    def _kill(self, name: str, identifier: str) -> None:
        with undoing(), self._connection.call(say("stop the check “{name}”", name=name), changes=True) as api:
            try:
                api.kill(identifier)
            except docker.errors.APIError as error:
                if error.status_code not in (404, 409):  # it ended, or was removed, just now
                    raise

    def _tail(self, name: str, identifier: str) -> str:
        """The end of all it wrote, read to its end but never held whole."""
        tail = bytearray()

        def take(_: int, part: bytes) -> None:
            tail.extend(part)
            del tail[:-_TAIL_BYTES]

        frames = Frames(take)
        attempt = self._connection.attempt(say("read what the check “{name}” wrote", name=name))
        with self._connection.transfer(attempt) as api, our_errors(attempt):
            response = api._get(
                api._url("/containers/{0}/logs", identifier),
                params={"stdout": 1, "stderr": 1, "tail": _TAIL_LINES},
                stream=True,
            )
            api._raise_for_status(response)
            with closing(Wire(response)) as wire:
                while data := wire.raw.read1(_READ_BYTES):
                    frames.feed(data)
        lines = tail.decode("utf-8", "replace").split("\n")
        return "\n".join(_plain(line) for line in lines).strip("\n")[-_TAIL_CHARACTERS:]


def _plain(line: str) -> str:
    """Without signs that could do anything to a terminal or to the eye."""
    return "".join(sign if sign.isprintable() else " " for sign in line).rstrip()

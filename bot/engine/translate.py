"""Turns what docker-py, requests and urllib3 raise into our errors, with sentences for people.

It must not know what is done with the engine, only how the failure of a call reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import docker
import requests
import urllib3

from bot.errors import BotError, Conflict, EngineError, NotFound
from bot.language import say
from bot.secrecy import MAX_RAW_CHARACTERS as MAX_RAW_CHARACTERS
from bot.secrecy import scrub as scrub

# OSError: paramiko and the TLS set-up raise it as it is. All of them: engine fact 19.
SDK_ERRORS = (
    docker.errors.DockerException,
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    OSError,
)
_TIMEOUTS = (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError)


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """What is being tried: `doing` completes “Docker … could not …”; `changes` says whether it alters anything.

    Other languages have no such verb to insert: theirs is a noun phrase, such as “making an image”.
    """

    host: str
    address: str
    doing: str
    changes: bool = False

    @property
    def engine(self) -> str:
        """The engine, as sentences name it."""
        return say("Docker on host “{host}” ({address})", host=self.host, address=scrub(self.address))

    @property
    def state_after_silence(self) -> str:
        """What can be said of the engine's state when no answer came (engine facts 8 and 20)."""
        if self.changes:
            return say(
                "The engine may still carry it out; look at the host before you send the command again."
            )
        return say("Nothing was changed. Check that Docker runs there, then send the command again.")


@contextmanager
def our_errors(attempt: Attempt) -> Iterator[None]:
    """Within it, SDK errors become NotFound (404), Conflict (409) or EngineError; BotErrors pass unchanged."""
    try:
        yield
    except BotError:
        raise
    except SDK_ERRORS as error:
        raise translated(error, attempt) from error


def translated(error: BaseException, attempt: Attempt) -> BotError:
    """The error of ours that an SDK error means."""
    if isinstance(error, docker.errors.APIError):
        return _refusal(error, attempt)
    if is_timeout(error):
        return EngineError(
            say(
                "{engine} did not answer in time, so it could not {doing}. {state}",
                engine=attempt.engine,
                doing=attempt.doing,
                state=attempt.state_after_silence,
            )
        )
    return EngineError(
        say(
            "{engine} could not {doing}, for the connection failed: {error}. {state}",
            engine=attempt.engine,
            doing=attempt.doing,
            error=scrub(error),
            state=attempt.state_after_silence,
        )
    )


def is_timeout(error: BaseException | None) -> bool:
    """Was it a timeout at the root? Both libraries wrap it in other errors, as cause or as first argument.

    To urllib3 2 a refused connection is a timeout by inheritance; to people it is not.
    """
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        if isinstance(error, _TIMEOUTS) and not isinstance(error, urllib3.exceptions.NewConnectionError):
            return True
        seen.append(error)
        inner = [part for part in error.args if isinstance(part, BaseException)]
        error = error.__cause__ or error.__context__ or (inner[0] if inner else None)
    return False


def _refusal(error: docker.errors.APIError, attempt: Attempt) -> BotError:
    said = say(
        "{engine} refused to {doing}: {reason}.",
        engine=attempt.engine,
        doing=attempt.doing,
        reason=scrub(error.explanation or error).rstrip("."),
    )
    if error.status_code == 404:
        return NotFound(" ".join((said, say("Nothing was changed; check the name."))))
    unchanged = (said, say("Nothing was changed."))
    if error.status_code == 409:
        return Conflict(" ".join(unchanged))
    told = (said,) if attempt.changes else unchanged
    return EngineError(" ".join((*told, say("Look at the host, then send the command again."))))

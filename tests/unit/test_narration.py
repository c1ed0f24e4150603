"""What daemons tell of pushes and pulls, in the shapes of several stores, and what their words for failures mean."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Mapping
from typing import Any

import pytest

from bot.engine.images import _failure
from bot.engine.narration import Narration, follow
from bot.engine.translate import Attempt
from bot.errors import Cancelled, NotFound, RegistryError
from bot.reasons import Reason

DIGEST = f"sha256:{'a' * 64}"
ATTEMPT = Attempt(host="local", address="unix:///d.sock", doing="push web", changes=True)


class Response:
    """A response of the daemon, whose lines are given; the last may be without end."""

    def __init__(self, *events: Mapping[str, Any] | bytes) -> None:
        lines = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in events]
        self.raw = io.BytesIO(b"\r\n".join(lines))
        self.is_closed = False

    def close(self) -> None:
        """Given back."""
        self.is_closed = True


def _told(*events: Mapping[str, Any] | bytes) -> tuple[Narration, list[tuple[int, int | None]]]:
    steps: list[tuple[int, int | None]] = []
    told = Narration(lambda done, total: steps.append((done, total)))
    response = Response(*events)
    follow(lambda: response, told, lambda: None)
    assert response.is_closed
    return told, steps


@pytest.mark.parametrize(
    "last",
    [
        {"status": f"1.4: digest: {DIGEST} size: 528"},
        {"progressDetail": {}, "aux": {"Tag": "1.4", "Digest": DIGEST, "Size": 528}},
        {"status": f"Digest: {DIGEST}"},
    ],
    ids=["status", "aux", "pull"],
)
def test_the_digest_is_found_in_every_shape(last: Mapping[str, Any]) -> None:
    """Some stores tell it in a status only, some beside it as well."""
    told, _ = _told({"status": "The push refers to repository [x]"}, last)
    assert (told.digest, told.error) == (DIGEST, None)


def test_what_is_no_digest_is_not_taken_for_one() -> None:
    """Other shapes of `aux`, cut lines and lines that are no objects are passed over."""
    told, _ = _told(
        {"aux": {"manifestPushedInsteadOfIndex": True}},
        {"aux": [DIGEST]},
        {"status": "1.4: digest: sha256:short size: 1"},
        b"[1]",
        b"\xff\xfe",
        b'{"status": "1.4: digest: ',
    )
    assert (told.digest, told.error) == (None, None)


def test_layers_are_added_up() -> None:
    """Done never passes the whole, though Docker's own numbers do, and a layer that is there weighs nothing."""
    _, steps = _told(
        {"id": "a", "status": "Preparing", "progressDetail": {}},
        {"id": "a", "status": "Pushing", "progressDetail": {"current": 10, "total": 100}},
        {"id": "b", "status": "Layer already exists"},
        {"id": "c", "status": "Pushing", "progressDetail": {"current": 60, "total": 50}},
        {"id": "a", "status": "Pushing", "progressDetail": {"current": 40}},
        {"id": "a", "status": "Pushed"},
    )
    assert steps == [(10, 100), (10, 100), (60, 150), (90, 150), (150, 150)]


def test_the_first_failure_is_kept() -> None:
    """A stream may go on after it failed; what came first is the cause."""
    told, _ = _told({"errorDetail": {"message": "first"}, "error": "first"}, {"error": "second"})
    assert told.error == "first"


def test_silence_does_not_keep_anybody() -> None:
    """Also before the daemon has answered at all, the check is asked, and what it raises comes at once."""
    never = threading.Event()

    def check() -> None:
        raise Cancelled("enough")

    with pytest.raises(Cancelled):
        follow(lambda: never.wait(5), Narration(lambda *_: None), check)
    never.set()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("no basic auth credentials", Reason.UNAUTHORIZED),
        ("unauthorized: authentication required", Reason.UNAUTHORIZED),
        (
            "push access denied, repository does not exist or may require authorization: no basic auth credentials",
            Reason.UNAUTHORIZED,
        ),
        (
            "unexpected status from HEAD request to http://x/v2/y/blobs/z: 401 Unauthorized",
            Reason.UNAUTHORIZED,
        ),
        ("denied: requested access to the resource is denied", Reason.REFUSED),
        ("error parsing HTTP 405 response body: unexpected end of JSON input", Reason.REFUSED),
        ("Method not allowed", Reason.REFUSED),
        ("dial tcp 127.0.0.1:5: connect: connection refused", Reason.UNREACHABLE),
        ("dial tcp: lookup registry.invalid: no such host", Reason.UNREACHABLE),
        ("net/http: TLS handshake timeout", Reason.UNREACHABLE),
        ("received unexpected HTTP status: 503 Service Unavailable", Reason.UNREACHABLE),
        ("toomanyrequests: too many requests", Reason.UNREACHABLE),
        ("EOF", Reason.UNREACHABLE),
        ("x509: certificate signed by unknown authority", Reason.REGISTRY),
        ("http: server gave HTTP response to HTTPS client", Reason.REGISTRY),
        ("blob upload invalid", Reason.REGISTRY),
    ],
)
def test_failures_are_sorted_by_what_their_words_have_in_common(words: str, reason: Reason) -> None:
    """Texts differ from store to store; each gets its reason, keeps its words, and only some may pass."""
    failure = _failure(ATTEMPT, words, ())
    assert isinstance(failure, RegistryError)
    assert (failure.reason, failure.is_transient) == (reason, reason is Reason.UNREACHABLE)
    assert words in str(failure)
    assert "does not count as done" in str(failure)


@pytest.mark.parametrize(
    "words",
    [
        "An image does not exist locally with the tag: registry.example.com/web",
        "tag does not exist: registry.example.com/web:9",
        "manifest unknown: manifest unknown",
        "manifest for registry.example.com/web:9 not found: manifest unknown: manifest unknown",
        "registry.example.com/web:9: not found",
    ],
)
def test_what_is_not_there_is_not_found(words: str) -> None:
    """Here or in the registry: a name to be corrected, which trying again does not help."""
    assert isinstance(_failure(ATTEMPT, words, ()), NotFound)


def test_a_failure_that_repeats_the_secret_is_scrubbed() -> None:
    """Daemons and registries may say again what they were told."""
    assert "hunter2" not in str(_failure(ATTEMPT, "denied for bot:hunter2", ("hunter2",)))

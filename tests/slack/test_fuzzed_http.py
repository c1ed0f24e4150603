"""The HTTP door under thousands of requests that are none: all turned away, nothing run, and the bot as before."""

from __future__ import annotations

import http.client
import os
from collections import Counter
from collections.abc import Iterator

import pytest

from bot.model import Status
from bot.playground import Signature
from bot.playground.http_delivery import encode, signature_headers
from tests.slack.recorded import recorded
from tests.slack.workplace import Workplace
from tests.support.effort import drawn_seed
from tests.support.fuzzed import Fuzz, Spoilt
from tests.support.logged import logged

pytestmark = [pytest.mark.slack, pytest.mark.parametrize("closed", ["http"], indirect=True)]

REQUESTS = int(os.environ.get("SHIPKEEPER_FUZZ", "1000"))
SEED = drawn_seed()
UNSIGNED = 401
REPLAYS = 20


@pytest.fixture
def errors() -> Iterator[list[str]]:
    """What is logged as an error from here on."""
    with logged() as lines:
        yield lines


class Outsider:
    """Whoever can reach the port. Some requests are signed nevertheless, as if Slack itself had gone mad."""

    def __init__(self, work: Workplace) -> None:
        self._work = work
        self._line: http.client.HTTPConnection | None = None

    def send(self, spoilt: Spoilt) -> int:
        """Send it, over the connection that is open if there is one; the status."""
        how = Signature.GOOD if spoilt.signed else Signature.MISSING
        signed = signature_headers(self._work.playground.signing_secret, spoilt.body, how)
        return self.post(spoilt.body, {"Content-Type": spoilt.content_type, **signed, **spoilt.headers})

    def post(self, body: bytes, headers: dict[str, str]) -> int:
        """Exactly these bytes and headers; the status."""
        for _ in range(2):  # the bot may have closed a connection that was idle
            line = self._line or http.client.HTTPConnection("127.0.0.1", self._work.port, timeout=20)
            self._line = line
            try:
                line.request("POST", "/slack/events", body, headers)
                answer = line.getresponse()
                answer.read()
                return answer.status
            except (http.client.HTTPException, OSError):
                self.hang_up()
        raise AssertionError("the web door does not answer")

    def hang_up(self) -> None:
        """Close the connection."""
        if self._line is not None:
            self._line.close()
        self._line = None


def test_what_is_no_request_of_slacks_is_turned_away(
    work: Workplace, errors: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Every one gets a 4xx, none makes a run, nothing is logged as an error, and a good command still works."""
    good = recorded(work)
    work.wait_until_quiet()
    before = {run.id for run in work.runs()}
    fuzz, outsider = Fuzz(good, SEED), Outsider(work)
    seen: Counter[int] = Counter()
    for number, spoilt in zip(range(REQUESTS), fuzz.requests(), strict=False):
        status = outsider.send(spoilt)
        seen[status] += 1
        is_right = status == UNSIGNED if not spoilt.signed or spoilt.headers else 400 <= status < 500
        assert is_right, (
            f"request {number} of seed {SEED} ({spoilt.why}) got {status}: {spoilt.body[:2000]!r}"
        )
    outsider.hang_up()
    assert {run.id for run in work.runs()} == before, f"seed {SEED}"
    assert not errors, f"seed {SEED}"
    assert sum(work.bot.slack.refusals().values()) >= REQUESTS * 0.9
    work.told(work.slash("/backup", "pgdata"), Status.SUCCEEDED)
    with capsys.disabled():
        print(f"\n{REQUESTS} requests, seed {SEED}: {dict(sorted(seen.items()))}")


def test_odd_values_anywhere_do_no_harm(work: Workplace, errors: list[str]) -> None:
    """Where nothing depends on it, an odd value changes nothing; elsewhere it is refused; nowhere does it break us."""
    good = recorded(work)
    work.wait_until_quiet()
    before = {run.id for run in work.runs()}
    fuzz, outsider = Fuzz(good, SEED), Outsider(work)
    for _ in range(REQUESTS // 8):
        why, spoilt = fuzz.odd_somewhere()
        status = outsider.send(spoilt)
        assert status < 500, f"seed {SEED} ({why}) got {status}"
    outsider.hang_up()
    work.wait_until_quiet()
    assert {run.id for run in work.runs()} == before, f"seed {SEED}"
    assert not errors, f"seed {SEED}"
    work.told(work.slash("/backup", "pgdata"), Status.SUCCEEDED)


def test_the_same_bytes_again_make_no_new_run(work: Workplace) -> None:
    """A signed request that somebody caught and sends again, signature and all, is the delivery it was."""
    good = recorded(work)
    work.wait_until_quiet()
    before = {run.id for run in work.runs()}
    outsider = Outsider(work)
    kinds = set()
    for delivery in work.world.deliveries:
        if delivery.kind == "home":
            continue
        kinds.add(delivery.kind)
        body, content_type = encode(delivery)
        signed = signature_headers(work.playground.signing_secret, body, Signature.GOOD)
        for _ in range(REPLAYS):
            assert outsider.post(body, {"Content-Type": content_type, **signed}) == 200
    outsider.hang_up()
    work.wait_until_quiet()
    assert {run.id for run in work.runs()} == before
    assert len(good) > len(kinds) >= 5

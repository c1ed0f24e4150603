"""What tests ask of the doctor: that a fault is named with its remedy, in time, and that nothing else is."""

from __future__ import annotations

import os

from bot.model import Outcome, Status
from bot.registry.client import HttpRegistry
from bot.registry.wire import Tls
from bot.secrecy import Login
from tests.support.canaries import is_in

LONGEST_SECONDS = 10.0 if "PYTEST_XDIST_WORKER" not in os.environ else 20.0


def rows(outcome: Outcome) -> list[dict[str, str]]:
    """What was looked at, as programs read it."""
    table = outcome.reply.table
    assert table is not None
    return [dict(zip(table.columns, map(str, row), strict=True)) for row in table.rows]


def troubles(outcome: Outcome) -> dict[str, str]:
    """State and name of every check that is not well, `wrong channel`, with the sentence."""
    return {f"{one['state']} {one['check']}": one["what"] for one in rows(outcome) if one["state"] != "ok"}


def refuse_unnamed(outcome: Outcome, named: str, *says: str) -> None:
    """Fail unless that trouble is named, with these words and with a remedy, in time; and its ending fits."""
    found = [one for one in rows(outcome) if f"{one['state']} {one['check']}" == named]
    assert found, f"{named} is not named, but {troubles(outcome)}"
    text = " ".join(f"{one['what']} {one['remedy']}" for one in found)
    assert all(word in text for word in says), text
    assert all(one["remedy"] for one in found), f"{named} has no remedy"
    assert named.split()[1] in outcome.reply.text
    assert outcome.status is (Status.FAILED if _has_wrong(outcome) else Status.PARTIAL)
    assert outcome.took.total_seconds() < LONGEST_SECONDS
    assert not is_in(str(outcome)), "the doctor told a secret"


def _has_wrong(outcome: Outcome) -> bool:
    return any(one["state"] == "wrong" for one in rows(outcome))


def client_of(host: str, login: Login) -> HttpRegistry:
    """The registry `company` at that address, without TLS, where the settings say that login."""
    return HttpRegistry("company", host, source=lambda: login, tls=Tls(insecure_http=True))

"""Slack: whether the tokens are the right ones, what they may do, and whether the bot is where it is to speak.

Decides what answers mean; how Slack is asked, `bot.slack.examining` knows. No token is ever in a finding.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

from bot.doctor import Check, Finding, ok, warning, wrong
from bot.doctor.asked import NETWORK, Answer, Asked, Keys, Wanted
from bot.doctor.channels import channel_check
from bot.doctor.clocks import skewed
from bot.language import later, listed, say

BOT_TOKEN, APP_TOKEN, SECRET = "SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET"

_KINDS = {
    "xoxb-": later("a bot token"),
    "xapp-": later("an app-level token"),
    "xoxp-": later("a person’s token"),
    "xoxe": later("a token that is renewed by itself, which shipkeeper cannot do"),
}
"""How tokens begin; source: Slack's page “Tokens”."""

_REMEDIES = {
    "token_revoked": later("Install the app into the workspace again, and put its new token there."),
    "token_expired": later("Switch token rotation off in the app’s settings, and put a new token there."),
    "account_inactive": later("Install the app into the workspace again, and put its new token there."),
}
_AGAIN = later("Copy it once more from the app’s settings at api.slack.com, and start the bot again.")

_APP_TOKEN = re.compile(r"xapp-\d+-(?P<app>A[A-Z0-9]{4,})-")
_OF_THE_TOKEN = ("invalid_auth", "not_authed", "not_allowed_token_type", *_REMEDIES)
"""Refusals that are about the token itself, not about what is asked with it."""
_AHEAD = later(
    "Our clock is {time} ahead of Slack’s. From five minutes on what Slack signs is refused, and whatever is due "
    "comes too early."
)
_BEHIND = later(
    "Our clock is {time} behind Slack’s. From five minutes on what Slack signs is refused, and whatever is due comes "
    "too late."
)


def checks(
    keys: Keys, asked: Asked, wanted: Wanted, clock: Callable[[], datetime], channels: Mapping[str, str]
) -> tuple[Check, ...]:
    """All that can be asked with these keys; `channels` are ids with what each is used for."""
    if keys.bot_token is None and keys.app_token is None and keys.signing_secret is None:
        return (Check(name="slack", look=_not_set, remedy=""),)
    made = [
        Check(name="bot-token", look=lambda: _bot(keys, asked, wanted, clock), remedy=say(NETWORK)),
        Check(name="events", look=lambda: _events(keys, asked), remedy=say(NETWORK)),
    ]
    if kind_of(keys.bot_token) == "xoxb-":
        app_id = app_of(keys.app_token)
        if app_id:
            made.append(Check(name="app", look=lambda: _app(asked.app(), app_id), remedy=say(NETWORK)))
        made += [channel_check(asked, one, use) for one, use in channels.items()]
    return tuple(made)


def kind_of(token: str | None) -> str:
    """How the token begins, if it begins like one of Slack's; else empty."""
    return next((start for start in _KINDS if token and token.startswith(start)), "")


def app_of(app_token: str | None) -> str:
    """The id of the app that an app-level token is of, which stands in it (`xapp-1-A012ABCDEF-…`); else empty."""
    found = _APP_TOKEN.match(app_token or "")
    return found["app"] if found else ""


def _app(answer: Answer, app_id: str) -> Iterator[Finding]:
    """Two tokens that Slack knows may be of two apps, such as one for tests: then nothing is ever heard."""
    if not answer.app:
        return  # whatever keeps Slack from saying so has a check of its own
    if answer.app == app_id:
        yield ok("app", say("Both tokens are of the same app, {app}.", app=app_id))
        return
    yield wrong(
        "app",
        say(
            "SLACK_BOT_TOKEN is of the app {app}, and SLACK_APP_TOKEN of the app {other}: what people type to the one "
            "is never heard.",
            app=answer.app,
            other=app_id,
        ),
        say("Take both tokens from the settings of one app at api.slack.com."),
    )


def _not_set() -> Iterator[Finding]:
    yield warning(
        "slack",
        say("No token of Slack’s is set here, so nobody is reached there. Is that meant?"),
        say(
            "If Slack is to be used from here, set SLACK_BOT_TOKEN, and SLACK_APP_TOKEN or SLACK_SIGNING_SECRET; "
            "`shipkeeper manifest` makes the app that they come from. Else nothing is to be done."
        ),
    )


def _misplaced(variable: str, token: str | None, start: str) -> Finding | None:
    """What is wrong with a token as it stands there, before anybody is asked."""
    name = "bot-token" if variable == BOT_TOKEN else "events"
    if token is None:
        return wrong(
            name,
            say("{variable} is not set.", variable=variable),
            say(
                "Set it to {kind} ({start}…), from the app’s settings at api.slack.com.",
                kind=say(_KINDS[start]),
                start=start,
            ),
        )
    found = kind_of(token)
    if found == start:
        return None
    held = (
        say("{kind} ({start}…)", kind=say(_KINDS[found]), start=found)
        if found
        else say("no token of Slack’s")
    )
    return wrong(
        name,
        say("{variable} holds {held}.", variable=variable, held=held),
        say(
            "Put {kind} there: it begins with {start}. Perhaps two variables were mixed up.",
            kind=say(_KINDS[start]),
            start=start,
        ),
    )


def _bot(keys: Keys, asked: Asked, wanted: Wanted, clock: Callable[[], datetime]) -> Iterator[Finding]:
    problem = _misplaced(BOT_TOKEN, keys.bot_token, "xoxb-")
    if problem is not None:
        yield problem
        return
    answer = asked.identity()
    now = clock()
    problem = _refused("bot-token", BOT_TOKEN, answer)
    if problem is not None:
        yield problem
    else:
        yield ok("bot-token", say("Slack knows the bot, in the workspace {team}.", team=answer.team))
        yield from _scopes(answer.scopes, wanted)
    if answer.at is not None:
        yield _clock(answer.at, now)


def _refused(name: str, variable: str, answer: Answer) -> Finding | None:
    if answer.silence:
        return wrong(name, say("Slack does not answer: {why}.", why=answer.silence), say(NETWORK))
    if answer.refusal == "ratelimited":
        return warning(
            name, say("Slack is asked too often, and says nothing now."), say("Ask again in a minute.")
        )
    if answer.refusal:
        return wrong(
            name,
            say("Slack does not accept {variable} ({code}).", variable=variable, code=answer.refusal),
            say(_REMEDIES.get(answer.refusal, _AGAIN)),
        )
    return None


def _scopes(held: frozenset[str] | None, wanted: Wanted) -> Iterator[Finding]:
    remedy = say(
        "Put the app’s manifest in order with `shipkeeper manifest`, and install the app into the workspace again."
    )
    if held is None:
        yield warning(
            "scopes", say("Slack does not say what the bot may do (x-oauth-scopes is missing)."), remedy
        )
        return
    missing = [one for one in wanted.scopes if one not in held]
    declined = [one for one in wanted.optional if one not in held]
    unused = sorted(held.difference(wanted.scopes, wanted.optional))
    if missing:
        yield wrong(
            "scopes",
            say("The bot may not do what it needs; missing are {scopes}.", scopes=listed(missing)),
            remedy,
        )
    if declined:
        yield warning(
            "scopes",
            say(
                "Optional scopes are missing: {scopes}. Some things work less well.", scopes=listed(declined)
            ),
            remedy,
        )
    if unused:
        yield warning(
            "scopes",
            say("The bot may do more than it needs; nobody uses {scopes}.", scopes=listed(unused)),
            remedy,
        )
    if not (missing or declined or unused):
        yield ok("scopes", say("The bot may do what its manifest asks for, and no more."))


def _clock(theirs: datetime, ours: datetime) -> Finding:
    seconds = round(abs(theirs - ours).total_seconds())
    told = skewed(ours, theirs, _AHEAD, _BEHIND)
    if told is None:
        return ok("clock", say("Our clock agrees with Slack’s."), slack_clock_seconds=seconds)
    remedy = say("Let this machine keep its time by NTP: `timedatectl set-ntp true`, or chrony.")
    return wrong("clock", told, remedy, slack_clock_seconds=seconds)


def _events(keys: Keys, asked: Asked) -> Iterator[Finding]:
    """How Slack reaches us: by a socket, or else by signed requests."""
    if keys.app_token is None and keys.signing_secret is None:
        yield wrong(
            "events",
            say("Neither SLACK_APP_TOKEN nor SLACK_SIGNING_SECRET is set: Slack cannot send us anything."),
            say(
                "For Socket Mode set SLACK_APP_TOKEN (xapp-…); for signed HTTP set SLACK_SIGNING_SECRET. Both are in "
                "the app’s settings, under Basic Information."
            ),
        )
    elif keys.app_token is not None:
        yield _misplaced(APP_TOKEN, keys.app_token, "xapp-") or _socket(asked.socket())
    elif kind_of(keys.signing_secret):
        yield wrong(
            "events",
            say("SLACK_SIGNING_SECRET holds a token, not the signing secret."),
            say(
                "Put the app’s signing secret there, from Basic Information; tokens have variables of their own."
            ),
        )
    else:
        yield ok(
            "events",
            say("A signing secret is set. Whether it is the right one shows when Slack sends something."),
        )


def _socket(answer: Answer) -> Finding:
    if answer.refusal and answer.refusal not in (*_OF_THE_TOKEN, "ratelimited"):
        return wrong(
            "events",
            say("Slack does not open Socket Mode ({code}).", code=answer.refusal),
            say(
                "Switch Socket Mode on in the app’s settings, and give the app-level token the scope connections:write."
            ),
        )
    return _refused("events", APP_TOKEN, answer) or ok("events", say("Socket Mode can be opened."))

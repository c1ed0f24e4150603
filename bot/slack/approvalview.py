"""A request for approval as Slack shows it: what binds it, whose word is wanted, who gave it, until when. Pure."""

from __future__ import annotations

from bot.approvals import binding
from bot.consent import Approval, given, wanted
from bot.language import say
from bot.slack.mrkdwn import cut, escape, moment, plain

_MOST = 1_500


def lines(asked: Approval) -> tuple[str, ...]:
    """In mrkdwn, a line each; names are texts of others."""
    bound = binding.in_words(asked.binds)
    told = [
        say("Only for exactly this: {things}", things=_safe(bound)) if bound else "",
        say(
            "Plan {digest} · waits until {time}",
            digest=asked.digest[:12],
            time=moment(asked.expires_at, "{date_short_pretty} {time_secs}"),
        ),
        _safe(wanted(asked)),
        _safe(given(asked)),
    ]
    return tuple(line for line in told if line)


def _safe(text: str) -> str:
    return escape(cut(plain(text), _MOST))

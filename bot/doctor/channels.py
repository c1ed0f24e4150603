"""Channels of the settings and of schedules: whether what is posted there arrives. Must not know how Slack is asked."""

from __future__ import annotations

from bot.doctor import Check, Finding, ok, warning, wrong
from bot.doctor.asked import NETWORK, Asked, Channel
from bot.language import say


def channel_check(asked: Asked, channel_id: str, use: str) -> Check:
    """Whether the bot is in the channel, which is for that use."""
    target = f"channel:{channel_id}"
    return Check(
        name="channel",
        look=lambda: [_in_channel(asked.channel(channel_id), channel_id, use)],
        remedy=say(NETWORK),
        target=target,
    )


def _in_channel(found: Channel, channel_id: str, use: str) -> Finding:
    named = f"#{found.name}" if found.name and not found.is_private else channel_id
    invite = say("Type `/invite @shipkeeper` in {channel}, or name another channel.", channel=named)
    if found.silence:
        return wrong("channel", say("Slack does not answer: {why}.", why=found.silence), say(NETWORK))
    if found.refusal == "missing_scope":
        return warning(
            "channel",
            say(
                "Nobody can tell whether the bot is in {channel}, which is for {use}.", channel=named, use=use
            ),
            say("Give the app the optional scopes channels:read and groups:read, and install it again."),
        )
    if found.refusal:
        return wrong(
            "channel",
            say(
                "The bot cannot see {channel}, which is for {use} ({code}).",
                channel=named,
                use=use,
                code=found.refusal,
            ),
            say("See whether the id is right. If the channel is private, {invite}", invite=invite),
        )
    if found.is_archived:
        return wrong(
            "channel",
            say(
                "{channel}, which is for {use}, is archived: nothing can be posted there.",
                channel=named,
                use=use,
            ),
            say("Name another channel, or bring this one back."),
        )
    if found.is_member:
        return ok("channel", say("The bot is in {channel}, which is for {use}.", channel=named, use=use))
    if "chat:write.public" in (found.scopes or ()) and not found.is_private:
        return warning(
            "channel",
            say(
                "The bot is not in {channel}, which is for {use}: messages arrive, but no files.",
                channel=named,
                use=use,
            ),
            invite,
        )
    return wrong(
        "channel",
        say(
            "The bot is not in {channel}, which is for {use}: nothing arrives there.", channel=named, use=use
        ),
        invite,
    )

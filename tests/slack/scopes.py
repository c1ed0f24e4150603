"""What the bot's token may do in these tests: what its manifest asks for, and nothing beside it."""

from __future__ import annotations

from bot.slack import manifest

SCOPES = frozenset({*manifest.SCOPES, *manifest.OPTIONAL_SCOPES})
NOT_WHERE_IT_IS_NO_MEMBER = SCOPES - {"chat:write.public"}
"""As it is where the optional right to post in channels that it was not invited to was not given."""

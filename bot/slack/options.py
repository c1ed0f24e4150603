"""What is offered while somebody types, as Slack takes it: never more than one frame of the socket carries.

Slack closes a Socket Mode connection on a frame of more than 20,480 bytes, and 100 long options are more than that.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from bot.completion import Candidate
from bot.slack.fields import Block, option

_FRAME_BYTES = 18_000


def within_a_frame(offers: Iterable[Candidate]) -> list[Block]:
    """The options, best first, as many as fit. What is too long for an option can only be typed as a command line."""
    kept: list[Block] = []
    used = 0
    for one in offers:
        made = option(one)
        if made is None:
            continue
        used += len(json.dumps(made)) + 2
        if used > _FRAME_BYTES:
            break
        kept.append(made)
    return kept

"""How much a test tries, and which: few and the same in `make test`, many and always others in the campaign.

`SHIPKEEPER_CAMPAIGN=1` asks for many; `SHIPKEEPER_SEED` says which are drawn, and without it nobody knows before.
"""

from __future__ import annotations

import os
import random

IS_CAMPAIGN = os.environ.get("SHIPKEEPER_CAMPAIGN", "") == "1"


def examples(few: int, many: int) -> int:
    """The number for this run."""
    return many if IS_CAMPAIGN else few


def drawn_seed() -> int:
    """What a test draws its cases by: the seed it was given, or any."""
    return int(os.environ.get("SHIPKEEPER_SEED", random.SystemRandom().randrange(10**6)))

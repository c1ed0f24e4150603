"""How many examples a test tries: few in the ordinary suite, many in the campaign (`SHIPKEEPER_CAMPAIGN=1`)."""

from __future__ import annotations

import os

IS_CAMPAIGN = os.environ.get("SHIPKEEPER_CAMPAIGN", "") == "1"


def examples(few: int, many: int) -> int:
    """The number for this run."""
    return many if IS_CAMPAIGN else few

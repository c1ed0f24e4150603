"""Which authorities the machine trusts, read once for all clients of Slack; it must not know what they ask."""

from __future__ import annotations

import ssl
from functools import cache


@cache
def trusted() -> ssl.SSLContext:
    """The machine's own authorities. Left alone, the SDK reads them again for every call: 35 ms, more than all else."""
    return ssl.create_default_context()

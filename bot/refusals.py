"""Which ending an error for people stands for, and its words. Must not know what was refused, nor to whom."""

from __future__ import annotations

from collections.abc import Callable

from bot.errors import (
    BotError,
    Busy,
    Cancelled,
    Conflict,
    Expired,
    Interrupted,
    NotFound,
    PermissionDenied,
    TooFast,
    UsageError,
)
from bot.model import Reply, Status

_ENDINGS: tuple[tuple[type[BotError], Status], ...] = (
    (PermissionDenied, Status.DENIED),
    (Cancelled, Status.CANCELLED),
    (Interrupted, Status.INTERRUPTED),
    (Expired, Status.EXPIRED),
    (UsageError, Status.REJECTED),
    (NotFound, Status.REJECTED),
    (Busy, Status.REJECTED),
    (TooFast, Status.REJECTED),
    (Conflict, Status.REJECTED),
    (BotError, Status.FAILED),
)


def refusal(error: BotError, may_touch: Callable[[str], bool]) -> Reply:
    """The ending and the words that an error for people stands for, with what its clean-up could not do.

    Names that may have been meant are told as far as the target of each `may_touch`.
    """
    status = next(status for kind, status in _ENDINGS if isinstance(error, kind))
    told = error.told_to(may_touch) if isinstance(error, NotFound) else str(error)
    text = " ".join([told, *getattr(error, "__notes__", ())])
    # By the reason of one who was too fast `stores/sent.py` knows it again.
    is_told = status is Status.FAILED or isinstance(error, TooFast)
    facts = {"reason": error.reason.value} if is_told and error.reason else {}
    return Reply(text=text, status=status, facts=facts)

"""Looks every minute whether volumes are protected, and tells when they are not. Must not know any handler.

`watch.py` is the thread; the others judge one thing each, and say what they cannot judge just now.
"""

from bot.alarms.watch import Alarms

__all__ = ["Alarms"]

"""Schedules: how they are made, from chat (`making.py`), settings or labels (`settings.py`, `discovery.py`), and kept.

`timer.py` wakes `due.py`, which decides what comes of a due time: a run, or one that was missed (`missed.py`). What
people see of them is `seen.py` and `told.py`. Must not know Slack, nor what a schedule's line does.
"""

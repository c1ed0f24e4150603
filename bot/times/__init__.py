"""When things are due: cron, intervals and plain words in a time zone, and what is too late. Pure.

Must not know a schedule, a store or a clock.
"""

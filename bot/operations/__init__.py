"""What we mean: backup, verify, restore, in terms of engine and archive.

Must not know Slack, the dispatcher or the database.
"""

"""The bot, without its commands: everything between Slack, a shell and Docker. Knows no handler."""

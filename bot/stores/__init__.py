"""What outlives the process: the database and the backups on disk. Knows neither Slack nor Docker."""

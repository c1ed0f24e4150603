"""The only room that speaks Slack: payloads in, invocations on; outcomes in, messages out. Decides nothing."""

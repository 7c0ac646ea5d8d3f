"""Tells people and other systems what changed: Slack, e-mail, signed webhooks."""

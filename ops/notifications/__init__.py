"""Telling people and programs what happened: webhooks and e-mail, through one outbox."""

"""Text messages on their way out of the outbox, and those that come in. `docs/howto/sms.md` tells the whole story."""

"""Conversations: finding calls, and one call with everything that is known of it."""

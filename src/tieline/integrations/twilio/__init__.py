"""Twilio: its REST API through the official SDK, its webhooks' signatures, TwiML, and the media-stream protocol."""

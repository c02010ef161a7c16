"""Twilio on loopback: its REST API, kept by Prism to what Twilio describes, and calls as Twilio plays them."""

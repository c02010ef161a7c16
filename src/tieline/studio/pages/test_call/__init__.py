"""Test call: talk to a project from the browser, by microphone or by text."""

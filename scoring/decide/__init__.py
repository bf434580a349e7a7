"""Decisions for all events, and alerts for the few that a person should see."""

"""Tokens of other services for the user of a task."""

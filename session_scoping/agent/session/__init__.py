"""The session of one task: its credentials, their refresh, and sessions derived from it."""

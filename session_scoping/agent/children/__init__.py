"""Credentials for child processes: the task file, the narrowing policy, the command."""

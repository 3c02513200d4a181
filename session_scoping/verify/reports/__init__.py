"""The outcome as data, and how people and machines are shown it."""

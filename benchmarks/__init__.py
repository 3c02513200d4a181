"""Measurements behind the numbers in the code; see README.md."""

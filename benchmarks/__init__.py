"""Size and speed of the constructs: plain scripts that print tables, never timed tests."""

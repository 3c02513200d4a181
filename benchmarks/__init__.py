"""What the package costs: commands that rewrite the tables of README.md, or check those that no machine changes."""

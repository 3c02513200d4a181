"""Development commands that never ship."""

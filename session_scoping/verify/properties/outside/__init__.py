"""What somebody from outside may and may not do."""

"""What a session may and may not do."""

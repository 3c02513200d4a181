"""What the roles agent code runs with may and may not do."""

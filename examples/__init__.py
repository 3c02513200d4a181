"""Examples an adopter can start from."""

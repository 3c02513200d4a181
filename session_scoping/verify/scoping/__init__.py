"""What a deployment means to isolate: session roles, their tags, their keys."""

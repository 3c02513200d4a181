"""A Fargate task that keeps its task role, and gets sessions for its tasks' data."""
